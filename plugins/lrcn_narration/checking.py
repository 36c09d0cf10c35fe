"""What can be wrong with rows: their nodes, sentences, videos, segments."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lrcn_hub.models.nodes_lrcn import Nodes
from lrcn_narration.node_files import NodeRows, read_node_files, read_node_labels

if TYPE_CHECKING:
    from lrcn_narration.options import NarrationDataOptions
    from lrcn_narration.tables import Example

logger = logging.getLogger(__name__)

LABELS_FILE = "nodes.json"  # in a folder of videos
OVERLAPPING = ("tacos", "youcook2")  # several people chose these segments, some of them a second apart


@dataclass
class AttachedNodes:
    """What became of the nodes that were told."""

    labels: dict[str, list[str]] = field(default_factory=dict)
    """Node -> its labels; empty where nothing tells of nodes."""
    faults: dict[int, str] = field(default_factory=dict)
    """What is wrong with an example's nodes, by `id()` of the example."""
    without_row: int = 0
    """Rows of node files that are in no table."""


def attach_nodes(splits: Mapping[str, Sequence[Example]], options: NarrationDataOptions) -> AttachedNodes:
    """Give every example its distributions, from node files by its id, or from what it came with.

    Raises ValueError where nothing says what the labels are, where an id does not tell rows apart, and where no row
    has nodes.
    """
    files = [Path(name.strip()) for name in options.node_file.split(",") if name.strip()]
    if files and [file.suffix for file in files] != [".json"]:
        _check_ids(splits)
        return _told_in_files([example for split in splits.values() for example in split], read_node_files(files))
    carrying = [example for split in splits.values() for example in split if example.nodes is not None]
    if not carrying and not files:
        return AttachedNodes()
    nodes = Nodes(_labels(files, options))
    attached = AttachedNodes(nodes.labels)
    for example in [example for split in splits.values() for example in split]:
        try:
            if example.nodes is None:
                raise ValueError("nothing tells its nodes")
            example.nodes = nodes.distributions(example.nodes, f"nodes of {example.id}")
        except ValueError as error:
            attached.faults[id(example)] = str(error)
    return attached


def _told_in_files(examples: Sequence[Example], told: NodeRows) -> AttachedNodes:
    attached = AttachedNodes(told.labels)
    for example in examples:
        example.nodes = told.rows.get(example.id)
        if example.nodes is None:
            attached.faults[id(example)] = told.faults.get(example.id) or f"{told.name} does not tell its nodes"
    ids = {example.id for example in examples}
    unused = [name for name in [*told.rows, *told.faults] if name not in ids]
    if len(unused) == len(told.rows) + len(told.faults):
        ours = ", ".join(repr(example.id) for example in examples[:3])
        theirs = ", ".join(map(repr, unused[:3])) or "none"
        raise ValueError(f"{told.name}: it tells of no row that was read; their ids are such as {ours}, its {theirs}")
    if unused:
        logger.warning("%s: %d of its rows are in no table, %s among them", told.name, len(unused), unused[0])
    attached.without_row = len(unused)
    return attached


def _check_ids(splits: Mapping[str, Sequence[Example]]) -> None:
    """Refuse one id for different rows of two splits: node files could not say which they mean."""
    known: dict[str, Example] = {}
    for example in [example for split in splits.values() for example in split]:
        other = known.setdefault(example.id, example)
        same = example.whole_video and example.whole_video == other.whole_video and example.start == other.start
        if other is not example and not same:
            raise ValueError(f"{example.source}: node files go by ids, but {example.id} is also at {other.source}")


def _labels(files: Sequence[Path], options: NarrationDataOptions) -> dict[str, list[str]]:
    """Find what says the labels of nodes that rows carry."""
    beside = [Path(options.path, LABELS_FILE)] if options.reader == "folder" else []
    for file in [*files, *(file for file in beside if file.is_file())]:
        return read_node_labels(file)
    place = f"{beside[0]}, or " if beside else ""
    raise ValueError(f"rows have nodes, but nothing tells their labels: there must be {place}a JSON file as node_file")


