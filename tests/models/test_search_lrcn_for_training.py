"""What a search returns are normal tensors: a loss may be computed on them."""

import pytest
import torch


@pytest.mark.parametrize("beams", [1, 3])
def test_the_words_found_can_be_trained_on(beams, tiny_captioner, pictures):
    model = tiny_captioner().train()
    words = model.generate(pictures(2), num_beams=beams, max_new_tokens=5)
    model(pictures(2), labels=words[:, 1:]).loss.backward()
    assert model.embedding.weight.grad.any()


def test_the_scores_of_a_beam_search_can_be_trained_on(tiny_captioner, pictures):
    model = tiny_captioner()
    found = model.generate(
        pictures(2), num_beams=3, max_new_tokens=5, return_dict_in_generate=True, output_scores=True
    )
    weight = torch.ones((), requires_grad=True)
    for scores in (*found.scores, found.sequences_scores):
        (weight * scores[scores > -100]).sum().backward()
    assert weight.grad < 0
