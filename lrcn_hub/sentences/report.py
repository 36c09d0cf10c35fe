"""What a report says of sentences: the best and the worst, how they differ, how long and how new they are."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lrcn_hub.models.processing_lrcn import as_written
from lrcn_hub.reporting.content import Card, Evaluation, ReportPage, ReportSection
from lrcn_hub.scoring import CaptionScores, compare_captions, score_each_caption
from lrcn_hub.sentences.spread import spread_sections

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

SHOWN = 12
"""Rows of each kind."""
EACH = "cider_d"
"""What rows are ordered by."""

PictureOf = Callable[[Mapping[str, Any]], "Image.Image | None"]


@dataclass(frozen=True)
class _Said:
    """The sentences of one run and what each scores."""

    whose: str
    sentences: Sequence[str]
    scores: CaptionScores

    def remark(self, row: int, alone: bool) -> str:
        score = f"CIDEr-D {self.scores.each[EACH][row]:.2f}"
        return score if alone else f"{self.whose}: {score}"


def sentence_page(evaluation: Evaluation, column: str, picture_of: PictureOf) -> ReportPage:
    """Say what is to be seen in sentences, whose references are in `column` of the table.

    `picture_of` gives a picture of a row, or none. Rows are ordered by the CIDEr-D of each sentence, with the document
    frequencies of the whole split; of equal ones the first in the table comes first.
    """
    references = evaluation.table[column][:]
    ours = _Said("this run", evaluation.predictions, score_each_caption(evaluation.predictions, references))
    theirs, differences = None, {}
    if evaluation.other:
        answers = evaluation.other.predictions
        theirs = _Said("other run", answers, score_each_caption(answers, references))
        found = compare_captions([ours.scores], [theirs.scores])
        differences = {name: (one.low, one.high) for name, one in found.items()}
    gallery = _Gallery(evaluation, column, picture_of)
    sections = [*spread_sections(evaluation, column), *_compared(gallery, ours, theirs), *_ends(gallery, ours)]
    intervals = {name: (one.low, one.high) for name, one in ours.scores.intervals().items()}
    return ReportPage(intervals, differences, sections)


def best_and_worst(scores: np.ndarray, shown: int = SHOWN) -> tuple[list[int], list[int]]:
    """Choose the rows with the highest and those with the lowest of `scores`, at most `shown` of each and none twice.

    Each begins with the most extreme one; of equal scores the first row comes first.
    """
    order = np.argsort(-scores, kind="stable")
    best = order[: min(shown, (len(order) + 1) // 2)].tolist()
    rising = np.argsort(scores, kind="stable").tolist()
    return best, [row for row in rising if row not in best][:shown]


@dataclass(frozen=True)
class _Gallery:
    """Makes the cards of rows."""

    evaluation: Evaluation
    column: str
    picture_of: PictureOf

    def cards(self, rows: Sequence[int], *said: _Said) -> list[Card]:
        return [self._card(row, said) for row in rows]

    def _card(self, number: int, said: Sequence[_Said]) -> Card:
        row = self.evaluation.table[int(number)]
        try:
            picture = self.picture_of(row)
        except (OSError, ValueError) as error:  # the sentence can be read without it
            logger.warning("the report goes without a picture of %s: %s", row["id"], error)
            picture = None
        answers = [(as_written(one.sentences[number]), one.remark(number, alone=len(said) == 1)) for one in said]
        return Card(str(row["id"]), answers, row[self.column], picture)


def _ends(gallery: _Gallery, ours: _Said) -> list[ReportSection]:
    best, worst = best_and_worst(ours.scores.each[EACH])
    text = "By the CIDEr-D of each, from 0 to 10; below it what people say."
    parts = [(f"Best {gallery.column}", best), (f"Worst {gallery.column}", worst)]
    return [ReportSection(title, text, cards=gallery.cards(rows, ours)) for title, rows in parts if rows]


def _compared(gallery: _Gallery, ours: _Said, theirs: _Said | None) -> list[ReportSection]:
    """The rows on which two runs differ most, either way."""
    if theirs is None:
        return []
    ahead = ours.scores.each[EACH] - theirs.scores.each[EACH]
    better, worse = int((ahead > 0).sum()), int((ahead < 0).sum())
    text = f"By the CIDEr-D of each: this run is ahead on {better:,} of {len(ahead):,} rows, the other on {worse:,}."
    order = np.argsort(-ahead, kind="stable").tolist()
    parts = [
        ("Where this run is furthest ahead", order[: min(SHOWN, better)]),
        ("Where the other run is furthest ahead", np.argsort(ahead, kind="stable").tolist()[: min(SHOWN, worse)]),
    ]
    return [ReportSection(title, text, cards=gallery.cards(rows, ours, theirs)) for title, rows in parts if rows]
