"""Search strategies of the captioning task, on random models whose words depend on the state."""

import pytest
import torch

from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.sentences.generation import best_of_samples, generate_sentences, log_likelihood


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LrcnCaptioningConfig(
        backbone_config={"model_type": "timm_wrapper", "architecture": "test_resnet"},
        feature="pooled",
        feature_size=96,
        vocab_size=9,
        embedding_size=6,
        hidden_size=7,
        initializer_range=1.0,
    )
    model = LrcnForImageCaptioning(config).eval()
    model.predict.bias.data[0] = -1.0  # so that captions have some words
    return model


@pytest.fixture(scope="module")
def pictures():
    return torch.randn(3, 3, 32, 32, generator=torch.Generator().manual_seed(1))


def words_up_to_the_end(row):
    row = row.tolist()
    return row[: row.index(0) + 1] if 0 in row else row


def score_word_by_word(model, features, words):
    """log p of a caption, one forward pass of its whole beginning for every word."""
    total = 0.0
    for n, word in enumerate(words):
        beginning = torch.tensor([[0, *words[:n]]])
        logits = model(encoder_outputs=(features,), decoder_input_ids=beginning).logits[0, -1]
        total += logits.log_softmax(-1)[word].item()
    return total


def test_log_likelihood_equals_scoring_word_by_word_and_stops_at_the_end(model, pictures):
    features = model.encoder(pictures[:1]).last_hidden_state
    captions = torch.tensor([[3, 4, 0, 0], [5, 0, 7, 8], [1, 2, 3, 4]])
    with torch.no_grad():
        expected = [score_word_by_word(model, features, words_up_to_the_end(row)) for row in captions]
    found = log_likelihood(model, type("Encoded", (tuple,), {})((features,)), captions)
    assert found.tolist() == pytest.approx(expected, abs=1e-5)


def test_best_of_samples_is_the_likeliest_of_the_samples_drawn(model, pictures, monkeypatch):
    drawn = []
    generate = model.generate

    def remember(*args, **kwargs):
        drawn.append(generate(*args, **kwargs))
        return drawn[-1]

    monkeypatch.setattr(model, "generate", remember)
    torch.manual_seed(3)
    best = best_of_samples(model, {"pixel_values": pictures}, num_samples=20, max_new_tokens=8)
    features = model.encoder(pictures).last_hidden_state
    with torch.no_grad():
        for picture, samples in enumerate(drawn):
            candidates = [words_up_to_the_end(row) for row in samples[:, 1:]]
            scores = [score_word_by_word(model, features[picture : picture + 1], c) for c in candidates]
            assert words_up_to_the_end(best[picture]) == candidates[scores.index(max(scores))]
            assert len({tuple(c) for c in candidates}) > 5  # so that there was a choice


def test_samples_are_drawn_from_the_sharpened_distribution(model, pictures):
    torch.manual_seed(0)
    many = pictures[:1].expand(4000, -1, -1, -1)
    first = model(pixel_values=pictures[:1], decoder_input_ids=torch.zeros(1, 1, dtype=torch.long)).logits[0, 0]
    for scale in (1.0, 3.0):
        words = generate_sentences(model, {"pixel_values": many}, "sample", logit_scale=scale, max_new_tokens=1)[:, 0]
        share = torch.bincount(words, minlength=9) / len(words)
        assert torch.allclose(share, (scale * first).softmax(-1).detach(), atol=0.04)


def test_the_backbone_runs_once_for_each_picture_whatever_the_strategy(model, pictures):
    seen = []
    hook = model.encoder.backbone.register_forward_pre_hook(lambda module, args: seen.append(len(args[0])))
    for strategy in ("greedy", "beam", "sample", "best-of-n", "diverse-beam"):
        seen.clear()
        captions = generate_sentences(model, {"pixel_values": pictures}, strategy, max_new_tokens=6, num_samples=10)
        assert seen == [3]
        assert len(captions) == 3
    hook.remove()


def test_diverse_beams_without_a_penalty_find_what_narrower_beams_find(model, pictures):
    diverse = generate_sentences(
        model, {"pixel_values": pictures}, "diverse-beam", num_beams=6, num_groups=3, diversity_penalty=0.0
    )
    narrow = generate_sentences(model, {"pixel_values": pictures}, "beam", num_beams=2)
    assert [words_up_to_the_end(r) for r in diverse] == [words_up_to_the_end(r) for r in narrow]


def test_an_unknown_strategy_is_refused_with_the_known_ones(model, pictures):
    with pytest.raises(ValueError, match=r"'astar'; it must be one of greedy, beam"):
        generate_sentences(model, {"pixel_values": pictures}, "astar")
