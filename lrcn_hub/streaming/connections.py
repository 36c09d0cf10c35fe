"""One source read for as long as it lasts: what breaks is opened again, after waits that grow."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import av
import numpy as np
from av.video.frame import VideoFrame

from lrcn_hub.data.videos import UnreadableVideoError
from lrcn_hub.data.videos.pyav import OpenVideo, upright
from lrcn_hub.streaming.sources import Source, is_finite, lasting_frames

FIRST_WAIT, LONGEST_WAIT = 0.5, 30.0  # seconds before connecting again


@dataclass(frozen=True)
class Picture:
    """A frame as it came: uint8 RGB (H, W, 3), its time in seconds, and when it arrived by the monotonic clock."""

    frame: np.ndarray
    time: float
    arrived: float


@dataclass(frozen=True)
class Happening:
    """What became of a source between frames: an event's kind, and more about it."""

    kind: str
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ConnectionRules:
    """How a source is read.

    - `stall_timeout`: seconds without data after which a connection is given up.
    - `retries`: how often a live source is opened again without a frame coming; below 0, without limit.
    - `realtime`: a file is read no faster than its time stamps say.
    - `reset_on_reconnect`: a source that comes back is a new video, its times beginning at 0; else state and times go
      on, by the clock on the wall.
    - `options`: FFmpeg's, such as ``{"rtsp_transport": "tcp"}``.
    """

    stall_timeout: float = 10.0
    retries: int = 10
    realtime: bool = False
    reset_on_reconnect: bool = False
    options: Mapping[str, str] = field(default_factory=dict)


class Connection:
    """Reads `source` by `rules` until it ends for good or `stop` is set; times begin at `start_time` seconds."""

    def __init__(self, source: Source, rules: ConnectionRules, stop: threading.Event, start_time: float = 0.0):
        self.source, self.rules, self.stop = source, rules, stop
        self._offset = start_time
        self._last: Picture | None = None
        self._failures = 0  # since the last frame

    def items(self) -> Iterator[Picture | Happening]:
        """Give frames and happenings; the last is ``ended``, with ``failed`` where that is not the video's own end."""
        while not self.stop.is_set():
            finite = not self.source.live
            failure: str | None = None
            try:
                with self._open() as video:
                    finite = finite or is_finite(video)
                    yield from self._watch(video)
            except UnreadableVideoError as error:
                failure = error.reason
                if _timed_out(error):
                    failure = f"no data for {self.rules.stall_timeout:g} seconds"
                    yield Happening("stalled", {"reason": failure})
            if self.stop.is_set():
                return
            if not self.source.live or (finite and not failure):
                if not failure and self._last is None:
                    failure = "it has no frames"
                yield Happening("ended", {"reason": failure or "the end of the video", "failed": bool(failure)})
                return
            failure = failure or "the stream ended"
            if 0 <= self.rules.retries <= self._failures:
                yield Happening("ended", {"reason": f"given up: {failure}", "failed": True})
                return
            wait = min(FIRST_WAIT * 2 ** min(self._failures, 10), LONGEST_WAIT)
            self._failures += 1
            yield Happening("broken", {"reason": failure, "attempt": self._failures, "retry_in": wait})
            self.stop.wait(wait)

    def _open(self) -> AbstractContextManager[OpenVideo]:
        return self.source.open(self.rules.stall_timeout, self.rules.options)

    def _watch(self, video: OpenVideo) -> Iterator[Picture | Happening]:
        """Read one connection to its end."""
        clock, first = video.clock(), True
        paced = self.rules.realtime and self.source.kind == "file"
        began = 0.0
        for found in self._decoded(video):
            if self.stop.is_set():
                return
            if isinstance(found, str):
                yield Happening("damaged", {"reason": found})
                continue
            frame, passed = upright(found), clock.tick(found.pts)
            if first:
                began = time.monotonic()
                yield from self._connected(frame, began)
            elif paced and self.stop.wait(max(0.0, began + passed - time.monotonic())):
                return
            last, first = self._last, False
            if last is not None and last.frame.shape != frame.shape:
                yield Happening("size-changed", _size(frame))
            self._last, self._failures = Picture(frame, self._offset + passed, time.monotonic()), 0
            yield self._last

    def _connected(self, frame: np.ndarray, now: float) -> Iterator[Happening]:
        """Say that the first frame of a connection is there, and set the clock for it."""
        if self._last is None:
            yield Happening("started", _size(frame))
            return
        self._offset = 0.0 if self.rules.reset_on_reconnect else self._last.time + now - self._last.arrived
        yield Happening("reconnected", {"attempt": self._failures})

    def _decoded(self, video: OpenVideo) -> Iterator[VideoFrame | str]:
        try:
            yield from lasting_frames(video)
        except av.FFmpegError as error:
            raise UnreadableVideoError(self.source.name, error.strerror or str(error)) from error


def _size(frame: np.ndarray) -> dict[str, int]:
    return {"width": frame.shape[1], "height": frame.shape[0]}


def _timed_out(error: UnreadableVideoError) -> bool:
    """Whether PyAV interrupted a wait: FFmpeg says then that somebody asked it to exit."""
    return isinstance(error.__cause__, av.error.ExitError)
