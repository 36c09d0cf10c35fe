"""Frames of a video by index or one after another."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import av
import numpy as np

from lrcn_hub.data.clips import resize_frame
from lrcn_hub.data.videos import torchcodec
from lrcn_hub.data.videos.faults import UnreadableVideoError
from lrcn_hub.data.videos.pyav import OpenVideo, VideoSource, open_video, refuse_cut_short, upright

logger = logging.getLogger(__name__)

Backend = Literal["auto", "torchcodec", "pyav"]


def read_frames(
    path: VideoSource,
    indices: Sequence[int] | np.ndarray | None = None,
    *,
    size: tuple[int, int] | None = None,
    partial: bool = False,
    backend: Backend = "auto",
) -> np.ndarray:
    """Read the frames at `indices`, in that order and as often as they are named, or all; uint8 (frames, H, W, 3) RGB.

    Indices count frames in presentation order. `size` is (height, width), by default that of the first frame read.
    With ``"auto"`` torchcodec decodes where it loads and knows frames by their times (MP4, MOV, Matroska, WebM), else
    PyAV; both give the same frames. With `partial` a video that is cut short or damaged gives what stands before the
    damage; without, it is refused.

    Raises `UnreadableVideoError`; ValueError for no index at all or one outside the video, and for a backend that
    cannot be used.
    """
    wanted = None if indices is None else [int(index) for index in indices]
    if wanted is not None and min(wanted, default=-1) < 0:
        raise ValueError(f"{path}: no such frame: {min(wanted, default='none was named')}")
    if not partial:
        refuse_cut_short(path)
    with open_video(path) as video:
        if _use_torchcodec(video, backend, partial):
            try:
                return _stack(_by_torchcodec(video, wanted, size), video)
            except (RuntimeError, UnreadableVideoError) as error:
                if backend == "torchcodec":
                    raise UnreadableVideoError(video.name, f"torchcodec: {error}") from error
                logger.debug("%s: PyAV instead of torchcodec: %s", video.name, error)
        return _stack(_by_pyav(video, wanted, size, partial), video)


def iterate_frames(
    source: VideoSource, *, size: tuple[int, int] | None = None, **options: Any
) -> Iterator[tuple[np.ndarray, float]]:
    """Decode one frame after another in constant memory: (uint8 (H, W, 3) RGB, seconds since the first frame).

    `source` is a file, or whatever FFmpeg opens: a URL, a pipe, a device; `options` go to `av.open` (``format``,
    ``options``, ``timeout``). Without `size`, (height, width), a frame is as large as the source makes it, which may
    change. A file cut short ends early without an error; damage raises `UnreadableVideoError` where it is met.
    """
    with open_video(source, **options) as video:
        clock = video.clock()
        for frame in video.decoded():
            yield _resize(upright(frame), size), clock.tick(frame.pts)


def frame_times(path: VideoSource) -> np.ndarray:
    """Read the time of every frame, float64 seconds since the first, without decoding; its length counts the frames.

    In AVI files, which have no presentation times, frames are evenly spaced.
    """
    with open_video(path) as video:
        try:
            packets = video.container.demux(video.stream)
            stamps = [packet.pts for packet in packets if packet.size and not packet.is_discard]  # packets hold data
        except av.FFmpegError as error:
            raise UnreadableVideoError(video.name, f"damaged ({error.strerror})") from error
        return times_of(video, stamps)


def times_of(video: OpenVideo, stamps: Sequence[int | None]) -> np.ndarray:
    """Give the times of frames whose packets carry these stamps, in the order of decoding, as `frame_times` does."""
    known = sorted(stamp for stamp in stamps if stamp is not None)
    clock = video.clock()
    return np.array([clock.tick(stamp) for stamp in (known if len(known) == len(stamps) else stamps)], np.float64)


def _resize(frame: np.ndarray, size: tuple[int, int] | None) -> np.ndarray:
    return frame if size is None else resize_frame(frame, *size)


def _use_torchcodec(video: OpenVideo, backend: Backend, partial: bool) -> bool:
    """Choose the decoder of a video, or say why the one asked for cannot be had."""
    if backend not in ("auto", "torchcodec", "pyav"):
        raise ValueError(f"backend={backend!r}: choose auto, torchcodec or pyav")
    if backend == "pyav" or (backend == "auto" and partial):
        return False
    container = video.container.format.name
    usable = container in torchcodec.CONTAINERS and torchcodec.torchcodec_loads()
    if usable or backend == "auto":
        return usable
    if container not in torchcodec.CONTAINERS:
        raise ValueError(
            f"{video.name}: torchcodec finds frames by times that {container} does not store; choose pyav"
        )
    raise ValueError(
        "backend='torchcodec' does not load here: install torchcodec and FFmpeg's libraries, or choose pyav"
    )


def _by_torchcodec(video: OpenVideo, wanted: list[int] | None, size: tuple[int, int] | None) -> list[np.ndarray]:
    try:
        images = torchcodec.decode(f"file:{video.name}", video.stream.index, wanted)
        return [_resize(image, size) for image in images]
    except IndexError as error:
        raise ValueError(f"{video.name}: no such frame: {error}") from error


def _by_pyav(
    video: OpenVideo, wanted: list[int] | None, size: tuple[int, int] | None, partial: bool
) -> list[np.ndarray]:
    """Decode from the start to the last frame wanted; only what is wanted is converted."""
    needed, last = set(wanted or []), max(wanted or [-1])
    images: dict[int, np.ndarray] = {}
    count = 0
    try:
        for index, frame in enumerate(video.decoded()):
            count = index + 1
            if wanted is None or index in needed:
                image = upright(frame)
                size = size or image.shape[:2]
                images[index] = _resize(image, size)
            if wanted is not None and index >= last:
                break
    except UnreadableVideoError:
        if not partial:
            raise
    if count <= last:
        raise ValueError(f"{video.name}: no such frame: frame {last} of {count}")
    return list(images.values()) if wanted is None else [images[index] for index in wanted]


def _stack(images: list[np.ndarray], video: OpenVideo) -> np.ndarray:
    if not images:
        raise UnreadableVideoError(video.name, "it has no frames")
    return np.stack(images)
