"""Does a task keep the contract? What can be told from its declaration alone, without data or a model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import is_dataclass
from typing import Any

from lrcn_hub.tasks import Task


def contract_faults(task: Any) -> list[str]:
    """Say what `task` lacks of `lrcn_hub.tasks.Task`, one sentence for each; nothing is loaded for it."""
    if isinstance(task, type):
        return [f"register an instance, {task.__name__}(), not the class"]
    if not isinstance(task, Task):
        return [f"{type(task).__name__} is not a subclass of lrcn_hub.Task"]
    rules: dict[str, tuple[str, Callable[[Any], bool]]] = {
        "name": ("lower-case words joined by hyphens", _is_task_name),
        "summary": ("one line of text", lambda value: _is_text(value) and "\n" not in value),
        "pipeline_tag": ("the Hub's name of a pipeline", _is_text),
        "columns": ("a mapping from column to meaning that has 'id'", lambda value: _is_named(value, _is_text, "id")),
        "best_metric": ("the name of a metric", _is_text),
        "greater_is_better": ("True or False", lambda value: isinstance(value, bool)),
        "DataOptions": ("a dataclass", _is_options),
        "ModelOptions": ("a dataclass", _is_options),
        "ObjectiveOptions": ("a dataclass", _is_options),
        "EvaluationOptions": ("a dataclass", _is_options),
        "objectives": ("a mapping from name to function, not empty", lambda value: _is_named(value, callable)),
        "objective_builders": (
            "a mapping from name to function",
            lambda value: value == {} or _is_named(value, callable),
        ),
    }
    faults = []
    for member, (meaning, holds) in rules.items():
        if not hasattr(task, member):
            faults.append(f"{member} is missing ({meaning})")
        elif not holds(getattr(task, member)):
            faults.append(f"{member} must be {meaning}, not {getattr(task, member)!r}")
    return faults


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_task_name(value: Any) -> bool:
    return isinstance(value, str) and re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", value) is not None


def _is_options(value: Any) -> bool:
    return isinstance(value, type) and is_dataclass(value)


def _is_named(value: Any, holds: Callable[[Any], bool], *required: str) -> bool:
    if not isinstance(value, Mapping) or not value or not all(name in value for name in required):
        return False
    return all(_is_text(name) and holds(item) for name, item in value.items())
