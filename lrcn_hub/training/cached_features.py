"""Tables with the features of a frozen backbone, computed once for all processes of a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrcn_hub.tasks import Task
from lrcn_hub.training.recipe import RunOptions

if TYPE_CHECKING:
    from datasets import Dataset
    from transformers import PreTrainedModel


def with_features(
    task: Task,
    model: PreTrainedModel,
    processor: Any,
    tables: Mapping[str, Dataset],
    options: RunOptions,
    *,
    training: bool,
) -> dict[str, Dataset]:
    """Have `task` keep features in ``feature_folder``: the first process computes, the others find them there.

    Raises ValueError where a row is lost on the way, or as `Task.cache_features` does.
    """
    model.to(options.training.device)
    with options.training.main_process_first(desc="caching features"):
        kept = task.cache_features(
            model, processor, tables, options, options.training.feature_folder, training=training
        )
    for split, table in tables.items():
        if split not in kept or list(kept[split]["id"]) != list(table["id"]):
            raise ValueError(f"task {task.name}: cache_features must give split {split} back, row by row")
    return kept
