from math import log
from random import Random

import numpy as np
import pytest

from lrcn_hub.data.moving_shapes import NARRATION_NODES, Event, event_odds, node_quality, noisy_nodes

ODDS = event_odds()


@pytest.fixture(scope="module")
def labelled():
    draw = Random(5)
    events = draw.choices(tuple(ODDS), tuple(ODDS.values()), k=4000)
    return events, [noisy_nodes(event, draw) for event in events]


@pytest.fixture(scope="module")
def right(labelled):
    """(events, nodes): whether the likeliest label is the true one."""
    events, nodes = labelled
    likeliest = [
        [names[int(np.argmax(p))] for names, p in zip(NARRATION_NODES.values(), row, strict=True)] for row in nodes
    ]
    return np.array(likeliest) == np.array([event.labels for event in events])


def test_every_node_has_a_distribution_over_its_labels(labelled):
    for row in labelled[1][:200]:
        assert [len(given) for given in row] == [len(labels) for labels in NARRATION_NODES.values()]
        assert all(abs(sum(given) - 1) < 1e-9 and min(given) >= 0 for given in row)


def test_the_likeliest_label_is_right_two_times_in_three(labelled, right):
    events, nodes = labelled
    quality = node_quality(nodes, [event.labels for event in events])
    for index, name in enumerate(NARRATION_NODES):
        assert quality[name]["accuracy"] == pytest.approx(right[:, index].mean())
        assert 0.62 < quality[name]["accuracy"] < 0.74
        assert 0.04 < quality[name]["calibration_error"] < 0.14  # overconfident, not absurd


def test_errors_are_mostly_neighbours(labelled):
    events, nodes = labelled
    colours = NARRATION_NODES["colour"]
    steps = [
        (int(np.argmax(row[0])) - colours.index(event.colour)) % len(colours)
        for event, row in zip(events, nodes, strict=True)
    ]
    wrong = [step for step in steps if step]
    assert sum(step in (1, len(colours) - 1) for step in wrong) / len(wrong) > 0.85


def test_where_one_node_is_wrong_the_others_are_more_often(right):
    for node in range(right.shape[1]):
        others = np.delete(right, node, axis=1).mean(axis=1)
        assert others[right[:, node]].mean() > others[~right[:, node]].mean() + 0.03


def test_some_labels_are_liked_too_much(labelled):
    events, nodes = labelled
    for index, labels in enumerate(NARRATION_NODES.values()):
        true = np.bincount([labels.index(event.labels[index]) for event in events], minlength=len(labels))
        given = np.sum([row[index] for row in nodes], axis=0)
        assert np.abs(given / true - 1).max() > 0.08


def test_labels_are_correlated():
    """The joint distribution says more than its nodes by themselves: bits of total correlation."""
    own = 0.0
    for index in range(len(NARRATION_NODES)):
        shares = {}
        for event, share in ODDS.items():
            shares[event.labels[index]] = shares.get(event.labels[index], 0) + share
        own -= sum(share * log(share, 2) for share in shares.values())
    joint = -sum(share * log(share, 2) for share in ODDS.values())
    assert sum(ODDS.values()) == pytest.approx(1)
    assert own - joint > 2


def test_distributions_know_more_of_the_truth_than_their_maxima(labelled, right):
    """Who knows the habits rights more with the distributions than with the likeliest labels and their confusion."""
    events, nodes = labelled
    half = len(events) // 2
    candidates = list(ODDS)
    log_odds = np.log(list(ODDS.values()))
    by_maximum, by_distribution = log_odds[None].repeat(half, 0), log_odds[None].repeat(half, 0)
    for index, labels in enumerate(NARRATION_NODES.values()):
        truth = np.array([labels.index(event.labels[index]) for event in events])
        given = np.array([row[index] for row in nodes])
        confusion = np.full((len(labels), len(labels)), 0.5)
        np.add.at(confusion, (truth[half:], given[half:].argmax(1)), 1)
        confusion = np.log(confusion / confusion.sum(1, keepdims=True))
        column = np.array([labels.index(event.labels[index]) for event in candidates])
        by_maximum += confusion[:, given[:half].argmax(1)].T[:, column]
        by_distribution += np.log(given[:half] + 1e-12)[:, column]
    true = np.array([candidates.index(event) for event in events[:half]])
    maximum, fused = ((scores.argmax(1) == true).mean() for scores in (by_maximum, by_distribution))
    assert right[:half].all(axis=1).mean() + 0.1 < maximum
    assert maximum + 0.05 < fused


def test_quality_counts_by_hand():
    def row(*first):
        return [list(first), *[[1.0] + [0.0] * (len(labels) - 1) for labels in list(NARRATION_NODES.values())[1:]]]

    nodes = [row(0.65, 0.35, 0, 0, 0, 0), row(0.35, 0.65, 0, 0, 0, 0), row(0.0, 0, 1, 0, 0, 0)]
    others = [labels[0] for labels in list(NARRATION_NODES.values())[1:]]
    true = [["red", *others], ["red", *others], ["yellow", *others]]
    quality = node_quality(nodes, true)
    assert quality["colour"]["accuracy"] == pytest.approx(2 / 3)
    assert quality["colour"]["calibration_error"] == pytest.approx(2 / 3 * 0.15)
    assert quality["place"] == {"accuracy": 1, "calibration_error": 0}
    with pytest.raises(ValueError, match="3 events have distributions and 2 true labels"):
        node_quality(nodes, true[:2])


def test_the_same_seed_gives_the_same_distributions():
    event = Event("red", "circle", "jumps", "none")
    assert noisy_nodes(event, Random(1)) == noisy_nodes(event, Random(1)) != noisy_nodes(event, Random(2))
