import pytest
from datasets import Dataset

from lrcn_hub.data.moving_shapes import NARRATION_NODES, load_narration_tables
from lrcn_hub.models.nodes_lrcn import Nodes
from lrcn_hub.sentences.floors import nearest_sentences, template_sentences

NODES = Nodes({"verb": ["cut", "wash"], "object": ["apple", "carrot"], "place": ["none", "on the board"]})
TEMPLATE = "the person {verb}s the {object}{ place}"


def table(*rows, sentences=None):
    """Rows of distributions for the nodes above."""
    told = sentences or [[f"sentence {number}", "another one"] for number in range(len(rows))]
    return Dataset.from_dict({"nodes": list(rows), "sentences": told})


CUT = [[0.9, 0.1], [0.2, 0.8], [0.3, 0.7]]
WASH = [[0.2, 0.8], [0.6, 0.4], [0.8, 0.2]]


def test_the_nearest_training_row_says_its_first_sentence():
    train = table(WASH, CUT)
    near = table([[0.8, 0.2], [0.3, 0.7], [0.4, 0.6]], WASH)
    assert nearest_sentences(train, near) == ["sentence 1", "sentence 0"]


def test_confidence_decides_what_is_nearest_not_the_likeliest_label():
    train = table([[0.51, 0.49], [1, 0], [1, 0]], [[0, 1], [1, 0], [1, 0]])
    assert nearest_sentences(train, table([[0.3, 0.7], [1, 0], [1, 0]])) == ["sentence 0"]


def test_of_rows_equally_near_the_first_speaks():
    train = table(WASH, CUT, CUT, CUT)
    assert nearest_sentences(train, table(CUT)) == ["sentence 1"]


def test_likeliest_labels_fill_the_template_and_absent_ones_leave_no_blank():
    assert template_sentences(table(CUT, WASH), TEMPLATE, NODES) == [
        "the person cuts the carrot on the board",
        "the person washs the apple",
    ]
    assert template_sentences(table(WASH), "{place }a {object}, A {object}", NODES) == ["an apple, An apple"]


def test_an_unknown_part_of_a_template_is_refused():
    with pytest.raises(ValueError, match="names tool; nodes are verb, object, place"):
        template_sentences(table(CUT), "{verb} with {tool}", NODES)


def test_rows_without_nodes_are_refused():
    with pytest.raises(ValueError, match="row 1 has no nodes"):
        nearest_sentences(table(CUT, None), table(CUT))
    with pytest.raises(ValueError, match="row 1 has no nodes"):
        template_sentences(table(CUT, None), TEMPLATE, NODES)
    with pytest.raises(ValueError, match="no rows"):
        nearest_sentences(table(CUT).select([]), table(CUT))


def test_floors_speak_of_moving_shapes():
    tables = load_narration_tables(train=60, validation=4, test=5)
    told = template_sentences(tables["test"], "a {colour} {shape} {action}{ place}", Nodes(NARRATION_NODES))
    assert all(sentence.startswith(("a ", "an ")) and "none" not in sentence for sentence in told)
    assert nearest_sentences(tables["train"], tables["train"]) == [said[0] for said in tables["train"]["sentences"]]
