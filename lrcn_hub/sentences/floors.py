"""What needs no training: sentences that a narrator of nodes has to beat."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
from tqdm.auto import tqdm

from lrcn_hub.models.nodes_lrcn import Nodes

if TYPE_CHECKING:
    from datasets import Dataset


def nearest_sentences(train_table: Dataset, table: Dataset) -> list[str]:
    """Say of each row what was said of the training row whose node distributions are nearest: its first sentence.

    Nearest is by the Euclidean distance of all probabilities; of rows equally near it is the first. Raises ValueError
    if a table has a row without nodes, or the training table none at all.
    """
    known = _node_vectors(train_table)
    nearest = [
        int(((known - given) ** 2).sum(axis=1).argmin())  # exact, so that equals are equal; memory: one training set
        for given in tqdm(_node_vectors(table), desc="Nearest sentences", unit="row")
    ]
    sentences = train_table["sentences"]
    return [sentences[row][0] for row in nearest]


def template_sentences(table: Dataset, template: str, nodes: Nodes) -> list[str]:
    """Fill in each row's likeliest labels, as in "the {colour} {shape} {action}{ place}".

    A part in braces names a node; where its label is the absent one, it is left out with the blanks in its braces. "a"
    before a vowel becomes "an". Raises ValueError for a part that names no node and for a row without nodes.
    """
    parts = re.findall(r"\{\s*(\w+)\s*\}", template)
    if unknown := sorted(set(parts) - set(nodes.labels)):
        raise ValueError(f"the template {template!r} names {', '.join(unknown)}; nodes are {', '.join(nodes.labels)}")
    sentences = []
    for number, given in enumerate(table["nodes"]):
        _check_given(given, number)
        labels = dict(zip(nodes.labels, nodes.likeliest(given), strict=True))

        def fill(part: re.Match[str], labels: dict[str, str] = labels) -> str:
            before, node, after = part.groups()
            return "" if labels[node] == nodes.absent_label else f"{before}{labels[node]}{after}"

        filled = " ".join(re.sub(r"\{(\s*)(\w+)(\s*)\}", fill, template).split())
        sentences.append(re.sub(r"\b(a) (?=[aeiou])", r"\1n ", filled, flags=re.IGNORECASE))
    return sentences


def _node_vectors(table: Dataset) -> np.ndarray:
    """The rows' distributions, one after the other: (rows, sum of the nodes' labels)."""
    rows = []
    for number, given in enumerate(table["nodes"]):
        _check_given(given, number)
        rows.append(np.concatenate([np.asarray(part, dtype=np.float32) for part in given]))
    if not rows:
        raise ValueError("there are no rows to find the nearest sentence of; give a table with nodes")
    return np.stack(rows)


def _check_given(given: object, number: int) -> None:
    if given is None:
        raise ValueError(f"row {number} has no nodes; the floors of narration are for rows with node distributions")
