"""The reader of `datasets`: any dataset of the Hub or of a folder, told which columns are videos and classes."""

from __future__ import annotations

import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_activity.readers import Labelled
from lrcn_activity.tables import SPLITS, Example, file_in, group_of

if TYPE_CHECKING:
    from datasets import Dataset

    from lrcn_activity.options import ActivityDataOptions

logger = logging.getLogger(__name__)


def read_datasets(options: ActivityDataOptions) -> Labelled:
    """Any dataset of the `datasets` library: a name on the Hub, a folder it reads, or one written by save_to_disk."""
    from datasets import ClassLabel, Dataset

    if not options.path:
        raise ValueError("the datasets reader needs path: a dataset's name on the Hub, or a folder")
    loaded = _load_dataset(options.path, options.subset)
    found = Labelled({})
    for name, table in ({"train": loaded} if isinstance(loaded, Dataset) else loaded).items():
        split = SPLITS.get(name.lower())
        if split is None:
            logger.warning("%s: split %s is left out; known are %s", options.path, name, ", ".join(SPLITS))
            continue
        _check_columns(table, name, options)
        kind = table.features[options.label_column]
        found.classes = found.classes or (list(kind.names) if isinstance(kind, ClassLabel) else [])
        found.splits.setdefault(split, []).extend(_examples(table, name, options))
    return found


def _load_dataset(path: str, subset: str | None) -> Any:
    from datasets import load_dataset, load_from_disk

    written = any((Path(path) / name).is_file() for name in ("dataset_dict.json", "state.json"))
    try:
        return load_from_disk(path) if written else load_dataset(path, subset)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"dataset {path} cannot be loaded (a missing name or folder, or no network): {error}"
        ) from error


def _check_columns(table: Dataset, split: str, options: ActivityDataOptions) -> None:
    for option in ("video_column", "label_column", "id_column", "group_column"):
        name = getattr(options, option)
        if name and name not in table.column_names:
            known = ", ".join(table.column_names)
            raise ValueError(f"{options.path}, split {split}: no column {name!r} among {known}; set {option}")


def _examples(table: Dataset, split: str, options: ActivityDataOptions) -> list[Example]:
    from datasets import ClassLabel, Value, Video

    if not isinstance(table.features[options.video_column], Value):
        table = table.cast_column(options.video_column, Video(decode=False))
    kind = table.features[options.label_column]
    examples = []
    for number, row in enumerate(table):
        source = f"{options.path}, split {split}, row {number}"
        file = _file(row[options.video_column], options, source)
        label = row[options.label_column]
        label = kind.names[label] if isinstance(kind, ClassLabel) and label is not None else label
        if label is None:
            raise ValueError(f"{source}: nothing in column {options.label_column!r}")
        group = str(row[options.group_column]) if options.group_column else group_of(file)
        row_id = str(row[options.id_column]) if options.id_column else f"{split}/{number}"
        examples.append(Example(row_id, file, str(label), source, group))
    return examples


def _file(cell: Any, options: ActivityDataOptions, source: str) -> Path:
    """Find the file of a video that is named, or that the dataset holds."""
    if isinstance(cell, str):  # without a folder these are the user's own paths
        return file_in(options.video_folder, cell, source=source) if options.video_folder else Path(cell)
    if not isinstance(cell, dict) or (cell.get("path") is None and cell.get("bytes") is None):
        raise ValueError(f"{source}: nothing in column {options.video_column!r}")
    return Path(cell["path"]) if cell.get("bytes") is None else _unpacked(cell)


def _unpacked(cell: dict[str, Any]) -> Path:
    """Write the bytes of a video into the cache of `datasets`, under a name that follows from them."""
    import datasets

    ending = Path(cell.get("path") or "").suffix
    file = Path(datasets.config.HF_DATASETS_CACHE, "videos", hashlib.sha256(cell["bytes"]).hexdigest() + ending)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_bytes(cell["bytes"])
        unfinished.replace(file)
    return file
