"""Filled rating sheets: read, and refused where they are broken, incomplete, of another sheet, or there twice."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lrcn_hub.data.annotation_files import read_json
from lrcn_hub.judging.key import CRITERIA, Ballot, Key

FORM, VERSION = "lrcn-judge-sheet", 1

Ranks = dict[str, list[int]]
"""The rank of each caption of a ballot, by criterion."""


@dataclass(frozen=True)
class Sheet:
    """What one rater said."""

    rater: str
    copy: str
    """Drawn by the page when it was first opened: two files with one copy are one rater's, whatever the names."""
    ranks: dict[str, Ranks]
    """By the picture's id; every ballot of the key has its own."""


def read_sheets(files: Sequence[str | Path], key: Key) -> list[Sheet]:
    """Read the sheets of several raters.

    Raises ValueError that names every file that cannot be counted, one on each line and with the reason; OSError for
    one that is not there.
    """
    if not files:
        raise ValueError("there is nothing to count: no sheets were given")
    sheets: dict[str, Sheet] = {}
    faults = []
    for file in map(str, files):
        try:
            sheet = _sheet(read_json(Path(file)), key)
            _refuse_twice(sheet, sheets)
            sheets[file] = sheet
        except ValueError as error:
            faults.append(str(error) if str(error).startswith(file) else f"{file}: {error}")
    if faults:
        raise ValueError("\n  ".join([f"{len(faults)} of {len(files)} sheets cannot be counted:", *faults]))
    return list(sheets.values())


def _sheet(content: Any, key: Key) -> Sheet:
    if not isinstance(content, dict) or content.get("form") != FORM:
        raise ValueError("not a filled rating sheet, which its page saves as ratings-....json")
    if content.get("version") != VERSION:
        raise ValueError(f"a sheet of version {content.get('version')!r}, but {VERSION} is what is read here")
    if content.get("sheet") != key.id:
        raise ValueError(f"saved from the sheet {content.get('sheet')!r}, but the key is that of {key.id!r}")
    rater, copy = content.get("rater"), content.get("copy")
    if not isinstance(rater, str) or not rater.strip() or not isinstance(copy, str) or not copy:
        raise ValueError("it does not say who filled it (rater, copy)")
    ranks = content.get("ranks")
    if not isinstance(ranks, dict):
        raise ValueError("it has no ranks")
    known = {ballot.id for ballot in key.ballots}
    if strange := [name for name in ranks if name not in known]:
        raise ValueError(f"it ranks {len(strange)} pictures that the key lacks; the first is {strange[0]!r}")
    faults = [fault for ballot in key.ballots if (fault := _fault(ballot, ranks.get(ballot.id)))]
    if faults:
        raise ValueError(f"incomplete: {len(faults)} of {len(key.ballots)} pictures; the first is {faults[0]}")
    return Sheet(" ".join(rater.split()), copy, ranks)


def _fault(ballot: Ballot, given: Any) -> str | None:
    """Say what is wrong with the ranks of one picture."""
    if not isinstance(given, dict) or not given:
        return f"{ballot.id!r}, which has no ranks"
    if strange := [name for name in given if name not in CRITERIA]:
        return f"{ballot.id!r}, ranked by {strange[0]!r}, which is not one of {', '.join(CRITERIA)}"
    places = range(1, len(ballot.captions) + 1)
    for criterion in CRITERIA:
        ranks = given.get(criterion)
        if not isinstance(ranks, list) or len(ranks) != len(places) or not all(type(rank) is int for rank in ranks):
            return f"{ballot.id!r}, where {criterion} has not one rank for each of {len(places)} captions: {ranks!r}"
        if not all(rank in places for rank in ranks):
            return f"{ballot.id!r}, where {criterion} has ranks outside 1 to {len(places)}: {ranks!r}"
    return None


def _refuse_twice(sheet: Sheet, others: dict[str, Sheet]) -> None:
    for file, other in others.items():
        if _plain(sheet.rater) == _plain(other.rater):
            raise ValueError(f"a second sheet by {sheet.rater!r}, whose first is {file}: count one of them")
        if sheet.copy == other.copy:
            raise ValueError(
                f"the same filled page as {file}, here by {sheet.rater!r} and there by {other.rater!r}: "
                "count one of them"
            )


def _plain(name: str) -> str:
    return unicodedata.normalize("NFKC", name).casefold()
