"""Readers: each turns one form of narrated videos into examples for each split.

Nothing else knows file formats. A new form is one more function in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.data.annotation_files import file_in, read_rows
from lrcn_hub.data.sources import needed_path
from lrcn_hub.data.splits import SPLIT_NAMES, SPLITS
from lrcn_narration.cells import seconds_in, sentences_in
from lrcn_narration.published import read_msrvtt, read_msvd, read_tacos, read_vatex, read_youcook2
from lrcn_narration.tables import Example, Narrated, gathered

if TYPE_CHECKING:
    from lrcn_narration.options import NarrationDataOptions

SENTENCE_KEYS = ("sentences", "sentence", "text", "captions", "caption")
PATHS = ("path", *(f"{split}_file" for split in SPLIT_NAMES))


def read_examples(options: NarrationDataOptions) -> Narrated:
    """Read what `options` name: the splits that have examples, of the level of detail that is wanted.

    Raises ValueError or OSError that names the file.
    """
    if options.reader not in READERS:
        raise ValueError(f"unknown reader {options.reader!r}; choose from {', '.join([*READERS, 'moving-shapes'])}")
    found = READERS[options.reader](options)
    if options.level:
        found.splits = _of_level(found.splits, options)
    found.splits = {split: found.splits[split] for split in SPLIT_NAMES if found.splits.get(split)}
    if not found.splits:
        given = ", ".join(f"{name} {getattr(options, name)}" for name in PATHS if getattr(options, name))
        raise ValueError(f"the {options.reader} reader found no narrated videos in {given or 'its files'}")
    return found


def _of_level(splits: dict[str, list[Example]], options: NarrationDataOptions) -> dict[str, list[Example]]:
    levels = sorted({example.level for examples in splits.values() for example in examples} - {""})
    if options.level not in levels:
        told = f"their levels are {', '.join(levels)}" if levels else "they tell no levels: go on without level"
        raise ValueError(f"no sentence of the {options.reader} files has the level {options.level!r}; {told}")
    return {split: [one for one in examples if one.level == options.level] for split, examples in splits.items()}


def read_folder(options: NarrationDataOptions) -> Narrated:
    """A folder of videos with metadata.jsonl, or folders train, validation, test each with its own.

    A line has ``file_name`` and ``sentences``, ``sentence``, ``text``, ``captions`` or ``caption`` (one text, or a
    list), and if wanted ``start`` and ``end`` in seconds, ``level``, ``nodes``, ``split`` and ``id``. Without a file
    there must be an id. Several lines may tell of one segment.
    """
    root = needed_path(options, "a folder of videos with metadata.jsonl")
    files = sorted([*root.glob("metadata.jsonl"), *root.glob("*/metadata.jsonl")])
    if not files:
        raise FileNotFoundError(f"{root}: no metadata.jsonl there, nor in a folder in it")
    splits: dict[str, list[Example]] = {}
    for file in files:
        for source, row in read_rows(file):
            splits.setdefault(_split_of(row, file, root, source), []).append(_example(row, file, root, source))
    return Narrated({split: gathered(examples) for split, examples in splits.items()})


def _split_of(row: dict[str, Any], file: Path, root: Path, source: str) -> str:
    """Take the split that a line tells, else the folder's name under `root`."""
    if "split" in row:
        split = SPLITS.get(str(row["split"]).lower())
        if split is None:
            raise ValueError(f"{source}: unknown split {row['split']!r}; known are {', '.join(SPLITS)}")
        return split
    inside = Path(file.parent.relative_to(root), str(row.get("file_name", "")))
    return SPLITS.get(inside.parts[0].lower(), "train") if inside.parts else "train"


def _example(row: dict[str, Any], file: Path, root: Path, source: str) -> Example:
    name = row.get("file_name")
    if name is None and row.get("id") is None:
        raise ValueError(f"{source}: neither file_name, of a video in {file.parent}, nor id")
    key = next((key for key in SENTENCE_KEYS if key in row), None)
    if key is None:
        raise ValueError(f"{source}: none of {', '.join(SENTENCE_KEYS)}; there is {', '.join(row)}")
    video = None if name is None else file_in(file.parent, name, source=source, kind="videos")
    start, end = (seconds_in(row.get(name), f"{source}: {name}") for name in ("start", "end"))
    inside = "" if video is None else str(video.relative_to(root))
    row_id = (
        inside if start is None and end is None else f"{inside}/{start or 0:g}-{'' if end is None else f'{end:g}'}"
    )
    level = str(row.get("level") or "")
    row_id = str(row["id"]) if row.get("id") is not None else "/".join(filter(None, (row_id, level)))
    sentences = sentences_in(row[key], source)
    return Example(row_id, source, inside, video, start, end, sentences, level, nodes=row.get("nodes"))


def _read_datasets(options: NarrationDataOptions) -> Narrated:
    from lrcn_narration.hub_datasets import read_datasets

    return read_datasets(options)


READERS: dict[str, Callable[[NarrationDataOptions], Narrated]] = {
    "tacos": read_tacos,
    "msrvtt": read_msrvtt,
    "vatex": read_vatex,
    "youcook2": read_youcook2,
    "msvd": read_msvd,
    "folder": read_folder,
    "datasets": _read_datasets,
}
