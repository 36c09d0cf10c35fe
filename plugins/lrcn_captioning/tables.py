"""The one table of captioned pictures: columns image, captions (several for each) and id, a table for each split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset

SPLITS = {
    "train": "train",
    "training": "train",
    "restval": "restval",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What others call a split -> our name. ``restval`` is Karpathy's: COCO val2014 pictures that he left for training."""


@dataclass
class Example:
    """A picture's file with its captions."""

    id: str
    file: Path
    captions: list[str] = field(default_factory=list)


def texts_of(cell: str | Sequence[str] | None) -> list[str]:
    """Read one text or several; blank ones are none."""
    texts = [cell] if isinstance(cell, str) else list(cell or ())
    return [text for text in texts if text.strip()]


def file_in(folder: str | Path, *names: Any, source: str) -> Path:
    """Give the path that `names`, told by somebody's file, mean in the images' folder.

    Raises ValueError that begins with `source` where it would leave the folder.
    """
    path = PurePath(*map(str, names))
    if path.is_absolute() or ".." in path.parts:
        raise ValueError(f"{source}: {str(path)!r} is not in the images' folder {folder or '.'}")
    return Path(folder, path)


def features(*, image: bool = True) -> Any:
    from datasets import Features, Image, List, Value

    columns = {"captions": List(Value("string")), "id": Value("string")}
    return Features({"image": Image(), **columns} if image else columns)


def to_tables(splits: dict[str, list[Example]]) -> dict[str, Dataset]:
    from datasets import Dataset

    columns = {
        split: {
            "image": [str(example.file) for example in examples],
            "captions": [texts_of(example.captions) for example in examples],
            "id": [example.id for example in examples],
        }
        for split, examples in splits.items()
    }
    return {split: Dataset.from_dict(column, features()) for split, column in columns.items()}
