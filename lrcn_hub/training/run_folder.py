"""The folder of a run: whose it is, whether to go on in it, and what is kept there."""

from __future__ import annotations

import json
import logging
import os
from pathlib import Path

import yaml

from lrcn_hub.publishing.export import METRICS_FILE, RECIPE_FILE, VERSIONS_FILE
from lrcn_hub.publishing.folders import is_partial, remove, write_text
from lrcn_hub.publishing.versions import collect_versions
from lrcn_hub.tasks import Task
from lrcn_hub.training.checkpoints import checkpoints
from lrcn_hub.training.recipe import Recipe, read_recipe, resolve

logger = logging.getLogger(__name__)

MATERIAL = ("evaluation", "history.jsonl", "data.json", "card.json")
"""What a run leaves beside its weights: the model card of the next one must not be made of it."""


def holds_run(folder: Path, task: Task, recipe: Recipe, *, overwrite: bool) -> bool:
    """Whether `folder` holds a run of `recipe` to go on with; if not, one may begin there. Nothing is changed.

    Raises ValueError where it holds a run of another recipe, naming the keys that differ, or files that are no run,
    unless `overwrite`.
    """
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"output_dir {folder} is a file; choose another with --output_dir")
    contents = sorted(path.name for path in folder.iterdir() if not is_partial(path)) if folder.exists() else []
    if RECIPE_FILE in contents:
        differences = _differences(folder, task, recipe)
        if not differences:
            _warn_of_other_versions(folder)
            return True
        if not overwrite:
            raise ValueError(
                f"output_dir {folder} holds a run of another recipe, which differs in {'; '.join(differences)} "
                "(there against now); choose another --output_dir, or delete that run with --overwrite_output_dir"
            )
    elif contents and not overwrite:
        raise ValueError(
            f"output_dir {folder} is not empty and holds no run (it has {', '.join(contents[:3])}); choose another "
            "--output_dir, or write beside these files with --overwrite_output_dir"
        )
    return False


def check_can_be_written(folder: Path) -> None:
    """Raise OSError where `folder` cannot be made or written to, before hours of work are done for it."""
    place = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    if not place.is_dir():
        raise NotADirectoryError(f"output_dir {folder} cannot be made: {place} is a file; choose another --output_dir")
    if not os.access(place, os.W_OK | os.X_OK):
        raise PermissionError(f"output_dir {folder} cannot be written: no right to write in {place}; choose another")


def begin_run(folder: Path, recipe: Recipe) -> None:
    """Write the recipe of a new run into `folder`; a run that is there is deleted, other files stay.

    It is called when all is ready to train, so that a run that cannot begin leaves everything as it was.
    """
    if (folder / RECIPE_FILE).exists():
        _delete_run(folder)
    folder.mkdir(parents=True, exist_ok=True)
    # The recipe comes first: with it alone, the same command goes on here.
    write_text(folder / RECIPE_FILE, yaml.safe_dump(recipe.plain(), sort_keys=False, allow_unicode=True))
    write_text(folder / VERSIONS_FILE, json.dumps(collect_versions(), indent=2) + "\n")


def is_complete(folder: Path) -> bool:
    """Whether the run in `folder` has ended: its metrics are the last file to be written."""
    return (folder / METRICS_FILE).is_file()


def read_run_recipe(folder: Path, task: Task) -> Recipe:
    """Read the recipe of a run; options that have come since have their defaults."""
    return resolve(task, read_recipe(str(folder / RECIPE_FILE)), str(folder / RECIPE_FILE))


def _differences(folder: Path, task: Task, recipe: Recipe) -> list[str]:
    written = read_recipe(str(folder / RECIPE_FILE))
    if written.get("task") != task.name:
        return [f"task: {written.get('task')!r} against {task.name!r}"]
    try:
        return read_run_recipe(folder, task).differences(recipe)
    except ValueError as error:  # written by a version with other options
        return [str(error)]


def _delete_run(folder: Path) -> None:
    logger.warning("deleting the run in %s, as --overwrite_output_dir asks", folder)
    for path in [
        folder / METRICS_FILE,
        folder / "config.json",
        *(folder / name for name in MATERIAL),
        *checkpoints(folder),
        *folder.glob("torn-checkpoint-*"),
    ]:
        remove(path)


def _warn_of_other_versions(folder: Path) -> None:
    try:
        then = json.loads((folder / VERSIONS_FILE).read_text(encoding="utf-8"))["packages"]
    except (OSError, ValueError, KeyError):
        return
    now = collect_versions()["packages"]
    changed = [f"{name} {then.get(name)} to {now.get(name)}" for name in then | now if then.get(name) != now.get(name)]
    if changed:
        logger.warning(
            "versions changed since this run began: %s; it may not go on to the same bits", ", ".join(changed)
        )
