"""Frames of a part of a video, decoded from the keyframe before it instead of from the beginning."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import av
import numpy as np
from av.video.frame import VideoFrame

from lrcn_hub.data.clips import resize_frame
from lrcn_hub.data.videos.faults import UnreadableVideoError
from lrcn_hub.data.videos.frames import times_of
from lrcn_hub.data.videos.pyav import WITHOUT_TIMES, OpenVideo, VideoSource, open_video, refuse_cut_short, upright
from lrcn_hub.models.frame_ticks_lrcn import frames_at_ticks

SLACK = 1.0
"""Seconds by which a segment may end after its video: people often note whole seconds, TACoS up to 15 frames more."""

_EMPTY_PICTURE = 10  # bytes; MPEG-4 pictures below this stand for one that was packed together with another


@dataclass(frozen=True)
class Segment:
    """What was read of a part of a video."""

    frames: np.ndarray
    """uint8 (frames, H, W, 3), RGB."""
    times: np.ndarray
    """Seconds since the video's first frame, float64 (frames,)."""
    decoded: int
    """How many frames were decoded for it."""


class _Packet(NamedTuple):
    """What a file's packet says of its frame."""

    stamp: int | None
    order: int | None
    """The stamp by which it is to be decoded."""
    position: int | None
    """Bytes before it in the file."""
    size: int
    is_keyframe: bool


@dataclass(frozen=True)
class _Keyframe:
    frame: int
    position: int
    stamp: int


@dataclass(frozen=True)
class _Index:
    """Where the frames of a file are, by its packets."""

    times: np.ndarray
    end: float
    stamps: np.ndarray
    """Presentation stamps in their order; empty where they do not tell which frame is which."""
    keyframes: list[_Keyframe]


class _WrongPlaceError(Exception):
    """Decoding from a keyframe does not lead to the frames wanted."""


def read_segment(
    path: VideoSource,
    start: float | None = None,
    end: float | None = None,
    *,
    frame_rate: float | None = None,
    max_frames: int | None = None,
    size: tuple[int, int] | None = None,
) -> Segment:
    """Read the frames from `start` up to, but not, `end`, in seconds since the first; none: to the video's ends.

    With `frame_rate` only the first frame at or after each tick is given (`FrameTicks`), and at most `max_frames`.
    `size` is (height, width), by default that of the first frame read. Frames are those that `read_frames` gives.
    Decoding begins at the last keyframe before the segment, so that it costs at most one keyframe interval more than
    the segment; only files whose time stamps do not tell frames apart, as AVI with H.264's B-frames, are decoded from
    their start.

    Raises ValueError for a segment that is backwards, empty, or not in the video, and `UnreadableVideoError` for a
    video that cannot be read, or not where the segment is.
    """
    check_segment(os.fspath(path), start, end)
    refuse_cut_short(path)
    index = _index(os.fspath(path), _state(path))
    check_segment(os.fspath(path), start, end, index.end)
    begin = start or 0.0
    first, stop = np.searchsorted(index.times, [begin, math.inf if end is None else end])
    chosen = first + frames_at_ticks(index.times[first:stop], frame_rate, begin, end, max_frames)
    if not len(chosen):
        raise ValueError(f"{os.fspath(path)}: no frame is shown {_words(start, end)}")
    images, decoded = _decode(path, index, chosen, size, _words(start, end))
    return Segment(np.stack(images), index.times[chosen], decoded)


def check_segment(name: str, start: float | None, end: float | None, duration: float = 0.0) -> None:
    """Raise ValueError that begins with `name` for a segment backwards, empty or, by a known `duration`, beyond it.

    All in seconds. It may end up to a second after the video.
    """
    begin, words = start or 0.0, _words(start, end)
    if not math.isfinite(begin) or begin < 0 or (end is not None and not math.isfinite(end)):
        raise ValueError(f"{name}: there is no segment {words}; give seconds from 0 on")
    if end is not None and end <= begin:
        fault = "empty" if end == begin else "backwards"
        raise ValueError(f"{name}: the segment {words} is {fault}; it must end after it starts")
    if duration and (begin >= duration or (end is not None and end > duration + SLACK)):
        raise ValueError(
            f"{name}: the segment {words} is beyond the end of the video, which lasts {duration:.2f} s; correct it, "
            "and see that times are seconds in this file, not frames"
        )


def _words(start: float | None, end: float | None) -> str:
    return f"from {start or 0.0:g} s to {'the end' if end is None else f'{end:g} s'}"


def _state(path: VideoSource) -> tuple[int, int] | None:
    if not os.path.isfile(path):
        return None
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


