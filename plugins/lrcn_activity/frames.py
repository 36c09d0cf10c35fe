"""What a row's video shows: its frames, or the flow images between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lrcn_activity.options import ActivityDataOptions
from lrcn_hub.data.clips import resample_indices
from lrcn_hub.data.flow import flow_of_video
from lrcn_hub.data.videos import UnreadableVideoError, frame_times, read_frames


def frames_shown(row: dict[str, Any], options: ActivityDataOptions) -> np.ndarray:
    """Number the frames of a row's video that are to be looked at, or its flow images, of which there is one less.

    Raises `UnreadableVideoError` for a video that cannot be read, or has none.
    """
    times = frame_times(row["video"])
    if len(times) and options.frame_rate is not None:
        return resample_indices(times, options.frame_rate)
    numbers = np.arange(len(times) - (options.stream == "flow"))
    if not len(numbers):
        raise UnreadableVideoError(row["video"], f"it has no {'flow' if options.stream == 'flow' else 'frames'}")
    return numbers


def read(row: dict[str, Any], numbers: Sequence[int] | np.ndarray, options: ActivityDataOptions) -> np.ndarray:
    """Read the frames or flow images of these `numbers`, uint8 (frames, H, W, 3)."""
    if options.stream == "flow":
        return flow_of_video(row["video"], options.flow_folder, numbers)
    return read_frames(row["video"], numbers)
