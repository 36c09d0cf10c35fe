"""What is given of nodes is read in every form, and refused by name where it is wrong."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.models.nodes_lrcn import Nodes

LABELS = {"tool": ["none", "knife", "spoon"], "activity": ["cut", "stir"], "place": ["none", "cutting board"]}
NODES = Nodes(LABELS)
PROBABLE = [[0.25, 0.5, 0.25], [0.75, 0.25], [0.0, 1.0]]


def test_sizes_and_words_follow_the_labels():
    assert NODES.sizes == [3, 2, 2]
    assert NODES.vocabulary == ["board", "cut", "cutting", "knife", "spoon", "stir"]


@pytest.mark.parametrize(
    "form",
    [
        PROBABLE,
        tuple(map(tuple, PROBABLE)),
        [np.array(one) for one in PROBABLE],
        torch.tensor([[0.25, 0.5, 0.25]]).tolist() + [torch.tensor(one) for one in PROBABLE[1:]],
        dict(zip(LABELS, PROBABLE, strict=True)),
        {
            "activity": {"cut": 0.75, "stir": 0.25},
            "place": "cutting board",
            "tool": {"none": 0.25, "knife": 0.5, "spoon": 0.25},
        },
        [{"none": 0.25, "knife": 0.5, "spoon": 0.25}, {"cut": 0.75, "stir": 0.25}, "cutting board"],
    ],
)
def test_every_form_gives_the_same_distributions(form):
    assert NODES.distributions(form, "row 1") == PROBABLE


def test_the_likeliest_labels_make_a_sentence_without_absent_ones():
    assert NODES.likeliest(PROBABLE) == ["knife", "cut", "cutting board"]
    assert NODES.source_words(PROBABLE) == ["knife", "cut", "cutting", "board"]
    assert NODES.source_ids(PROBABLE) == [4, 2, 3, 1]
    absent = NODES.distributions(["none", "stir", "none"], "row 2")
    assert NODES.source_words(absent) == ["stir"]
    assert NODES.likeliest([[0.5, 0.5, 0], [0.5, 0.5], [0.5, 0.5]]) == ["none", "cut", "none"]


@pytest.mark.parametrize(
    "given, words",
    [
        ({"tool": "knife", "place": "none"}, "node 'activity' is missing; the nodes are tool, activity, place"),
        ({"tool": "knife", "activity": "cut", "place": "none", "dish": "x"}, "there is no node 'dish'"),
        (["fork", "cut", "none"], "node 'tool' has no label 'fork'$"),
        (["cut", "knife", "none"], "node 'tool' has no label 'cut', but node 'activity' has it; the order"),
        ([PROBABLE[1], PROBABLE[0], PROBABLE[2]], "node 'tool' has 2 values, but 3 labels .the order of the nodes is"),
        (PROBABLE[:2], "there are 2 nodes; they must be of the nodes tool .3., activity .2., place .2."),
        ([[0.5, 0.6, 0.1], "cut", "none"], "the probabilities of node 'tool' sum to 1.2, not to one"),
        ([{"knife": 0.9}, "cut", "none"], "the probabilities of node 'tool' sum to 0.9, not to one"),
        ([[-0.5, 1.5, 0], "cut", "none"], "node 'tool' gives 'none' the probability -0.5"),
        (["knife", [math.nan, 1.0], "none"], "node 'activity' gives 'cut' the probability nan"),
        (["knife", [math.inf, 1.0], "none"], "node 'activity' gives 'cut' the probability inf"),
        (["knife", ["a", "b"], "none"], "node 'activity' is .'a', 'b'.; it must be a label or probabilities"),
        (["knife", [10**400, 0], "none"], "node 'activity' gives 'cut' the probability 1000"),
        (["knife", 3, "none"], "node 'activity' is 3; it must be"),
        ("knife", "nodes are 'knife'; they must be a mapping"),
        (None, "nodes are None"),
    ],
)
def test_what_is_wrong_is_named(given, words):
    with pytest.raises(ValueError, match=f"^clip 7: {words}"):
        NODES.distributions(given, "clip 7")


def test_sums_within_a_thousandth_are_taken_as_they_are():
    assert NODES.distributions([[0.3334, 0.3333, 0.3334], "cut", "none"], "row")[0] == [0.3334, 0.3333, 0.3334]


@pytest.mark.parametrize(
    "labels, words",
    [
        ({}, "at least one node"),
        ([["a"]], "must be node: "),
        ({"a": "text"}, "must be a list of texts"),
        ({"a": [1]}, "must be a list of texts"),
        ({"a": []}, "number of labels of node 'a' is 0"),
        ({"a": ["x", "y", "x"]}, "node 'a' has the label 'x' twice"),
        ({str(number): ["x"] for number in range(1000)}, "the number of nodes is 1000"),
    ],
)
def test_labels_that_nobody_needs_are_refused(labels, words):
    with pytest.raises(ValueError, match=words):
        Nodes(labels)


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), min_size=1, max_size=5))
def test_any_distribution_is_read_back_from_a_mapping_in_any_order(weights):
    nodes = Nodes({f"node {number}": ["a", "b", "c"] for number in range(len(weights))})
    rows = [[value / sum(row) for value in row] for row in weights]
    given = {node: dict(zip("cba", reversed(row), strict=True)) for node, row in zip(nodes.labels, rows, strict=True)}
    assert nodes.distributions(dict(reversed(given.items())), "row") == rows
    assert nodes.distributions(rows, "row") == rows


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.sampled_from(list(LABELS)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from([*LABELS, "cut", "none"]), inner),
    max_leaves=12,
)


@given(ANYTHING)
def test_anything_is_read_or_refused_by_name(value):
    try:
        rows = NODES.distributions(value, "clip 7")
    except ValueError as error:
        assert str(error).startswith("clip 7: ")
    else:
        assert [len(row) for row in rows] == NODES.sizes and all(abs(sum(row) - 1) <= 1e-3 for row in rows)
