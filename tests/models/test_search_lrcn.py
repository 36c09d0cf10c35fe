"""Beam search against short list references of the authors' rule, of diverse beam search and of plain enumeration.

The references run every hypothesis from its first word, so they hold no state that could be lost.
"""

import itertools
from functools import partial

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import LrcnState, modeling_lrcn
from lrcn_hub.models.search_lrcn import beam_search

END, LIMIT = 0, 7
WIRINGS = ["1u", "2u", "2f", "4f"]


def next_log_p(model, encoded, words):
    """Log probabilities of all next words after `words`, from the first word on."""
    logits = model(encoder_outputs=encoded, decoder_input_ids=torch.tensor([words])).logits[0, -1]
    return logits.double().log_softmax(-1).tolist()


def assert_same(found, expected):
    assert [words for _, words in found] == [words for _, words in expected]
    assert [score for score, _ in found] == pytest.approx([score for score, _ in expected], abs=1e-4)


def one_picture(encoded, number):
    return BaseModelOutput(encoded.last_hidden_state[number : number + 1])


@pytest.fixture(scope="module", autouse=True)
def _no_gradients():
    with torch.no_grad():
        yield


@pytest.mark.parametrize("seed", range(12))
def test_beams_of_a_batch_follow_the_authors_rule(seed, tiny_captioner, features, searched, authors_search):
    model = tiny_captioner(seed, wiring=WIRINGS[seed % 4], cell="rnn" if seed % 5 == 4 else "lstm")
    encoded = features(3, seed=seed)
    for beams, prompt in ((2, (0,)), (3, (0, 5)), (5, (0,)), (5, (0, 3, 7, 2))):
        found, _ = searched(model, encoded, beams, prompt)
        for picture in range(3):
            predict = partial(next_log_p, model, one_picture(encoded, picture))
            assert_same(found[picture], authors_search(predict, list(prompt), beams))


def test_the_state_must_follow_its_hypothesis(tiny_captioner, features, monkeypatch, searched):
    """These tests can see a search that forgets to reorder the state."""
    different = 0
    for seed in range(6):
        model, encoded = tiny_captioner(seed), features(3, seed=seed)
        right, _ = searched(model, encoded, 5)
        with monkeypatch.context() as patch:
            patch.setattr(LrcnState, "reorder_cache", lambda state, rows: None)
            wrong, _ = searched(model, encoded, 5)
        different += sum([w for _, w in one] != [w for _, w in other] for one, other in zip(right, wrong, strict=True))
    assert different >= 9  # of 18


def test_a_very_wide_beam_finds_what_enumeration_finds(tiny_captioner, features, searched):
    limit, size = 4, 4
    endings = [[0, *rest] for n in range(limit) for rest in itertools.product(range(1, size), repeat=n)]
    sentences = [[*words, END] for words in endings if len(words) <= limit]
    sentences += [[0, *rest] for rest in itertools.product(range(1, size), repeat=limit)]
    for seed in range(2):
        model, encoded = tiny_captioner(seed, vocab_size=size), features(2, seed=seed)
        found, _ = searched(model, encoded, 130, limit=limit, num_return_sequences=20)
        for picture in range(2):
            predict = {}
            one = one_picture(encoded, picture)
            scored = []
            for words in sentences:
                steps = range(1, len(words))
                for t in steps:
                    predict.setdefault(tuple(words[:t]), next_log_p(model, one, words[:t]))
                scored.append((sum(predict[tuple(words[:t])][words[t]] for t in steps), words))
            assert_same(found[picture], sorted(scored, key=lambda pair: -pair[0])[:20])


@pytest.mark.parametrize("seed", range(6))
def test_groups_follow_the_rule_of_diverse_beam_search(seed, tiny_captioner, features, searched, authors_search):
    model, encoded = tiny_captioner(seed, wiring=WIRINGS[seed % 4]), features(2, seed=seed)
    for beams, groups, penalty in ((4, 2, 0.5), (6, 3, 1.5), (3, 3, 0.5), (6, 2, 0.0), (4, 1, 2.0)):
        search = partial(beam_search, num_groups=groups, diversity_penalty=penalty)
        found, _ = searched(model, encoded, beams, custom_generate=search)
        for picture in range(2):
            predict = partial(next_log_p, model, one_picture(encoded, picture))
            expected = authors_search(predict, [0], beams, groups=groups, penalty=penalty)
            assert_same(found[picture], expected)


