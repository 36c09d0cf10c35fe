import json

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lrcn_narration.node_files import read_node_files, read_node_labels

LABELS = {"tool": ["none", "knife", "cutting board"], "verb": ["cut", "wash"]}


def jsonl(path, *rows, labels=LABELS):
    path.write_text("".join(json.dumps(row) + "\n" for row in [{"nodes": labels}, *rows]))
    return path


def npz(path, ids, labels=LABELS, **values):
    named = {f"{node}.labels": np.array(names) for node, names in labels.items()}
    np.savez(path, nodes=np.array(list(labels)), id=np.array(ids), **named, **values)
    return path


def test_rows_are_labels_probabilities_by_name_or_in_order(tmp_path):
    told = read_node_files(
        [
            jsonl(
                tmp_path / "nodes.jsonl",
                {"id": "a", "nodes": {"tool": "knife", "verb": {"cut": 0.75, "wash": 0.25}}},
                {"id": 7, "nodes": {"verb": [0, 1], "tool": [0.5, 0.25, 0.25]}},
                {"id": "c", "nodes": [[0, 0, 1], "wash"]},
            )
        ]
    )
    assert told.labels == LABELS and not told.faults
    assert told.rows == {
        "a": [[0, 1, 0], [0.75, 0.25]],
        "7": [[0.5, 0.25, 0.25], [0, 1]],
        "c": [[0, 0, 1], [0, 1]],
    }


def test_npz_files_tell_the_same_and_may_stand_beside_jsonl(tmp_path):
    tool = np.array([[0.5, 0.25, 0.25], [0, 0, 1]], np.float32)
    arrays = npz(tmp_path / "b.npz", ["x", "y"], tool=tool, verb=np.array([[0, 1], [1, 0]]))
    told = read_node_files([jsonl(tmp_path / "a.jsonl", {"id": "z", "nodes": ["none", "cut"]}), arrays])
    assert told.labels == LABELS
    assert told.rows == {
        "z": [[1, 0, 0], [1, 0]],
        "x": [[0.5, 0.25, 0.25], [0, 1]],
        "y": [[0, 0, 1], [1, 0]],
    }


@pytest.mark.parametrize(
    ("nodes", "complaint"),
    [
        ({"tool": [0.5, 0.2, 0.2], "verb": "cut"}, "the probabilities of node 'tool' sum to 0.9, not to one"),
        ({"tool": [1.5, -0.5, 0], "verb": "cut"}, "node 'tool' gives 'none' the probability 1.5"),
        ({"tool": [float("nan"), 0.5, 0.5], "verb": "cut"}, "node 'tool' gives 'none' the probability nan"),
        ({"tool": "knife"}, "node 'verb' is missing"),
        ({"tool": "knife", "verb": "cut", "place": "x"}, "there is no node 'place'"),
        ({"tool": "spoon", "verb": "cut"}, "node 'tool' has no label 'spoon'"),
        (
            ["cut", "knife"],
            "node 'tool' has no label 'cut', but node 'verb' has it; the order of the nodes is tool, verb",
        ),
        ([[0, 1], [0, 0, 1]], "node 'tool' has 2 values, but 3 labels"),
        ("knife", "nodes are 'knife'"),
    ],
)
def test_what_is_wrong_with_a_row_is_kept_with_its_line_and_the_others_are_read(tmp_path, nodes, complaint):
    rows = [{"id": "bad", "nodes": nodes}, {"id": "good", "nodes": ["none", "cut"]}]
    told = read_node_files([jsonl(tmp_path / "nodes.jsonl", *rows)])
    assert list(told.rows) == ["good"] and list(told.faults) == ["bad"]
    assert (
        told.faults["bad"].startswith(f"{tmp_path}/nodes.jsonl, line 2, nodes of bad: ")
        and complaint in told.faults["bad"]
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", r"n\.jsonl: the first line must tell the labels"),
        ('{"id": "a", "nodes": {"tool": "knife"}}', r"n\.jsonl, line 1: the first line must tell the labels"),
        ('{"nodes": {}}', r"n\.jsonl, line 1: node labels are \{\}"),
        ('{"nodes": {"tool": ["a", "a"]}}', r"n\.jsonl, line 1: node 'tool' has the label 'a' twice"),
        ('{"nodes": {"tool": ["a"]}}\n{"id": 1}', r"n\.jsonl, line 2: a row needs id and nodes; there is id"),
        ('{"nodes": {"tool": ["a"]}}\n{', r"n\.jsonl, line 2: not JSON"),
        (
            '{"nodes": {"tool": ["a"]}}\n{"id": 1, "nodes": ["a"]}\n{"id": 1, "nodes": ["a"]}',
            r"n\.jsonl, line 3: the nodes of 1 are told already",
        ),
    ],
)
def test_a_file_of_another_form_is_refused_with_its_line(tmp_path, content, complaint):
    (tmp_path / "n.jsonl").write_text(content)
    with pytest.raises(ValueError, match=complaint):
        read_node_files([tmp_path / "n.jsonl"])


