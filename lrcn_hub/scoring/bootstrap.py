"""How sure is a score, and is one system better than another, or only luckier? Bootstrap over rows (captions, videos)
and runs; the paired one is that of Koehn (2004)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
_DRAWN_AT_ONCE = 10_000_000  # numbers in memory while drawing: 80 MB


@dataclass(frozen=True)
class Interval:
    """A score, and where it would lie for other rows of the same kind."""

    score: float
    low: float
    """Of the interval that holds 95% of the resampled scores."""
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """The first system's score minus the second one's, and how sure that is."""

    difference: float
    low: float
    """Of the interval that holds 95% of the resampled differences."""
    high: float
    not_better: float
    """Share of resamples in which the first system is not better than the second."""


def bootstrap_interval(
    runs: Sequence[np.ndarray],
    score: Callable[[np.ndarray], np.ndarray],
    *,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Say how sure the score of one system is, from one run or the mean of several; `paired_bootstrap` says of what.

    Rows are drawn with replacement, in every run by themselves, and so are runs. Raises ValueError without runs or
    rows.
    """
    if not runs or not all(len(run) for run in runs):
        raise ValueError(f"an interval needs rows in every run, but they have {[len(run) for run in runs]}")
    random = np.random.default_rng(seed)
    drawn = [score(_resampled_sums(run, random, resamples)) for run in runs]
    low, high = _ends(_mean_of_drawn_runs(drawn, random))
    return Interval(float(np.mean([score(run.sum(0)) for run in runs])), low, high)


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
        sums = _resampled_sums(np.concatenate([ours, theirs], axis=1), random, resamples)
        drawn.append(score(sums[:, : ours.shape[1]]) - score(sums[:, ours.shape[1] :]))
    differences = _mean_of_drawn_runs(drawn, random)
    found = [score(ours.sum(0)) - score(theirs.sum(0)) for ours, theirs in zip(first, second, strict=True)]
    low, high = _ends(differences)
    return PairedDifference(float(np.mean(found)), low, high, float(np.mean(differences <= 0)))


def mean_of_rows(sums: np.ndarray) -> np.ndarray:
    """Score rows (value, 1) by the mean of their values, from sums (..., 2)."""
    return np.asarray(sums[..., 0] / sums[..., 1])


def _resampled_sums(rows: np.ndarray, random: np.random.Generator, resamples: int) -> np.ndarray:
    """Sums over rows (rows, k), each as often as drawn with replacement; shape (resamples, k)."""
    shares, at_once = np.full(len(rows), 1 / len(rows)), max(1, _DRAWN_AT_ONCE // len(rows))
    sizes = [min(at_once, resamples - done) for done in range(0, resamples, at_once)]
    return np.concatenate([random.multinomial(len(rows), shares, size=size) @ rows for size in sizes])


def _mean_of_drawn_runs(drawn: Sequence[np.ndarray], random: np.random.Generator) -> np.ndarray:
    """Draw as many runs as there are, with replacement, for each resample; the mean of what they gave."""
    runs = random.integers(len(drawn), size=(len(drawn), len(drawn[0])))
    mean: np.ndarray = np.take_along_axis(np.stack(drawn), runs, axis=0).mean(axis=0)
    return mean


def _ends(drawn: np.ndarray) -> tuple[float, float]:
    low, high = np.quantile(drawn, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return float(low), float(high)
