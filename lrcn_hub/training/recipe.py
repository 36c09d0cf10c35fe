"""Recipes: the values that fix one run, from a YAML file and what the command line says otherwise.

A recipe has ``task: NAME`` and the sections ``data``, ``model``, ``objective``, ``training`` and ``evaluation``; the
keys of a section are the options that task and platform declare (`lrcn_hub.training.sections`).
"""

from __future__ import annotations

import copy
import dataclasses
import importlib.resources
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import yaml

from lrcn_hub.plugins import suggestion
from lrcn_hub.tasks import Task
from lrcn_hub.training.sections import SECTIONS, Option, options_of_section, section_class

Values = dict[str, Any]

# Where a run is kept, shown and published, and loaded by how many processes does not change what comes of it.
WITHOUT_EFFECT = {
    "training": {
        "dataloader_num_workers",
        "dataloader_persistent_workers",
        "dataloader_pin_memory",
        "dataloader_prefetch_factor",
        "disable_tqdm",
        "feature_folder",
        "hub_model_id",
        "hub_private_repo",
        "hub_revision",
        "logging_first_step",
        "logging_steps",
        "logging_strategy",
        "output_dir",
        "overwrite_output_dir",
        "push_to_hub",
        "report_to",
        "run_name",
        "save_total_limit",
    }
}


@dataclass(frozen=True)
class RunOptions:
    """The options of a run as objects of the classes that declare them."""

    data: Any
    model: Any
    objective: Any
    training: Any
    evaluation: Any


@dataclass(frozen=True)
class Recipe:
    """Every option of every section with its value."""

    task: str
    sections: dict[str, Values]

    def options(self, task: Task) -> RunOptions:
        """Make the options objects; that of training chooses the device and joins the run's other processes.

        Raises ValueError where values of a section do not fit together.
        """
        made = {}
        for section in SECTIONS:
            try:
                made[section] = section_class(task, section)(**self.sections[section])
            except ValueError as error:
                raise ValueError(f"section {section}: {error}") from error
        return RunOptions(**made)

    def plain(self) -> Values:
        """Give the recipe in the words of YAML."""
        return {"task": self.task, **_plain(self.sections)}

    def text(self) -> str:
        """Give it as YAML, in the order in which the options are declared."""
        return str(yaml.safe_dump(self.plain(), sort_keys=False, allow_unicode=True))

    def write(self, file: Path) -> None:
        """Write it as YAML."""
        file.write_text(self.text(), encoding="utf-8")

    def differences(self, other: Recipe) -> list[str]:
        """Say where `other` has other values, leaving out options that have no effect on the result."""
        if self.task != other.task:
            return [f"task: {self.task!r} against {other.task!r}"]
        mine, theirs = self.plain(), other.plain()
        return [
            f"{section}.{name}: {mine[section].get(name)!r} against {theirs[section].get(name)!r}"
            for section in SECTIONS
            for name in mine[section] | theirs[section]
            if name not in WITHOUT_EFFECT.get(section, ())
            if mine[section].get(name) != theirs[section].get(name)
        ]


def read_recipe(name: str) -> Values:
    """Read a recipe as it was written: the file `name`, or the shipped recipe of that bare name.

    Raises FileNotFoundError for an unknown name and ValueError for a file that is no recipe.
    """
    file = _recipe_file(name)
    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"recipe {name}: not YAML: {error}") from error
    if not isinstance(content, dict):
        raise ValueError(f"recipe {name}: a recipe has the keys task, {', '.join(SECTIONS)}; this is {content!r}")
    for key, values in content.items():
        if key not in ("task", *SECTIONS):
            raise ValueError(
                f"recipe {name}: no section {key!r}{suggestion(str(key), SECTIONS)}; sections are: "
                f"{', '.join(SECTIONS)}"
            )
        if key != "task" and not isinstance(values, dict | None):
            raise ValueError(f"recipe {name}: section {key} must hold options with values, not {values!r}")
    return {key: values if key == "task" else values or {} for key, values in content.items()}


def shipped_recipes() -> list[str]:
    """Name the recipes that come with LRCN Hub, sorted."""
    return sorted(file.name.removesuffix(".yaml") for file in _shipped().iterdir() if file.name.endswith(".yaml"))


def resolve(task: Task, given: Mapping[str, Any], source: str) -> Recipe:
    """Check the values `given` by section and complete them with the defaults.

    `source` says in errors where they come from. Raises ValueError for an unknown option, naming the nearest, for a
    value of the wrong type, and for a required one that is missing.
    """
    sections = {}
    for section in SECTIONS:
        options, values = options_of_section(task, section), given.get(section) or {}
        for name in values:
            if name not in options:
                raise ValueError(f"{source}: {unknown_option(task, section, str(name))}")
        sections[section] = {name: _value(option, values, section, source) for name, option in options.items()}
    if sections["training"]["output_dir"] is None:
        sections["training"]["output_dir"] = f"outputs/{task.name}"
    return Recipe(task.name, sections)


def unknown_option(task: Task, section: str, name: str) -> str:
    """Say that `section` has no option `name`, where it belongs or which is nearest, and which there are."""
    options = options_of_section(task, section)
    elsewhere = [other for other in SECTIONS if name in options_of_section(task, other)]
    hint = f" (it belongs to section {elsewhere[0]})" if elsewhere else suggestion(name, options)
    return f"section {section} has no option {name!r}{hint}; its options are: {', '.join(sorted(options)) or 'none'}"


def _value(option: Option, values: Mapping[str, Any], section: str, source: str) -> Any:
    if option.name in values:
        return option.check(values[option.name], f"{source}: {section}.{option.name}")
    if option.default is dataclasses.MISSING:
        raise ValueError(f"{source}: {section}.{option.name} must be given; it is {option.describe()}")
    return copy.deepcopy(option.default)


def _recipe_file(name: str) -> Any:
    if Path(name).is_file():
        return Path(name)
    if Path(name).name == name and (shipped := _shipped() / f"{name.removesuffix('.yaml')}.yaml").is_file():
        return shipped
    names = shipped_recipes()
    raise FileNotFoundError(
        f"recipe {name}: no such file, and no shipped recipe of that name{suggestion(name, names)}; "
        f"shipped are: {', '.join(names) or 'none'}"
    )


def _shipped() -> Any:
    return importlib.resources.files("lrcn_hub.recipes")


def _plain(value: Any) -> Any:
    """Reduce a value to what YAML has words for."""
    if isinstance(value, Mapping):
        return {_plain(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    return str(value) if isinstance(value, Path) else value
