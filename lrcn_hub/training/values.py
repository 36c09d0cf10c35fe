"""Checking a value of a recipe against the annotation of the option it is meant for."""

from __future__ import annotations

import types
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any, Literal, Union, get_args, get_origin


def convert(value: Any, annotation: Any) -> Any:
    """Return `value` as the type `annotation` asks for.

    Nothing is guessed but what YAML leaves open: ``1e-3``, which it reads as text, is a number where a number is
    wanted, an integer is a float, a list a tuple. Raises ValueError naming the value and what was expected.
    """
    origin = get_origin(annotation)
    if annotation is Any:
        return value
    if origin in (Union, types.UnionType):
        return _convert_union(value, annotation)
    if origin is Literal:
        if value in get_args(annotation):
            return value
        raise _unfit(value, annotation)
    if origin in (list, tuple):
        return _convert_sequence(value, annotation)
    if origin is not None and issubclass(origin, Mapping):
        return _convert_mapping(value, annotation)
    return _convert_scalar(value, annotation)


def describe(annotation: Any) -> str:
    """Write a type as it is shown to users: ``int | None``, ``'a' or 'b'``."""
    origin = get_origin(annotation)
    if annotation is None or annotation is type(None):
        return "none"
    if origin in (Union, types.UnionType):
        # stock training options say `SomeEnum | str`: the text is what a recipe holds
        members = [m for m in get_args(annotation) if not (_is_enum(m) and str in get_args(annotation))]
        return " | ".join(describe(member) for member in members)
    if origin is Literal:
        return " or ".join(repr(choice) for choice in get_args(annotation))
    if origin is not None:
        inner = ", ".join("..." if a is Ellipsis else describe(a) for a in get_args(annotation))
        return f"{origin.__name__}[{inner}]"
    return getattr(annotation, "__name__", str(annotation))


def _convert_union(value: Any, annotation: Any) -> Any:
    converted = []
    for member in get_args(annotation):
        try:
            result = convert(value, member)
        except ValueError:
            continue
        if type(result) is type(value) and result == value:
            return result
        converted.append(result)
    if not converted:
        raise _unfit(value, annotation)
    return converted[0]


def _convert_sequence(value: Any, annotation: Any) -> Any:
    if not isinstance(value, list | tuple):
        raise _unfit(value, annotation)
    origin, members = get_origin(annotation), get_args(annotation)
    if origin is list or (len(members) == 2 and members[1] is Ellipsis):
        return origin(convert(item, members[0]) for item in value)
    if len(members) != len(value):
        raise _unfit(value, annotation)
    return tuple(convert(item, member) for item, member in zip(value, members, strict=True))


def _convert_mapping(value: Any, annotation: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise _unfit(value, annotation)
    key_type, value_type = get_args(annotation)
    return {convert(key, key_type): convert(item, value_type) for key, item in value.items()}


def _convert_scalar(value: Any, annotation: Any) -> Any:
    if annotation is None or annotation is type(None):
        if value is None or value == "none":  # as `describe` writes it; YAML's own word is null
            return None
    elif annotation is float or annotation is int:
        number = _number(value)
        if number is not None and (annotation is float or number == int(number)):
            return annotation(value if isinstance(value, int) else number)
    elif _is_enum(annotation):
        if value in [member.value for member in annotation]:
            return annotation(value)
    elif annotation is Path and isinstance(value, str):
        return Path(value)
    elif isinstance(annotation, type) and isinstance(value, annotation):
        return value
    raise _unfit(value, annotation)


def _number(value: Any) -> float | None:
    """Read a finite number, also from text, as YAML leaves ``1e-3``; a truth value is none."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except ValueError:
        return None
    return number if number - number == 0 else None


def _is_enum(annotation: Any) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, Enum)


def _unfit(value: Any, annotation: Any) -> ValueError:
    hint = (
        "; YAML reads a bare yes, no, on or off as a truth value: put it in quotes"
        if _reads_as_bool(value, annotation)
        else ""
    )
    return ValueError(f"{value!r} ({type(value).__name__}) is not {describe(annotation)}{hint}")


def _reads_as_bool(value: Any, annotation: Any) -> bool:
    return isinstance(value, bool) and (annotation is str or str in get_args(annotation))
