"""Readers: each turns one form of captioned pictures into tables with the columns image, captions and id.

Nothing else knows file formats. A new form is one more function in `READERS`.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from lrcn_captioning.hub_datasets import read_datasets
from lrcn_captioning.tables import SPLITS, Example, to_tables
from lrcn_hub.data.annotation_files import file_in, read_json, read_text, texts_of
from lrcn_hub.data.sources import needed_path, split_files
from lrcn_hub.data.splits import SPLIT_NAMES

if TYPE_CHECKING:
    from datasets import Dataset

    from lrcn_captioning.data import CaptioningDataOptions, DataReport

CAPTION_KEYS = ("captions", "caption", "text")
PATHS = ("path", *(f"{split}_{kind}" for kind in ("file", "list") for split in SPLIT_NAMES))


def read_tables(options: CaptioningDataOptions, report: DataReport) -> dict[str, Dataset]:
    """Read what `options` name into a table for each split that has rows; counts go into `report`.

    Raises ValueError or OSError that names the file.
    """
    if options.reader not in READERS:
        raise ValueError(f"unknown reader {options.reader!r}; choose from {', '.join(READERS)}")
    tables = READERS[options.reader](options, report)
    tables = {split: tables[split] for split in SPLIT_NAMES if len(tables.get(split, ()))}
    if not tables:
        given = ", ".join(f"{name} {getattr(options, name)}" for name in PATHS if getattr(options, name))
        raise ValueError(f"the {options.reader} reader found no captioned images in {given or 'its paths'}")
    return tables


def read_coco(options: CaptioningDataOptions, report: DataReport) -> dict[str, Dataset]:
    """COCO's ``captions_*.json``, one file for each split, or all of them divided by lists of image ids."""
    files = split_files(options, "file")
    if not files:
        raise ValueError("the coco reader needs train_file, validation_file or test_file: COCO annotation files")
    splits = {split: _coco_examples(file, options.image_folder) for split, file in files.items()}
    lists = split_files(options, "list")
    if lists:
        splits = _divide([example for examples in splits.values() for example in examples], lists, report)
    return to_tables(splits)


def _coco_examples(file: Path, image_folder: str) -> list[Example]:
    content = read_json(file)
    if not isinstance(content, dict) or not {"images", "annotations"} <= content.keys():
        raise ValueError(f"{file}: not COCO caption annotations, which have the keys images and annotations")
    folder = _coco_folder(file, image_folder)
    examples = {
        row["id"]: Example(
            str(row["id"]), file_in(folder, row["file_name"], source=f"{file}, image {row['id']}", kind="images")
        )
        for row in content["images"]
    }
    strays = [row["image_id"] for row in content["annotations"] if row["image_id"] not in examples]
    if strays:
        raise ValueError(f"{file}: {len(strays)} captions without an image, the first for image id {strays[0]}")
    for row in content["annotations"]:
        if "caption" not in row:
            raise ValueError(f"{file}: annotation {row.get('id')} has no caption; use the captions_*.json files")
        examples[row["image_id"]].captions.append(row["caption"])
    return list(examples.values())


def _coco_folder(file: Path, image_folder: str) -> Path:
    """Find where the pictures of `file` lie: those of captions_SET.json in SET, as COCO unpacks, if that exists."""
    folder = Path(image_folder or file.parent)
    named = re.fullmatch(r"captions_(\w+)\.json", file.name)
    return folder / named[1] if named and (folder / named[1]).is_dir() else folder


def read_karpathy(options: CaptioningDataOptions, report: DataReport) -> dict[str, Dataset]:
    """Karpathy's ``dataset_coco.json``, ``dataset_flickr8k.json`` or ``dataset_flickr30k.json``, with his splits."""
    file = needed_path(options, "his dataset_*.json")
    content = read_json(file)
    if not isinstance(content, dict) or "images" not in content:
        raise ValueError(f"{file}: not one of Karpathy's files, which have the key images")
    splits: dict[str, list[Example]] = {}
    for row in content["images"]:
        split = SPLITS.get(row["split"])
        if split == "restval":
            split = "train" if options.restval_in_train else None
        if split is None:
            report.outside_splits += 1
            continue
        folder, source = options.image_folder or file.parent, f"{file}, image {row['filename']}"
        image = file_in(folder, row.get("filepath", ""), row["filename"], source=source, kind="images")
        captions = [sentence["raw"] for sentence in row["sentences"]]
        splits.setdefault(split, []).append(Example(str(row.get("cocoid", row["filename"])), image, captions))
    return to_tables(splits)


