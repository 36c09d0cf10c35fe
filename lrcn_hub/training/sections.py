"""The sections of a recipe and the options in each, read from the dataclasses that declare them."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import re
import textwrap
import typing
from dataclasses import dataclass
from functools import cache
from typing import Any

from lrcn_hub.tasks import Task
from lrcn_hub.training.options import TrainingOptions
from lrcn_hub.training.values import convert, describe

SECTIONS = ("data", "model", "objective", "training", "evaluation")


@dataclass(frozen=True)
class Option:
    """One option of a section; `default` is `dataclasses.MISSING` where a value must be given."""

    name: str
    annotation: Any
    default: Any
    meaning: str

    def check(self, value: Any, source: str) -> Any:
        """Convert `value` to the option's type; ValueError names `source` where that cannot be done."""
        # Written out by `describe`, so also as an answer; YAML's own word is null. A text of that name stays one.
        if value == "none" and self.default != "none" and type(None) in typing.get_args(self.annotation):
            return None
        try:
            return convert(value, self.annotation)
        except ValueError as error:
            raise ValueError(f"{source}: {error}") from None

    def describe(self) -> str:
        """Write type and default as the help shows them."""
        wanted = describe(self.annotation)
        return f"{wanted}, required" if self.default is dataclasses.MISSING else f"{wanted}, default {self.default!r}"


def options_of_section(task: Task, section: str) -> dict[str, Option]:
    """Give the options of one section by name: the task's, or the platform's for ``training``."""
    return _options(section_class(task, section))


def section_class(task: Task, section: str) -> type:
    """Give the dataclass that holds the values of one section."""
    classes = {
        "data": task.DataOptions,
        "model": task.ModelOptions,
        "objective": task.ObjectiveOptions,
        "training": TrainingOptions,
        "evaluation": task.EvaluationOptions,
    }
    return classes[section]


@cache
def _options(declaration: type) -> dict[str, Option]:
    annotations = typing.get_type_hints(declaration)
    meanings = _meanings(declaration)
    return {
        field.name: Option(field.name, annotations[field.name], _default(field), meanings.get(field.name, ""))
        for field in dataclasses.fields(declaration)
        if field.init
    }


def _default(field: dataclasses.Field) -> Any:
    return field.default if field.default_factory is dataclasses.MISSING else field.default_factory()


def _meanings(declaration: type) -> dict[str, str]:
    """Collect what is said of each field: in its metadata, in the text below it, or in the class's docstring."""
    meanings: dict[str, str] = {}
    for base in reversed(declaration.__mro__):
        if dataclasses.is_dataclass(base):
            meanings |= _meanings_in_docstring(inspect.getdoc(base) or "")
            meanings |= _meanings_below_fields(base)
    said = {f.name: f.metadata["help"] for f in dataclasses.fields(declaration) if "help" in f.metadata}
    return meanings | said


def _meanings_below_fields(declaration: type) -> dict[str, str]:
    try:
        source = inspect.getsource(declaration)
    except (OSError, TypeError):  # declared where no source file is
        return {}
    lines = textwrap.dedent(source).splitlines()
    body = ast.parse("\n".join(lines)).body[0].body  # type: ignore[attr-defined]
    meanings = {}
    for statement, following in zip(body, [*body[1:], None], strict=True):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        comment = lines[statement.end_lineno - 1][statement.end_col_offset :].partition("#")[2]  # type: ignore[operator]
        text = following.value.value if _is_text(following) else comment
        if text.strip():
            meanings[statement.target.id] = " ".join(text.split())
    return meanings


def _is_text(statement: ast.stmt | None) -> bool:
    return (
        isinstance(statement, ast.Expr)
        and isinstance(statement.value, ast.Constant)
        and isinstance(statement.value.value, str)
    )


def _meanings_in_docstring(docstring: str) -> dict[str, str]:
    """Take the first sentence about each argument of a docstring in Hugging Face's form."""
    entries = re.findall(r"^    (\w+) ?\(`.*\):\n((?:        .*\n?)+)", docstring, flags=re.MULTILINE)
    return {name: re.split(r"(?<=[.:])\s", " ".join(text.split()), maxsplit=1)[0] for name, text in entries}
