"""Is one system better than another, or only luckier? Paired bootstrap over captions and runs (Koehn, 2004)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True)
class PairedDifference:
    """The first system's score minus the second one's, and how sure that is."""

    difference: float
    low: float
    """Of the interval that holds 95% of the resampled differences."""
    high: float
    not_better: float
    """Share of resamples in which the first system is not better than the second."""


def paired_bootstrap(
    first: Sequence[np.ndarray],
    second: Sequence[np.ndarray],
    score: Callable[[np.ndarray], np.ndarray],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> PairedDifference:
    """Compare two systems that answered the same rows, in one run or in several (seeds).

    Each run has an array (rows, k) of what a corpus score is made of, such as the counts of `bleu_counts`; `score`
    turns sums of it, (..., k), into scores (...). A mean over rows is the sum of a column over that of ones. Rows are
    drawn with replacement, the same ones for both systems, and so are runs; a draw's score is the mean over its runs.
    Raises ValueError where the systems' runs or rows differ in number.
    """
    if not first or [run.shape for run in first] != [run.shape for run in second]:
        shapes = [[run.shape for run in runs] for runs in (first, second)]
        raise ValueError(f"paired runs must have equal shapes, but have {shapes[0]} and {shapes[1]}")
    random = np.random.default_rng(seed)
    drawn = []
    for ours, theirs in zip(first, second, strict=True):
        times = random.multinomial(len(ours), np.full(len(ours), 1 / len(ours)), size=resamples)
        drawn.append(score(times @ ours) - score(times @ theirs))
    runs = random.integers(len(first), size=(len(first), resamples))
    differences = np.take_along_axis(np.stack(drawn), runs, axis=0).mean(axis=0)
    found = [score(ours.sum(0)) - score(theirs.sum(0)) for ours, theirs in zip(first, second, strict=True)]
    low, high = np.quantile(differences, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return PairedDifference(float(np.mean(found)), float(low), float(high), float(np.mean(differences <= 0)))


def mean_of_rows(sums: np.ndarray) -> np.ndarray:
    """Score rows (value, 1) by the mean of their values, from sums (..., 2)."""
    return np.asarray(sums[..., 0] / sums[..., 1])
