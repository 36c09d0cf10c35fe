import pytest

from lrcn_hub.scoring import score_captions


def test_raw_captions_score_as_in_coco_caption_with_its_java_tokenizer(golden):
    scores = score_captions(
        [item["candidate"] for item in golden["items"]], [item["references"] for item in golden["items"]]
    )
    expected = {f"bleu_{order}": golden["corpus"][f"Bleu_{order}"] for order in (1, 2, 3, 4)}
    assert scores == pytest.approx(expected | {"cider_d": golden["corpus"]["CIDEr"]}, rel=0, abs=1e-9)


def test_scores_are_plain_floats_and_ignore_case_and_punctuation():
    references = [["A dog runs.", "The dog!"], ["Two cats, asleep"]]
    scores = score_captions(["a dog runs", "two cats asleep"], references)
    assert all(type(score) is float for score in scores.values())
    assert scores["bleu_3"] == pytest.approx(1.0)


def test_empty_candidates_are_scored():
    scores = score_captions(["", " . "], [["a dog"], ["a cat"]])
    assert max(scores.values()) < 1e-9


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
