"""How well classes were recognised: from the scores of all classes for each example, and the true classes; the late
fusion of several models' scores; and how early in a video the answer is known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

TOP = 5
SHARES = tuple(tenth / 10 for tenth in range(1, 11))
CONFIDENCES = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


def score_classes(scores: ArrayLike, labels: Sequence[int]) -> dict[str, float]:
    """Compute ``accuracy``, ``top_5_accuracy`` and ``mean_class_accuracy``, each from 0 to 1.

    `scores` is (examples, classes), higher meaning likelier; `labels` are the true classes, from 0. Of equal scores
    the lower class comes first. The mean over classes counts every class that occurs alike, however many examples it
    has; a class that never occurs is left out, even where it is answered.

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

    Of equal scores the lower class is the answer; a class that never occurs has a row of zeros.

    Raises ValueError as `score_classes` does.
    """
    values, truth = _checked(scores, labels)
    classes = values.shape[1]
    pairs = truth * classes + values.argmax(axis=1)
    return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)


def fuse(scores: Sequence[ArrayLike], weights: Sequence[float]) -> NDArray[np.float64]:
    """Take the weighted mean of several models' scores, each of the same shape, such as (examples, classes).

    The paper's two streams, frames and flow, have the weights (1/2, 1/2) or (1/3, 2/3); only their ratio counts.

    Raises ValueError for scores of different shapes, and weights that are negative or all 0.
    """
    values = [np.asarray(one, np.float64) for one in scores]
    shapes = {one.shape for one in values}
    if len(shapes) != 1:
        raise ValueError(f"scores of the shapes {sorted(shapes)} cannot be fused; they must have one")
    if len(weights) != len(values) or min(weights) < 0 or not 0 < sum(weights) < np.inf:
        raise ValueError(f"weights {list(weights)} for {len(values)} models: give each one that is not below 0")
    fused: NDArray[np.float64] = np.average(values, axis=0, weights=weights)
    return fused


def early_answers(
    frame_probabilities: ArrayLike,
    weights: ArrayLike | None = None,
    shares: Sequence[float] = SHARES,
    confidences: Sequence[float] = CONFIDENCES,
) -> dict[str, Any]:
    """Say what the answer would have been had one video (frames, classes) been watched only so far.

    The answer at a frame is the mean probability of the frames up to it, each as often as `weights` says (frames that
    are in two clips count twice). Gives plain values:

    - ``frames``: how many there are;
    - ``shares`` and ``labels``: the share of the frames seen, rounded up to whole ones, and the class then;
    - ``confidences``, ``exit_frames`` and ``exit_labels``: how many frames are seen until a class first has at least
      that probability, or all where none ever has, and the class then.
    """
    values = np.asarray(frame_probabilities, np.float64)
    if values.ndim != 2 or not len(values):
        raise ValueError(f"frame_probabilities have the shape {values.shape}; give (frames, classes)")
    worth = np.ones(len(values)) if weights is None else np.asarray(weights, np.float64)
    so_far = np.cumsum(values * worth[:, None], axis=0) / np.cumsum(worth)[:, None]
    best, labels, frames = so_far.max(axis=1), so_far.argmax(axis=1), len(values)
    seen = [min(frames, int(np.ceil(round(share * frames, 9)))) for share in shares]
    exits = [
        int((best >= confidence).argmax()) + 1 if best.max() >= confidence else frames for confidence in confidences
    ]
    return {
        "frames": frames,
        "shares": list(shares),
        "labels": [int(labels[max(count, 1) - 1]) for count in seen],
        "confidences": list(confidences),
        "exit_frames": exits,
        "exit_labels": [int(labels[count - 1]) for count in exits],
    }


def score_early(answers: Sequence[Mapping[str, Any]], labels: Sequence[int]) -> dict[str, list[dict[str, float]]]:
    """Judge what `early_answers` gave for each video.

    Gives ``early_recognition``, for each share of the videos seen the accuracy then, and ``early_exit``, for each
    confidence the accuracy of stopping there and the share of all frames that need not be looked at. All values are
    from 0 to 1.

    Raises ValueError where there is not one answer for each label.
    """
    if len(answers) != len(labels) or not answers:
        raise ValueError(f"{len(answers)} answers for {len(labels)} labels: give one for each")
    truth, first = np.asarray(labels)[:, None], answers[0]
    known = np.array([one["labels"] for one in answers]) == truth
    sure = np.array([one["exit_labels"] for one in answers]) == truth
    frames = sum(one["frames"] for one in answers)
    seen = np.array([one["exit_frames"] for one in answers]).sum(axis=0)
    return {
        "early_recognition": [
            {"share_seen": share, "accuracy": float(hits.mean())}
            for share, hits in zip(first["shares"], known.T, strict=True)
        ],
        "early_exit": [
            {"confidence": confidence, "accuracy": float(hits.mean()), "frames_saved": float(1 - count / frames)}
            for confidence, hits, count in zip(first["confidences"], sure.T, seen, strict=True)
        ],
    }


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
