"""Histograms of lengths and novelty, and the figures of variety, against counts by hand and lrcn_hub.scoring."""

import itertools
from dataclasses import dataclass
from pathlib import Path

import pytest
from datasets import Dataset
from hypothesis import given, settings
from hypothesis import strategies as st

from lrcn_hub.reporting import Evaluation, OtherRun
from lrcn_hub.scoring import caption_variety
from lrcn_hub.sentences.spread import length_histogram, novelty_histogram, spread_sections

LENGTHS = st.lists(st.integers(0, 90), min_size=1, max_size=40)


def sentences(lengths):
    return [" ".join(["word"] * length) for length in lengths]


@settings(deadline=None)
@given(LENGTHS, LENGTHS)
def test_every_sentence_is_in_the_bin_that_names_its_length(ours, theirs):
    histogram = length_histogram({"ours": sentences(ours), "theirs": sentences(theirs)})
    assert 1 <= len(histogram.bins) <= 20
    bounds = []
    for name in histogram.bins:
        low, _, high = name.removesuffix("+").partition("\u2013")
        bounds.append((int(low), 10**6 if name.endswith("+") else int(high or low)))
    assert all(one[1] + 1 == other[0] for one, other in itertools.pairwise(bounds))
    for name, lengths in (("ours", ours), ("theirs", theirs)):
        counted = [sum(low <= length <= high for length in lengths) / len(lengths) for low, high in bounds]
        assert histogram.shares[name] == pytest.approx(counted)


def test_lengths_are_those_of_tokens_without_punctuation():
    histogram = length_histogram({"ours": ["A red circle, left of it a star.", "one two"]})
    assert dict(zip(histogram.bins, histogram.shares["ours"], strict=True))["8"] == 0.5


def test_one_endless_sentence_does_not_squeeze_the_others_into_one_bin():
    histogram = length_histogram({"ours": sentences([8, 9, 10] * 200 + [500])})
    assert histogram.bins == ["8", "9", "10+"]


def test_new_runs_are_counted_in_tenths():
    training = ["a red circle is left of a blue star"]
    said = {
        "this run": ["a red circle is left of a blue star", "a red circle is left of a green moon", "a star"],
        "people": ["the moon is above all the stars"],
    }
    histogram = novelty_histogram(said, training)
    shares = {name: dict(zip(histogram.bins, of, strict=True)) for name, of in histogram.shares.items()}
    # Of six runs of four words two are new, a third: more than 30 %, up to 40 %. Two words have no run.
    assert shares["this run"]["0%"] == shares["this run"]["\u226440%"] == 0.5
    assert shares["people"]["\u2264100%"] == 1.0
    assert sum(shares["this run"].values()) == sum(shares["people"].values()) == 1.0


@dataclass
class Options:
    pass


OURS = ["a red circle", "a red circle", "a blue moon", "a blue star here"]
PEOPLE = [["a red circle", "red"], ["a circle"], ["the moon"], ["a blue star", "it is a star"]]
TRAINING = [["a red circle", "a star"], ["a blue moon rises"]]


def judged(split="test", training=TRAINING, other=None):
    table = Dataset.from_dict({"id": list(range(4)), "captions": PEOPLE})
    tables = {"train": Dataset.from_dict({"captions": training})} if training else {}
    return Evaluation("m", split, {**tables, split: table}, OURS, {}, Options(), Path("."), other)


def test_figures_are_those_of_scoring_with_people_s_beside_them():
    (section,) = spread_sections(judged(other=OtherRun("o", ["a star"] * 4, {})), "captions")
    every = [sentence for several in TRAINING for sentence in several]
    ours = caption_variety(OURS, every)
    assert [value for value, _ in section.figures] == ["75%", str(ours.words), f"{ours.vocabulary_used:.0%}", "50%"]
    assert section.figures[0][1] == "of the captions are different (people: 100%, other run: 25%)"
    assert section.figures[3][1].endswith("as they are (people: 25%, other run: 100%)")
    lengths, novelty = section.histograms
    assert list(lengths.shares) == list(novelty.shares) == ["this run", "people", "other run"]
    assert lengths.shares["people"][lengths.bins.index("2")] == pytest.approx(2 / 6)  # of all that people say


def test_without_training_sentences_nothing_is_said_of_novelty():
    for evaluation in (judged(training=None), judged(split="train", training=None)):
        (section,) = spread_sections(evaluation, "captions")
        assert len(section.histograms) == 1 and len(section.figures) == 2
