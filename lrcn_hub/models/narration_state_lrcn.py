"""What a narrator has read so far, and all that a live session of narration remembers: values of fixed size."""

import math
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from .stream_state_lrcn import THUMBNAIL, LrcnRows


@dataclass
class LrcnReading:
    """What has been read of B videos so far: a value of fixed size, to go on from and to speak of at any moment.

    `encoded` (B, D) is what the encoder gives for the frames so far: h and c of its layers in a row, or the mean of
    the features. `counts` (B,) is the number of frames; where it is 0, nothing has been read.
    """

    encoded: Tensor
    counts: Tensor


@dataclass
class LrcnNarrationState(LrcnRows):
    """All that a session of narration remembers, one row for each of B videos.

    `encoded` (B, D) and `counts` (B,) are the reading of the event so far (`LrcnReading`), `signals` (B, S) the sum of
    what the encoder's state was at each of its frames. On the CPU: `frames` (B,), the frame clock; `times` (B,), the
    last time stamp, and `gaps` (B,), how long after the one before it, in seconds or nan; `starts` (B,), the time at
    which the event began, or nan; `ticks` and `taken` (B,) as in `FrameTicks`; `thumbnails` (B, 768), the last picture
    made small, or nan.
    """

    format: ClassVar[str] = "lrcn_narration_state"

    encoded: Tensor
    counts: Tensor
    signals: Tensor
    frames: Tensor
    times: Tensor
    gaps: Tensor
    starts: Tensor
    ticks: Tensor
    taken: Tensor
    thumbnails: Tensor

    @classmethod
    def new(cls, model: Any, batch_size: int) -> "LrcnNarrationState":
        """The state of `batch_size` videos of which `model` has read nothing."""
        reading = model.encoder.nothing_read(batch_size)
        size = reading.encoded.shape[1] // 2 if model.config.starts_from_state else reading.encoded.shape[1]
        unknown = torch.full((batch_size,), math.nan, dtype=torch.float64)
        none = torch.zeros(batch_size, dtype=torch.int64)
        return cls(
            encoded=reading.encoded,
            counts=reading.counts,
            signals=reading.encoded.new_zeros(batch_size, size, dtype=torch.float64),
            frames=none.clone(),
            times=unknown.clone(),
            gaps=unknown.clone(),
            starts=unknown.clone(),
            ticks=none.clone(),
            taken=none.clone(),
            thumbnails=torch.full((batch_size, 3 * THUMBNAIL**2), math.nan),
        )

    def for_model(self, model: Any) -> "LrcnNarrationState":
        """Copy it to the device and precision of `model`. Raises ValueError if it is another model's."""
        expected = LrcnNarrationState.new(model, self.rows)
        self._refuse_unlike(expected)
        theirs = expected._tensors()
        return self._of({name: part.clone().to(theirs[name]) for name, part in self._tensors().items()})

    def _tensors(self) -> dict[str, Tensor]:
        return dict(vars(self))

    @classmethod
    def _of(cls, tensors: dict[str, Tensor]) -> Self:
        return cls(*(tensors[name] for name in cls.__dataclass_fields__ if name != "format"))


__all__ = ["LrcnNarrationState", "LrcnReading"]
