"""The reader of `datasets`: any dataset of the Hub or of a folder, told which columns are videos and classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lrcn_activity.readers import Labelled
from lrcn_activity.tables import SPLITS, Example, group_of
from lrcn_hub.data.hub_datasets import check_columns, load_splits, undecoded_videos, video_file

if TYPE_CHECKING:
    from datasets import Dataset

    from lrcn_activity.options import ActivityDataOptions

COLUMNS = ("video_column", "label_column", "id_column", "group_column")


def read_datasets(options: ActivityDataOptions) -> Labelled:
    """Any dataset of the `datasets` library: a name on the Hub, a folder it reads, or one written by save_to_disk."""
    from datasets import ClassLabel

    found = Labelled({})
    for name, split, table in load_splits(options.path, options.subset, SPLITS):
        named = [(option, getattr(options, option)) for option in COLUMNS]
        check_columns(table, f"{options.path}, split {name}", named)
        kind = table.features[options.label_column]
        found.classes = found.classes or (list(kind.names) if isinstance(kind, ClassLabel) else [])
        found.splits.setdefault(split, []).extend(_examples(table, name, options))
    return found


def _examples(table: Dataset, split: str, options: ActivityDataOptions) -> list[Example]:
    from datasets import ClassLabel

    table = undecoded_videos(table, options.video_column)
    kind = table.features[options.label_column]
    examples = []
    for number, row in enumerate(table):
        source = f"{options.path}, split {split}, row {number}"
        file = video_file(row[options.video_column], options.video_column, options.video_folder, source)
        label = row[options.label_column]
        label = kind.names[label] if isinstance(kind, ClassLabel) and label is not None else label
        if label is None:
            raise ValueError(f"{source}: nothing in column {options.label_column!r}")
        group = str(row[options.group_column]) if options.group_column else group_of(file)
        row_id = str(row[options.id_column]) if options.id_column else f"{split}/{number}"
        examples.append(Example(row_id, file, str(label), source, group))
    return examples
