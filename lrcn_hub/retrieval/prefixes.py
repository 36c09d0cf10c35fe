"""Captions as a tree of their beginnings: what several captions begin with is read once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

Caption = tuple[int, ...]


@dataclass(frozen=True)
class Level:
    """All distinct beginnings of one length that some caption goes on from, called nodes, and the words it goes on
    with, called edges. The tensors hold numbers counted from 0."""

    words: Tensor
    """(nodes,) the id that each node reads: its last word, or the start id."""
    parents: Tensor
    """(nodes,) the node of the level before, which lacks this word."""
    edge_nodes: Tensor
    """(edges,) the node that each edge goes on from, in ascending order."""
    edge_words: Tensor
    """(edges,) the id of the word it goes on with."""
    opened: Tensor
    """(nodes of the next level,) the edges that lead there."""
    ended: Tensor
    """(captions that end here,) which they are."""
    end_edges: Tensor
    """(captions that end here,) their last edges."""

    @property
    def child_parents(self) -> Tensor:
        """(nodes of the next level,) their parents here, in ascending order."""
        return self.edge_nodes[self.opened]

    def blocks(self, size: int) -> Iterator[tuple[slice, slice, slice]]:
        """Cut the nodes into even runs of at most `size`; with each come its edges and nodes of the next level."""
        size = evenly(len(self.words), size)
        begins = torch.arange(0, len(self.words) + size, size, device=self.words.device).clamp(max=len(self.words))
        cuts = (begins, torch.searchsorted(self.edge_nodes, begins), torch.searchsorted(self.child_parents, begins))
        for run in zip(*(pairwise(cut.tolist()) for cut in cuts), strict=True):
            nodes, edges, children = (slice(*ends) for ends in run)
            yield nodes, edges, children


def prefix_levels(captions: Sequence[Caption], start: int, device: torch.device | str = "cpu") -> list[Level]:
    """Find the levels of *sorted* captions, ids without the end word, none empty; the first level reads `start`."""
    levels, going_on = [], list(range(len(captions)))
    nodes: dict[Caption, int] = {(): 0}
    words, parents = [start], [0]
    for length in range(1, 1 + max(map(len, captions))):
        edges: dict[Caption, int] = {}
        for number in going_on:
            edges.setdefault(captions[number][:length], len(edges))
        ended = [number for number in going_on if len(captions[number]) == length]
        going_on = [number for number in going_on if len(captions[number]) > length]
        opened = list(dict.fromkeys(edges[captions[number][:length]] for number in going_on))
        beginnings = list(edges)
        edge_nodes, edge_words = [nodes[edge[:-1]] for edge in beginnings], [edge[-1] for edge in beginnings]
        end_edges = [edges[captions[number]] for number in ended]
        lists = (words, parents, edge_nodes, edge_words, opened, ended, end_edges)
        levels.append(Level(*(torch.tensor(values, dtype=torch.long, device=device) for values in lists)))
        nodes = {beginnings[edge]: node for node, edge in enumerate(opened)}
        words, parents = [edge_words[edge] for edge in opened], [edge_nodes[edge] for edge in opened]
    return levels


def evenly(total: int, most: int) -> int:
    """How large parts of `total` are that are no larger than `most`, no more than need be, and about equal."""
    return -(-total // -(-total // most))


def count_nodes(captions: Sequence[Caption]) -> list[int]:
    """Count the nodes of each level of *sorted* captions."""
    counts = [0] * max(map(len, captions))
    for caption, shared in zip(captions, _shared_nodes(captions), strict=True):
        for length in range(shared, len(caption)):
            counts[length] += 1
    return counts


def chunks(captions: Sequence[Caption], most_nodes: int) -> Iterator[slice]:
    """Cut *sorted* captions into runs of which no level has more than `most_nodes` nodes."""
    begin, counts = 0, [0] * max(map(len, captions))
    for number, shared in enumerate(_shared_nodes(captions)):
        length = len(captions[number])
        if max(counts[shared:length], default=0) >= most_nodes:
            yield slice(begin, number)
            begin, shared, counts = number, 0, [0] * len(counts)
        for place in range(shared, length):
            counts[place] += 1
    yield slice(begin, len(captions))


def _shared_nodes(captions: Sequence[Caption]) -> Iterator[int]:
    """How many nodes each caption shares with those before it: the start, and after it words in common."""
    previous: Caption = ()
    for caption in captions:
        shortest = min(len(caption), len(previous))
        same = next((place for place in range(shortest) if caption[place] != previous[place]), shortest)
        yield min(same + 1, shortest)
        previous = caption
