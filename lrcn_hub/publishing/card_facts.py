"""What a model card is made of: the files beside a model's weights, and the facts of the models to be published."""

from __future__ import annotations

import hashlib
import importlib.resources
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

SHOWN_ENTRIES = 12  # of a history, at most
TRAINER_KEYS = ("runtime", "samples_per_second", "steps_per_second")  # what transformers adds to an evaluation's entry
PLACES = {"output_dir", "init_from", "backbone_weights", "dataloader_num_workers", "push_to_hub", "hub_model_id"}
"""Values of a recipe that name places and machines, and change no result."""


@dataclass
class Facts:
    """What is known of a model; what its folder lacks is empty."""

    config: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, dict[str, float]] = field(default_factory=dict)
    """By split, as judged at the end of training."""
    judged_again: dict[str, dict[str, float]] = field(default_factory=dict)
    """By split, where ``evaluation/SPLIT`` says otherwise: ``lrcn evaluate`` was used since."""
    history: list[dict[str, Any]] = field(default_factory=list)
    data: dict[str, Any] = field(default_factory=dict)
    conversion: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)
    """What earlier cards were told: ``name``, ``published``, ``usage``."""
    pictures: list[str] = field(default_factory=list)
    """Splits of which answers were drawn."""
    weights: str = ""
    """What tells these weights from others."""

    @classmethod
    def of(cls, folder: Path) -> Facts:
        """Read a model's folder. Raises ValueError that names a file which is damaged."""
        metrics = {key: value for key, value in _read(folder / "metrics.json").items() if isinstance(value, dict)}
        judged = {file.parent.name: _read(file) for file in sorted(folder.glob("evaluation/*/metrics.json"))}
        return cls(
            config=_read(folder / "config.json"),
            recipe=_read(folder / "recipe.yaml"),
            versions=_read(folder / "versions.json"),
            metrics=metrics,
            judged_again={split: values for split, values in judged.items() if values != metrics.get(split)},
            history=_read_lines(folder / "history.jsonl"),
            data=_read(folder / "data.json"),
            conversion=_read(folder / "conversion.json"),
            card=_read(folder / "card.json"),
            pictures=[split for split in metrics if (folder / "assets" / f"{split}.png").is_file()],
            weights=_digest(sorted(folder.glob("*.safetensors"))),
        )

    @classmethod
    def planned(cls, published: Mapping[str, Any]) -> Facts:
        """Take what the recipe of a model says that nobody has trained yet."""
        file = importlib.resources.files("lrcn_hub.recipes").joinpath(f"{published['recipe']}.yaml")
        return cls(recipe=yaml.safe_load(file.read_text(encoding="utf-8")))


def published_models() -> list[str]:
    """Name the models to be published that LRCN Hub has cards for, sorted."""
    return sorted(file.name.removesuffix(".yaml") for file in _published().iterdir() if file.name.endswith(".yaml"))


def read_published(name: str) -> dict[str, Any]:
    """Read the facts of a model to be published. Raises ValueError that lists those there are."""
    if name not in published_models():
        raise ValueError(f"there is no card of a published model {name!r}; there are {', '.join(published_models())}")
    content: dict[str, Any] = yaml.safe_load(_published().joinpath(f"{name}.yaml").read_text(encoding="utf-8"))
    return content


def training_curve(history: Sequence[Mapping[str, Any]]) -> dict[str, Any] | None:
    """Arrange a trainer's log as the rows of a table: step, the latest loss and the metrics of each evaluation.

    Without evaluations there is a row for each loss. Of more than `SHOWN_ENTRIES` rows as many are kept, evenly chosen
    and the last among them.
    """
    rows, loss = [], None
    judged = any(_is_evaluation(entry) for entry in history)
    for entry in history:
        loss = entry.get("loss", loss)
        if _is_evaluation(entry) or (not judged and "loss" in entry):
            scores = {key.removeprefix("eval_"): value for key, value in entry.items() if key.startswith("eval_")}
            rows.append({"step": entry["step"], "loss": loss, **scores})
    if not rows:
        return None
    last = len(rows) - 1
    kept = min(SHOWN_ENTRIES, len(rows))
    chosen = sorted({last - number * last // max(1, kept - 1) for number in range(kept)})
    metrics = dict.fromkeys(key for row in rows for key in row if key not in ("step", "loss", *TRAINER_KEYS))
    return {
        "rows": [rows[number] for number in chosen],
        "metrics": list(metrics),
        "of": len(rows),
        "left_out": len(rows) > len(chosen),
    }


def counts(data: Mapping[str, Any]) -> dict[str, Any]:
    """Arrange the numbers that data.json has for each split as a table."""
    columns = [key for key, value in data.items() if isinstance(value, Mapping)]
    splits = dict.fromkeys(split for key in columns for split in data[key])
    return {"columns": columns, "rows": {split: [data[key].get(split) for key in columns] for split in splits}}


def differences(recipe: Mapping[str, Any], published: Mapping[str, Any]) -> list[str]:
    """Say where a run's recipe is another than the shipped one, but for places and machines."""
    shipped = Facts.planned(published).recipe
    found = []
    for section in ("model", "training", "evaluation"):
        for key, value in shipped[section].items():
            here = recipe.get(section, {}).get(key)
            if key not in PLACES and here != value:
                found.append(f"{section}.{key}: {here} instead of {value}")
    return found


def _is_evaluation(entry: Mapping[str, Any]) -> bool:
    return any(key.startswith("eval_") for key in entry)


def _published() -> Any:
    return importlib.resources.files("lrcn_hub.model_cards").joinpath("published")


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        text = file.read_text(encoding="utf-8")
        content = yaml.safe_load(text) if file.suffix == ".yaml" else json.loads(text)
    except (ValueError, yaml.YAMLError) as error:
        raise ValueError(f"{file} is damaged: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"{file} is damaged: it holds {type(content).__name__}, not names with values")
    return content


def _read_lines(file: Path) -> list[dict[str, Any]]:
    if not file.is_file():
        return []
    try:
        return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    except ValueError as error:
        raise ValueError(f"{file} is damaged: {error}") from error


def _digest(files: Sequence[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        with open(file, "rb") as content:
            digest.update(hashlib.file_digest(content, "sha256").digest())
    return digest.hexdigest()
