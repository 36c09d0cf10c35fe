"""Do raters agree? Kendall's coefficient of concordance for rankings with ties (Kendall and Babington Smith, 1939)."""

from collections.abc import Sequence

import numpy as np


def mid_ranks(values: Sequence[float] | np.ndarray) -> np.ndarray:
    """Rank `values`, the smallest first, from 1; equal ones share the mean of their places. They sum to n (n + 1) / 2.

    What a rater calls 1, 1, 4 or 1, 1, 2 is then the same: 1.5, 1.5, 3.
    """
    _, inverse, counts = np.unique(np.asarray(values), return_inverse=True, return_counts=True)
    last = np.cumsum(counts)
    ranks: np.ndarray = (last - (counts - 1) / 2)[inverse]
    return ranks


def kendalls_w(rankings: Sequence[Sequence[float]] | np.ndarray) -> float | None:
    """Say how far raters, one row each, agree on the order of items, the columns: W, corrected for ties.

    W is 1 where all rank alike; rankings drawn at random have a mean W of one over the number of raters. With S the
    squared deviations of the items' rank sums from their mean, and m raters, it is ``S / (m * the sum over raters of
    the squared deviations of their ranks)``, which is the textbook's ``12 S / (m^2 (n^3 - n) - m T)``. None where
    every rater puts all items in one place. Raises ValueError for fewer than two raters or items.
    """
    given = np.asarray(rankings, dtype=float)
    if given.ndim != 2 or min(given.shape) < 2:
        raise ValueError(f"agreement needs two raters and two items or more, but the rankings are {given.shape}")
    ranks = np.stack([mid_ranks(row) for row in given])
    ranks -= ranks.mean()  # every row's mean
    possible = len(ranks) * float((ranks**2).sum())
    return float((ranks.sum(0) ** 2).sum()) / possible if possible else None
