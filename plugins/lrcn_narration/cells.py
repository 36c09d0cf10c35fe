"""Single values of annotations: sentences, numbers, times; what is something else is refused with its place."""

from __future__ import annotations

import math
from typing import Any

from lrcn_hub.data.annotation_files import texts_of


def sentences_in(cell: Any, source: str) -> list[str]:
    """Read one sentence or several; blank ones are none. Raises ValueError that begins with `source`."""
    cells = [cell] if isinstance(cell, str) else [] if cell is None else cell
    if not isinstance(cells, list) or not all(isinstance(text, str) for text in cells):
        raise ValueError(f"{source}: {str(cell)[:80]!r} is not a sentence, nor a list of them")
    return texts_of(cells)


def number_in(value: Any, what: str) -> float:
    """Read a number, also from a CSV file's text. Raises ValueError that begins with `what`."""
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{what} is {str(value)[:80]!r}; it must be a number")
    return number


def seconds_in(value: Any, what: str) -> float | None:
    """Read a time; none where there is none, or an empty text. Raises ValueError that begins with `what`."""
    return None if value is None or value == "" else number_in(value, what)
