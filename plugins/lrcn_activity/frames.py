"""What a row's video shows: its frames, or the flow images between them."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np

from lrcn_activity.options import ActivityDataOptions
from lrcn_hub.data.clips import resample_indices, resize_frame
from lrcn_hub.data.flow import flow_of_video
from lrcn_hub.data.videos import UnreadableVideoError, frame_times, iterate_frames, read_frames


def frames_shown(row: dict[str, Any], options: ActivityDataOptions) -> np.ndarray:
    """Number the frames of a row's video that are to be looked at, or its flow images, of which there is one less.

    Raises `UnreadableVideoError` for a video that cannot be read, or has none.
    """
    if options.frame_rate is not None and len(times := frame_times(row["video"])):
        return resample_indices(times, options.frame_rate)
    numbers = np.arange(_count(row["video"], _state(row["video"])) - (options.stream == "flow"))
    if not len(numbers):
        raise UnreadableVideoError(row["video"], f"it has no {'flow' if options.stream == 'flow' else 'frames'}")
    return numbers


@lru_cache(maxsize=100_000)
def _count(path: str, state: tuple[int, int] | None) -> int:
    """Count a file's frames once, as long as it stays in `state`: that takes a tenth of the time of reading a clip."""
    return len(frame_times(path))


def _state(path: str) -> tuple[int, int] | None:
    if not os.path.isfile(path):
        return None
    status = os.stat(path)
    return status.st_size, status.st_mtime_ns


def read(row: dict[str, Any], numbers: Sequence[int] | np.ndarray, options: ActivityDataOptions) -> np.ndarray:
    """Read the frames or flow images of these `numbers`, uint8 (frames, H, W, 3)."""
    if options.stream == "flow":
        return flow_of_video(row["video"], options.flow_folder, numbers)
    return read_frames(row["video"], numbers)


def read_in_chunks(
    row: dict[str, Any], numbers: Sequence[int] | np.ndarray, size: int, options: ActivityDataOptions
) -> Iterator[np.ndarray]:
    """Read what `read` reads, `size` frames at a time and no more in memory; `numbers` must not fall."""
    if options.stream == "flow":
        for begin in range(0, len(numbers), size):
            yield read(row, numbers[begin : begin + size], options)
        return
    frames = _one_by_one(row["video"], numbers)
    while chunk := list(islice(frames, size)):
        yield np.stack(chunk)


def _one_by_one(path: str, numbers: Sequence[int] | np.ndarray) -> Iterator[np.ndarray]:
    """Decode a video once from its beginning, and give the frames of these numbers, all as large as the first."""
    decoded = iterate_frames(path)
    position, shape = -1, None
    frame: np.ndarray | None = None
    for number in numbers:
        while position < number:
            frame, _ = next(decoded, (None, 0.0))
            if frame is None:
                raise UnreadableVideoError(path, f"it ends before frame {number}")
            position += 1
        assert frame is not None  # the first number is 0 or more
        shape = shape or frame.shape[:2]
        yield resize_frame(frame, *shape)
