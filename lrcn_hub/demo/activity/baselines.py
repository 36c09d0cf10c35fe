"""What the recogniser is held against: the same network with the order of frames taken away."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lrcn_hub.models import LrcnForVideoClassification


class MeanPooled(LrcnForVideoClassification):
    """The recogniser whose recurrent layer is shown, at every frame, the mean of the clip's features.

    As many weights, the same head, all frames: only their order is lost.
    """

    def classify(
        self, features: Tensor, state: Any = None, continues: Any = None, frame_mask: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        if frame_mask is None:
            mean = features.mean(1, keepdim=True)
        else:
            weights = frame_mask[..., None].to(features.dtype)
            mean = (features * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clamp(min=1)
        return super().classify(mean.expand_as(features), state, continues, frame_mask)


class Shuffled(LrcnForVideoClassification):
    """The recogniser, shown the frames of each clip in an order drawn anew."""

    def classify(
        self, features: Tensor, state: Any = None, continues: Any = None, frame_mask: Tensor | None = None
    ) -> tuple[Tensor, Any]:
        order = torch.rand(features.shape[:2]).argsort(1)[..., None].expand_as(features)
        return super().classify(features.gather(1, order.to(features.device)), state, continues, frame_mask)


def with_weights_of(model: LrcnForVideoClassification, kind: type[LrcnForVideoClassification]) -> Any:
    """Make a network of `kind` with the weights of `model`."""
    made = kind(model.config)
    made.load_state_dict(model.state_dict())
    return made.to(model.device).eval()
