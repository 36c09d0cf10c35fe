"""Narrated videos for training: read and checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrcn_hub.data.annotation_files import refuse_repeated_ids
from lrcn_hub.data.bad_samples import BadSample, report_bad_samples
from lrcn_hub.data.sources import is_built_in
from lrcn_hub.data.splits import refuse_leaks, split_off_validation
from lrcn_hub.data.table_report import TableReport
from lrcn_narration.checking import attach_nodes, count_overlaps, faults_of
from lrcn_narration.options import NarrationDataOptions
from lrcn_narration.readers import read_examples
from lrcn_narration.tables import Example, to_table

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class DataReport(TableReport):
    """What was read and what was left out, for the model card, and which nodes the tables tell of."""

    level: str = ""
    """The one level of detail that was taken; empty: whatever there is."""
    nodes: dict[str, list[str]] = field(default_factory=dict)
    """Node -> its labels, in the order of the column of nodes; empty where that column is."""
    rows: dict[str, int] = field(default_factory=dict)
    """Rows of each table."""
    sentences: dict[str, int] = field(default_factory=dict)
    """Sentences in each table."""
    overlaps: dict[str, int] = field(default_factory=dict)
    """Rows of each table whose segment overlaps an earlier one of the same video and level, if that was allowed."""
    nodes_without_row: int = 0
    """Rows of node files that no table has."""


def load_tables(options: NarrationDataOptions) -> dict[str, Dataset]:
    """Read and check the data: tables with the columns of this task for the splits that there are.

    Each table's ``info.description`` holds the `DataReport` as JSON. Raises ValueError or OSError, naming the file,
    for data that are missing, unreadable or empty, for nodes that are none, for impossible or overlapping segments,
    and for videos in more than one split.
    """
    report = DataReport(options.reader, options.level)
    tables = _built_in(options, report) if is_built_in(options) else _read(options, report)
    report.rows = {split: len(table) for split, table in tables.items()}
    report.sentences = {split: sum(map(len, table["sentences"])) for split, table in tables.items()}
    report.write_to(tables)
    return tables


def _built_in(options: NarrationDataOptions, report: DataReport) -> dict[str, Dataset]:
    from lrcn_hub.data.moving_shapes import NARRATION_NODES, load_narration_tables

    report.level = options.level or "event"
    tables = load_narration_tables(level=report.level, **options.moving_shapes)
    if report.level == "event":
        report.nodes = {node: list(labels) for node, labels in NARRATION_NODES.items()}
    return tables


def _read(options: NarrationDataOptions, report: DataReport) -> dict[str, Dataset]:
    found = read_examples(options)
    report.outside_splits = found.outside_splits
    nodes = attach_nodes(found.splits, options)
    report.nodes, report.nodes_without_row = nodes.labels, nodes.without_row
    splits = {split: _usable(split, rows, nodes.faults, options, report) for split, rows in found.splits.items()}
    report.overlaps = count_overlaps(splits, options)
    if options.validation_share and "train" in splits and "validation" not in splits:
        videos = [example.whole_video or f"alone {example.id}" for example in splits["train"]]
        splits |= split_off_validation(splits["train"], videos, options.validation_share, "training video")
    _check_leaks(splits, options, report)
    return {split: to_table(examples) for split, examples in splits.items()}


def _usable(
    split: str,
    examples: list[Example],
    node_faults: Mapping[int, str],
    options: NarrationDataOptions,
    report: DataReport,
) -> list[Example]:
    """Leave out, or refuse, rows that cannot be used; ids must tell them apart."""
    refuse_repeated_ids(examples)
    faults = faults_of(examples, node_faults, options)
    bad = [BadSample(examples[row].source, fault) for row, fault in sorted(faults.items())]
    report_bad_samples(bad, len(examples), options.on_bad_sample, kind=f"rows of split {split}")
    report.bad_samples += bad
    usable = [example for row, example in enumerate(examples) if row not in faults]
    if not usable:
        raise ValueError(f"no usable row is left in split {split}")
    return usable


def _check_leaks(splits: Mapping[str, Sequence[Example]], options: NarrationDataOptions, report: DataReport) -> None:
    """Refuse one video in two splits, be it other segments of it: a score on what was seen says nothing."""
    first: dict[str, tuple[str, Example]] = {}
    leaks: dict[tuple[str, str], str] = {}
    for split, examples in splits.items():
        for example in examples:
            key = example.whole_video
            other, known = first.setdefault(key, (split, example)) if key else (split, example)
            if other != split:
                where = f"{known.source} and {example.source}"
                leaks.setdefault((key, split), f"{example.video_name} in {other} and in {split} ({where})")
    report.leaks = refuse_leaks(list(leaks.values()), options.allow_leak, "videos")
