"""The command line of a run: ``--task``, ``--recipe`` and an option for every value of a recipe."""

from __future__ import annotations

import contextlib
import copy
import textwrap
from dataclasses import dataclass, field
from typing import Any

import yaml

from lrcn_hub.plugins import suggestion
from lrcn_hub.tasks import Task
from lrcn_hub.training.recipe import Recipe, Values, read_recipe, resolve, unknown_option
from lrcn_hub.training.sections import SECTIONS, Option, options_of_section

USAGE = """\
usage: lrcn train --task NAME [--recipe FILE_OR_NAME] [--section.option VALUE ...]

Trains a model of a task, judges it and exports it to training.output_dir. The same command again resumes.

  --task NAME        the task, as `lrcn tasks` lists them; a recipe may name it instead
  --recipe RECIPE    a YAML file, or the bare name of a recipe that comes with LRCN Hub
  --help             this text; with --task or --recipe, also every option of every section

An option is written --training.learning_rate 0.01, or --learning-rate 0.01 where only one section has it; a truth
value may stand alone (--bf16); the entry of a table is reached by dots (--lr_scheduler_kwargs.num_cycles 2).
"""


@dataclass
class Command:
    """A command line taken apart, options not yet looked up."""

    positional: list[str] = field(default_factory=list)
    flags: dict[str, str | bool] = field(default_factory=dict)
    options: list[tuple[str, list[str]]] = field(default_factory=list)


def parse_command(arguments: list[str], flags: dict[str, bool]) -> Command:
    """Take `arguments` apart; `flags` names what is no option of a recipe, and whether it takes a value.

    Raises ValueError for a flag without its value or with several.
    """
    command, rest = Command(), list(arguments)
    while rest:
        token = rest.pop(0)
        if token in ("-h", "--help"):
            command.flags["help"] = True
        elif not token.startswith("--"):
            command.positional.append(token)
        else:
            name, equals, value = token[2:].partition("=")
            takes_value = flags.get(name.replace("-", "_"))
            values = [value] if equals else _take_values(rest, takes_value)
            if takes_value is None:
                command.options.append((name, values))
            elif takes_value and len(values) != 1:
                raise ValueError(f"--{name} takes one value")
            else:
                command.flags[name.replace("-", "_")] = values[0] if takes_value else True
    return command


def recipe_from(task: Task, written: Values, options: list[tuple[str, list[str]]], source: str) -> Recipe:
    """Complete a recipe as `written` with what the command line says otherwise.

    Raises ValueError for an option that is unknown, ambiguous or of the wrong type.
    """
    given = {section: copy.deepcopy(written.get(section) or {}) for section in SECTIONS}
    for name, values in options:
        _set(task, given, name, values)
    return resolve(task, given, source)


def written_recipe(command: Command) -> tuple[str, Values, str]:
    """Give the task's name, the recipe as written and its name, from ``--task`` and ``--recipe``."""
    name = command.flags.get("recipe")
    written = read_recipe(str(name)) if name else {}
    asked = command.flags.get("task", written.get("task"))
    if asked is None:
        raise ValueError("say what to train: --task NAME (`lrcn tasks` lists them) or --recipe with a task in it")
    if written.get("task", asked) != asked:
        raise ValueError(f"recipe {name} is for task {written['task']!r}, not {asked!r}; leave out --task")
    return str(asked), written, f"recipe {name}" if name else "command line"


def help_text(task: Task | None) -> str:
    """Write the usage and, for a task, every option with its type, default and meaning."""
    lines = [USAGE]
    for section in SECTIONS if task else ():
        options = options_of_section(task, section)  # type: ignore[arg-type]
        lines.append(f"{section}:" if options else f"{section}: no options")
        for name, option in options.items():
            lines.append(f"  --{section}.{name} ({option.describe()})")
            lines += textwrap.wrap(option.meaning, 110, initial_indent=" " * 6, subsequent_indent=" " * 6)
    return "\n".join(lines) + ("\n" if task else "")


def _take_values(rest: list[str], takes_value: bool | None) -> list[str]:
    values: list[str] = []
    while rest and not rest[0].startswith("--") and takes_value is not False:
        values.append(rest.pop(0))
        if takes_value:
            break
    return values


def _set(task: Task, given: Values, name: str, texts: list[str]) -> None:
    section, option, keys = _find(task, name)
    if keys:
        table = given[section].get(option.name, option.default)
        table = given[section][option.name] = dict(table) if isinstance(table, dict) else {}
        for key in keys[:-1]:
            table = table.setdefault(key, {})
        table[keys[-1]] = _yaml(texts[0]) if len(texts) == 1 else [_yaml(text) for text in texts] or True
        option.check(given[section][option.name], f"--{name}")
    else:
        given[section][option.name] = _read(option, name, texts)


def _find(task: Task, name: str) -> tuple[str, Option, list[str]]:
    """Look up an option as written: its section, itself, and the keys that follow."""
    first, *keys = name.split(".")
    first = first.replace("-", "_")
    is_option = any(first in options_of_section(task, section) for section in SECTIONS)
    if first in SECTIONS and (keys or not is_option):  # --objective NAME is the option training.objective
        if not keys:
            raise ValueError(f"--{name}: {first} is a section; write --{first}.OPTION VALUE")
        option_name = keys.pop(0).replace("-", "_")
        options = options_of_section(task, first)
        if option_name not in options:
            raise ValueError(f"--{name}: {unknown_option(task, first, option_name)}")
        return first, options[option_name], keys
    sections = [section for section in SECTIONS if first in options_of_section(task, section)]
    if len(sections) > 1:
        raise ValueError(f"--{name} could be " + " or ".join(f"--{section}.{first}" for section in sections))
    if not sections:
        every = [option for section in SECTIONS for option in options_of_section(task, section)]
        raise ValueError(f"no option --{name}{suggestion(first, every)}; --help lists them")
    return sections[0], options_of_section(task, sections[0])[first], keys


def _read(option: Option, name: str, texts: list[str]) -> Any:
    """Read the words that follow an option: as YAML if that fits the option, else as they stand."""
    if not texts:
        return option.check(True, f"--{name} needs a value")
    as_yaml: list[Any] = [_yaml(text) for text in texts]
    candidates = [as_yaml, texts] if len(texts) > 1 else [as_yaml[0], texts[0], as_yaml, texts]
    for candidate in candidates:
        with contextlib.suppress(ValueError):
            return option.check(candidate, f"--{name}")
    return option.check(candidates[0], f"--{name}")  # it raises: the first reading is the one to speak of


def _yaml(text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError:
        return text
