"""The tree of beginnings, held to sets of them."""

from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.retrieval.prefixes import chunks, count_nodes, evenly, prefix_levels

captions = st.lists(st.lists(st.integers(1, 3), min_size=1, max_size=5).map(tuple), min_size=1, max_size=12).map(
    sorted
)


def beginnings(said, length):
    """Those of `length` words that some caption goes on from."""
    return {caption[:length] for caption in said if len(caption) > length}


@given(captions)
def test_levels_hold_every_beginning_once_and_spell_every_caption(said):
    levels = prefix_levels(said, start=0)
    spelled, texts = {}, [()]
    for length, level in enumerate(levels):
        assert set(texts) == beginnings(said, length)
        assert len(level.words) == len(texts) == len(set(texts))
        assert level.words.tolist() == [text[-1] if text else 0 for text in texts]
        assert level.edge_nodes.tolist() == sorted(level.edge_nodes.tolist())
        steps = zip(level.edge_nodes.tolist(), level.edge_words.tolist(), strict=True)
        edges = [(*texts[node], word) for node, word in steps]
        spelled |= dict(zip(level.ended.tolist(), (edges[edge] for edge in level.end_edges.tolist()), strict=True))
        if length + 1 < len(levels):
            assert levels[length + 1].parents.tolist() == level.edge_nodes[level.opened].tolist()
        texts = [edges[edge] for edge in level.opened.tolist()]
    assert texts == []
    assert [spelled[number] for number in range(len(said))] == said


@given(captions, st.integers(1, 4))
def test_blocks_hold_all_nodes_with_their_edges_and_children(said, size):
    for level in prefix_levels(said, start=0):
        nodes, edges, children = [], [], []
        for of_nodes, of_edges, of_children in level.blocks(size):
            part = range(of_nodes.start, of_nodes.stop)
            assert 0 < len(part) <= size
            assert set(level.edge_nodes[of_edges].tolist()) == set(part)
            assert set(level.child_parents[of_children].tolist()) <= set(part)
            nodes += part
            edges += range(of_edges.start, of_edges.stop)
            children += range(of_children.start, of_children.stop)
        assert nodes == list(range(len(level.words)))
        assert edges == list(range(len(level.edge_nodes)))
        assert children == list(range(len(level.opened)))


@given(st.integers(1, 50), st.integers(1, 60))
def test_parts_are_even_and_as_few_as_can_be(total, most):
    size = evenly(total, most)
    assert size <= most
    assert -(-total // size) == -(-total // most)
    assert -(-total // (size - 1)) > -(-total // most) if size > 1 else True  # smaller parts would be more


@given(captions)
def test_nodes_are_counted(said):
    assert count_nodes(said) == [len(beginnings(said, length)) for length in range(max(map(len, said)))]


@given(captions, st.integers(1, 4))
def test_chunks_are_as_wide_as_allowed_and_leave_nothing_out(said, most):
    runs = list(chunks(said, most))
    assert [caption for run in runs for caption in said[run]] == said
    assert all(max(count_nodes(said[run])) <= most for run in runs)
    for run in runs[:-1]:  # one more caption would be too much
        assert max(count_nodes(said[run.start : run.stop + 1])) > most
