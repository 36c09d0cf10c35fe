"""What the demo trains: the shipped recipes with a seed, a split and folders of their own."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from transformers.utils import SAFE_WEIGHTS_NAME

from lrcn_hub.demo.side_by_side import Job
from lrcn_hub.plugins import get_task
from lrcn_hub.publishing.folders import write_text
from lrcn_hub.tasks import Task
from lrcn_hub.training.command import Command, recipe_from
from lrcn_hub.training.recipe import Recipe, read_recipe
from lrcn_hub.training.run_folder import holds_run, is_complete

TASKS = ("captioning", "activity", "narration")
CAPTIONING, ACTIVITY = "captioning_demo", "activity_demo"
NARRATION = {
    "frames": "narration_demo_frames",
    "decoder-prob": "narration_demo_prob",
    "decoder-max": "narration_demo_max",
    "encoder-decoder": "narration_demo_encoder",
}
"""The recipe of each variant."""
RECIPES = (CAPTIONING, ACTIVITY, *NARRATION.values())
SPLITS = ("pairs", "combinations")
CAPTIONER = "captioner"
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
    after: str | None = None
    """The name of the plan whose outcome this one needs."""

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
        steps, in_a_line = training["max_steps"], int(training["logging_steps"])
        return Job(self.name, self.module, arguments, log, steps, in_a_line, self.after)


def captioning_plans(command: Command, folder: Path, seed: int) -> dict[str, Plan]:
    """Plan the captioner's training on each split that is asked for. Raises ValueError for what cannot be."""
    split = str(command.flags.get("split", SPLITS[0]))
    if split not in SPLITS:
        raise ValueError(f"--split {split}: choose {' or '.join(SPLITS)}")
    places = {split: folder / "captioning"}
    if "thorough" in command.flags:
        places.setdefault("combinations", folder / "combinations")
    names = {
        name: CAPTIONER if place == places[split] else f"{CAPTIONER}, combinations" for name, place in places.items()
    }
    return {
        name: _plan(
            names[name], CAPTIONING, place / "model", seed, command.options, {"data.moving_shapes.split": name}
        )
        for name, place in places.items()
    }


def activity_plans(command: Command, folder: Path, seed: int) -> dict[str, Plan]:
    """Plan the recogniser's training and, for ``--thorough``, that of its baselines, each of which costs as much.

    All have the same data, steps and options.
    """
    place = folder / "activity"
    plans = {"model": _plan("recogniser", ACTIVITY, place / "model", seed, command.options, {})}
    if "thorough" in command.flags:
        no_layers = {"model.num_layers": "0"}
        plans["single_frame"] = _plan(
            "single frames", ACTIVITY, place / "single-frame", seed, command.options, no_layers
        )
        plans["mean_pooled"] = _plan("mean of frames", ACTIVITY, place / "mean-pooled", seed, command.options, {})
        plans["mean_pooled"].module = MEAN_POOLED
    return plans


def narration_plans(command: Command, folder: Path, seed: int) -> dict[str, Plan]:
    """Plan the training of a narrator of frames, which tells scenes, and of those that are told of nodes.

    Of these only decoder-prob is trained without ``--thorough``.
    The narrator of frames has the captioner's eyes: its backbone is the one that has learnt to see pictures.
    """
    captioner = folder / "captioning" / "model"
    own = {
        "model.backbone_weights": str(captioner / SAFE_WEIGHTS_NAME),
        "training.feature_folder": str(folder / "narration" / "features"),
    }
    plans = {
        variant: _plan(
            f"narrator, {variant}",
            recipe,
            folder / "narration" / ("model" if variant == "frames" else variant),
            seed,
            command.options,
            own if variant == "frames" else {},
        )
        for variant, recipe in NARRATION.items()
        if variant in ("frames", "decoder-prob") or "thorough" in command.flags
    }
    plans["frames"].after = CAPTIONER
    return plans


def _plan(
    name: str, recipe_name: str, folder: Path, seed: int, options: list[tuple[str, list[str]]], own: dict[str, str]
) -> Plan:
    """Complete a recipe: an option that begins with a task's name is for its trainings, any other for all."""
    written = read_recipe(recipe_name)
    task = get_task(written["task"])
    seeds = {"data.moving_shapes.seed": str(seed), "training.seed": str(seed)}
    values: list[tuple[str, Any]] = [(option, [value]) for option, value in (seeds | own).items()]
    for option, texts in options:
        owner, _, rest = option.partition(".")
        if owner not in TASKS:
            values.append((option, texts))
        elif owner == task.name:
            values.append((rest, texts))
    values.append(("training.output_dir", [str(folder)]))
    recipe = recipe_from(task, copy.deepcopy(written), values, f"recipe {recipe_name}")
    overwrite = recipe.sections["training"]["overwrite_output_dir"]
    recipe.sections["training"]["overwrite_output_dir"] = False
    return Plan(name, task, recipe, overwrite)
