"""Labelled videos for training: read and checked."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lrcn_activity.options import ActivityDataOptions
from lrcn_activity.readers import Labelled, read_examples
from lrcn_activity.tables import Example, to_table
from lrcn_hub.data.annotation_files import refuse_repeated_ids
from lrcn_hub.data.bad_samples import BadSample, report_bad_samples
from lrcn_hub.data.sources import is_built_in
from lrcn_hub.data.splits import refuse_leaks, split_off_validation
from lrcn_hub.data.table_report import TableReport

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)


@dataclass
class DataReport(TableReport):
    """What was read and what was left out, for the model card."""

    stream: str = "rgb"
    """What of the videos is looked at: rgb or flow."""
    videos: dict[str, int] = field(default_factory=dict)
    """Rows of each table."""


def load_tables(options: ActivityDataOptions) -> dict[str, Dataset]:
    """Read and check the data: tables with the columns id, video, label and group for the splits that there are.

    Each table's ``info.description`` holds the `DataReport` as JSON. Raises ValueError or OSError, naming the file,
    for data that are missing, unreadable or empty, and for videos or groups in more than one split.
    """
    report = DataReport(options.reader, options.stream)
    tables = _built_in(options) if is_built_in(options) else _read(options, report)
    report.videos = {split: len(table) for split, table in tables.items()}
    report.write_to(tables)
    return tables


def _built_in(options: ActivityDataOptions) -> dict[str, Dataset]:
    from lrcn_hub.data.moving_shapes import load_activity_tables

    return load_activity_tables(**options.moving_shapes)


def _read(options: ActivityDataOptions, report: DataReport) -> dict[str, Dataset]:
    found = read_examples(options)
    report.outside_splits = found.outside_splits
    splits = {split: _usable(split, examples, options, report) for split, examples in found.splits.items()}
    if options.validation_share and "train" in splits and "validation" not in splits:
        groups = [example.group or f"alone {example.id}" for example in splits["train"]]
        splits |= split_off_validation(splits["train"], groups, options.validation_share, "group of training videos")
    _check_leaks(splits, options, report)
    _warn_of_unseen_classes(found, splits)
    return {split: to_table(examples, found.classes) for split, examples in splits.items()}


def _usable(split: str, examples: list[Example], options: ActivityDataOptions, report: DataReport) -> list[Example]:
    """Leave out, or refuse, videos that are not there or cannot be read."""
    refuse_repeated_ids(examples)
    bad = [BadSample(e.source, f"{e.file}: there is no such file") for e in examples if not e.file.is_file()]
    report_bad_samples(bad, len(examples), options.on_bad_sample, kind="videos")
    examples = [example for example in examples if example.file.is_file()]
    unreadable = _unreadable(examples, options)
    names = {sample.name for sample in unreadable}
    examples = [example for example in examples if str(example.file) not in names]
    report.bad_samples += bad + unreadable
    if not examples:
        raise ValueError(f"no usable video is left in split {split}")
    return examples


def _unreadable(examples: Sequence[Example], options: ActivityDataOptions) -> list[BadSample]:
    from lrcn_hub.data.flow import prepare_flow
    from lrcn_hub.data.videos import check_videos

    files = [str(example.file) for example in examples]
    if options.stream == "flow":
        return prepare_flow(files, options.flow_folder, on_bad_sample=options.on_bad_sample)
    if options.check_videos == "none":
        return []
    every_frame = options.check_videos == "all-frames"
    return check_videos(files, options.on_bad_sample, every_frame=every_frame)[1]


def _check_leaks(splits: Mapping[str, Sequence[Example]], options: ActivityDataOptions, report: DataReport) -> None:
    """Refuse one file or one group in two splits: a score on what was seen in training says nothing."""
    first: dict[tuple[str, str], tuple[str, Example]] = {}
    leaks: dict[tuple[str, str, str], str] = {}
    for split, examples in splits.items():
        for example in examples:
            for kind, key in (("video", str(example.file.resolve())), ("group", example.group)):
                other, known = first.setdefault((kind, key), (split, example)) if key else (split, example)
                if other != split:
                    name = example.id if kind == "video" else f"group {example.group}"
                    where = f"{known.source} and {example.source}"
                    leaks.setdefault((kind, key, split), f"{name} in {other} and in {split} ({where})")
    report.leaks = refuse_leaks(list(leaks.values()), options.allow_leak, "videos or groups")


def _warn_of_unseen_classes(found: Labelled, splits: Mapping[str, Sequence[Example]]) -> None:
    seen = {example.label for example in splits.get("train", ())}
    unseen = [name for number, name in enumerate(found.classes) if not {name, str(number)} & seen]
    if seen and unseen:
        listed = ", ".join(unseen[:5]) + (", ..." if len(unseen) > 5 else "")
        logger.warning("%d of %d classes have no training video: %s", len(unseen), len(found.classes), listed)
