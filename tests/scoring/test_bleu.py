import math

import numpy as np
import pytest

from lrcn_hub.scoring.bleu import bleu_counts, bleu_scores, corpus_bleu_counts


def test_the_corpus_scores_are_those_of_coco_caption(golden, golden_tokens):
    corpus, _ = bleu_scores(*golden_tokens)
    expected = [golden["corpus"][f"Bleu_{order}"] for order in (1, 2, 3, 4)]
    np.testing.assert_allclose(corpus, expected, rtol=0, atol=1e-9)


def test_the_scores_of_each_caption_are_those_of_coco_caption(golden, golden_tokens):
    _, each = bleu_scores(*golden_tokens)
    expected = [[item["scores"][f"Bleu_{order}"] for order in (1, 2, 3, 4)] for item in golden["items"]]
    np.testing.assert_allclose(each, expected, rtol=0, atol=1e-9)


def test_the_counts_are_those_of_coco_caption(golden, golden_tokens):
    totals = corpus_bleu_counts(*golden_tokens).sum(axis=0)
    stats = golden["corpus"]["bleu_stats"]
    assert totals.tolist() == [*stats["correct"], *stats["guess"], stats["testlen"], stats["reflen"]]


def test_the_counts_of_a_corpus_are_those_of_its_captions(golden_tokens):
    rows = [bleu_counts(*pair) for pair in zip(*golden_tokens, strict=True)]
    assert corpus_bleu_counts(*golden_tokens).tolist() == rows


def test_a_case_worked_by_hand():
    candidate = ["the", "the", "cat", "sat"]
    references = [["the", "cat", "sat", "down"], ["a", "cat"]]
    # found: 3 of 4 words ("the" counts once), 2 of 3 bigrams, 1 of 2 trigrams, 0 of 1
    assert bleu_counts(candidate, references) == [3, 2, 1, 0, 4, 3, 2, 1, 4, 4]
    corpus, each = bleu_scores([candidate], [references])
    np.testing.assert_allclose(corpus[:3], [3 / 4, (1 / 2) ** (1 / 2), (1 / 4) ** (1 / 3)], atol=1e-8)
    assert corpus[3] == pytest.approx((1e-15 / 4) ** (1 / 4), rel=1e-6)
    np.testing.assert_array_equal(each, corpus[None])


def test_a_caption_shorter_than_its_reference_pays_for_brevity():
    corpus, _ = bleu_scores([["a", "dog"]], [[["a", "dog", "runs"]]])
    assert corpus[0] == pytest.approx(math.exp(1 - 3 / 2))


def test_a_longer_caption_pays_no_penalty():
    corpus, _ = bleu_scores([["a", "dog", "runs"]], [[["a", "dog"]]])
    assert corpus[0] == pytest.approx(2 / 3)


@pytest.mark.parametrize("lengths", [(2, 4), (4, 2)])
def test_of_two_equally_close_references_the_shorter_sets_the_length(lengths):
    assert bleu_counts(["x"] * 3, [["x"] * length for length in lengths])[-1] == 2


def test_the_corpus_score_is_of_summed_counts_and_not_the_mean():
    corpus, each = bleu_scores([["a"], ["b", "c", "d"]], [[["a"]], [["x", "y", "z"]]])
    assert corpus[0] == pytest.approx(1 / 4)
    assert each[:, 0].mean() == pytest.approx(1 / 2)


def test_a_perfect_caption_of_three_words_has_a_small_bleu_4():
    corpus, _ = bleu_scores([["a", "red", "bus"]], [[["a", "red", "bus"]]])
    assert corpus == pytest.approx([1, 1, 1, 0.0316], abs=1e-4)


def test_an_empty_caption_scores_almost_nothing():
    corpus, _ = bleu_scores([[]], [[["a", "red", "bus"]]])
    assert corpus.max() < 1e-9


def test_a_space_that_does_not_break_parts_two_words():
    references = [["22", "3/4", "cups"]]
    assert bleu_counts(["22\u00a03/4", "cups"], references) == bleu_counts(["22", "3/4", "cups"], references)


def test_a_corpus_of_captions_without_words_is_scored():
    corpus, each = bleu_scores([[], []], [[[], []], [[]]])
    assert corpus.max() < 1e-3 and each.shape == (2, 4)


def test_an_empty_corpus_is_refused():
    with pytest.raises(ValueError, match="corpus is empty"):
        bleu_scores([], [])
