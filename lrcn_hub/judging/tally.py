"""What filled sheets say together: mean ranks of the systems, how sure they are, and whether raters agree."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lrcn_hub.judging.agreement import kendalls_w, mid_ranks
from lrcn_hub.judging.key import CRITERIA, Ballot, Key
from lrcn_hub.judging.sheets import Sheet
from lrcn_hub.scoring.bootstrap import Interval, bootstrap_interval, mean_of_rows


@dataclass(frozen=True)
class Agreement:
    """How far raters agree by one criterion."""

    w: Interval | None
    """Kendall's W, mean over pictures; None with one rater, or where nobody ranks anything above another."""
    pictures: int
    """On how many pictures it rests: those where somebody ranks something above another."""


@dataclass(frozen=True)
class Tally:
    """Mean ranks, 1 the best, with the intervals that hold 95% of what other pictures, drawn alike, would give."""

    raters: list[str]
    pictures: int
    alike: int
    """How many pictures were passed over because all systems say the same."""
    ranks: dict[str, dict[str, Interval]]
    """By criterion and system."""
    agreement: dict[str, Agreement]
    """By criterion."""
    agreement_by_chance: float
    """The mean of W if raters ranked at random."""


def tally(key: Key, sheets: Sequence[Sheet]) -> Tally:
    """Count `sheets`, which `read_sheets` has checked against `key`.

    A picture counts once, by the mean over raters. Raises ValueError without sheets.
    """
    if not sheets:
        raise ValueError("there is nothing to count: no sheets were given")
    return Tally(
        [sheet.rater for sheet in sheets],
        len(key.ballots),
        len(key.alike),
        {criterion: _mean_ranks(key, sheets, criterion) for criterion in CRITERIA},
        {criterion: _agreement(key, sheets, criterion) for criterion in CRITERIA},
        1 / len(sheets),
    )


def _mean_ranks(key: Key, sheets: Sequence[Sheet], criterion: str) -> dict[str, Interval]:
    ranks = np.array(
        [
            np.mean([system_ranks(ballot, sheet.ranks[ballot.id][criterion], key.systems) for sheet in sheets], axis=0)
            for ballot in key.ballots
        ]
    )
    return {system: _interval(ranks[:, column]) for column, system in enumerate(key.systems)}


def system_ranks(ballot: Ballot, given: Sequence[int], systems: Sequence[str]) -> np.ndarray:
    """Turn the ranks of a ballot's captions into those of `systems`, ties shared; shape (systems,).

    Systems that said the same are tied, so that the ranks on every picture have one sum.
    """
    of = {system: rank for rank, names in zip(given, ballot.systems, strict=True) for system in names}
    return mid_ranks([of[system] for system in systems])


def _agreement(key: Key, sheets: Sequence[Sheet], criterion: str) -> Agreement:
    """Captions are compared, not systems: those that said the same would count as agreement of the raters."""
    if len(sheets) < 2:
        return Agreement(None, 0)
    each = [kendalls_w([sheet.ranks[ballot.id][criterion] for sheet in sheets]) for ballot in key.ballots]
    known = np.array([w for w in each if w is not None])
    return Agreement(_interval(known) if len(known) else None, len(known))


def _interval(values: np.ndarray) -> Interval:
    return bootstrap_interval([np.stack([values, np.ones(len(values))], axis=1)], mean_of_rows)
