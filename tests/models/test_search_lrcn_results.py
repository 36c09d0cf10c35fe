"""What a search gives back, how it ends, and which search answers a call."""

from functools import partial

import pytest
import torch
from transformers import GenerationConfig, GenerationMixin
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import modeling_lrcn
from lrcn_hub.models.search_lrcn import beam_search

END, LIMIT = 0, 7


def without_padding(words, prompt_length):
    new = words[prompt_length:]
    return words[:prompt_length] + (new[: new.index(END) + 1] if END in new else new)


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("groups", [1, 2])
def test_the_scores_of_the_steps_add_up_to_those_of_the_sentences(groups, tiny_captioner, features, searched):
    for seed in range(4):
        model = tiny_captioner(seed)
        search = partial(beam_search, num_groups=groups, diversity_penalty=0.5)
        for count in (1, 3, 4):
            _, found = searched(model, features(3, seed=seed), 4, num_return_sequences=count, custom_generate=search)
            assert len(found.scores) == found.sequences.shape[1] - 1 == found.beam_indices.shape[1]
            steps = model.compute_transition_scores(found.sequences, found.scores, found.beam_indices)
            torch.testing.assert_close(steps.sum(1), found.sequences_scores, atol=1e-4, rtol=0)


def test_fewer_returned_sentences_are_the_best_of_all(tiny_captioner, features, searched):
    model, encoded = tiny_captioner(1), features(3)
    every, _ = searched(model, encoded, 5)
    for count in (1, 2, 4):
        some, _ = searched(model, encoded, 5, num_return_sequences=count)
        assert [[words for _, words in one] for one in some] == [[words for _, words in one[:count]] for one in every]
    plain = model.generate(encoder_outputs=encoded, num_beams=5, max_new_tokens=LIMIT)
    assert [without_padding(row, 1) for row in plain.tolist()] == [one[0][1] for one in every]


def test_a_search_that_ends_at_once_ends_at_once(tiny_captioner, features, searched):
    model = tiny_captioner()
    model.predict.bias[END] = 100.0
    found, _ = searched(model, features(2), 1 + 2, num_return_sequences=1)
    assert [words for ((_, words),) in found] == [[0, END]] * 2
    steps = []
    model.embedding.register_forward_hook(lambda module, inputs, output: steps.append(tuple(inputs[0].shape)))
    model.predict.bias[END] = -100.0  # never, and no word is likelier than another after it
    found, _ = searched(model, features(2), 3)
    assert steps == [(6, 1)] * LIMIT
    assert all(len(words) == 1 + LIMIT and END not in words[1:] for one in found for _, words in one)


def test_padding_may_differ_from_the_end_word(tiny_captioner, features, searched):
    model, other = tiny_captioner(3), tiny_captioner(3, pad_token_id=8, bos_token_id=0)
    encoded = features(3, seed=3)
    same, found = searched(model, encoded, 5)
    differ, padded = searched(other, encoded, 5)
    assert [[words for _, words in one] for one in differ] == [[words for _, words in one] for one in same]
    after_end = (found.sequences[:, 1:] == END).cumsum(1) - (found.sequences[:, 1:] == END).int() > 0
    assert after_end.any() and (padded.sequences[:, 1:][after_end] == 8).all()


def test_stopping_criteria_end_a_search(tiny_captioner, features, searched):
    stopped, _ = searched(
        tiny_captioner(),
        features(2),
        3,
        stopping_criteria=[lambda words, scores, **_: torch.full((len(words),), words.shape[1] >= 4)],
    )
    assert max(len(words) for one in stopped for _, words in one) == 4


def test_what_asks_for_the_stock_search(tiny_captioner, features, searched):
    model, encoded = tiny_captioner(), features(1)
    asked = {"early_stopping": True}, {"early_stopping": False}, {"length_penalty": 1.0}
    for options in asked:
        stock = GenerationMixin.generate(
            model, encoder_outputs=BaseModelOutput(encoded[0]), num_beams=5, max_new_tokens=LIMIT, **options
        )
        assert torch.equal(
            model.generate(encoder_outputs=encoded, num_beams=5, max_new_tokens=LIMIT, **options), stock
        )
        _, found = searched(model, encoded, 5, **options)
        length = len([word for word in found.beam_indices[0] if word >= 0])
        steps = model.compute_transition_scores(found.sequences, found.scores, found.beam_indices)[0].sum() / length
        assert found.sequences_scores[0].item() == pytest.approx(steps.item(), abs=1e-4)


def test_defaults_of_the_model_and_of_a_given_configuration_are_heeded(tiny_captioner, features, monkeypatch):
    calls = []
    monkeypatch.setattr(modeling_lrcn, "beam_search", lambda *a, **k: calls.append(1) or beam_search(*a, **k))
    model, encoded = tiny_captioner(), features(1)
    model.generate(encoder_outputs=encoded)
    assert not calls
    model.generation_config.num_beams = 3
    by_default = model.generate(encoder_outputs=encoded)
    given = model.generate(encoder_outputs=encoded, generation_config=GenerationConfig(max_new_tokens=50))
    assert len(calls) == 2 and torch.equal(by_default, given)
    model.generate(encoder_outputs=encoded, num_beams=1)
    model.generate(encoder_outputs=encoded, do_sample=True)
    model.generate(encoder_outputs=encoded, length_penalty=2.0)
    assert len(calls) == 2
