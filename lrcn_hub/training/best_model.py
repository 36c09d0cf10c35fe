"""Which checkpoint is the best, and that it is kept."""

from __future__ import annotations

import logging
from typing import Any

from transformers import TrainerCallback

from lrcn_hub.tasks import Task
from lrcn_hub.training.options import TrainingOptions

logger = logging.getLogger(__name__)


def settle_what_is_best(training: TrainingOptions, task: Task, *, has_validation: bool) -> None:
    """Complete in `training` what decides which checkpoint is best: nothing where nothing is judged meanwhile."""
    if training.metric_for_best_model in (None, task.best_metric):
        training.metric_for_best_model = task.best_metric
        if training.greater_is_better is None:
            training.greater_is_better = task.greater_is_better
    if has_validation and training.eval_strategy != "no":
        return
    logger.warning(
        "nothing is judged during training (no validation rows or eval_strategy 'no'): the last model is kept"
    )
    training.eval_strategy, training.load_best_model_at_end = type(training.eval_strategy)("no"), False
    training.metric_for_best_model = training.early_stopping_patience = None


class SaveBest(TrainerCallback):
    """Saves after an evaluation that is the best so far, so that the best model can be had whenever it was found."""

    def on_evaluate(self, args: Any, state: Any, control: Any, metrics: dict[str, float], **_: Any) -> None:
        if not args.load_best_model_at_end:
            return
        value, best = metrics[f"eval_{args.metric_for_best_model}"], state.best_metric
        if best is None or (value > best if args.greater_is_better else value < best):
            control.should_save = True