def read_flickr(options: CaptioningDataOptions, report: DataReport) -> dict[str, Dataset]:
    """Flickr8k's and Flickr30k's token file (``NAME#NUMBER<tab>CAPTION``) or Kaggle's CSV, and lists of names."""
    file = needed_path(options, "a token file such as Flickr8k.token.txt")
    examples: dict[str, Example] = {}
    for name, caption in _flickr_captions(file):
        if name not in examples:
            path = file_in(options.image_folder or file.parent, name, source=f"{file}, image {name}", kind="images")
            examples[name] = Example(name, path)
        examples[name].captions.append(caption)
    lists = split_files(options, "list")
    if not lists:
        return to_tables({"train": list(examples.values())})
    return to_tables(_divide(list(examples.values()), lists, report))


def _flickr_captions(file: Path) -> Iterator[tuple[str, str]]:
    with io.StringIO(read_text(file), newline="") as lines:
        if lines.readline().strip() == "image,caption":
            for row in csv.reader(lines):
                yield row[0], row[1]
            return
        lines.seek(0)
        for number, line in enumerate(lines, 1):
            key, tab, caption = line.strip().partition("\t")
            name, mark, _ = key.rpartition("#")
            if tab and mark:
                yield name, caption
            elif line.strip():
                raise ValueError(f"{file}, line {number}: {line.strip()!r} is not NAME#NUMBER<tab>CAPTION")


def read_folder(options: CaptioningDataOptions, report: DataReport) -> dict[str, Dataset]:
    """A folder of images with metadata.jsonl, or folders train, validation, test each with its own.

    A line has ``file_name`` and ``captions``, ``caption`` or ``text`` (one text, or a list), and if wanted ``split``
    and ``id``. Several lines may tell captions of one image.
    """
    root = needed_path(options, "a folder of images with metadata.jsonl")
    files = sorted([*root.glob("metadata.jsonl"), *root.glob("*/metadata.jsonl")])
    if not files:
        raise FileNotFoundError(f"{root}: no metadata.jsonl there, nor in a folder in it")
    examples: dict[tuple[str, Path], Example] = {}
    for file in files:
        for number, line in enumerate(read_text(file).splitlines(), 1):
            if line.strip():
                split, example = _folder_example(line, root, file, f"{file}, line {number}")
                known = examples.setdefault((split, example.file), Example(example.id, example.file))
                known.captions.extend(example.captions)
    splits: dict[str, list[Example]] = {}
    for (split, _), example in examples.items():
        splits.setdefault(split, []).append(example)
    return to_tables(splits)


def _folder_example(line: str, root: Path, file: Path, source: str) -> tuple[str, Example]:
    try:
        row = json.loads(line)
        name = row["file_name"]
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{source}: not a JSON object with the file_name of an image in {root}: {error}") from error
    image = file_in(file.parent, name, source=source, kind="images")
    inside = image.relative_to(root)
    key = next((key for key in CAPTION_KEYS if key in row), None)
    if key is None:
        raise ValueError(f"{source}: none of {', '.join(CAPTION_KEYS)}; there is {', '.join(row)}")
    split = SPLITS.get(row["split"]) if "split" in row else SPLITS.get(inside.parts[0], "train")
    if split is None:
        raise ValueError(f"{source}: unknown split {row['split']!r}; known are {', '.join(SPLITS)}")
    return "train" if split == "restval" else split, Example(str(row.get("id", inside)), image, texts_of(row[key]))


def read_moving_shapes(options: CaptioningDataOptions, report: DataReport) -> dict[str, Dataset]:
    """The built-in little scenes."""
    from lrcn_hub.data.moving_shapes import load_captioning_tables

    return load_captioning_tables(**options.moving_shapes)


READERS: dict[str, Callable[[CaptioningDataOptions, DataReport], dict[str, Dataset]]] = {
    "coco": read_coco,
    "karpathy": read_karpathy,
    "flickr": read_flickr,
    "folder": read_folder,
    "datasets": read_datasets,
    "moving-shapes": read_moving_shapes,
}


def _divide(examples: Iterable[Example], lists: dict[str, Path], report: DataReport) -> dict[str, list[Example]]:
    """Divide by files of one id a line; an id without its ``.jpg`` will do. The rest is counted as outside."""
    by_id = {example.id: example for example in examples}
    splits = {}
    for split, file in lists.items():
        names = [line.strip() for line in read_text(file).splitlines() if line.strip()]
        names = [name if name in by_id else f"{name}.jpg" if f"{name}.jpg" in by_id else name for name in names]
        splits[split] = [by_id.get(name, Example(name, Path(name))) for name in dict.fromkeys(names)]
    inside = {example.id for examples in splits.values() for example in examples}
    report.outside_splits += len(by_id.keys() - inside)
    return splits
