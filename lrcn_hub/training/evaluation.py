"""Judging a model on a table by the answers it gives, on any number of processes."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import broadcast_object_list
from torch.utils.data import DataLoader
from tqdm import tqdm

from lrcn_hub.publishing.folders import remove, write_text
from lrcn_hub.reporting.content import Evaluation, ReportPage
from lrcn_hub.reporting.page import render_page

if TYPE_CHECKING:
    from accelerate import Accelerator
    from datasets import Dataset
    from transformers import PreTrainedModel, ProcessorMixin

    from lrcn_hub.tasks import Task
    from lrcn_hub.training.recipe import RunOptions

logger = logging.getLogger(__name__)

REPORT_FILE = "report.html"


def evaluate_table(
    task: Task,
    model: PreTrainedModel,
    processor: ProcessorMixin,
    table: Dataset,
    options: RunOptions,
    accelerator: Accelerator,
) -> tuple[list[Any], dict[str, float]]:
    """Answer every row of `table` and judge the answers.

    Each process answers its share; the answers, one for each row and in its order, and the metrics come back on all.
    Random choices in answering follow the run's seed, and those of a training around it are not disturbed.

    Raises ValueError if the task does not give one answer for each row.
    """
    predictions = predict_table(task, model, processor, table, options, accelerator)
    if len(predictions) != len(table):
        raise ValueError(
            f"task {task.name} gave {len(predictions)} predictions for {len(table)} rows: predict must "
            "answer each row of a batch once"
        )
    metrics: list[Any] = [None]
    if accelerator.is_main_process:
        metrics = [dict(task.compute_metrics(predictions, table, options.evaluation))]
    broadcast_object_list(metrics)
    return predictions, metrics[0]


def predict_table(
    task: Task,
    model: PreTrainedModel,
    processor: ProcessorMixin,
    table: Dataset,
    options: RunOptions,
    accelerator: Accelerator,
) -> list[Any]:
    """Answer every row of `table`, shared out over the processes; all answers, in order, come back on each."""
    loader = accelerator.prepare_data_loader(
        DataLoader(
            table,
            batch_size=options.training.per_device_eval_batch_size,
            collate_fn=task.collator(processor, options.data, training=False),
            num_workers=options.training.dataloader_num_workers,
        )
    )
    silent = options.training.disable_tqdm or not accelerator.is_main_process
    predictions: list[Any] = []
    with _undisturbed(model, options.training.seed), torch.no_grad():
        for batch in tqdm(loader, desc="evaluating", leave=False, disable=silent):
            answers = list(task.predict(model, batch, processor, options.evaluation))
            # the last batch is filled up with repeated rows to be equal on all processes: these are dropped here
            predictions += accelerator.gather_for_metrics(answers, use_gather_object=True)
    return predictions


def write_evaluation(folder: Path, table: Dataset, predictions: list[Any], metrics: dict[str, float]) -> None:
    """Write ``metrics.json`` and ``predictions.jsonl``, one line with id and prediction for each row, to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = zip(table["id"], predictions, strict=True)
    lines = (json.dumps({"id": i, "prediction": p}, ensure_ascii=False, default=str) for i, p in rows)
    write_text(folder / "predictions.jsonl", "".join(f"{line}\n" for line in lines))
    write_text(folder / "metrics.json", json.dumps(metrics, indent=2) + "\n")


def write_report(task: Task, evaluation: Evaluation) -> None:
    """Let the task add to an evaluation in its folder, and write the page ``report.html`` there.

    No model and no metrics are lost where that fails, and what of the page needs no task is there all the same.
    """
    folder = evaluation.folder
    with _not_vital(f"{folder} goes without a report"):
        task.write_report(evaluation.predictions, evaluation.table, evaluation.options, folder)
    content = ReportPage()
    with _not_vital(f"{folder / REPORT_FILE} has the metrics alone"):
        content = task.report_page(evaluation)
    with _not_vital(f"{folder} goes without {REPORT_FILE}"):
        remove(folder / REPORT_FILE)  # one of other answers must not stay
        write_text(folder / REPORT_FILE, render_page(task, evaluation, content))


@contextmanager
def _not_vital(loss: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        logger.warning("%s: %s: %s", loss, type(error).__name__, error)


@contextmanager
def _undisturbed(model: PreTrainedModel, seed: int) -> Iterator[None]:
    """Put `model` in evaluation mode and torch's random state at `seed`, and both back at the end."""
    training = model.training
    devices = [torch.cuda.current_device()] if torch.cuda.is_available() else []
    with torch.random.fork_rng(devices):
        torch.manual_seed(seed)
        model.eval()
        try:
            yield
        finally:
            model.train(training)