def test_another_order_of_nodes_than_in_the_first_file_is_refused(tmp_path):
    first = jsonl(tmp_path / "a.jsonl")
    turned = {"verb": LABELS["verb"], "tool": LABELS["tool"]}
    other = {"tool": LABELS["tool"][::-1], "verb": LABELS["verb"]}
    for labels in (turned, other):
        second = jsonl(tmp_path / "b.jsonl", labels=labels)
        with pytest.raises(
            ValueError, match=r"b\.jsonl: its nodes are .*, but in .*a\.jsonl they are tool \(none, kn.*ord"
        ):
            read_node_files([first, second])


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"tool": np.zeros((1, 2))}, r"array 'tool' is float64 \(1, 2\); 1 ids and 3 labels need numbers \(1, 3\)"),
        ({"tool": np.array([["a", "b", "c"]])}, r"array 'tool' is <U1 \(1, 3\); .* need numbers"),
        ({"id": np.zeros((1, 1))}, r"no array 'id' of texts"),
        ({"nodes": np.array(["tool", "place"])}, r"no array 'place'; there is nodes, id, tool"),
        ({"tool.labels": np.array("none")}, "array 'tool' is float64"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_by_name(tmp_path, change, complaint):
    arrays = {
        "nodes": np.array(list(LABELS)),
        "id": np.array(["a"]),
        "tool": np.array([[0.0, 1, 0]]),
        "verb": np.array([[0.0, 1]]),
        **{f"{node}.labels": np.array(names) for node, names in LABELS.items()},
    }
    np.savez(tmp_path / "n.npz", **arrays)
    assert read_node_files([tmp_path / "n.npz"]).rows == {"a": [[0, 1, 0], [0, 1]]}
    np.savez(tmp_path / "n.npz", **{**arrays, **change})
    with pytest.raises(ValueError, match=rf"n\.npz: {complaint}"):
        read_node_files([tmp_path / "n.npz"])


def test_no_pickled_object_is_loaded_from_a_node_file(tmp_path):
    np.savez(tmp_path / "n.npz", nodes=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match=r"n\.npz: not an NPZ file of numbers and texts: Object arrays cannot be"):
        read_node_files([tmp_path / "n.npz"])


def test_labels_stand_in_a_file_of_their_own_for_rows_that_carry_nodes(tmp_path):
    (tmp_path / "nodes.json").write_text(json.dumps(LABELS))
    assert read_node_labels(tmp_path / "nodes.json") == LABELS
    (tmp_path / "nodes.json").write_text('["tool"]')
    with pytest.raises(ValueError, match=r"nodes\.json: node labels are \['tool'\]; they must be node: \[label"):
        read_node_labels(tmp_path / "nodes.json")


@settings(max_examples=100, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60) | st.binary(max_size=60).map(lambda tail: b"PK\x03\x04" + tail))
def test_whatever_an_npz_file_holds_is_refused_by_name(tmp_path, content):
    (tmp_path / "n.npz").write_bytes(content)
    with pytest.raises(ValueError, match=r"n\.npz: "):
        read_node_files([tmp_path / "n.npz"])


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.integers(0, 2000), st.integers(0, 255))
def test_an_npz_file_with_one_wrong_byte_is_read_or_refused_by_name(tmp_path, place, byte):
    whole = npz(tmp_path / "n.npz", ["a"], tool=np.eye(3)[:1], verb=np.eye(2)[:1]).read_bytes()
    (tmp_path / "n.npz").write_bytes(whole[: place % len(whole)] + bytes([byte]) + whole[place % len(whole) + 1 :])
    try:
        told = read_node_files([tmp_path / "n.npz"])
    except ValueError as error:
        assert str(error).startswith(f"{tmp_path}/n.npz: ")
    else:
        assert len(told.rows) + len(told.faults) == 1


values = st.floats(-0.5, 1.5, width=16) | st.just(float("nan"))
cells = st.sampled_from(["knife", "cut", "spoon", 3, None, {"knife": 1.0}, {"cut": 0.5, "wash": 0.5}]) | st.lists(
    values, max_size=3
)
told_nodes = st.lists(cells, max_size=3) | st.dictionaries(st.sampled_from(["tool", "verb", "x"]), cells) | cells


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(told_nodes, max_size=4))
def test_every_row_has_distributions_or_a_fault_and_none_is_lost(tmp_path, rows):
    told = read_node_files([jsonl(tmp_path / "n.jsonl", *({"id": n, "nodes": row} for n, row in enumerate(rows)))])
    assert told.rows.keys() | told.faults.keys() == {str(number) for number in range(len(rows))}
    for distributions in told.rows.values():
        assert [len(one) for one in distributions] == [3, 2]
        assert all(abs(sum(one) - 1) <= 1e-3 and min(one) >= 0 for one in distributions)
