"""Decoding with PyAV, which brings its own FFmpeg; it also opens every file for the other decoder."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from lrcn_hub.data.videos.faults import UnreadableVideoError, opening_fault
from lrcn_hub.data.videos.wholeness import missing_bytes

VideoSource = str | os.PathLike[str]

WITHOUT_TIMES = "avi"  # stores frames in the order of decoding, and its time stamps count in that order

# Else PyAV starts threads anew to convert each frame, which costs more than they save; PyAV 16 knows no other way.
_ONE_THREAD: dict[str, Any] = {"threads": 1} if int(av.__version__.partition(".")[0]) >= 17 else {}


@dataclass
class OpenVideo:
    """A video opened for reading from its start."""

    name: str
    container: InputContainer
    stream: VideoStream

    @property
    def fps(self) -> float:
        """Frames per second on average; 25 where nothing tells."""
        return float(self.stream.average_rate or self.stream.guessed_rate or 25)

    def decoded(self) -> Iterator[VideoFrame]:
        """Decode in presentation order; raises `UnreadableVideoError` where the data are damaged."""
        count = 0
        try:
            for frame in self.container.decode(self.stream):
                yield frame
                count += 1
        except av.FFmpegError as error:
            reason = f"damaged; {count} frames could be read before the damage ({error.strerror})"
            raise UnreadableVideoError(self.name, reason) from error

    def clock(self) -> Clock:
        """Make what tells the time of each frame."""
        return Clock(self.fps, None if self.container.format.name == WITHOUT_TIMES else self.stream.time_base)


class Clock:
    """Times of successive frames, in seconds since the first; they always grow.

    Without a time base frames are 1 / fps apart, and so is a frame from the one before it whose own stamp is missing
    or not later.
    """

    def __init__(self, fps: float, time_base: Fraction | None) -> None:
        self._step, self._time_base = 1 / fps, time_base
        self._first: int | None = None
        self._frames, self._time = 0, 0.0

    def tick(self, stamp: int | None) -> float:
        """Tell the time of the next frame, which carries `stamp`."""
        expected = self._frames * self._step if self._time_base is None else self._time + self._step
        if self._frames == 0:
            self._first = stamp
        elif self._time_base is None or stamp is None or self._first is None:
            self._time = expected
        else:
            time = float((stamp - self._first) * self._time_base)
            self._time = time if time > self._time else expected
        self._frames += 1
        return self._time


@contextmanager
def open_video(source: VideoSource, **options: Any) -> Iterator[OpenVideo]:
    """Open the first video stream that is not a cover picture; `options` go to `av.open`."""
    name = os.fspath(source)
    if os.path.isfile(name) and not os.path.getsize(name):
        raise UnreadableVideoError(name, "the file is empty")
    try:  # "file:", or FFmpeg takes what stands before a colon in a file's name for a protocol
        container = av.open(f"file:{name}" if os.path.isfile(name) else name, **options)
    except (av.FFmpegError, OSError, ValueError) as error:
        raise UnreadableVideoError(name, opening_fault(error)) from error
    with container:
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise UnreadableVideoError(name, "it has no video stream")
        yield OpenVideo(name, container, streams[0])


def upright(frame: VideoFrame) -> np.ndarray:
    """Convert a decoded frame to RGB, uint8 (height, width, 3), turned as its rotation metadata ask."""
    return np.rot90(frame.to_ndarray(format="rgb24", **_ONE_THREAD), round(frame.rotation / 90))


def refuse_cut_short(path: VideoSource) -> None:
    """Raise `UnreadableVideoError` for a file that lacks its end, with the number of frames that can be read."""
    missing = missing_bytes(path) if os.path.isfile(path) else 0
    if missing:
        count = _readable_frames(path)
        left = f"{count} frames can be read, with partial=True" if count else "no frame can be read"
        raise UnreadableVideoError(os.fspath(path), f"cut short, {missing} bytes are missing at its end; {left}")


def _readable_frames(path: VideoSource) -> int:
    count = 0
    with suppress(UnreadableVideoError), open_video(path) as video:
        for _ in video.decoded():
            count += 1
    return count
