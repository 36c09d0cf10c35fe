"""The activity recogniser of Donahue et al. (2015), section 4: what a backbone sees in every frame goes through
recurrent layers to class scores at every frame, and a clip's answer is the mean of its frames' probabilities.

Sizes in comments: B batch, T frames, F a frame's feature, H hidden units, C classes.
"""

import math
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers import initialization as init
from transformers.utils import ModelOutput

from .backbones_lrcn import CaffeNet
from .configuration_activity_lrcn import LrcnActivityConfig
from .modeling_lrcn import IGNORED_LABEL, LrcnEncoder, LrcnPreTrainedModel
from .recurrent_lrcn import LrcnStack, LrcnState
from .session_lrcn import LrcnSession

NOTHING = -1e30  # the logarithm of a probability that counts for nothing, yet finite, so that gradients stay numbers


@dataclass
class LrcnVideoClassifierOutput(ModelOutput):
    """What `LrcnForVideoClassification` answers.

    `logits` (B, C) are log probabilities of the clip, `frame_logits` (B, T, C) the scores at every frame (without
    meaning where the mask leaves a frame out), `state` what the model remembers after each row's last frame.
    """

    loss: Tensor | None = None
    logits: Tensor | None = None
    frame_logits: Tensor | None = None
    state: LrcnState | None = None


