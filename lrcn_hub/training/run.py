"""The story of a run: recipe, data, model, training, judgement, export."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from accelerate.utils import broadcast_object_list
from transformers import TrainerState, set_seed

from lrcn_hub.plugins import get_task
from lrcn_hub.publishing.export import export
from lrcn_hub.publishing.folders import remove, write_text
from lrcn_hub.reporting.content import Evaluation
from lrcn_hub.tasks import Task
from lrcn_hub.training.cached_features import with_features
from lrcn_hub.training.checkpoints import newest_sound_checkpoint, only_numbers_read, processes_of, trainer_state
from lrcn_hub.training.command import help_text, parse_command, recipe_from, written_recipe
from lrcn_hub.training.evaluation import evaluate_table, write_evaluation, write_report
from lrcn_hub.training.hub import take_destination
from lrcn_hub.training.options import TrainingOptions
from lrcn_hub.training.recipe import Recipe, RunOptions
from lrcn_hub.training.run_folder import begin_run, check_can_be_written, holds_run, is_complete
from lrcn_hub.training.trainer import LrcnTrainer
from lrcn_hub.training.warm_start import other_words, warm_start

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

HISTORY_FILE = "history.jsonl"
DATA_FILE = "data.json"
ASSETS = "assets"


@dataclass(frozen=True)
class RunResult:
    """What a run leaves: the folder of the exported model, and the metrics of each split judged at the end."""

    folder: Path
    metrics: dict[str, dict[str, float]]
    tables: dict[str, Dataset] | None = None
    """The data, if they were read: a run that is found complete does without."""


def main(argv: list[str] | None = None) -> int:
    """Train as the arguments say, the command line's where they are None; returns the exit code.

    Raises ValueError or OSError, with what to do about it, where the run cannot be made.
    """
    arguments = sys.argv[1:] if argv is None else argv
    command = parse_command(arguments, {"task": True, "recipe": True})
    if command.positional:
        raise ValueError(f"unexpected argument {command.positional[0]!r}; an option is --section.option value")
    if "help" in command.flags:
        known = {"task", "recipe"} & command.flags.keys()
        sys.stdout.write(help_text(get_task(written_recipe(command)[0]) if known else None))
        return 0
    name, written, source = written_recipe(command)
    task = get_task(name)
    recipe = recipe_from(task, written, command.options, source)
    start_a_process_for_each_gpu(recipe, arguments)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    run(task, recipe)
    return 0


def run(task: Task, recipe: Recipe) -> RunResult:
    """Train, judge and export a model by `recipe`; goes on where an earlier run of the same recipe was cut off.

    Raises ValueError or OSError where data, recipe or output folder do not do; nothing already made is lost.
    """
    options = recipe.options(task)
    training = options.training
    folder = Path(training.output_dir)
    _log_setting(training)
    destination = take_destination(training)
    if destination and training.process_index == 0:
        destination.check()
    has_begun, checkpoint = _look_into(folder, task, recipe, training)
    if has_begun and is_complete(folder):
        logger.info("%s is complete: nothing to train", folder)
        if destination and training.process_index == 0:
            destination.push(folder)
        return RunResult(folder, json.loads((folder / "metrics.json").read_text(encoding="utf-8")))
    tables = _load_tables(task, options)
    set_seed(training.seed)
    processor = task.build_processor(tables, options.model)
    _refuse_other_words(processor, checkpoint)
    model = task.build_model(processor, options.model)
    if training.init_from and checkpoint is None:
        warm_start(model, processor, training.init_from, training.init_skip)
    seen = tables
    if training.cache_features:
        if checkpoint:
            warm_start(model, processor, checkpoint)  # the frozen weights, before the trainer brings all back
        seen = with_features(task, model, processor, tables, options, training=True)
    trainer = LrcnTrainer(task, model, processor, seen, options)
    if not has_begun and trainer.accelerator.is_main_process:
        begin_run(folder, recipe)
    fit(trainer, checkpoint)
    # What is judged and exported computes in full precision, as it will where it is loaded.
    trainer.model = trainer.accelerator.unwrap_model(trainer.model, keep_fp32_wrapper=False)
    metrics = _judge(trainer, seen)
    if trainer.accelerator.is_main_process:
        history = "".join(json.dumps(entry) + "\n" for entry in trainer.state.log_history)
        write_text(folder / HISTORY_FILE, history)
        with _not_vital("describing the data"):
            write_text(folder / DATA_FILE, json.dumps(task.describe_data(tables, options.data), indent=2) + "\n")
        export(trainer.model, processor, task, folder, recipe=recipe.plain(), metrics=metrics)
    trainer.accelerator.wait_for_everyone()
    if destination and training.process_index == 0:
        destination.push(folder)
    return RunResult(folder, metrics, tables)


def fit(trainer: LrcnTrainer, checkpoint: Path | None) -> None:
    """Train from `checkpoint`, or from the beginning, to the end; the best model is then in the trainer."""
    training = trainer.args
    if checkpoint is None:
        # each process draws its own dropout; the model was made from the same seed on all
        set_seed(training.seed + training.process_index)
        trainer.train()
    elif _has_ended(checkpoint, training):
        state = TrainerState.load_from_json(str(checkpoint / "trainer_state.json"))
        best = checkpoint.with_name(f"checkpoint-{state.best_global_step}")
        trainer.state = state
        trainer._load_from_checkpoint(str(best if training.load_best_model_at_end and best.is_dir() else checkpoint))
    else:
        logger.info("resuming from %s", checkpoint)
        if processes_of(checkpoint) != training.world_size:
            logger.warning(
                "%s was written by %d processes, now there are %d: it goes on, but not to the same bits",
                checkpoint,
                processes_of(checkpoint),
                training.world_size,
            )
        with only_numbers_read(checkpoint):
            trainer.train(resume_from_checkpoint=str(checkpoint))


def start_a_process_for_each_gpu(recipe: Recipe, arguments: list[str]) -> None:
    """Replace this process by one for each GPU, where there are several and nobody has started such processes yet.

    One process would otherwise split each batch over the GPUs itself, which is slow and not what is resumed.
    """
    gpus = torch.cuda.device_count()
    if gpus < 2 or "RANK" in os.environ or recipe.sections["training"]["use_cpu"]:
        return
    command = launch_command(gpus, arguments)
    os.execv(command[0], command)


def launch_command(processes: int, arguments: list[str]) -> list[str]:
    """Give the command that trains in several processes on this machine."""
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    return [sys.executable, *launcher, "-m", "lrcn_hub.training", *arguments]


def _log_setting(training: TrainingOptions) -> None:
    if training.process_index > 0:
        logging.getLogger("lrcn_hub").setLevel(logging.WARNING)
    count, device = training.world_size, training.device
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
    precision = {"no": "fp32"}.get(training.mixed_precision, training.mixed_precision)
    logger.info("%d process%s, device %s, precision %s", count, "" if count == 1 else "es", name, precision)


def _look_into(folder: Path, task: Task, recipe: Recipe, training: TrainingOptions) -> tuple[bool, Path | None]:
    """See whether this run has already begun in `folder`, and which checkpoint it can go on from."""
    found: list[Any] = [False, None]
    if training.process_index == 0:
        has_begun = holds_run(folder, task, recipe, overwrite=training.overwrite_output_dir)
        if not (has_begun and is_complete(folder)):
            check_can_be_written(folder)
        found = [has_begun, newest_sound_checkpoint(folder) if has_begun else None]
    broadcast_object_list(found)
    return found[0], found[1]


def _refuse_other_words(processor: Any, checkpoint: Path | None) -> None:
    if checkpoint and (difference := other_words(processor, checkpoint)):
        raise ValueError(
            f"{checkpoint}: {difference}, so the data are not those this run began with; bring these back, or begin "
            "anew in another --output_dir"
        )


def _load_tables(task: Task, options: RunOptions) -> dict[str, Dataset]:
    with options.training.main_process_first(desc="reading the data"):
        tables = task.load_tables(options.data)
    if not len(tables.get("train", ())):
        found = ", ".join(f"{split} ({len(table)} rows)" for split, table in tables.items()) or "nothing"
        raise ValueError(f"there is nothing to train on: the data have no rows in split 'train'; found {found}")
    logger.info("task %s: %s", task.name, ", ".join(f"{len(table):,} {split}" for split, table in tables.items()))
    return tables


def _has_ended(checkpoint: Path, training: TrainingOptions) -> bool:
    state = trainer_state(checkpoint)
    early_stopping = state["stateful_callbacks"].get("EarlyStoppingCallback", {}).get("attributes", {})
    waited = early_stopping.get("early_stopping_patience_counter", 0)
    patience = training.early_stopping_patience
    return bool(state["global_step"] >= state["max_steps"] or (patience is not None and waited >= patience))


def _judge(trainer: LrcnTrainer, tables: Mapping[str, Dataset]) -> dict[str, dict[str, float]]:
    """Judge the final model on the splits the recipe names, and keep answers and metrics in ``evaluation/SPLIT``."""
    task, options, metrics = trainer.task, trainer.options, {}
    for split in options.training.final_splits:
        if not len(tables.get(split, ())):
            continue
        predictions, metrics[split] = evaluate_table(
            task, trainer.model, trainer.processor, tables[split], options, trainer.accelerator
        )
        if trainer.accelerator.is_main_process:
            folder = Path(options.training.output_dir)
            judged = (str(folder), split, tables, predictions, metrics[split], options.evaluation)
            write_evaluation(folder / "evaluation" / split, tables[split], predictions, metrics[split])
            write_report(task, Evaluation(*judged, folder / "evaluation" / split))
            with _not_vital(f"drawing answers of split {split}"):
                _illustrate(task, tables[split], predictions, options.data, folder / ASSETS / f"{split}.png")
        logger.info("%s: %s", split, ", ".join(f"{name} {value:.4g}" for name, value in metrics[split].items()))
    return metrics


def _illustrate(task: Task, table: Dataset, predictions: list[Any], options: Any, file: Path) -> None:
    """Keep a picture of some answers for the model card, or none: one from an earlier run must not stay."""
    remove(file)
    if (picture := task.illustrate(table, predictions, options)) is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
        picture.save(file, optimize=True)


@contextmanager
def _not_vital(what: str) -> Iterator[None]:
    """Go on without what is only for the model card, where it fails: a trained model must not be lost for it."""
    try:
        yield
    except Exception as error:
        logger.warning("%s failed, so the model card goes without: %s: %s", what, type(error).__name__, error)
