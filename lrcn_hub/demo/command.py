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

from lrcn_hub.demo.activity.story import ActivityPart, tell_activity
from lrcn_hub.demo.captioning.story import Part, tell
from lrcn_hub.demo.narration.story import NarrationPart, tell_narration
from lrcn_hub.demo.plans import Plan, activity_plans, captioning_plans, narration_plans
from lrcn_hub.demo.report import write_report
from lrcn_hub.demo.side_by_side import run_side_by_side
from lrcn_hub.demo.stages import stage
from lrcn_hub.publishing.folders import write_text
from lrcn_hub.publishing.versions import collect_versions
from lrcn_hub.training.command import parse_command

REPORT_FILE, RESULTS_FILE = "report.html", "results.json"

USAGE = """\
usage: lrcn demo [--output_dir DIR] [--split pairs|combinations] [--thorough] [--seed N]
                 [--section.option VALUE ...]

Trains a small captioner on built-in pictures, a small recogniser and small narrators on built-in videos, side by
side, judges them beside baselines on held-out ones, loads them again in a new process, watches and narrates long
videos live, and writes DIR/report.html, DIR/results.json and the models, DIR/captioning/model, DIR/activity/model and
DIR/narration/model. The same command again uses what is already there.

  --output_dir DIR   where all of it goes (default outputs/demo)
  --split SPLIT      what is held out of the pictures: pairs of objects never seen together (the default), or
                     combinations of colour and shape never seen on one object
  --thorough         compare more, in about twice the time: train a captioner on combinations as well, in
                     DIR/combinations, on videos networks that see single frames or the mean of all, and
                     narrators that are told the likeliest labels
  --seed N           draws other pictures, videos and initial weights (default 0)

Every option of `lrcn train` goes as well, for all trainings, such as --max_steps 200, or --overwrite_output_dir to
begin anew; with the name of a task before it for that task alone, such as --captioning.max_steps 200.
"""


def main(argv: list[str] | None = None) -> int:
    """Run the demo as the arguments say, the command line's where they are None; returns the exit code.

    Raises ValueError or OSError, with what to do about it, where it cannot be run or an exported model is not what
    was trained.
    """
    arguments = sys.argv[1:] if argv is None else argv
    command = parse_command(arguments, {"output_dir": True, "split": True, "seed": True, "thorough": False})
    if "help" in command.flags:
        sys.stdout.write(USAGE)
        return 0
    if command.positional:
        raise ValueError(f"unexpected argument {command.positional[0]!r}; `lrcn demo --help` lists the options")
    os.environ.setdefault("CUDA_VISIBLE_DEVICES", "0")  # so small a network gains nothing from a second GPU
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folder, seed = Path(str(command.flags.get("output_dir", "outputs/demo"))), _seed(str(command.flags.get("seed", 0)))
    captioners, recognisers = captioning_plans(command, folder, seed), activity_plans(command, folder, seed)
    narrators = narration_plans(command, folder, seed)
    seconds: dict[str, float] = {}
    began = time.monotonic()
    plans = [*captioners.values(), *recognisers.values(), *narrators.values()]
    trained_before = _train(plans, folder / "logs", seconds)
    parts = [tell(plan.task, plan.recipe, split, plan.folder.parent) for split, plan in captioners.items()]
    recogniser = recognisers["model"]
    activity = tell_activity(
        recogniser.task, recogniser.recipe, {name: plan.folder for name, plan in recognisers.items()}
    )
    narration = tell_narration(narrators)
    results = summary(parts, activity, narration, seed)
    results |= {"seconds": round(time.monotonic() - began, 1), "trained_before": trained_before}
    results["seconds_of_training"] = round(seconds.get("train", 0.0), 1)
    write_text(folder / RESULTS_FILE, json.dumps(results, indent=2) + "\n")
    write_report(folder / REPORT_FILE, parts, activity, narration, results)
    said = {
        "models": ", ".join(str(part.folder / "model") for part in (parts[0], activity, narration)),
        "results": folder / RESULTS_FILE,
        "report": folder / REPORT_FILE,
    }
    sys.stdout.write("".join(f"{name + ':':9}{value}\n" for name, value in said.items()))
    return 0


def _train(plans: list[Plan], logs: Path, seconds: dict[str, float]) -> bool:
    """Do the trainings that are not done yet; gives whether one of them was done before."""
    for plan in plans:
        plan.check()
    jobs = [plan.job(logs) for plan in plans if not plan.is_done]
    if jobs:
        processors = os.cpu_count() or 1
        names = "; ".join(job.name for job in jobs)
        with stage("train", f"Training {len(jobs)} small networks on {processors} processors: {names}", seconds):
            run_side_by_side(jobs, processors)
    return len(jobs) < len(plans)


def summary(parts: list[Part], activity: ActivityPart, narration: NarrationPart, seed: int) -> dict[str, Any]:
    """Give what goes into results.json."""
    return {
        "seed": seed,
        "splits": {part.split: part.figures() for part in parts},
        "activity": activity.figures(),
        "narration": narration.figures(),
        "machine": {"system": platform.platform(terse=True), "processors": os.cpu_count()},
        "versions": collect_versions(),
    }


def _seed(written: str) -> int:
    if not written.isdecimal():
        raise ValueError(f"--seed {written}: it must be a whole number, 0 or more")
    return int(written)