@lru_cache(maxsize=256)
def _index(path: str, state: tuple[int, int] | None) -> _Index:
    """Read all packets of a file once, as long as it stays in `state`, without decoding them."""
    with open_video(path) as video:
        try:  # what packets say, and not their data, which would be the whole file
            packets = [
                _Packet(one.pts, one.dts, one.pos, one.size, one.is_keyframe)
                for one in video.container.demux(video.stream)
                if one.size and not one.is_discard
            ]
        except av.FFmpegError as error:
            raise UnreadableVideoError(video.name, f"damaged ({error.strerror})") from error
        if not packets:
            raise UnreadableVideoError(video.name, "it has no frames")
        times = times_of(video, [packet.stamp for packet in packets])
        stamps = _stamps(video, packets)
        keys = [packet for packet in packets if packet.is_keyframe and len(stamps)]
        numbers = np.searchsorted(stamps, np.array([packet.stamp for packet in keys], stamps.dtype)).tolist()
        keyframes = [
            _Keyframe(number, packet.position or 0, (packet.stamp or 0) if packet.order is None else packet.order)
            for number, packet in zip(numbers, keys, strict=True)
        ]
        return _Index(times, float(times[-1]) + 1 / video.fps, stamps, keyframes)


def _stamps(video: OpenVideo, packets: list[_Packet]) -> np.ndarray:
    """Give the packets' presentation stamps in their order, or none where they cannot be trusted.

    AVI stores none: FFmpeg works them out, and rightly where there are no B-frames, or those of MPEG-4, unless these
    are packed together with another frame.
    """
    stamps = {packet.stamp for packet in packets if packet.stamp is not None}
    positions = {packet.position for packet in packets if packet.position is not None and packet.position >= 0}
    if len(stamps) < len(packets) or len(positions) < len(packets):
        return np.empty(0, np.int64)
    if video.container.format.name == WITHOUT_TIMES and video.stream.codec_context.has_b_frames:
        packed = min(packet.size for packet in packets) < _EMPTY_PICTURE
        if video.stream.codec_context.name != "mpeg4" or packed:
            return np.empty(0, np.int64)
    return np.array(sorted(stamps), np.int64)


def _decode(
    path: VideoSource, index: _Index, chosen: np.ndarray, size: tuple[int, int] | None, words: str
) -> tuple[list[np.ndarray], int]:
    """Decode the `chosen` frames, whose numbers grow; from the file's start if a keyframe does not lead there."""
    before = [keyframe for keyframe in index.keyframes if keyframe.frame <= chosen[0]]
    keyframe = max(before, key=lambda one: one.frame, default=None)
    counted = [0]
    for start in [keyframe, None] if keyframe else [None]:
        try:
            with open_video(path) as video:
                numbered = _from_keyframe(video, start, index.stamps) if start else enumerate(video.decoded())
                return _choose(numbered, chosen, size, counted), counted[0]
        except _WrongPlaceError:
            continue
        except (av.FFmpegError, UnreadableVideoError) as error:
            name, reason = os.fspath(path), getattr(error, "reason", None) or getattr(error, "strerror", "damaged")
            raise UnreadableVideoError(name, f"the segment {words} cannot be decoded: {reason}") from error
    raise UnreadableVideoError(os.fspath(path), f"it ends within the segment {words}")


def _choose(
    numbered: Iterator[tuple[int, VideoFrame]] | enumerate[VideoFrame],
    chosen: np.ndarray,
    size: tuple[int, int] | None,
    counted: list[int],
) -> list[np.ndarray]:
    """Convert the `chosen` ones of numbered frames; raises `_WrongPlaceError` where one is passed over."""
    images: list[np.ndarray] = []
    for number, frame in numbered:
        counted[0] += 1
        if number > chosen[len(images)]:
            break
        if number == chosen[len(images)]:
            image = upright(frame)
            size = size or image.shape[:2]
            images.append(resize_frame(image, *size))
        if len(images) == len(chosen):
            return images
    raise _WrongPlaceError


def _from_keyframe(video: OpenVideo, keyframe: _Keyframe, stamps: np.ndarray) -> Iterator[tuple[int, VideoFrame]]:
    """Decode from a keyframe on, with each frame's number in the file.

    Frames shown before the keyframe though they are stored after it (open groups of pictures) have numbers below its
    own; they may lack what they refer to.
    """
    video.container.seek(keyframe.stamp, stream=video.stream, backward=True)
    begun, last = False, -1
    for packet in video.container.demux(video.stream):
        begun = begun or packet.pos == keyframe.position  # a seek may stop at a keyframe before it
        for frame in packet.decode() if begun else ():
            number = -1 if frame.pts is None else int(np.searchsorted(stamps, frame.pts))
            if number <= last or number == len(stamps) or stamps[number] != frame.pts:
                raise _WrongPlaceError
            last = number
            yield number, frame
