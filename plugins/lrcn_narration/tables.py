"""The one table of narrated videos: columns id, video, start, end, nodes, sentences and level, for each split."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class Example:
    """A part of a video, or a whole one, with what was said of it."""

    id: str
    source: str
    """The file, and the place in it, that tells of it: for messages."""
    video_name: str = ""
    """What the annotations call the video; empty where there is none."""
    video: Path | None = None
    """Its file; none where only nodes are read."""
    start: float | None = None
    """Seconds; none: the video's start."""
    end: float | None = None
    """Seconds; none: the video's end."""
    sentences: list[str] = field(default_factory=list)
    level: str = ""
    """Level of detail of the sentences, where that is told."""
    nodes: Any = None
    """What is known of the nodes, as it was given; in a table distributions, a list for each node."""
    duration: float = 0.0
    """Seconds that the video lasts by the annotations; 0 where they do not tell."""

    @property
    def whole_video(self) -> str:
        """Tells videos apart, whether their files are there or not."""
        return str(self.video.resolve()) if self.video else self.video_name


@dataclass
class Narrated:
    """What a reader has found."""

    splits: dict[str, list[Example]]
    outside_splits: int = 0
    """Narrated videos that are in no split."""


def gathered(examples: Sequence[Example]) -> list[Example]:
    """Make one example of all that tell of the same part of a video at the same level: it has all their sentences."""
    known: dict[tuple[Any, ...], Example] = {}
    for example in examples:
        key = (example.video_name or example.id, example.start, example.end, example.level)
        first = known.setdefault(key, example)
        if first is not example:
            first.sentences.extend(example.sentences)
            first.nodes = example.nodes if first.nodes is None else first.nodes
    return list(known.values())


def features() -> Any:
    """Give the types of the columns."""
    from datasets import Features, List, Value

    text, seconds = Value("string"), Value("float64")
    columns = {"id": text, "video": text, "start": seconds, "end": seconds}
    return Features({**columns, "nodes": List(List(Value("float32"))), "sentences": List(text), "level": text})


def to_table(examples: Sequence[Example]) -> Dataset:
    """Make a table of `examples`, whose nodes are distributions or none."""
    from datasets import Dataset

    columns = {
        "id": [example.id for example in examples],
        "video": [None if example.video is None else str(example.video) for example in examples],
        "start": [example.start for example in examples],
        "end": [example.end for example in examples],
        "nodes": [example.nodes for example in examples],
        "sentences": [example.sentences for example in examples],
        "level": [example.level for example in examples],
    }
    return Dataset.from_dict(columns, features())
