"""What a labeller of the time would say of an event: a distribution over the labels of each node, from the truth.

It was fixed before any model was trained on it. Labels lie in a plane, those that look alike one unit apart; an event
is seen as a point near its true label's. How far off is drawn once for each event, so that where one node is unclear
the others are, too: only the distributions tell. Each node is judged by itself, by Bayes' rule, but the labeller
thinks that it sees more sharply than it does, and likes some labels more than others. What it knows nothing of are
the actors' habits (`event_odds`): these join the nodes, and who learns them sets right what the maximum has wrong.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from random import Random

import numpy as np

from lrcn_hub.data.moving_shapes.events import NARRATION_NODES, TOWARDS, Event

BLUR = 0.53  # how far off a point is along either axis: the median over events, and the spread of its logarithm
BLUR_SPREAD = 0.4
OVERCONFIDENCE = 0.8  # the blur that the labeller reckons with, over the real one
BIAS = 0.4  # spread of the logarithm of how much a label is liked
CALIBRATION_BINS = 10

Point = tuple[float, float]


def noisy_nodes(event: Event, random: Random) -> list[list[float]]:
    """Draw the labeller's distributions for one event, in the order of `NARRATION_NODES`; each sums to one."""
    blur = BLUR * math.exp(BLUR_SPREAD * random.gauss(0, 1))
    reckoned = OVERCONFIDENCE * blur
    nodes = []
    for (name, labels), truth in zip(NARRATION_NODES.items(), event.labels, strict=True):
        points, likings = _points(name), _likings(name)
        x, y = (value + random.gauss(0, blur) for value in points[labels.index(truth)])
        scores = [
            liking - ((x - a) ** 2 + (y - b) ** 2) / (2 * reckoned**2)
            for (a, b), liking in zip(points, likings, strict=True)
        ]
        weights = [math.exp(score - max(scores)) for score in scores]
        nodes.append([weight / sum(weights) for weight in weights])
    return nodes


@lru_cache
def _points(name: str) -> list[Point]:
    """Where a node's labels lie: places where they are, others on a ring, neighbours one unit apart."""
    labels = NARRATION_NODES[name]
    if name == "place":
        return [TOWARDS[label] for label in labels]
    turns = [2 * math.pi * index / len(labels) for index in range(len(labels))]
    radius = 0.5 / math.sin(math.pi / len(labels))
    return [(radius * math.cos(turn), radius * math.sin(turn)) for turn in turns]


@lru_cache
def _likings(name: str) -> list[float]:
    random = Random(f"moving shapes: what is liked of {name}")
    return [BIAS * random.gauss(0, 1) for _ in NARRATION_NODES[name]]


def node_quality(
    nodes: Sequence[Sequence[Sequence[float]]], true_nodes: Sequence[Sequence[str]]
) -> dict[str, dict[str, float]]:
    """How good the distributions of many events are: for each node ``accuracy`` of the likeliest label and
    ``calibration_error``.

    The latter is the expected calibration error: over ten bins of the likeliest label's probability, how far its mean
    is from the share of events that are right, weighted by the events in the bin. Raises ValueError if the numbers of
    events differ, or there are none.
    """
    if len(nodes) != len(true_nodes) or not nodes:
        raise ValueError(f"{len(nodes)} events have distributions and {len(true_nodes)} true labels; give one each")
    quality = {}
    for index, (name, labels) in enumerate(NARRATION_NODES.items()):
        given = np.array([event[index] for event in nodes], dtype=np.float64)
        right = given.argmax(1) == [labels.index(event[index]) for event in true_nodes]
        error = _calibration_error(given.max(1), right)
        quality[name] = {"accuracy": float(right.mean()), "calibration_error": error}
    return quality


def _calibration_error(confidence: np.ndarray, right: np.ndarray) -> float:
    bins = np.minimum((confidence * CALIBRATION_BINS).astype(int), CALIBRATION_BINS - 1)
    gaps = np.bincount(bins, weights=confidence - right)
    return float(np.abs(gaps).sum() / len(confidence))
