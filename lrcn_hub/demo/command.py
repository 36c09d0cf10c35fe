"""The command line of the demo."""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from lrcn_hub.demo.report import write_report
from lrcn_hub.demo.story import Part, tell
from lrcn_hub.plugins import get_task
from lrcn_hub.publishing.folders import write_text
from lrcn_hub.publishing.versions import collect_versions
from lrcn_hub.tasks import Task
from lrcn_hub.training.command import Command, parse_command, recipe_from
from lrcn_hub.training.recipe import Recipe, read_recipe

RECIPE = "captioning_demo"
SPLITS = ("pairs", "combinations")
REPORT_FILE, RESULTS_FILE = "report.html", "results.json"

USAGE = """\
usage: lrcn demo [--output_dir DIR] [--split pairs|combinations] [--harder] [--seed N] [--section.option VALUE ...]

Trains a small captioner on built-in pictures, judges it on held-out ones, loads it again in a new process, and writes
DIR/report.html, DIR/results.json and the model, DIR/model. The same command again uses what is already there.

  --output_dir DIR   where all of it goes (default outputs/demo)
  --split SPLIT      what is held out: pairs of objects never seen together (the default), or combinations of colour
                     and shape never seen on one object
  --harder           train and judge on combinations as well, in DIR/harder
  --seed N           draws other pictures and other initial weights (default 0)

Every option of `lrcn train` goes as well, such as --max_steps 200, or --overwrite_output_dir to begin anew.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the demo as the arguments say, the command line's where they are None; returns the exit code.

    Raises ValueError or OSError, with what to do about it, where it cannot be run or the exported model is not what
    was trained.
    """
    arguments = sys.argv[1:] if argv is None else argv
    command = parse_command(arguments, {"output_dir": True, "split": True, "seed": True, "harder": False})
    if "help" in command.flags:
        sys.stdout.write(USAGE)
        return 0
    if command.positional:
        raise ValueError(f"unexpected argument {command.positional[0]!r}; `lrcn demo --help` lists the options")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # so small a network gains nothing from a second GPU
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder, seed = Path(str(command.flags.get("output_dir", "outputs/demo"))), _seed(command)
    began = time.monotonic()
    parts = [tell(*plan) for plan in plans(command, folder, seed)]
    results = summary(parts, seed, time.monotonic() - began)
    write_text(folder / RESULTS_FILE, json.dumps(results, indent=2) + "\n")
    write_report(folder / REPORT_FILE, parts, results)
    sys.stdout.write(
        f"model:   {folder / 'model'}\nresults: {folder / RESULTS_FILE}\nreport:  {folder / REPORT_FILE}\n"
    )
    return 0


def plans(command: Command, folder: Path, seed: int) -> list[tuple[Task, Recipe, str, Path]]:
    """Give task, recipe, split and folder of each training that is asked for.

    The recipe is the shipped one with the split, the seed, and whatever options the command line has. Raises
    ValueError for what cannot be.
    """
    written = read_recipe(RECIPE)
    task = get_task(written["task"])
    split = str(command.flags.get("split", SPLITS[0]))
    if split not in SPLITS:
        raise ValueError(f"--split {split}: choose {' or '.join(SPLITS)}")
    places = {split: folder}
    if "harder" in command.flags:
        places.setdefault("combinations", folder / "harder")
    made = []
    for name, place in places.items():
        own = {
            "data.moving_shapes.split": name,
            "data.moving_shapes.seed": str(seed),
            "training.seed": str(seed),
            "training.output_dir": str(place / "model"),
        }
        options = [*((option, [value]) for option, value in own.items()), *command.options]
        made.append((task, recipe_from(task, written, options, f"recipe {RECIPE}"), name, place))
    return made


def summary(parts: list[Part], seed: int, seconds: float) -> dict[str, Any]:
    """Give what goes into results.json."""
    return {
        "seed": seed,
        "splits": {part.split: part.figures() for part in parts},
        "seconds": round(seconds, 1),
        "machine": {"system": platform.platform(terse=True), "processors": os.cpu_count()},
        "versions": collect_versions(),
    }


def _seed(command: Command) -> int:
    written = str(command.flags.get("seed", "0"))
    if not written.isdecimal():
        raise ValueError(f"--seed {written}: it must be a whole number, 0 or more")
    return int(written)
