"""Objectives against short loops in double precision, and self-critical training against the exact gradient."""

import itertools

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.sentences.drawing import draw_sentences, random_numbers
from lrcn_hub.sentences.objectives import LabelSmoothing, ScheduledSampling, SelfCritical
from lrcn_hub.sentences.training import sentence_loss

WORDS = 7


def make_model(dropout=0.0, words=WORDS):
    torch.manual_seed(0)
    config = LrcnCaptioningConfig(
        backbone_config={"model_type": "lrcn_given_features"},
        feature_size=5,
        vocab_size=words,
        embedding_size=4,
        hidden_size=6,
        lstm_dropout=dropout,
        initializer_range=0.8,
    )
    return LrcnForImageCaptioning(config).double()


@pytest.fixture
def model():
    return make_model()


@pytest.fixture(scope="module")
def batch():
    return {
        "encoder_outputs": BaseModelOutput(torch.randn(2, 1, 5, generator=torch.Generator().manual_seed(1)).double()),
        "labels": torch.tensor([[3, 4, 0, -100], [2, 0, -100, -100], [5, 6, 1, 2]]),
        "image_index": torch.tensor([0, 0, 1]),
        "seeds": torch.tensor([21, 22]),
        "references": [["3 4", "2"], ["5 6 1 2"]],
    }


def row_of(batch, row):
    """The part of a batch that is about one row."""
    mine = batch["image_index"] == row
    return {
        "encoder_outputs": BaseModelOutput(batch["encoder_outputs"][0][row, None]),
        "labels": batch["labels"][mine],
        "image_index": torch.zeros(int(mine.sum()), dtype=torch.long),
        "seeds": batch["seeds"][row, None],
        "references": [batch["references"][row]],
    }


def log_chances(model, feature, beginning):
    logits = model(encoder_outputs=(feature[None, None],), decoder_input_ids=torch.tensor([[0, *beginning]])).logits
    return logits[0, -1].log_softmax(-1)


def log_p(model, feature, words):
    return sum(log_chances(model, feature, words[:t])[word] for t, word in enumerate(words))


def reward(sentences, references):
    """A toy reward: how often words of even number are said, against how many references there are."""
    scores = ((sentences % 2 == 0) & (sentences >= 0)).sum(1).double()
    return scores.view(len(references), -1) + torch.tensor([[float(len(one))] for one in references])


def gradients(model, loss):
    model.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.6])
def test_label_smoothing_gives_a_share_of_each_target_to_all_words(model, batch, smoothing):
    expected = 0.0
    for caption, row in zip(batch["labels"].tolist(), batch["image_index"].tolist(), strict=True):
        words = [word for word in caption if word != -100]
        for t, word in enumerate(words):
            log_q = log_chances(model, batch["encoder_outputs"][0][row, 0], words[:t])
            expected -= (1 - smoothing) * log_q[word] + smoothing * log_q.mean()
    found = LabelSmoothing(smoothing)(model, batch, 9)
    assert found.item() == pytest.approx(expected.item() / 9, rel=1e-5)
    assert LabelSmoothing(smoothing)(model, batch, None).item() == pytest.approx(expected.item() / 9, rel=1e-5)
    if smoothing == 0:
        assert found.item() == pytest.approx(sentence_loss(model, batch, 9).item(), rel=1e-5)


def test_scheduled_sampling_begins_as_likelihood(model, batch):
    objective = ScheduledSampling(0.5)
    assert torch.equal(objective(model, batch, 9), sentence_loss(model, batch, 9))
    objective.progress = 0.8
    assert not torch.isclose(objective(model, batch, 9), sentence_loss(model, batch, 9))


def test_scheduled_sampling_reads_own_words_and_is_told_the_true_ones(model, batch):
    objective = ScheduledSampling(0.5)
    objective.progress = 0.8
    numbers = random_numbers([21, 22], [2, 1], 4, 2)
    expected = 0.0
    for caption in range(3):
        feature = batch["encoder_outputs"][0][batch["image_index"][caption], 0]
        read = []
        for t, word in enumerate(batch["labels"][caption].tolist()):
            if t:
                coin, number = numbers[caption, t].tolist()
                own = int((log_chances(model, feature, read[:-1]).exp().cumsum(0) <= number).sum())
                read[-1] = own if coin < 0.4 else read[-1]
            if word == -100:
                break
            expected -= log_chances(model, feature, read)[word]
            read.append(word)
    assert objective(model, batch, 9).item() == pytest.approx(expected.item() / 9, rel=1e-5)


