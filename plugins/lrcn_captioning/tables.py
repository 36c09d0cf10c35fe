"""The one table of captioned pictures: columns image, captions (several for each) and id, a table for each split."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.data.annotation_files import texts_of
from lrcn_hub.data.splits import SPLITS as COMMON_SPLITS

if TYPE_CHECKING:
    from datasets import Dataset

SPLITS = {**COMMON_SPLITS, "restval": "restval"}
"""What others call a split -> our name. ``restval`` is Karpathy's: COCO val2014 pictures that he left for training."""


@dataclass
class Example:
    """A picture's file with its captions."""

    id: str
    file: Path
    captions: list[str] = field(default_factory=list)


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
