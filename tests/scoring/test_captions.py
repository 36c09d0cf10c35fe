import logging

import numpy as np
import pytest

from lrcn_hub.scoring import CaptionScores, captions, compare_captions, score_captions, score_each_caption

KEYS = {**{f"bleu_{order}": f"Bleu_{order}" for order in (1, 2, 3, 4)}, "rouge_l": "ROUGE_L", "cider_d": "CIDEr"}
REFERENCES = [["A dog runs.", "The dog!"], ["Two cats, asleep"]]


@pytest.fixture(scope="module")
def scored(golden) -> CaptionScores:
    return score_each_caption(
        [item["candidate"] for item in golden["items"]], [item["references"] for item in golden["items"]]
    )


def test_raw_captions_score_as_in_coco_caption_with_its_java_tokenizer(golden, scored):
    expected = {ours: golden["corpus"][theirs] for ours, theirs in KEYS.items()}
    assert scored.corpus == pytest.approx(expected | {"cider": scored.corpus["cider"]}, rel=0, abs=1e-9)


def test_each_raw_caption_scores_as_in_coco_caption(golden, scored):
    assert scored.each.keys() == KEYS.keys() | {"cider"}
    for ours, theirs in KEYS.items():
        expected = [item["scores"][theirs] for item in golden["items"]]
        np.testing.assert_allclose(scored.each[ours], expected, rtol=0, atol=1e-9)


def test_scores_are_plain_floats_and_ignore_case_and_punctuation():
    scores = score_captions(["a dog runs", "two cats asleep"], REFERENCES)
    assert all(type(score) is float for score in scores.values())
    assert scores["bleu_3"] == pytest.approx(1.0)


def test_empty_candidates_are_scored():
    scores = score_captions(["", " . "], [["a dog"], ["a cat"]])
    assert max(scores.values()) < 1e-9


@pytest.mark.parametrize("space", ["\r", "\x0b", "\x0c", "\u2028", "\u2029", "\n", "\x85"])
def test_a_line_separator_in_a_caption_is_white_space(space):
    candidates = ["a dog runs", "two cats asleep"]
    assert score_captions([f"a dog{space}runs", candidates[1]], REFERENCES) == score_captions(candidates, REFERENCES)


def test_intervals_hold_the_scores_and_narrow_with_more_captions(golden, scored):
    found = scored.intervals(resamples=200)
    assert found.keys() == scored.corpus.keys()
    for name, interval in found.items():
        assert interval.score == pytest.approx(scored.corpus[name])
        assert interval.low < interval.score < interval.high
    again = [item["candidate"] for item in golden["items"]], [item["references"] for item in golden["items"]]
    four_times = score_each_caption(*(4 * side for side in again)).intervals(resamples=200)
    for name in ("bleu_1", "rouge_l"):
        width = found[name].high - found[name].low
        assert four_times[name].high - four_times[name].low == pytest.approx(width / 2, rel=0.3)


def test_a_system_that_says_what_people_say_is_better_than_one_that_mixes_images_up():
    references = [[f"a {colour} {what}", f"the {what} is {colour}"] for colour in COLOURS for what in THINGS]
    good = score_each_caption([captions[0] for captions in references], references)
    bad = score_each_caption([captions[1] for captions in references[1:] + references[:1]], references)
    for name, found in compare_captions([good], [bad], resamples=200).items():
        assert found.difference == pytest.approx(good.corpus[name] - bad.corpus[name])
        assert found.low > 0 and found.not_better == 0
    same = compare_captions([good], [good], resamples=50)
    assert same.keys() == good.corpus.keys() and all(found.difference == 0 for found in same.values())


COLOURS, THINGS = ("red", "blue", "green", "white"), ("bus", "dog", "ball", "boat", "star")


def test_a_java_metric_that_is_missing_is_left_out_and_said_so_once(monkeypatch, caplog):
    monkeypatch.setattr(captions, "why_missing", lambda tool: f"{tool} needs what is not here")
    captions._say_once.cache_clear()
    with caplog.at_level(logging.WARNING):
        for _ in range(2):
            scores = score_captions(["a dog", "a cat"], [["a dog"], ["a cat"]], java=["meteor", "spice"])
            assert scores.keys() == KEYS.keys() | {"cider"}
    assert [record.getMessage() for record in caplog.records] == [
        "meteor is left out: meteor needs what is not here",
        "spice is left out: spice needs what is not here",
    ]


def test_an_unknown_java_metric_is_refused_with_the_names_there_are():
    with pytest.raises(ValueError, match="no tool is called bleurt; there are meteor, spice"):
        score_captions(["a dog"], [["a dog"]], java=["bleurt"])


def test_a_missing_candidate_is_refused_with_both_lengths():
    with pytest.raises(ValueError, match="1 candidates but references for 2 images"):
        score_captions(["a dog"], [["a dog"], ["a cat"]])


def test_an_image_without_references_is_refused_with_its_index():
    with pytest.raises(ValueError, match="image 1 has no references"):
        score_captions(["a dog", "a cat"], [["a dog"], []])


def test_an_empty_corpus_is_refused():
    with pytest.raises(ValueError, match="corpus is empty"):
        score_captions([], [])


def test_a_bare_string_as_references_is_refused():
    with pytest.raises(TypeError, match="image 0 are the string 'a dog'"):
        score_captions(["a dog"], ["a dog"])
