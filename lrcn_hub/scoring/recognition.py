"""How well classes were recognised: from the scores of all classes for each example, and the true classes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOP = 5


def score_classes(scores: ArrayLike, labels: Sequence[int]) -> dict[str, float]:
    """Compute ``accuracy``, ``top_5_accuracy`` and ``mean_class_accuracy``, each from 0 to 1.

    `scores` is (examples, classes), higher meaning likelier; `labels` are the true classes, from 0. The mean over
    classes counts every class that occurs alike, however many examples it has.

    Raises ValueError for scores that are no numbers, and where shapes or labels do not fit.
    """
    values, truth = _checked(scores, labels)
    ranks = _ranks(values, truth)
    hits = ranks < 1
    per_class = [hits[truth == label].mean() for label in np.unique(truth)]
    return {
        "accuracy": float(hits.mean()),
        "top_5_accuracy": float((ranks < TOP).mean()),
        "mean_class_accuracy": float(np.mean(per_class)),
    }


def confusion_matrix(scores: ArrayLike, labels: Sequence[int]) -> NDArray[np.int64]:
    """Count how often each true class (row) was taken for each class (column); shape (classes, classes).

    Raises ValueError as `score_classes` does.
    """
    values, truth = _checked(scores, labels)
    classes = values.shape[1]
    pairs = truth * classes + values.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def _ranks(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.int64]:
    """Count the classes before the true one; of equal scores the lower class comes first, as in argmax."""
    own = np.take_along_axis(scores, labels[:, None], axis=1)
    before = np.arange(scores.shape[1]) < labels[:, None]
    ranks: NDArray[np.int64] = ((scores > own) | ((scores == own) & before)).sum(axis=1)
    return ranks


def _checked(scores: ArrayLike, labels: Sequence[int]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    values, truth = np.asarray(scores, np.float64), np.asarray(labels, np.int64)
    if values.ndim != 2 or len(values) != len(truth) or not len(truth):
        raise ValueError(f"scores {values.shape} for {len(truth)} labels: give one row of class scores for each label")
    if truth.min() < 0 or truth.max() >= values.shape[1]:
        raise ValueError(f"labels go from {truth.min()} to {truth.max()}, but there are {values.shape[1]} classes")
    if np.isnan(values).any():
        row = int(np.isnan(values).any(axis=1).argmax())
        raise ValueError(f"the scores of example {row} are not numbers: its model has diverged")
    return values, truth
