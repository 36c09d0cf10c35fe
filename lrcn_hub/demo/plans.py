"""What the demo trains: the shipped recipes with a seed, a split and folders of their own."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrcn_hub.demo.side_by_side import Job
from lrcn_hub.plugins import get_task
from lrcn_hub.publishing.folders import write_text
from lrcn_hub.tasks import Task
from lrcn_hub.training.command import Command, recipe_from
from lrcn_hub.training.recipe import Recipe, read_recipe
from lrcn_hub.training.run_folder import holds_run, is_complete

RECIPES = {"captioning": "captioning_demo", "activity": "activity_demo"}
SPLITS = ("pairs", "combinations")
TRAINING, MEAN_POOLED = "lrcn_hub.training", "lrcn_hub.demo.activity.mean_pooled"


@dataclass
class Plan:
    """One training: by what recipe, and where what comes of it goes."""

    name: str
    task: Task
    recipe: Recipe
    overwrite: bool
    """Whether to train again what is there."""
    module: str = TRAINING

    @property
    def folder(self) -> Path:
        return Path(self.recipe.sections["training"]["output_dir"])

    @property
    def recipe_file(self) -> Path:
        return self.folder.parent / f"{self.folder.name}.yaml"

    @property
    def is_done(self) -> bool:
        """Whether this very training has been done; what differs from it is refused later, by name."""
        if self.overwrite:
            return False
        if self.module == TRAINING:
            return is_complete(self.folder)
        known = self.recipe_file.read_text(encoding="utf-8") if self.recipe_file.is_file() else None
        return known == self.recipe.text() and (self.folder / "evaluation" / "test" / "metrics.json").is_file()

    def check(self) -> None:
        """Raise ValueError, before anything is trained, if the folder holds a run of another recipe."""
        if self.module == TRAINING and not self.overwrite:
            holds_run(self.folder, self.task, self.recipe, overwrite=False)

    def job(self, logs: Path) -> Job:
        """Write the recipe to a file, and give the job of training by it; what it says goes to a file in `logs`."""
        training = self.recipe.sections["training"]
        self.recipe_file.parent.mkdir(parents=True, exist_ok=True)
        write_text(self.recipe_file, self.recipe.text())
        arguments = ["--recipe", str(self.recipe_file), "--training.disable_tqdm", "true"]
        if self.overwrite:
            arguments += ["--training.overwrite_output_dir", "true"]
        log = logs / f"{self.name.replace(',', '').replace(' ', '-')}.log"
        return Job(self.name, self.module, arguments, log, training["max_steps"], int(training["logging_steps"]))


def captioning_plans(command: Command, folder: Path, seed: int) -> dict[str, Plan]:
    """Plan the captioner's training on each split that is asked for. Raises ValueError for what cannot be."""
    split = str(command.flags.get("split", SPLITS[0]))
    if split not in SPLITS:
        raise ValueError(f"--split {split}: choose {' or '.join(SPLITS)}")
    places = {split: folder / "captioning"}
    if "thorough" in command.flags:
        places.setdefault("combinations", folder / "combinations")
    names = {
        name: "captioner" if place == places[split] else "captioner, combinations" for name, place in places.items()
    }
    return {
        name: _plan(
            names[name], "captioning", place / "model", seed, command.options, {"data.moving_shapes.split": name}
        )
        for name, place in places.items()
    }


def activity_plans(command: Command, folder: Path, seed: int) -> dict[str, Plan]:
    """Plan the recogniser's training and that of its baselines: all with the same data, steps and options.

    The mean of all frames is for ``--thorough``: that baseline costs as much as the recogniser itself.
    """
    plans = {
        "model": _plan("recogniser", "activity", folder / "activity" / "model", seed, command.options, {}),
        "single_frame": _plan(
            "single frames",
            "activity",
            folder / "activity" / "single-frame",
            seed,
            command.options,
            {"model.num_layers": "0"},
        ),
    }
    if "thorough" in command.flags:
        pooled = folder / "activity" / "mean-pooled"
        plans["mean_pooled"] = _plan("mean of frames", "activity", pooled, seed, command.options, {})
        plans["mean_pooled"].module = MEAN_POOLED
    return plans


def _plan(
    name: str, task_name: str, folder: Path, seed: int, options: list[tuple[str, list[str]]], own: dict[str, str]
) -> Plan:
    """Complete the task's recipe: an option that begins with a task's name is for it, any other for all."""
    task, written = get_task(task_name), read_recipe(RECIPES[task_name])
    seeds = {"data.moving_shapes.seed": str(seed), "training.seed": str(seed)}
    values: list[tuple[str, Any]] = [(option, [value]) for option, value in (seeds | own).items()]
    for option, texts in options:
        owner, _, rest = option.partition(".")
        if owner not in RECIPES:
            values.append((option, texts))
        elif owner == task_name:
            values.append((rest, texts))
    values.append(("training.output_dir", [str(folder)]))
    recipe = recipe_from(task, copy.deepcopy(written), values, f"recipe {RECIPES[task_name]}")
    overwrite = recipe.sections["training"]["overwrite_output_dir"]
    recipe.sections["training"]["overwrite_output_dir"] = False
    return Plan(name, task, recipe, overwrite)
