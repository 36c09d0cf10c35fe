"""Judging a model that was trained before: ``lrcn evaluate DIR``."""

from __future__ import annotations

import json
import logging
import sys
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from transformers import AutoProcessor

from lrcn_hub.plugins import get_task
from lrcn_hub.publishing.clean_copy import load_model
from lrcn_hub.publishing.export import RECIPE_FILE
from lrcn_hub.reporting.comparison import read_other_run
from lrcn_hub.reporting.content import Evaluation
from lrcn_hub.training.cached_features import with_features
from lrcn_hub.training.command import help_text, parse_command, recipe_from
from lrcn_hub.training.evaluation import evaluate_table, write_evaluation, write_report
from lrcn_hub.training.recipe import read_recipe

logger = logging.getLogger(__name__)

USAGE = """\
usage: lrcn evaluate DIR [--split test] [--compare OTHER] [--output FOLDER] [--json] [--section.option VALUE ...]

Judges the model in DIR on a split of the data of its recipe, as far as the command line does not say otherwise, and
writes metrics.json, predictions.jsonl and the page report.html to FOLDER, DIR/evaluation/SPLIT where none is named.
The page compares with OTHER, the folder of a run that was judged on the split, or one that an evaluation wrote.

"""


def evaluate_main(argv: list[str] | None = None) -> int:
    """Judge a trained model as the arguments say, the command line's where they are None; returns the exit code.

    Raises ValueError or OSError, with what to do about it, where that cannot be done.
    """
    arguments = sys.argv[1:] if argv is None else argv
    command = parse_command(arguments, {"split": True, "compare": True, "output": True, "json": False})
    if len(command.positional) != 1:
        if "help" in command.flags:
            sys.stdout.write(USAGE)
            return 0
        raise ValueError(f"name one folder of a trained model before the options, not {command.positional or 'none'}")
    folder = Path(command.positional[0])
    if not (folder / RECIPE_FILE).is_file():
        raise FileNotFoundError(f"{folder} has no {RECIPE_FILE}: it is no folder that a run exported")
    written = read_recipe(str(folder / RECIPE_FILE))
    task = get_task(written["task"])
    if "help" in command.flags:
        sys.stdout.write(USAGE + help_text(task).partition("\n\n")[2])
        return 0
    recipe = recipe_from(task, written, command.options, str(folder / RECIPE_FILE))
    split = str(command.flags.get("split", "test"))
    output = Path(str(command.flags.get("output", folder / "evaluation" / split)))
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    options = recipe.options(task)
    compare = Path(str(command.flags["compare"])) if "compare" in command.flags else None
    metrics = evaluate_folder(folder, task, options, split, output, compare)
    if options.training.process_index > 0:
        return 0
    line = ", ".join(f"{name} {value:.4g}" for name, value in metrics.items())
    sys.stdout.write(json.dumps(metrics) + "\n" if "json" in command.flags else f"{split}: {line}\n")
    return 0


def evaluate_folder(
    folder: Path, task: Any, options: Any, split: str, output: Path, compare: Path | None = None
) -> dict[str, float]:
    """Judge the model in `folder` on `split`; answers, metrics and report go to `output`, the metrics are returned.

    The report compares with the run in `compare`. Raises ValueError if the data have no such split, and before the
    model is asked anything what `read_other_run` raises.
    """
    tables = task.load_tables(options.data)
    if not len(tables.get(split, ())):
        raise ValueError(f"the data have no rows in split {split!r}; there are: {', '.join(tables)} (--split NAME)")
    other = read_other_run(compare, split, task, tables[split], options.evaluation) if compare else None
    accelerator = Accelerator(cpu=options.training.use_cpu)
    model = load_model(folder).to(accelerator.device)
    if accelerator.device.type == "cpu":
        model.to(memory_format=torch.channels_last)  # as in training
    processor = AutoProcessor.from_pretrained(folder)
    table = tables[split]
    if options.training.cache_features:
        table = with_features(task, model, processor, {split: table}, options, training=False)[split]
    predictions, metrics = evaluate_table(task, model, processor, table, options, accelerator)
    if accelerator.is_main_process:
        write_evaluation(output, tables[split], predictions, metrics)
        evaluation = Evaluation(str(folder), split, tables, predictions, metrics, options.evaluation, output, other)
        write_report(task, evaluation)
        logger.info("wrote %s", output)
    return metrics
