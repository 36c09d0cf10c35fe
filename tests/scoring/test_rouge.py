import random

import numpy as np
import pytest

from lrcn_hub.scoring.rouge import rouge_l_scores


def test_the_scores_are_those_of_coco_caption(golden, golden_tokens):
    corpus, each = rouge_l_scores(*golden_tokens)
    assert corpus == pytest.approx(golden["corpus"]["ROUGE_L"], rel=0, abs=1e-9)
    np.testing.assert_allclose(each, [item["scores"]["ROUGE_L"] for item in golden["items"]], rtol=0, atol=1e-9)


def by_the_table(candidate, reference):
    """ROUGE-L against one reference, by the textbook's table of common subsequences."""
    table = np.zeros((len(candidate) + 1, len(reference) + 1), int)
    for i, ours in enumerate(candidate):
        for j, theirs in enumerate(reference):
            table[i + 1, j + 1] = table[i, j] + 1 if ours == theirs else max(table[i, j + 1], table[i + 1, j])
    precision, recall = table[-1, -1] / len(candidate), table[-1, -1] / len(reference)
    return (1 + 1.44) * precision * recall / (recall + 1.44 * precision) if precision else 0.0


def test_common_subsequences_of_any_captions_are_those_of_the_table():
    draw = random.Random(0)
    pairs = [[draw.choices("abcd", k=draw.randint(1, 80)) for _ in range(2)] for _ in range(200)]
    _, each = rouge_l_scores([first for first, _ in pairs], [[second] for _, second in pairs])
    assert each == pytest.approx([by_the_table(*pair) for pair in pairs])


def test_the_order_of_words_counts_but_not_what_stands_between():
    corpus, _ = rouge_l_scores([["a", "dog", "runs"]], [[["a", "big", "dog", "now", "runs"]]])
    assert corpus == pytest.approx(2.44 * 1 * 0.6 / (0.6 + 1.44 * 1))
    assert rouge_l_scores([["runs", "dog", "a"]], [[["a", "dog", "runs"]]])[0] == pytest.approx(1 / 3)


def test_the_best_precision_and_the_best_recall_may_be_of_different_references():
    references = [["a", "dog", "x", "y"], ["a"]]  # precision 2/3 and recall 1/2; precision 1/3 and recall 1
    corpus, _ = rouge_l_scores([["a", "dog", "z"]], [references])
    assert corpus == pytest.approx(2.44 * (2 / 3) * 1 / (1 + 1.44 * 2 / 3))


def test_the_score_of_a_corpus_is_the_mean():
    assert rouge_l_scores([["a"], ["b"]], [[["a"]], [["c"]]]) == (0.5, [1.0, 0.0])


def test_a_space_that_does_not_break_keeps_a_token_whole():
    assert rouge_l_scores([["22\u00a03/4", "cups"]], [[["22", "3/4", "cups"]]])[0] < 0.5


def test_a_caption_without_tokens_scores_zero_unless_a_reference_has_none_either():
    assert rouge_l_scores([[], []], [[["a", "dog"]], [["a", "dog"], []]])[1] == [0.0, 1.0]


def test_an_image_without_references_is_refused():
    with pytest.raises(ValueError, match="image 1 has no references"):
        rouge_l_scores([["a"], ["b"]], [[["a"]], []])
