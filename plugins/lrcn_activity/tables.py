"""The one table of labelled videos: columns id, video, label and group, a table for each split."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.data.splits import SPLITS as COMMON_SPLITS

if TYPE_CHECKING:
    from datasets import Dataset

SPLITS = {**COMMON_SPLITS, "1": "train", "2": "test"}
"""What others call a split -> our name. 1 and 2 are HMDB-51's."""
NO_SPLIT = "0"  # HMDB-51: in neither
GROUPED = re.compile(r"(.+_g\d+)_c\d+")  # v_Archery_g08_c03: the third clip that was cut from video 8 of its class


@dataclass
class Example:
    """A video's file with what is known of it."""

    id: str
    file: Path
    label: str
    """The name of its class."""
    source: str
    """The file, and the line in it, that names the video: for messages."""
    group: str = ""
    """Tells what was cut from one recording; empty where that is not known."""


def group_of(file: Path) -> str:
    """Read the group from a file's name, if that is of UCF-101's form."""
    named = GROUPED.fullmatch(file.stem)
    return named[1] if named else ""


def features(classes: Sequence[str]) -> Any:
    """Give the types of the columns; the names of the classes are those of ``label``."""
    from datasets import ClassLabel, Features, Value

    columns = {"id": Value("string"), "video": Value("string"), "label": ClassLabel(names=list(classes))}
    return Features({**columns, "group": Value("string")})


def to_table(examples: Sequence[Example], classes: Sequence[str]) -> Dataset:
    """Make a table of `examples`. Raises ValueError, naming where, for a label that is no class."""
    from datasets import Dataset

    numbers = {str(number): number for number in range(len(classes))}  # labels may be numbers of classes
    numbers |= {name: number for number, name in enumerate(classes)}
    for example in examples:
        if example.label not in numbers:
            raise ValueError(
                f"{example.source}: unknown class {example.label!r}; the {len(classes)} classes are "
                f"{', '.join(list(classes)[:5])}{', ...' if len(classes) > 5 else ''}"
            )
    columns = {
        "id": [example.id for example in examples],
        "video": [str(example.file) for example in examples],
        "label": [numbers[example.label] for example in examples],
        "group": [example.group for example in examples],
    }
    return Dataset.from_dict(columns, features(classes))
