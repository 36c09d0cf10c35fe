"""``python -m lrcn_hub.demo.activity.mean_pooled --recipe FILE ...``: train the mean-pooled baseline, and judge it.

It has the recogniser's data, weights to begin with, optimiser and steps. Its answers go to ``evaluation/test`` in the
recipe's output folder; the network itself is not kept.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from transformers import set_seed

from lrcn_hub.demo.activity.baselines import MeanPooled, with_weights_of
from lrcn_hub.plugins import get_task
from lrcn_hub.publishing.folders import remove
from lrcn_hub.training.command import parse_command, recipe_from, written_recipe
from lrcn_hub.training.evaluation import evaluate_table, write_evaluation
from lrcn_hub.training.trainer import LrcnTrainer


def main(argv: list[str]) -> None:
    """Train and judge by the recipe that the arguments name, anew each time."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    command = parse_command(argv, {"recipe": True})
    name, written, source = written_recipe(command)
    task = get_task(name)
    options = recipe_from(task, written, command.options, source).options(task)
    folder = Path(options.training.output_dir)
    remove(folder)
    tables = task.load_tables(options.data)
    set_seed(options.training.seed)
    processor = task.build_processor(tables, options.model)
    model = with_weights_of(task.build_model(processor, options.model), MeanPooled)
    trainer = LrcnTrainer(task, model, processor, tables, options)
    set_seed(options.training.seed)
    trainer.train()
    predictions, metrics = evaluate_table(task, model, processor, tables["test"], options, trainer.accelerator)
    for checkpoint in folder.glob("checkpoint-*"):
        remove(checkpoint)
    write_evaluation(folder / "evaluation" / "test", tables["test"], predictions, metrics)


if __name__ == "__main__":
    main(sys.argv[1:])