class LrcnForVideoClassification(LrcnPreTrainedModel):
    """Frame features -> recurrent layers -> class scores at every frame -> their mean over the clip.

    With ``num_layers=0`` it is the single-frame baseline. `backbone` is a trained network to build on (see
    `build_backbone`); its weights are kept bit for bit.
    """

    config_class = LrcnActivityConfig
    input_modalities = ("video",)

    def __init__(self, config: LrcnActivityConfig, backbone: PreTrainedModel | None = None):
        super().__init__(config)
        self.encoder = LrcnEncoder(config, backbone)
        if isinstance(self.encoder.backbone, CaffeNet):
            self.encoder.backbone.drop_feature = False  # feature_dropout is in its place
        self.recurrent = LrcnStack(
            config.feature_size,
            0,
            config.hidden_size,
            config.num_layers,
            cell=config.cell,
            dropout=config.lstm_dropout,
        )
        inputs = config.hidden_size if config.num_layers else config.feature_size
        self.classifier = nn.Linear(inputs, config.num_labels)
        self.post_init()

    def _init_weights(self, module: nn.Module) -> None:
        super()._init_weights(module)
        if module is self.classifier:
            init.normal_(module.weight, std=self.config.initializer_range)

    def forward(
        self,
        pixel_values: Tensor | None = None,
        frame_mask: Tensor | None = None,
        labels: Tensor | None = None,
        features: Tensor | None = None,
        state: LrcnState | None = None,
        continues: Tensor | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> LrcnVideoClassifierOutput:
        """Classify clips.

        - pixel_values (B, T, 3, H, W), or the features (B, T, F) that `encode` gave for them;
        - frame_mask (B, T), boolean: True is a frame, False is filling. What it leaves out changes nothing: neither
          another frame's scores, nor the clip's, nor the loss, nor the state. A clip of no frames has uniform logits;
        - labels (B,), the class of a whole clip, or (B, T), of each frame; -100 where there is none. The loss is the
          mean cross entropy over all real frames (every time step has the loss, as in the paper). Given
          num_items_in_batch, the number of labels: the sum over frames divided by it for labels (B, T); for labels
          (B,) the sum of the clips' means, divided by it;
        - state: where to go on from, such as an earlier output's (`detach` it between pieces in training);
        - continues (B, T): 0 where a row forgets its state before that frame (the authors' clip markers).
        """
        if features is None:
            features = self.encode(pixel_values, frame_mask)
        mask = None if frame_mask is None or bool(frame_mask.all()) else frame_mask
        frame_logits, state = self.classify(features, state, continues, mask)
        loss = None if labels is None else frame_loss(frame_logits, labels, mask, num_items_in_batch)
        return LrcnVideoClassifierOutput(loss, late_fusion(frame_logits, mask), frame_logits, state)

    def encode(self, pixel_values: Tensor | None, frame_mask: Tensor | None = None) -> Tensor:
        """Look at frames (B, T, 3, H, W), and only where `frame_mask` (B, T) is True; gives features (B, T, F)."""
        if pixel_values is None or pixel_values.dim() not in (3, 5):  # 3: features, in a model without a backbone
            shape = None if pixel_values is None else tuple(pixel_values.shape)
            raise ValueError(
                f"pixel_values have the shape {shape}; give frames (batch, frames, 3, height, width), or features"
            )
        if frame_mask is None:
            return self.encoder(pixel_values.flatten(0, 1))[0].unflatten(0, pixel_values.shape[:2])[:, :, 0]
        if frame_mask.dtype != torch.bool or frame_mask.shape != pixel_values.shape[:2]:
            raise ValueError(
                f"frame_mask is {frame_mask.dtype} of shape {tuple(frame_mask.shape)}; it must be torch.bool of shape "
                f"{tuple(pixel_values.shape[:2])}, as pixel_values have rows and frames"
            )
        if not frame_mask.any():
            return self.classifier.weight.new_zeros(*frame_mask.shape, self.config.feature_size)
        seen = self.encoder(pixel_values[frame_mask])[0][:, 0]
        features = seen.new_zeros(*frame_mask.shape, seen.shape[-1])
        features[frame_mask] = seen
        return features

    def classify(
        self,
        features: Tensor,
        state: LrcnState | None = None,
        continues: Tensor | None = None,
        frame_mask: Tensor | None = None,
    ) -> tuple[Tensor, LrcnState]:
        """Score the frames of `features` (B, T, F), going on from `state`; gives logits (B, T, C) and the new state.

        One frame of this after another gives what all at once do. `continues` and `frame_mask` are those of `forward`.
        """
        features = features.to(self.classifier.weight.dtype)
        if self.training:
            features = F.dropout(features, self.config.feature_dropout)
        if continues is not None:
            continues = continues.to(features.dtype)
        hidden, state = self.recurrent(features, None, state, continues, frame_mask)
        return self.classifier(hidden), state

    def stream(self, batch_size: int = 1, **options: Any) -> LrcnSession:
        """Start watching `batch_size` endless videos at once, frame by frame; `options` are those of `LrcnSession`."""
        return LrcnSession(self, batch_size, **options)


def late_fusion(frame_logits: Tensor, frame_mask: Tensor | None = None) -> Tensor:
    """Average the frames' probabilities (B, T, C) over each clip's frames (paper section 4); logarithms of it (B, C).

    The logarithm makes them logits: their softmax gives the averaged probabilities themselves, and their largest is
    the fused answer, wherever transformers applies either. Means of logits would be another, geometric fusion.
    """
    log_p = frame_logits.float().log_softmax(-1)
    if frame_mask is None:
        return log_p.logsumexp(1) - math.log(log_p.shape[1])
    log_p = log_p.masked_fill(~frame_mask[..., None], NOTHING)
    return log_p.logsumexp(1) - frame_mask.sum(1, keepdim=True).clamp(min=1).log()


def frame_loss(
    frame_logits: Tensor,
    labels: Tensor,
    frame_mask: Tensor | None = None,
    num_items: Tensor | int | None = None,
) -> Tensor:
    """Cross entropy of `frame_logits` (B, T, C) at every real frame, as `LrcnForVideoClassification.forward` says."""
    targets = labels if labels.dim() == 2 else labels[:, None].expand(frame_logits.shape[:2])
    if frame_mask is not None:
        targets = targets.masked_fill(~frame_mask, IGNORED_LABEL)
    losses = F.cross_entropy(
        frame_logits.flatten(0, 1).float(), targets.flatten(), ignore_index=IGNORED_LABEL, reduction="none"
    ).view(targets.shape)
    counts = (targets != IGNORED_LABEL).sum(1)
    if num_items is None:
        return losses.sum() / counts.sum().clamp(min=1)
    if labels.dim() == 2:
        return losses.sum() / num_items
    return (losses.sum(1) / counts.clamp(min=1)).sum() / num_items


__all__ = ["LrcnForVideoClassification", "LrcnVideoClassifierOutput", "late_fusion"]
