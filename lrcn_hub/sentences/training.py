"""How models are trained that say something: their objectives, by name, and what learns how fast."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from lrcn_hub.tasks import Batch, Objective, ObjectiveBuilder, ParameterGroup, model_loss

if TYPE_CHECKING:
    import torch
    from datasets import Dataset
    from transformers import PreTrainedModel

FOR_OBJECTIVES = ("seeds", "references")
"""What a training batch holds for objectives that draw or judge sentences, and no model reads: the seed of each row,
(rows,), and all that is said of each, a list of lists."""
LOSS_WEIGHT = 20  # lrcn.prototxt: loss_weight of the layer cross_entropy_loss; learning rate and clipping assume it


class RateOptions(Protocol):
    """What of a task's model options is about how fast which part learns."""

    backbone_learning_rate_multiplier: float
    bias_learning_rate_multiplier: float


def sentence_loss(model: PreTrainedModel, batch: Batch, items_in_batch: torch.Tensor | int | None) -> torch.Tensor:
    """The model's own loss (`lrcn_hub.tasks.model_loss`)."""
    read = {name: value for name, value in batch.items() if name not in FOR_OBJECTIVES}
    return model_loss(model, read, items_in_batch)


def weighted_loss(model: PreTrainedModel, batch: Batch, items_in_batch: torch.Tensor | int | None) -> torch.Tensor:
    """The model's loss times the authors' loss weight: what their solver files' rates and clipping are made for."""
    return LOSS_WEIGHT * sentence_loss(model, batch, items_in_batch)


SENTENCE_OBJECTIVES: Mapping[str, Objective] = {"likelihood": sentence_loss, "likelihood-times-20": weighted_loss}
"""Objectives that have no options."""


def sentence_objective_builders(column: str) -> dict[str, ObjectiveBuilder]:
    """Give those that have, see `SentenceObjectiveOptions`; `column` of the training table has the sentences."""

    def label_smoothing(processor: Any, tables: Mapping[str, Dataset], options: Any) -> Objective:
        from lrcn_hub.sentences.objectives import LabelSmoothing

        return LabelSmoothing(options.objective.smoothing)

    def scheduled_sampling(processor: Any, tables: Mapping[str, Dataset], options: Any) -> Objective:
        from lrcn_hub.sentences.objectives import ScheduledSampling

        return ScheduledSampling(options.objective.own_words)

    def self_critical(processor: Any, tables: Mapping[str, Dataset], options: Any) -> Objective:
        from lrcn_hub.sentences.objectives import SelfCritical
        from lrcn_hub.sentences.reward import Reward

        chosen = options.objective
        reward = Reward(processor.tokenizer, tables["train"][column], end_counts=chosen.end_counts)
        return SelfCritical(
            reward, chosen.baseline, chosen.samples_per_row, options.data.max_length, chosen.likelihood_weight
        )

    return {
        "label-smoothing": label_smoothing,
        "scheduled-sampling": scheduled_sampling,
        "self-critical": self_critical,
    }


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
