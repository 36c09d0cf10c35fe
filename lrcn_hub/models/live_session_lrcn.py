"""What live sessions share: rows of frames taken in, their pictures prepared, and changes of scene told."""

import copy
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers.image_processing_base import ImageProcessingMixin
from transformers.video_processing_utils import BaseVideoProcessor

from .configuration_lrcn import GivenFeaturesConfig
from .packed_convolutions_lrcn import PackedConvolutions
from .stream_state_lrcn import THUMBNAIL

Frames: TypeAlias = Tensor | np.ndarray | Sequence[Any]


class LrcnLiveSession:
    """Endless videos, one row each, watched by one model from a state (`_state`) that does not grow.

    A subclass says by `push` what becomes of frames. The options are those of `LrcnSession`.
    """

    _state: Any

    def __init__(
        self,
        model: Any,
        batch_size: int,
        *,
        processor: Callable[..., Any] | None,
        scene_threshold: float | None,
        frames_per_second: float | None,
        max_batch: int,
    ):
        check_above_zero(batch_size=batch_size, frames_per_second=frames_per_second, max_batch=max_batch)
        self.model, self.max_batch = model, max_batch
        self._convolutions = PackedConvolutions()
        self.processor = getattr(processor, "video_processor", processor)
        self.scene_threshold, self.frames_per_second = scene_threshold, frames_per_second
        self.sees_features = model.config.backbone_config.model_type == GivenFeaturesConfig.model_type
        if self.sees_features and scene_threshold is not None:
            raise ValueError("scene_threshold needs pictures, but this model is given features")

    @property
    def batch_size(self) -> int:
        return len(self._state.frames)

    @property
    def state(self) -> Any:
        """A copy of what the session remembers now; another session can go on from it."""
        return self._state.copy()

    def fork(self) -> Any:
        """Make a second session that goes on from here by itself."""
        other = copy.copy(self)
        other._state = self.state
        return other

    def finish(self, rows: Sequence[int] | None = None) -> list[Any]:
        """Say what is left to be said of the videos in `rows` (all of them by default), which have ended."""
        return []

    def _checked(
        self, frames: Frames, rows: Sequence[int] | None, times: float | Sequence[float] | None
    ) -> tuple[list[Tensor], list[int], list[float | None], bool]:
        """What `push` was given, as lists, and whether it was a single frame; ValueError before anything changes."""
        if self.model.training:
            raise ValueError("the model is in training mode, where dropout makes answers random: call model.eval()")
        single = not isinstance(frames, Sequence) and frames.ndim == self._frame_dims
        several = self._checked_frames([frames] if single else list(frames))
        return several, self._rows_of(len(several), rows), self._times_of(len(several), times), single

    @property
    def _frame_dims(self) -> int:
        return 1 if self.sees_features else 3

    def _checked_frames(self, frames: list[Any]) -> list[Tensor]:
        """Frames as tensors, channels first; raises ValueError before any of them is looked at."""
        found = [
            torch.from_numpy(frame).movedim(-1, 0) if isinstance(frame, np.ndarray) else frame for frame in frames
        ]
        for frame in found:
            if frame.dim() != self._frame_dims:
                raise ValueError(
                    f"a frame has the shape {tuple(frame.shape)}; it must have {self._frame_dims} dimensions"
                )
            if self.processor is None and not frame.is_floating_point():
                raise ValueError(
                    f"frames are {frame.dtype}, not pixel values: give model.stream a processor for pictures"
                )
        return found

    def _pixel_values(self, frames: list[Tensor]) -> Tensor:
        """Pixel values (n, 3, H, W) of frames that are such already, or all of them pictures."""
        if frames[0].is_floating_point():
            return torch.stack(frames) if len(frames) > 1 else frames[0][None]  # without a copy
        if isinstance(self.processor, BaseVideoProcessor):
            return self.processor([frame[None] for frame in frames], return_tensors="pt")["pixel_values"][:, 0]
        if isinstance(self.processor, ImageProcessingMixin):
            return self.processor(frames, return_tensors="pt")["pixel_values"]
        assert self.processor is not None  # checked before
        return self.processor(frames)

    def _scene_changes(self, pixel_values: Tensor, rows: list[int]) -> list[bool]:
        """Compare each picture with the one before it in its row; keeps the last ones."""
        if self.scene_threshold is None:
            return [False] * len(rows)
        last, cuts = self._state.thumbnails, []
        for row, picture in zip(rows, F.adaptive_avg_pool2d(pixel_values.float(), THUMBNAIL).flatten(1), strict=True):
            small = picture.cpu()
            difference = float((small - last[row]).abs().mean())  # nan for a row's first picture
            cuts.append(difference > self.scene_threshold)
            last[row] = small
        return cuts

    def _rows_of(self, count: int, rows: Sequence[int] | None) -> list[int]:
        if rows is None:
            if self.batch_size > 1 and count != self.batch_size:
                raise ValueError(f"{count} frames for {self.batch_size} videos: say in rows whose frame each is")
            return [0] * count if self.batch_size == 1 else list(range(count))
        if len(rows) != count:
            raise ValueError(f"{count} frames but {len(rows)} rows: give one row for each frame")
        return self._checked_rows(rows)

    def _checked_rows(self, rows: Sequence[int]) -> list[int]:
        for row in rows:
            if not 0 <= row < self.batch_size:
                raise ValueError(f"row {row}: this session has rows 0 to {self.batch_size - 1}")
        return list(rows)

    def _times_of(self, count: int, times: float | Sequence[float] | None) -> list[float | None]:
        if times is None:
            return [None] * count
        stamps = [float(times)] if isinstance(times, int | float) else [float(time) for time in times]
        if len(stamps) != count:
            raise ValueError(f"{count} frames but {len(stamps)} times: give one time for each frame")
        return list(stamps)


def check_above_zero(**values: float | None) -> None:
    """Raise ValueError naming a value that is not above 0; none is no value."""
    for name, value in values.items():
        if value is not None and not value > 0:
            raise ValueError(f"{name} is {value}; it must be above 0")


__all__ = ["Frames", "LrcnLiveSession", "check_above_zero"]
