"""Rewards against the corpus metric, whose code is another one."""

import pytest
import torch

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.scoring import cider_d_scores, ptb_tokenize
from lrcn_hub.sentences.options import SentenceObjectiveOptions
from lrcn_hub.sentences.reward import END, Reward

REFERENCES = [
    ["A man rides a horse.", "a man on a brown horse"],
    ["Two dogs play in the snow.", "dogs playing in snow", "two dogs in the snow"],
    ["a red bus on a street"],
]
SAID = ["a man on a horse", "two dogs in the snow", "a bus on a horse"]


@pytest.fixture(scope="module")
def tokenizer():
    return build_word_tokenizer(sorted({word for row in REFERENCES for one in row for word in ptb_tokenize(one)}))


def ids(tokenizer, *sentences, length=9):
    rows = torch.full((len(sentences), length), -100)
    for row, sentence in enumerate(sentences):
        words = tokenizer(sentence, add_special_tokens=False)["input_ids"] + [tokenizer.eos_token_id]
        rows[row, : len(words)] = torch.tensor(words)
    return rows


def test_a_reward_is_the_corpus_metric_of_the_sentence(tokenizer):
    reward = Reward(tokenizer, REFERENCES, end_counts=False)
    _, expected = cider_d_scores(
        [ptb_tokenize(one) for one in SAID], [[ptb_tokenize(one) for one in row] for row in REFERENCES]
    )
    found = reward(ids(tokenizer, *SAID), REFERENCES)
    assert found.shape == (3, 1)
    assert found[:, 0].tolist() == pytest.approx(expected, rel=1e-6)
    assert min(expected) > 0


def test_a_reward_whose_end_counts_is_the_corpus_metric_with_one_more_word(tokenizer):
    reward = Reward(tokenizer, REFERENCES)
    _, expected = cider_d_scores(
        [[*ptb_tokenize(one), "."] for one in SAID],
        [[[*ptb_tokenize(one), "."] for one in row] for row in REFERENCES],
    )
    assert reward(ids(tokenizer, *SAID), REFERENCES)[:, 0].tolist() == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("sentence", [f"a man {END} on {END} a {END}{END} horse {END}", END])
def test_no_sentence_holds_the_word_for_its_end(sentence):
    assert END not in ptb_tokenize(sentence)


def test_several_sentences_of_a_row_are_scored_each_by_itself(tokenizer):
    reward = Reward(tokenizer, REFERENCES)
    mixed = ids(tokenizer, SAID[0], SAID[1], SAID[0], SAID[1], SAID[1], SAID[0])
    found = reward(mixed, REFERENCES[:3])
    assert found.shape == (3, 2)
    for row, (first, second) in enumerate([(0, 1), (0, 1), (1, 0)]):
        alone = [reward(ids(tokenizer, SAID[one]), [REFERENCES[row]]).item() for one in (first, second)]
        assert found[row].tolist() == alone


def test_a_sentence_that_breaks_off_is_worth_less_only_where_the_end_counts(tokenizer):
    whole = ids(tokenizer, "a man on a brown horse")
    broken = whole.masked_fill(whole == tokenizer.eos_token_id, -100)
    for end_counts in (True, False):
        reward = Reward(tokenizer, REFERENCES, end_counts=end_counts)
        first, second = (reward(sentence, REFERENCES[:1]).item() for sentence in (whole, broken))
        assert (first > second) is end_counts


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"smoothing": 1.5}, "smoothing is 1.5; it must be from 0 to 1"),
        ({"own_words": -0.1}, "own_words is -0.1"),
        ({"likelihood_weight": -1.0}, "likelihood_weight is -1.0; it must be at least 0"),
        ({"samples_per_row": 1}, "at least 2 for the baseline 'others'"),
        ({"samples_per_row": 0, "baseline": "greedy"}, "1 for 'greedy'"),
    ],
)
def test_options_that_make_no_sense_are_refused(values, message):
    with pytest.raises(ValueError, match=message):
        SentenceObjectiveOptions(**values)