def test_one_group_is_the_plain_search_and_groups_without_penalty_repeat_themselves(
    tiny_captioner, features, searched
):
    model, encoded = tiny_captioner(), features(2)
    plain, _ = searched(model, encoded, 4)
    one_group, _ = searched(model, encoded, 4, custom_generate=partial(beam_search, diversity_penalty=5.0))
    assert one_group == plain
    halves, _ = searched(model, encoded, 4, custom_generate=partial(beam_search, num_groups=2))
    narrow, _ = searched(model, encoded, 2)
    for picture in range(2):
        assert [words for _, words in halves[picture]] == [words for _, words in narrow[picture] for _ in range(2)]


def test_a_heavy_penalty_gives_every_group_its_own_first_word(tiny_captioner, features, searched):
    model, encoded = tiny_captioner(), features(3)
    search = partial(beam_search, num_groups=5, diversity_penalty=1e4)
    for hypotheses in searched(model, encoded, 5, custom_generate=search)[0]:
        assert len({words[1] for _, words in hypotheses}) == 5


def test_groups_wider_than_the_vocabulary_find_no_more_than_there_is(
    tiny_captioner, features, searched, authors_search
):
    for seed in range(3):
        model, encoded = tiny_captioner(seed, vocab_size=3), features(1, seed=seed)
        found, _ = searched(
            model, encoded, 8, custom_generate=partial(beam_search, num_groups=2, diversity_penalty=0.7)
        )
        predict = partial(next_log_p, model, encoded)
        assert_same(found[0], authors_search(predict, [0], 8, groups=2, penalty=0.7))


def test_the_groups_can_be_named_in_the_call(tiny_captioner, features, searched):
    model, encoded = tiny_captioner(), features(2)
    search = partial(beam_search, num_groups=2, diversity_penalty=0.5)
    named, _ = searched(model, encoded, 4, num_groups=2, diversity_penalty=0.5)
    assert named == searched(model, encoded, 4, custom_generate=search)[0]


def test_groups_must_share_the_beams_evenly(tiny_captioner, features, searched):
    with pytest.raises(ValueError, match=r"num_beams \(5\) must be a multiple of num_groups \(2\)"):
        searched(tiny_captioner(), features(1), 5, custom_generate=partial(beam_search, num_groups=2))


def test_logits_processors_forbid_words_in_beams_too(tiny_captioner, features, searched, authors_search):
    model, encoded = tiny_captioner(2), features(2)
    found, _ = searched(model, encoded, 5, min_new_tokens=4, suppress_tokens=[3, 4])
    for hypotheses in found:
        for _, words in hypotheses:
            assert len(words) > 4 and not {3, 4} & set(words)

    def allowed(words):
        log_p = next_log_p(model, one_picture(encoded, 0), words)
        return [p if w not in (3, 4) and (w != END or len(words) > 4) else -float("inf") for w, p in enumerate(log_p)]

    assert_same(found[0], authors_search(allowed, [0], 5))


@pytest.mark.parametrize("penalty", [0.0, 1.0, 2.0])
def test_a_length_penalty_asks_for_the_stock_search(penalty, tiny_captioner, features, monkeypatch, searched):
    """With so wide a beam the stock search must find the best of score / length ** penalty of all sentences."""
    limit, size = 3, 4
    sentences = [[0, *rest, END] for n in range(limit) for rest in itertools.product(range(1, size), repeat=n)]
    sentences += [[0, *rest] for rest in itertools.product(range(1, size), repeat=limit)]
    monkeypatch.setattr(modeling_lrcn, "beam_search", None)
    for seed in range(3):
        model, encoded = tiny_captioner(seed, vocab_size=size), features(1, seed=seed)
        found, _ = searched(
            model, encoded, 60, limit=limit, num_return_sequences=1, length_penalty=penalty, early_stopping="never"
        )
        scored = []
        for words in sentences:
            total = sum(next_log_p(model, encoded, words[:t])[words[t]] for t in range(1, len(words)))
            scored.append((total / (len(words) - 1) ** penalty, words))
        assert_same(found[0], [max(scored)])
