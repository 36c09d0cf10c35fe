"""Checks of a task's objectives: a loss, its gradient, and how it counts targets."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import torch

from lrcn_hub.tasks import Batch, Task
from lrcn_hub.testing.trials import calling, seed_everything

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel, ProcessorMixin

IGNORED_LABEL = -100  # a label that is no target


def check_objectives(task: Task, model: PreTrainedModel, batch: Batch) -> None:
    """Each objective gives one finite number with gradients, in inverse proportion to the number of targets."""
    for name, objective in task.objectives.items():
        _check(f"objective {name!r}", objective, model, batch)


def check_built_objectives(
    task: Task,
    model: PreTrainedModel,
    batch: Batch,
    processor: ProcessorMixin,
    tables: Mapping[str, Dataset],
    options: Any,
) -> None:
    """What each builder makes keeps what is asked of objectives, at the beginning of training and at its end."""
    for name, build in task.objective_builders.items():
        with calling(f"the builder of objective {name!r}"):
            objective = build(processor, tables, options)
        _check(f"objective {name!r}", objective, model, batch)
        if hasattr(objective, "progress"):
            objective.progress = 1.0
            _check(f"objective {name!r} at the end of training", objective, model, batch)


def _check(what: str, objective: Any, model: PreTrainedModel, batch: Batch) -> None:
    targets = int((batch["labels"] != IGNORED_LABEL).sum())
    model.train()
    model.zero_grad()
    for loss in _parts(what, objective, model, batch, targets):
        assert isinstance(loss, torch.Tensor) and loss.ndim == 0, f"{what} must give one number, a tensor ()"
        assert math.isfinite(loss.item()), f"{what} gives {loss.item()}"
        assert loss.requires_grad, f"{what} gives a loss without a gradient"
        loss.backward()
    gradients = [parameter.grad for parameter in model.parameters() if parameter.grad is not None]
    assert all(torch.isfinite(one).all() for one in gradients), f"{what} has a gradient that is not finite"
    assert any(one.abs().sum() > 0 for one in gradients), f"{what} has no gradient but zero"
    model.eval()
    whole, half = (_loss(what, objective, model, batch, items) for items in (targets, 2 * targets))
    assert math.isclose(whole, 2 * half, rel_tol=1e-3, abs_tol=1e-6), (
        f"{what} must be a sum divided by items_in_batch: {targets} items give {whole}, twice as many"
        f" {half}, which is not half of it"
    )
    alone = _loss(f"{what} without items_in_batch", objective, model, batch, None)
    assert math.isfinite(alone), f"{what} gives {alone} without items_in_batch"
    model.zero_grad()


def _parts(
    what: str, objective: Any, model: PreTrainedModel, batch: Batch, items: int | None
) -> Iterator[torch.Tensor]:
    """Give the loss, or the parts that an objective yields, one after another."""
    with calling(what):
        found = objective(model, batch, items)
    if not inspect.isgenerator(found):
        yield found
        return
    while True:
        with calling(what):
            part = next(found, None)
        if part is None:
            return
        yield part


def _loss(what: str, objective: Any, model: PreTrainedModel, batch: Batch, items: int | None) -> float:
    seed_everything(4)  # an objective may sample
    return sum(part.item() for part in _parts(what, objective, model, batch, items))