def faults_of(
    examples: Sequence[Example], node_faults: Mapping[int, str], options: NarrationDataOptions
) -> dict[int, str]:
    """Say what is wrong with which examples, by their places; of each the first fault that is found."""
    files = _file_faults(examples, options)
    durations = _durations(examples, files, options)
    faults: dict[int, str] = {}
    for place, example in enumerate(examples):
        fault = (
            node_faults.get(id(example))
            or (None if example.sentences else "it has no sentence")
            or (files.get(example.video) if example.video else None)
            or _segment_fault(example, durations)
        )
        if fault:
            faults[place] = fault
    return faults


def _file_faults(examples: Sequence[Example], options: NarrationDataOptions) -> dict[Path, str]:
    """Look at every file once."""
    from lrcn_hub.data.videos import check_videos

    files = list(dict.fromkeys(example.video for example in examples if example.video))
    faults = {
        file: f"{file}: there is no such file, nor one with another ending" for file in files if not file.is_file()
    }
    there = [file for file in files if file not in faults]
    if options.check_videos != "none" and there:
        bad = check_videos(there, options.on_bad_sample, every_frame=options.check_videos == "all-frames")[1]
        faults |= {Path(sample.name): f"{sample.name}: {sample.reason}" for sample in bad}
    return faults


def _durations(
    examples: Sequence[Example], faults: Mapping[Path, str], options: NarrationDataOptions
) -> dict[Path, float]:
    """Tell how long the videos last of which segments are to be read, by their headers."""
    from lrcn_hub.data.videos import probe

    if options.check_videos == "none":
        return {}
    cut = {example.video for example in examples if example.start is not None or example.end is not None}
    return {file: probe(file).duration for file in cut if file is not None and file not in faults}


def _segment_fault(example: Example, durations: Mapping[Path, float]) -> str | None:
    from lrcn_hub.data.videos import check_segment

    if example.start is None and example.end is None:
        return None
    try:
        check_segment(example.video_name or example.id, example.start, example.end, example.duration)
        if example.video and example.video in durations:
            check_segment(str(example.video), example.start, example.end, durations[example.video])
    except ValueError as error:
        return str(error)
    return None


def count_overlaps(splits: Mapping[str, Sequence[Example]], options: NarrationDataOptions) -> dict[str, int]:
    """Count, or refuse, segments that overlap an earlier one of the same video and level of detail."""
    found = {split: _overlapping(examples) for split, examples in splits.items()}
    pairs = [pair for split in found.values() for pair in split]
    keep = options.overlaps == "keep" or (options.overlaps is None and options.reader in OVERLAPPING)
    if pairs and not keep:
        listed = "".join(f"\n  {_told(one)} and {_told(other)}" for one, other in pairs[:10])
        more = f"\n  and {len(pairs) - 10} more" if len(pairs) > 10 else ""
        raise ValueError(
            f"{len(pairs)} segments overlap another one of the same video and level:{listed}{more}\nCorrect them, "
            "tell their level of detail, or go on with --overlaps keep"
        )
    if pairs:
        logger.info("%d segments overlap another one of the same video and level", len(pairs))
    return {split: len(pairs) for split, pairs in found.items() if pairs}


def _overlapping(examples: Sequence[Example]) -> list[tuple[Example, Example]]:
    """Pair each example that begins before an earlier one of its video and level has ended with that one."""
    groups: dict[tuple[str, str], list[Example]] = {}
    for example in examples:
        if example.whole_video:
            groups.setdefault((example.whole_video, example.level), []).append(example)
    pairs = []
    for group in groups.values():
        group.sort(key=lambda example: example.start or 0.0)
        longest = group[0]
        for example in group[1:]:
            if (example.start or 0.0) < _end(longest):
                pairs.append((longest, example))
            longest = max(longest, example, key=_end)
    return pairs


def _end(example: Example) -> float:
    return float("inf") if example.end is None else example.end


def _told(example: Example) -> str:
    end = "the end" if example.end is None else f"{example.end:g} s"
    return f"{example.source} ({example.start or 0.0:g} s to {end})"
