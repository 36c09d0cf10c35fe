"""Files that tell what is known of the nodes of each row: labels or distributions, as JSONL or NPZ, by row id.

No public form of such files exists; this one is described in docs/narration_data.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from lrcn_hub.data.annotation_files import read_json, read_rows
from lrcn_hub.models.nodes_lrcn import Nodes

LABELS = ".labels"  # in NPZ: the array NODE has distributions, NODE.labels the names of their values


@dataclass
class NodeRows:
    """What node files tell."""

    name: str
    """The files, for messages."""
    labels: dict[str, list[str]]
    """Node -> its labels, in the order of its distributions."""
    rows: dict[str, list[list[float]]] = field(default_factory=dict)
    """Row id -> a distribution for each node."""
    faults: dict[str, str] = field(default_factory=dict)
    """Row id -> what is wrong with its nodes; it names file and place."""

    def add(self, row_id: str, given: Any, source: str) -> None:
        """Check what is told of a row and keep it, or what is wrong with it; an id told twice is an error."""
        if row_id in self.rows or row_id in self.faults:
            raise ValueError(f"{source}: the nodes of {row_id} are told already")
        try:
            self.rows[row_id] = Nodes(self.labels).distributions(given, f"{source}, nodes of {row_id}")
        except ValueError as error:
            self.faults[row_id] = str(error)


def read_node_labels(file: Path) -> dict[str, list[str]]:
    """Read a JSON file of node -> list of labels."""
    return _labels(read_json(file), str(file))


def read_node_files(files: Sequence[Path]) -> NodeRows:
    """Read node files, JSONL or NPZ, that tell of different rows by the same nodes and labels in the same order.

    Raises ValueError that names the file for another form, other nodes than in the first file, and ids told twice;
    distributions that are none are kept as faults of their rows.
    """
    found: NodeRows | None = None
    for file in files:
        labels, rows = _read_npz(file) if file.suffix == ".npz" else _read_jsonl(file)
        found = found or NodeRows(", ".join(map(str, files)), labels)
        if list(labels.items()) != list(found.labels.items()):
            raise ValueError(
                f"{file}: its nodes are {_shown(labels)}, but in {files[0]} they are {_shown(found.labels)}; nodes "
                "and labels must be the same, in the same order"
            )
        for row_id, given, source in rows:
            found.add(row_id, given, source)
    if found is None:
        raise ValueError("no node file was named")
    return found


def _read_jsonl(file: Path) -> tuple[dict[str, list[str]], Iterator[tuple[str, Any, str]]]:
    """Read the labels from the first line, {"nodes": {node: [label, ...]}}, and promise the rows."""
    lines = read_rows(file)
    source, header = next(lines, (str(file), {}))
    if "nodes" not in header or "id" in header:
        raise ValueError(
            f'{source}: the first line must tell the labels: {{"nodes": {{"NODE": ["LABEL", ...], ...}}}}'
        )
    return _labels(header["nodes"], source), _jsonl_rows(lines)


def _jsonl_rows(lines: Iterator[tuple[str, dict[str, Any]]]) -> Iterator[tuple[str, Any, str]]:
    for source, row in lines:
        if not {"id", "nodes"} <= row.keys():
            raise ValueError(f"{source}: a row needs id and nodes; there is {', '.join(map(str, row)) or 'nothing'}")
        yield str(row["id"]), row["nodes"], source


def _read_npz(file: Path) -> tuple[dict[str, list[str]], Iterator[tuple[str, Any, str]]]:
    """Read arrays: ``nodes`` (names in order), ``id`` (rows,), and for each node NODE (rows, labels), NODE.labels."""
    arrays = _arrays(file)
    for name in ("nodes", "id"):
        if name not in arrays or arrays[name].ndim != 1:
            raise ValueError(f"{file}: no array {name!r} of texts; there is {', '.join(arrays) or 'nothing'}")
    names, ids = ([str(value) for value in arrays[name].tolist()] for name in ("nodes", "id"))
    for node in names:
        for name in (node, node + LABELS):
            if name not in arrays:
                raise ValueError(f"{file}: no array {name!r}; there is {', '.join(arrays)}")
        expected = (len(ids), len(np.atleast_1d(arrays[node + LABELS])))
        if arrays[node].shape != expected or arrays[node].dtype.kind not in "fiu":
            raise ValueError(
                f"{file}: array {node!r} is {arrays[node].dtype} {arrays[node].shape}; {expected[0]} ids and "
                f"{expected[1]} labels need numbers {expected}"
            )
    labels = _labels({node: list(map(str, arrays[node + LABELS].tolist())) for node in names}, str(file))
    values = [arrays[node].astype(np.float64).tolist() for node in names]
    return labels, ((row_id, [of[row] for of in values], str(file)) for row, row_id in enumerate(ids))


def _arrays(file: Path) -> dict[str, np.ndarray]:
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as content:
            return {name: content[name] for name in content.files}
    except FileNotFoundError:
        raise
    except Exception as error:  # what a damaged archive raises is of a dozen kinds
        raise ValueError(f"{file}: not an NPZ file of numbers and texts: {error}") from error


def _labels(labels: Any, source: str) -> dict[str, list[str]]:
    try:
        return {node: list(given) for node, given in Nodes(labels).labels.items()}
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from error


def _shown(labels: dict[str, list[str]]) -> str:
    return "; ".join(
        f"{node} ({', '.join(given[:5])}{', ...' if len(given) > 5 else ''})" for node, given in labels.items()
    )
