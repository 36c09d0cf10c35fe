"""Options that are mappings, such as ``moving_shapes``: a name in them that nobody would read is an error."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping
from typing import Any


def check_names(option: str, given: Mapping[str, Any], known: Collection[str]) -> None:
    """Refuse a value of `option` under a name that nobody would read, with the nearest that there is."""
    for name in given:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else "."
            raise ValueError(f"{option} has no {name!r}{hint} It takes: {', '.join(known)}")
