"""What a report says of sentences, held against lrcn_hub.scoring and counts by hand."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from lrcn_hub.reporting import Evaluation, OtherRun
from lrcn_hub.scoring import compare_captions, score_each_caption
from lrcn_hub.sentences.report import best_and_worst, sentence_page

THINGS = ["red circle", "blue star", "green heart", "yellow square", "small moon", "large ring"]
REFERENCES = [[f"a {one} on a white page", f"there is a {one} here", f"somebody drew a {one}"] for one in THINGS]
OURS = ["a red circle on a white page", "a blue moon on a page", "green", "a yellow square", "", "a large ring here"]
THEIRS = ["a red", "a blue star on a white page", "green", "a yellow square", "a small moon", "a ring"]


@dataclass
class Options:
    strategy: str = "greedy"


@pytest.fixture
def judged():
    """Give an evaluation of six captions, of the same ones as another run's if it is asked for."""

    def judged(ours=OURS, theirs=None, training=None, references=REFERENCES):
        table = Dataset.from_dict({"id": [f"row-{n}" for n in range(len(ours))], "captions": references})
        tables = {"test": table}
        if training is not None:
            tables["train"] = Dataset.from_dict({"captions": training})
        other = OtherRun("theirs", theirs, {}) if theirs else None
        return Evaluation("ours", "test", tables, ours, {}, Options(), Path("."), other)

    return judged


def red(row):
    return Image.new("RGB", (8, 8), "red")


def section(page, title):
    return next(one for one in page.sections if one.title == title)


def rows(part):
    return [int(card.name.removeprefix("row-")) for card in part.cards]


def test_the_best_and_the_worst_stand_in_order_with_what_scoring_gives_each(judged):
    page = sentence_page(judged(), "captions", red)
    each = score_each_caption(OURS, REFERENCES).each["cider_d"]
    best, worst = rows(section(page, "Best captions")), rows(section(page, "Worst captions"))
    assert best == sorted(range(6), key=lambda row: (-each[row], row))[:3]
    assert worst == sorted(set(range(6)) - set(best), key=lambda row: (each[row], row))
    assert len({round(score, 6) for score in each}) == 6  # of ties this test would say nothing
    for part in page.sections[-2:]:
        for card, row in zip(part.cards, rows(part), strict=True):
            assert card.answers == [(OURS[row], f"CIDEr-D {each[row]:.2f}")]
            assert list(card.references) == REFERENCES[row] and card.picture.size == (8, 8)


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), min_size=1, max_size=30), st.integers(1, 8))
def test_no_row_is_both_best_and_worst_and_ties_go_to_the_first(scores, shown):
    best, worst = best_and_worst(np.array(scores, float), shown)
    assert len(best) <= shown and len(worst) <= shown and not set(best) & set(worst)
    assert len(best) + len(worst) == min(len(scores), 2 * shown) or len(scores) < 2 * shown
    assert best == sorted(best, key=lambda row: (-scores[row], row))
    assert worst == sorted(worst, key=lambda row: (scores[row], row))
    others = set(range(len(scores))) - set(best)
    assert all(scores[one] >= scores[row] for one in best for row in others)
    assert all(scores[one] <= scores[row] for one in worst for row in others - set(worst))


def test_intervals_are_those_of_scoring(judged):
    found = sentence_page(judged(), "captions", red).intervals
    expected = score_each_caption(OURS, REFERENCES).intervals()
    assert found == {name: (one.low, one.high) for name, one in expected.items()}
    assert {"bleu_4", "rouge_l", "cider_d", "cider"} <= found.keys()


def test_two_runs_are_compared_by_paired_bootstrap_and_on_the_rows_where_they_differ_most(judged):
    page = sentence_page(judged(theirs=THEIRS), "captions", red)
    ours, theirs = (score_each_caption(said, REFERENCES) for said in (OURS, THEIRS))
    expected = compare_captions([ours], [theirs])
    assert page.differences == {name: (one.low, one.high) for name, one in expected.items()}
    ahead = ours.each["cider_d"] - theirs.each["cider_d"]
    better, worse = (section(page, f"Where {who} run is furthest ahead") for who in ("this", "the other"))
    assert rows(better) == sorted((row for row in range(6) if ahead[row] > 0), key=lambda row: -ahead[row])
    assert rows(worse) == sorted((row for row in range(6) if ahead[row] < 0), key=lambda row: ahead[row])
    assert set(rows(better)) | set(rows(worse)) == {0, 1, 4, 5}  # on the others both say the same
    first = rows(worse)[0]
    scores = [f"{one.each['cider_d'][first]:.2f}" for one in (ours, theirs)]
    assert worse.cards[0].answers == [
        (OURS[first], f"this run: CIDEr-D {scores[0]}"),
        (THEIRS[first], f"other run: CIDEr-D {scores[1]}"),
    ]
    assert "this run is ahead on 2 of 6 rows, the other on 2" in better.text


def test_two_runs_that_say_the_same_have_nothing_to_show(judged):
    page = sentence_page(judged(theirs=OURS), "captions", red)
    assert not [part for part in page.sections if "ahead" in part.title]
    assert page.differences["cider_d"] == (0, 0)


def test_a_picture_that_cannot_be_read_costs_a_warning_and_no_card(judged, caplog):
    def unreadable(row):
        raise OSError("the disk is gone")

    with caplog.at_level("WARNING", logger="lrcn_hub"):
        page = sentence_page(judged(), "captions", unreadable)
    assert [card.picture for part in page.sections for card in part.cards] == [None] * 6
    assert "without a picture of row-0: the disk is gone" in caplog.text


def test_punctuation_stands_as_people_write_it_and_scores_see_the_words(judged):
    said = ["a red circle , small .", *OURS[1:]]
    page = sentence_page(judged(said), "captions", red)
    card = next(card for part in page.sections for card in part.cards if card.name == "row-0")
    score = score_each_caption(said, REFERENCES).each["cider_d"][0]
    assert card.answers == [("a red circle, small.", f"CIDEr-D {score:.2f}")]


def test_a_single_row_is_shown_once(judged):
    page = sentence_page(judged(["a red circle"], references=REFERENCES[:1]), "captions", red)
    assert [part.title for part in page.sections if part.cards] == ["Best captions"]
