import math

import numpy as np
import pytest

from lrcn_hub.scoring.cider import CiderD, cider_d_scores


def test_the_scores_are_those_of_coco_caption(golden, golden_tokens):
    corpus, each = cider_d_scores(*golden_tokens)
    assert corpus == pytest.approx(golden["corpus"]["CIDEr"], rel=0, abs=1e-9)
    np.testing.assert_allclose(each, [item["scores"]["CIDEr"] for item in golden["items"]], rtol=0, atol=1e-9)


def test_a_case_worked_by_hand():
    references = [[["a", "dog"]], [["a", "cat"]]]
    corpus, each = cider_d_scores([["a", "dog"], ["a", "cat", "cat"]], references)
    # Every n-gram but "a" (used for both images, so worth 0) weighs log 2; references have no trigram.
    # "a cat cat": words 1 * 1 / (2 * 1), bigrams 1 / (sqrt(2) * 1), and it is one token longer.
    second = 10 * (1 / 2 + 1 / math.sqrt(2)) / 4 * math.exp(-1 / 72)
    assert each == pytest.approx([10 * 2 / 4, second], abs=1e-12)
    assert corpus == pytest.approx((5 + second) / 2, abs=1e-12)


def test_a_score_is_the_mean_over_the_references():
    others = [[["a", "cat"]]]
    _, one = cider_d_scores([["the", "dog"], []], [[["the", "dog"]], *others])
    _, two = cider_d_scores([["the", "dog"], []], [[["the", "dog"], ["my", "bird"]], *others])
    assert two[0] == pytest.approx(one[0] / 2)


def test_a_perfect_caption_of_four_words_scores_ten():
    captions = [["two", "red", "buses", "pass"], ["one", "dog", "sleeps", "here"]]
    corpus, each = cider_d_scores(captions, [[caption] for caption in captions])
    assert corpus == pytest.approx(10)
    assert each == pytest.approx([10, 10])


def test_in_a_corpus_of_one_image_every_score_is_zero():
    assert cider_d_scores([["a", "dog"]], [[["a", "dog"]]]) == (0.0, [0.0])


def test_a_caption_without_tokens_scores_zero():
    _, each = cider_d_scores([[], ["a", "cat"]], [[["a", "dog"], []], [["a", "cat"]]])
    assert each[0] == 0.0


def test_document_frequencies_counted_once_serve_any_candidate(golden_tokens):
    candidates, references = golden_tokens
    metric = CiderD(references)
    kept = [[metric.vector(reference) for reference in captions] for captions in references]
    _, expected = cider_d_scores(candidates, references)
    assert [metric.score(metric.vector(c), kept[i]) for i, c in enumerate(candidates)] == expected
    rotated = candidates[1:] + candidates[:1]
    _, expected = cider_d_scores(rotated, references)
    assert [metric.score(metric.vector(c), kept[i]) for i, c in enumerate(rotated)] == expected


def test_an_image_outside_the_corpus_can_be_scored():
    metric = CiderD([[["a", "dog"]], [["a", "cat"]]])
    vector = metric.vector(["a", "bird"])
    assert metric.score(vector, [vector]) == pytest.approx(10 * 2 / 4)


def test_document_frequencies_of_no_references_are_refused():
    with pytest.raises(ValueError, match="at least one image"):
        CiderD([])
