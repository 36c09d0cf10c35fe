import math

import numpy as np
import pytest

from lrcn_hub.scoring.cider import CiderD, cider_d_scores, cider_scores


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


def cider_by_the_paper(candidates, references):
    """The formulas of Vedantam et al. (2015), section 4, with relative term frequencies, and times 10."""

    def ngrams(words, order):
        return [tuple(words[i : i + order]) for i in range(len(words) - order + 1)]

    def weights(words, order):
        used = ngrams(words, order)
        images = {one: sum(any(one in ngrams(r, order) for r in captions) for captions in references) for one in used}
        return {one: used.count(one) / len(used) * math.log(len(references) / max(1, images[one])) for one in used}

    def cosine(first, second):
        dot = sum(weight * second.get(one, 0) for one, weight in first.items())
        norms = [math.sqrt(sum(weight**2 for weight in vector.values())) for vector in (first, second)]
        return dot / math.prod(norms) if all(norms) else 0.0

    return [
        10 * np.mean([cosine(weights(words, n), weights(r, n)) for r in captions for n in (1, 2, 3, 4)])
        for words, captions in zip(candidates, references, strict=True)
    ]


def test_cider_is_that_of_the_paper(golden_tokens):
    candidates, references = (side[:12] for side in golden_tokens)
    corpus, each = cider_scores(candidates, references)
    np.testing.assert_allclose(each, cider_by_the_paper(candidates, references), rtol=0, atol=1e-9)
    assert corpus == pytest.approx(np.mean(each))


def test_only_cider_d_punishes_repetition_and_length():
    references = [[["a", "dog"]], [["a", "cat"]]]
    _, plain = cider_scores([["a", "dog", "dog", "dog"], ["a", "cat"]], references)
    _, damped = cider_d_scores([["a", "dog", "dog", "dog"], ["a", "cat"]], references)
    assert plain[1] == pytest.approx(damped[1])
    # words: all that is rare is "dog", so the cosine is 1; bigrams: one in common, beside "dog dog" twice
    assert plain[0] == pytest.approx(10 / 4 * (1 + 1 / math.sqrt(1 + 2**2)))
    assert damped[0] == pytest.approx(10 / 4 * (1 / 3 + 1 / math.sqrt(1 + 2**2)) * math.exp(-(2**2) / 72))


def test_a_space_that_does_not_break_parts_two_words():
    references = [[["1", "2"]], [["a", "cat"]]]
    assert cider_d_scores([["1\u00a02"], []], references) == cider_d_scores([["1", "2"], []], references)
    metric = CiderD(references)
    assert metric.vector(["1\u00a02"]) == metric.vector(["1", "2"])


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
    found = [metric.score(metric.vector(c), kept[i]) for i, c in enumerate(candidates)]
    assert found == pytest.approx(expected, rel=0, abs=1e-12)
    rotated = candidates[1:] + candidates[:1]
    _, expected = cider_d_scores(rotated, references)
    found = [metric.score(metric.vector(c), kept[i]) for i, c in enumerate(rotated)]
    assert found == pytest.approx(expected, rel=0, abs=1e-12)


def test_an_image_outside_the_corpus_can_be_scored():
    metric = CiderD([[["a", "dog"]], [["a", "cat"]]])
    vector = metric.vector(["a", "bird"])
    assert metric.score(vector, [vector]) == pytest.approx(10 * 2 / 4)


def test_document_frequencies_of_no_references_are_refused():
    with pytest.raises(ValueError, match="at least one image"):
        CiderD([])
