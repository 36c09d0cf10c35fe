"""What a row's video shows: its frames, or the flow images between them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from lrcn_activity.options import ActivityDataOptions
from lrcn_hub.data.flow import flow_of_video
from lrcn_hub.data.videos import UnreadableVideoError, frame_times, read_frames


def count_frames(row: dict[str, Any], options: ActivityDataOptions) -> int:
    """Count the frames of a row's video, or its flow images, of which there is one less.

    Raises `UnreadableVideoError` for a video that cannot be read, or has none.
    """
    frames = len(frame_times(row["video"])) - (options.stream == "flow")
    if frames < 1:
        raise UnreadableVideoError(row["video"], f"it has no {'flow' if options.stream == 'flow' else 'frames'}")
    return frames


def read(row: dict[str, Any], indices: Sequence[int] | np.ndarray, options: ActivityDataOptions) -> np.ndarray:
    """Read the frames or flow images at `indices`, uint8 (frames, H, W, 3)."""
    if options.stream == "flow":
        return flow_of_video(row["video"], options.flow_folder, indices)
    return read_frames(row["video"], indices)
