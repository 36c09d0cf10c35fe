"""Sentences scored word by word, held to the softmax of a plain forward pass."""

import numpy as np
import pytest
import torch
from PIL import Image

from lrcn_hub.retrieval import encode_images, score, score_pairs, unknown_words, word_ids


@pytest.fixture
def photo():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (80, 90, 3), np.uint8))


def test_each_word_has_the_probability_that_a_forward_pass_gives_it(seeing, photo):
    model, processor = seeing
    scored = score(model, processor, photo, ["a red square", "and"])
    assert [[word.word for word in one.words] for one in scored] == [["a", "red", "square"], ["and"]]
    ids = processor.labels(["a red square"])
    with torch.no_grad():
        wanted = model(processor(images=photo)["pixel_values"], labels=ids).logits.log_softmax(-1)[0]
    found = [*(word.log_p for word in scored[0].words), scored[0].end_log_p]
    assert found == pytest.approx([float(wanted[place, word]) for place, word in enumerate(ids[0])], abs=1e-5)
    assert scored[0].log_p == pytest.approx(sum(found[:-1]))
    assert scored[0].log_p_with_end == pytest.approx(sum(found))


def test_the_sum_without_the_end_is_what_pairs_are_scored_by(seeing, photo):
    model, processor = seeing
    sentences = ["a red square and a circle", "blue", "a green circle"] * 30  # more than are scored at once
    scored = score(model, processor, photo, sentences)
    pairs = score_pairs(model, encode_images(model, processor, [photo]), word_ids(processor, sentences))
    assert [one.log_p for one in scored] == pytest.approx(pairs[0].tolist(), abs=1e-4)


def test_unknown_words_are_shown_as_they_are_written(seeing, photo):
    model, processor = seeing
    scored = score(model, processor, photo, ["A  Red zebra."])[0]
    assert [word.word for word in scored.words] == ["A", "Red", "zebra"]
    assert scored.unknown_words == ["zebra"]
    assert unknown_words(processor, ["a zebra", "a yak and a zebra"]) == ["zebra", "yak"]


def test_a_sentence_without_words_is_refused(seeing, photo):
    with pytest.raises(ValueError, match=r"caption 2 of 2 is ' \. ': there are no words in it"):
        score(*seeing, photo, ["a square", " . "])
