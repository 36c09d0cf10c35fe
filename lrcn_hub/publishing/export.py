"""Writing a trained model as a folder that the Auto classes and pipelines load."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from lrcn_hub.plugins import notify
from lrcn_hub.publishing.cards import write_card_or_warn
from lrcn_hub.publishing.folders import full_disk_named, partial_folder, remove, without_progress_bars
from lrcn_hub.publishing.versions import collect_versions

if TYPE_CHECKING:
    from transformers import BaseImageProcessor, PreTrainedModel, ProcessorMixin

    from lrcn_hub.tasks import Task

logger = logging.getLogger(__name__)

CONFIG_FILE = "config.json"
METRICS_FILE = "metrics.json"
RECIPE_FILE = "recipe.yaml"
VERSIONS_FILE = "versions.json"


def export(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    task: Task,
    folder: str | Path,
    *,
    recipe: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> Path:
    """Write `model` to `folder`: weights, configuration, processor, recipe, versions and metrics.

    Everything is written beside its place first. ``config.json`` and ``metrics.json`` come last, and older ones go
    first: what is loadable is whole, and what has metrics is finished. Other files in `folder` stay. Plugins are told
    through the hook ``exported``.

    Raises OSError that names folder and bytes where the disk is full; what stood in `folder` before is then untouched.
    """
    folder = Path(folder)
    partial = partial_folder(folder / "export")
    folder.mkdir(parents=True, exist_ok=True)
    remove(partial)
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    try:
        with full_disk_named(folder, weights + 2**20), without_progress_bars():
            partial.mkdir()
            _write(partial, model, processor, recipe, metrics)
            _move(partial, folder)
    finally:
        remove(partial)
    logger.info("exported to %s", folder)
    write_card_or_warn(folder)
    notify("exported", task=task, model=model, folder=str(folder))
    return folder


def export_new(
    model: PreTrainedModel,
    processor: ProcessorMixin | BaseImageProcessor,
    folder: str | Path,
    texts: Mapping[str, str],
    *,
    files: Mapping[str, Path] | None = None,
) -> None:
    """Write a model to a new folder, with its processor and, by the names they get there, `texts` and copied `files`.

    It appears whole or not at all. Raises ValueError where there is something already, OSError where the disk is full.
    """
    folder = Path(folder)
    check_is_new(folder)
    partial = partial_folder(folder)
    remove(partial)
    weights = sum(tensor.nbytes for tensor in model.state_dict().values())
    try:
        with full_disk_named(folder, weights + 2**20), without_progress_bars():
            partial.mkdir(parents=True)
            _write_model(partial, model, processor)
            for name, text in texts.items():
                (partial / name).write_text(text, encoding="utf-8")
            for name, file in (files or {}).items():
                (partial / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(file, partial / name)
            if folder.is_dir():
                folder.rmdir()
            os.replace(partial, folder)
    finally:
        remove(partial)
    logger.info("exported to %s", folder)
    write_card_or_warn(folder)


def check_is_new(folder: Path) -> None:
    """Raise ValueError unless `folder` is empty or not there at all; what an interrupted write left does not count."""
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise ValueError(f"{folder} is there already and is not an empty folder; choose another")


def _write(
    partial: Path,
    model: PreTrainedModel,
    processor: ProcessorMixin,
    recipe: Mapping[str, Any],
    metrics: Mapping[str, Any],
) -> None:
    _write_model(partial, model, processor)
    recipe_text = yaml.safe_dump(dict(recipe), sort_keys=False, allow_unicode=True)
    (partial / RECIPE_FILE).write_text(recipe_text, encoding="utf-8")
    (partial / METRICS_FILE).write_text(json.dumps(metrics, indent=2) + "\n", encoding="utf-8")


def _write_model(partial: Path, model: PreTrainedModel, processor: ProcessorMixin | BaseImageProcessor) -> None:
    model.save_pretrained(partial)
    processor.save_pretrained(partial)
    (partial / VERSIONS_FILE).write_text(json.dumps(collect_versions(), indent=2) + "\n", encoding="utf-8")


def _move(partial: Path, folder: Path) -> None:
    last = [CONFIG_FILE, METRICS_FILE]
    for name in reversed(last):
        remove(folder / name)
    files = sorted(file.relative_to(partial).as_posix() for file in partial.rglob("*") if file.is_file())
    for name in [name for name in files if name not in last] + last:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        os.replace(partial / name, folder / name)
