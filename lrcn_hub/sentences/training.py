"""How models are trained that say something: the authors' loss weight, and what learns how fast."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from lrcn_hub.tasks import Batch, ParameterGroup, model_loss

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel

LOSS_WEIGHT = 20  # lrcn.prototxt: loss_weight of the layer cross_entropy_loss; learning rate and clipping assume it


class RateOptions(Protocol):
    """What of a task's model options is about how fast which part learns."""

    backbone_learning_rate_multiplier: float
    bias_learning_rate_multiplier: float


def weighted_loss(model: PreTrainedModel, batch: Batch, items_in_batch: torch.Tensor | int | None) -> torch.Tensor:
    """The model's loss times the authors' loss weight: what their solver files' rates and clipping are made for."""
    return LOSS_WEIGHT * model_loss(model, batch, items_in_batch)


def sentence_parameter_groups(
    model: PreTrainedModel, options: RateOptions, backbone: str, layers: tuple[str, ...] = ("predict.",)
) -> list[ParameterGroup]:
    """Words and recurrent layers at the base rate, the backbone slower, and biases as Caffe's nets have them.

    Parameters of the backbone have names that begin with `backbone`; its biases and those of the fully connected
    `layers` learn at their own rate and do not decay. What does not require gradients is left out.
    """
    groups: dict[tuple[float, float], ParameterGroup] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        rate, decay = options.backbone_learning_rate_multiplier if name.startswith(backbone) else 1.0, 1.0
        if name.endswith("bias") and name.startswith((backbone, *layers)):
            rate, decay = rate * options.bias_learning_rate_multiplier, 0.0
        groups.setdefault((rate, decay), ParameterGroup([], rate, decay)).parameters.append(parameter)
    return list(groups.values())
