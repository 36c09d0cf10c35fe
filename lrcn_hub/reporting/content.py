"""What is known of an evaluation, and what a task makes of it for the page: plain values, drawn by the platform."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from datasets import Dataset
    from PIL import Image

Span = tuple[float, float]
"""The ends of a 95% interval."""


@dataclass(frozen=True)
class OtherRun:
    """Another run's answers to the same rows, in the same order, as JSON gives them back."""

    name: str
    predictions: list[Any]
    metrics: dict[str, float]


@dataclass(frozen=True)
class Evaluation:
    """A split that has been judged."""

    name: str
    """Of what was judged: a model's folder."""
    split: str
    tables: Mapping[str, Dataset]
    """The data by split, as far as they are read."""
    predictions: list[Any]
    """One for each row of `table`, in its order."""
    metrics: dict[str, float]
    options: Any
    """The evaluation options."""
    folder: Path
    """Where the metrics are written, and what the task has added to them."""
    other: OtherRun | None = None
    """What to compare with."""

    @property
    def table(self) -> Dataset:
        """The rows judged."""
        return self.tables[self.split]

    @property
    def training_table(self) -> Dataset | None:
        """What the model has learnt from, to tell what is new; None where it is not read, or is what was judged."""
        return None if self.split == "train" else self.tables.get("train")


@dataclass(frozen=True)
class Card:
    """A row worth looking at."""

    name: str
    """Its id."""
    answers: Sequence[tuple[str, str]]
    """What was answered, each with a short remark: whose it is, its score."""
    references: Sequence[str] = ()
    """What people say."""
    picture: Image.Image | None = None


@dataclass(frozen=True)
class Histogram:
    """How values are spread, for up to three groups beside each other."""

    title: str
    bins: Sequence[str]
    """What each bin holds, in few letters."""
    shares: Mapping[str, Sequence[float]]
    """By group, the share of its values in each bin, from 0 to 1."""


@dataclass(frozen=True)
class ReportSection:
    """A part of the page; all texts are plain ones."""

    title: str
    text: str = ""
    figures: Sequence[tuple[str, str]] = ()
    """Short values, each with what it means."""
    histograms: Sequence[Histogram] = ()
    pictures: Sequence[tuple[str, Image.Image]] = ()
    """Drawings as wide as the page, each with what it shows."""
    cards: Sequence[Card] = ()


@dataclass(frozen=True)
class ReportPage:
    """What a task adds to the table of metrics; intervals are of 95%."""

    intervals: Mapping[str, Span] = field(default_factory=dict)
    """How sure a metric is, by its key."""
    differences: Mapping[str, Span] = field(default_factory=dict)
    """How sure it is that a metric differs from the other run's: the interval of this run's minus the other's."""
    sections: Sequence[ReportSection] = ()
