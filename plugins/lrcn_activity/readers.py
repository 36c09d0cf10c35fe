"""Readers: each turns one form of labelled videos into examples for each split, and the names of the classes.

Nothing else knows file formats. A new form is one more function in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_activity.tables import NO_SPLIT, SPLITS, Example, group_of
from lrcn_hub.data.annotation_files import file_in, read_rows, read_text
from lrcn_hub.data.classes import read_classes
from lrcn_hub.data.sources import needed_path, split_files
from lrcn_hub.data.splits import SPLIT_NAMES

if TYPE_CHECKING:
    from lrcn_activity.options import ActivityDataOptions

LISTS = "ucfTrainTestlist"  # the folder in which UCF-101's lists are published


@dataclass
class Labelled:
    """What a reader has found."""

    splits: dict[str, list[Example]]
    classes: list[str] = field(default_factory=list)
    """Names of the classes in the order of their numbers; empty: those of the examples, sorted."""
    outside_splits: int = 0
    """Labelled videos that are in no split."""


def read_examples(options: ActivityDataOptions) -> Labelled:
    """Read what `options` name: the splits that have examples, and the classes.

    Raises ValueError or OSError that names the file.
    """
    if options.reader not in READERS:
        raise ValueError(f"unknown reader {options.reader!r}; choose from {', '.join([*READERS, 'moving-shapes'])}")
    found = READERS[options.reader](options)
    found.splits = {split: found.splits[split] for split in SPLIT_NAMES if found.splits.get(split)}
    if not found.splits:
        raise ValueError(f"the {options.reader} reader found no labelled videos in {options.path or 'its files'}")
    if options.class_file:
        found.classes = read_classes(Path(options.class_file))
    if not found.classes:  # test videos of a class that nobody was trained on are an error, not a class
        examples = found.splits.get("train") or [example for split in found.splits.values() for example in split]
        found.classes = sorted({example.label for example in examples}, key=_numbers_first)
    return found


def _numbers_first(label: str) -> tuple[bool, int, str]:
    return (not label.isdecimal(), int(label) if label.isdecimal() else 0, label)


def read_ucf101(options: ActivityDataOptions) -> Labelled:
    """UCF-101: class folders of .avi files, classInd.txt, and one of the three official splits.

    Other lists can take the place of the official ones, those of the authors' release included, which have no endings
    and count classes from 0.
    """
    root = needed_path(options, "the folder UCF-101, which holds a folder for each class")
    folder = _list_folder(root, options)
    classes = read_classes(folder / "classInd.txt")
    lists = split_files(options, "list") or {
        split: folder / f"{name}{options.split:02d}.txt"
        for split, name in (("train", "trainlist"), ("test", "testlist"))
    }
    return Labelled({split: list(_ucf_examples(file, root, classes)) for split, file in lists.items()}, classes)


def _list_folder(root: Path, options: ActivityDataOptions) -> Path:
    if options.list_folder:
        return Path(options.list_folder)
    places = [root, root / LISTS, root.parent / LISTS, root.parent]
    for place in places:
        if (place / "classInd.txt").is_file():
            return place
    raise FileNotFoundError(
        f"no classInd.txt in {', '.join(map(str, places))}; say where UCF-101's lists are: --data.list_folder"
    )


def _ucf_examples(file: Path, root: Path, classes: list[str]) -> Iterator[Example]:
    for number, line in enumerate(read_text(file).splitlines(), 1):
        if not line.strip():
            continue
        source = f"{file}, line {number}"
        name, _, label = line.strip().partition(" ")
        first = 1 if name.endswith(".avi") else 0  # the authors' own lists name folders of frames
        path = file_in(root, name if first else f"{name}.avi", source=source, kind="videos")
        class_name = Path(name).parent.name
        if class_name not in classes:
            raise ValueError(f"{source}: unknown class {class_name!r}; it is not in classInd.txt")
        if label.strip() and label.strip() != str(classes.index(class_name) + first):
            raise ValueError(
                f"{source}: class {class_name} has the label {label.strip()}, but by classInd.txt it is "
                f"{classes.index(class_name) + first}"
            )
        yield Example(f"{class_name}/{path.stem}", path, class_name, source, group_of(path))


def read_folder(options: ActivityDataOptions) -> Labelled:
    """A folder SPLIT/CLASS/FILE, or CLASS/FILE, all of which is for training."""
    root = needed_path(options, "a folder of SPLIT/CLASS/FILE")
    if not root.is_dir():
        raise FileNotFoundError(f"{root}: there is no such folder")
    folders = _folders(root)
    divided = any(folder.name in SPLITS for folder in folders)
    if divided and (strange := [folder for folder in folders if folder.name not in SPLITS]):
        raise ValueError(f"{strange[0]}: unknown split; known are {', '.join(SPLITS)}")
    splits: dict[str, list[Example]] = {}
    for split, folder in [(SPLITS[one.name], one) for one in folders] if divided else [("train", root)]:
        for class_folder in _folders(folder):
            files = sorted(file for file in class_folder.iterdir() if file.is_file() and file.name[0] != ".")
            if not files:
                raise ValueError(f"{class_folder}: class {class_folder.name!r} has no videos")
            splits.setdefault(split, []).extend(
                Example(str(file.relative_to(root)), file, class_folder.name, str(file), group_of(file))
                for file in files
            )
    return Labelled(splits)


def _folders(root: Path) -> list[Path]:
    return sorted(folder for folder in root.iterdir() if folder.is_dir() and folder.name[0] != ".")


def read_csv(options: ActivityDataOptions) -> Labelled:
    """Tables of paths and labels, CSV with a header or JSONL: one file with a column of splits, or one for each split.

    Paths are relative to ``video_folder``, or to the table. Labels are names of classes, or numbers.
    """
    files = split_files(options, "file") or {"": needed_path(options, "a CSV or JSONL file of paths and labels")}
    found = Labelled({})
    for split, file in files.items():
        for source, row in read_rows(file):
            chosen = split or _split_of(row, options.split_column, source)
            if chosen is None:
                found.outside_splits += 1
                continue
            found.splits.setdefault(chosen, []).append(_example(row, file, options, source))
    return found


def _split_of(row: dict[str, Any], column: str, source: str) -> str | None:
    if column not in row:
        return "train"
    value = str(row[column]).strip().lower()
    if value == NO_SPLIT:
        return None
    if value not in SPLITS:
        raise ValueError(f"{source}: unknown split {row[column]!r}; known are {', '.join(SPLITS)}")
    return SPLITS[value]


def _example(row: dict[str, Any], file: Path, options: ActivityDataOptions, source: str) -> Example:
    for column in (options.video_column, options.label_column):
        if row.get(column) in (None, ""):
            raise ValueError(
                f"{source}: nothing in column {column!r}; there is {', '.join(map(str, row))}. Set video_column and "
                "label_column"
            )
    name = str(row[options.video_column])
    path = file_in(options.video_folder or file.parent, name, source=source, kind="videos")
    group = str(row.get(options.group_column) or "") if options.group_column else group_of(path)
    row_id = str(row[options.id_column]) if options.id_column in row else name
    return Example(row_id, path, str(row[options.label_column]).strip(), source, group)


def _read_datasets(options: ActivityDataOptions) -> Labelled:
    from lrcn_activity.hub_datasets import read_datasets

    return read_datasets(options)


READERS: dict[str, Callable[[ActivityDataOptions], Labelled]] = {
    "ucf101": read_ucf101,
    "folder": read_folder,
    "csv": read_csv,
    "datasets": _read_datasets,
}
