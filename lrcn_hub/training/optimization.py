"""From a task's groups of parameters to what optimizers and schedules take."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from lrcn_hub.tasks import ParameterGroup
from lrcn_hub.training.caffe_sgd import CaffeSGD
from lrcn_hub.training.options import TrainingOptions

if TYPE_CHECKING:
    from accelerate import Accelerator


def freeze_all_but(model: torch.nn.Module, groups: list[ParameterGroup]) -> None:
    """Stop gradients of parameters that are in none of `groups`, so that no process waits for them."""
    trained = {id(parameter) for group in groups for parameter in group.parameters}
    for parameter in model.parameters():
        parameter.requires_grad_(id(parameter) in trained and parameter.requires_grad)


def average_gradients(model: torch.nn.Module, accelerator: Accelerator) -> None:
    """Average the gradients of all processes, as DDP does of its own accord after a backward pass that it sees."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            gradient = torch.zeros_like(parameter) if parameter.grad is None else parameter.grad
            parameter.grad = accelerator.reduce(gradient, reduction="mean")


def stock_groups(groups: list[ParameterGroup], training: TrainingOptions, decaying: set[int]) -> list[dict[str, Any]]:
    """Give the groups of a stock optimizer; of each, only the parameters whose id is in `decaying` decay."""
    return [
        {
            "params": chosen,
            "lr": training.learning_rate * group.learning_rate_multiplier,
            "weight_decay": training.weight_decay * group.weight_decay_multiplier if decays else 0.0,
        }
        for group in _base_rate_first(groups)
        for decays in (True, False)
        if (chosen := [p for p in group.parameters if p.requires_grad and (id(p) in decaying) == decays])
    ]


def make_caffe_sgd(groups: list[ParameterGroup], training: TrainingOptions) -> CaffeSGD:
    """Make Caffe's optimizer; what does not decay is for the groups' multipliers to say, as in Caffe."""
    arguments: list[dict[str, Any]] = [
        {
            "params": [p for p in group.parameters if p.requires_grad],
            "lr": training.learning_rate * group.learning_rate_multiplier,
            "weight_decay": training.weight_decay * group.weight_decay_multiplier,
        }
        for group in _base_rate_first(groups)
    ]
    return CaffeSGD(arguments, training.learning_rate, training.momentum, clip=training.clip_gradients)


def step_policy(step: int, step_size: int, gamma: float, warmup: int = 0) -> float:
    """Factor of the learning rate at `step`: Caffe's lr_policy "step", gamma ** floor(step / step_size)."""
    return float(gamma ** (step // step_size)) * (min(1.0, step / warmup) if warmup else 1.0)


def _base_rate_first(groups: list[ParameterGroup]) -> list[ParameterGroup]:
    """Order groups so that the learning rate that is logged, the first's, is the recipe's."""
    return sorted(groups, key=lambda group: group.learning_rate_multiplier != 1)