@pytest.mark.parametrize("baseline", ["others", "greedy"])
def test_a_self_critical_loss_is_reward_above_the_baseline_times_log_p(model, batch, baseline):
    features, samples = batch["encoder_outputs"][0][:, 0], 3
    drawn = draw_sentences(model, features, random_numbers([21, 22], [1, 1], samples, 4))
    greedy = model.generate(encoder_outputs=batch["encoder_outputs"], max_new_tokens=4)[:, 1:]
    expected = 0.0
    for row, captions in ((0, 2), (1, 1)):
        mine = [[word for word in one if word != -100] for one in drawn[samples * row :][:samples].tolist()]
        worth = reward(drawn[samples * row :][:samples], [batch["references"][row]])[0].tolist()
        above = reward(greedy[row, None], [batch["references"][row]]).item()
        for k, words in enumerate(mine):
            rest = [worth[j] for j in range(samples) if j != k]
            base = sum(rest) / len(rest) if baseline == "others" else above
            expected -= captions * (worth[k] - base) * log_p(model, features[row], words) / samples
    found = SelfCritical(reward, baseline, samples, max_words=4)(model, batch, 9)
    assert found.item() == pytest.approx(expected.item() / 9, rel=1e-5)
    assert abs(found.item()) > 1e-3


@pytest.mark.parametrize("objective", ["scheduled", "others", "greedy"])
def test_a_batch_may_be_cut_between_rows(model, batch, objective):
    if objective == "scheduled":
        loss = ScheduledSampling(0.6)
        loss.progress = 1.0
    else:
        loss = SelfCritical(reward, objective, samples_per_row=4, max_words=5)
    whole = gradients(model, loss(model, batch, 9))
    parts = sum(gradients(model, loss(model, row_of(batch, row), 9)) for row in (0, 1))
    assert torch.allclose(whole, parts, atol=1e-12)


@pytest.mark.parametrize("baseline", ["others", "greedy"])
def test_self_critical_gradients_are_those_of_the_expected_reward(baseline):
    """All sentences of up to two words are few: the mean over many draws must be the exact gradient."""
    model, feature, rows = (
        make_model(words=3),
        torch.randn(5, generator=torch.Generator().manual_seed(2)).double(),
        10_000,
    )
    sentences = [[0]] + [[first, second] for first, second in itertools.product((1, 2), (0, 1, 2))]
    expected_reward = 0.0
    for words in sentences:
        labels = torch.tensor([words + [-100] * (2 - len(words))])
        expected_reward += log_p(model, feature, words).exp() * reward(labels, [["one"]]).item()
    exact = -gradients(model, expected_reward)
    batch = {
        "encoder_outputs": BaseModelOutput(feature.expand(rows, 1, -1)),
        "labels": torch.zeros(rows, 1, dtype=torch.long),
        "image_index": torch.arange(rows),
        "seeds": torch.arange(rows) * 2,
        "references": [["one"]] * rows,
    }
    found = gradients(model, SelfCritical(reward, baseline, samples_per_row=2, max_words=2)(model, batch, rows))
    assert (found - exact).norm() < 0.06 * exact.norm()


def test_likelihood_can_be_added_to_a_self_critical_loss(model, batch):
    alone = SelfCritical(reward, "others", 3, max_words=3)(model, batch, 9)
    together = SelfCritical(reward, "others", 3, max_words=3, likelihood_weight=0.7)(model, batch, 9)
    assert together.item() == pytest.approx((alone + 0.7 * sentence_loss(model, batch, 9)).item(), rel=1e-5)


def test_sentences_are_drawn_without_dropout_and_learnt_with_it(batch):
    model = make_model(dropout=0.5).train()
    objective = SelfCritical(reward, "others", samples_per_row=3, max_words=4)
    drawn = []
    objective.reward = lambda sentences, references: drawn.append(sentences) or reward(sentences, references)
    torch.manual_seed(0)
    first = objective(model, batch, 9)
    second = objective(model, batch, 9)
    assert torch.equal(drawn[0], drawn[1]) and not torch.isclose(first, second)
    assert model.training
