"""Words drawn by given numbers, against loops that read a sentence's whole beginning for every word."""

import pytest
import torch

from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.sentences.drawing import at_rest, choose_words, draw_sentences, mix_in_own_words, random_numbers


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    config = LrcnCaptioningConfig(
        backbone_config={"model_type": "lrcn_given_features"},
        feature_size=5,
        vocab_size=7,
        embedding_size=6,
        hidden_size=8,
        wiring="2f",
        initializer_range=1.0,
    )
    return LrcnForImageCaptioning(config).eval()


@pytest.fixture(scope="module")
def features():
    return torch.randn(3, 5, generator=torch.Generator().manual_seed(1))


def chances(model, feature, beginning):
    """The chances of the next word, by a forward pass of all words before it."""
    with torch.no_grad():
        logits = model(
            encoder_outputs=(feature[None, None],), decoder_input_ids=torch.tensor([[0, *beginning]])
        ).logits
    return logits[0, -1].softmax(-1).tolist()


def word_at(number, chances):
    total = 0.0
    for word, chance in enumerate(chances):
        total += chance
        if number < total:
            return word
    return len(chances) - 1


def drawn_word_by_word(model, feature, numbers):
    said = []
    for number in numbers.tolist():
        said.append(word_at(number, chances(model, feature, said)))
        if said[-1] == 0:
            break
    return said


def test_a_number_falls_on_a_word_as_often_as_the_word_is_likely():
    logits = torch.tensor([0.3, -1.0, 2.0, 0.0])
    numbers = (torch.arange(10_000) + 0.5) / 10_000
    words = choose_words(logits.expand(10_000, -1), numbers)
    assert torch.allclose(words.bincount(minlength=4) / 10_000, logits.softmax(-1), atol=1e-4)
    assert words.tolist() == sorted(words.tolist())
    assert choose_words(logits[None], torch.tensor([0.0])).item() == 0
    assert choose_words(logits[None], torch.tensor([1.0])).item() == 3


def test_drawn_sentences_are_those_drawn_word_by_word(model, features):
    numbers = torch.rand(3, 4, 6, generator=torch.Generator().manual_seed(2))
    drawn = draw_sentences(model, features, numbers)
    assert drawn.shape[0] == 12
    lengths = set()
    for row in range(3):
        for sample in range(4):
            expected = drawn_word_by_word(model, features[row], numbers[row, sample])
            found = drawn[4 * row + sample].tolist()
            assert found == expected + [-100] * (len(found) - len(expected))
            lengths.add(len(expected))
    assert len(lengths) > 2 and max(lengths) == drawn.shape[1]


def test_what_a_row_is_said_about_does_not_depend_on_the_rows_beside_it(model, features):
    seeds = [11, 12, 13]
    together = draw_sentences(model, features, random_numbers(seeds, [1] * 3, 2, 5))
    for row, seed in enumerate(seeds):
        alone = draw_sentences(model, features[row, None], random_numbers([seed], [1], 2, 5))
        assert torch.equal(alone, together[2 * row : 2 * row + 2, : alone.shape[1]])


def test_rows_with_several_sentences_have_numbers_of_their_own():
    numbers = random_numbers([3, 4], [2, 3], 6, 2)
    assert numbers.shape == (5, 6, 2)
    assert torch.equal(numbers[2:], random_numbers([4], [3], 6, 2))
    assert len(numbers.unique()) == numbers.numel()


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_own_words_are_drawn_from_what_was_read_before(model, features, share):
    words = torch.tensor([[0, 3, 4, 5, 6], [0, 2, 2, 1, 3], [0, 6, 5, 0, 0]])
    numbers = torch.rand(3, 5, 2, generator=torch.Generator().manual_seed(5))
    mixed = mix_in_own_words(model, features, words, numbers, share)
    for row in range(3):
        read = [0]
        for t in range(1, 5):
            coin, number = numbers[row, t].tolist()
            own = word_at(number, chances(model, features[row], read[1:]))
            read.append(own if coin < share else int(words[row, t]))
        assert mixed[row].tolist() == read
    assert torch.equal(mixed, words) is (share == 0)


def test_a_model_at_rest_goes_back_to_training(model):
    model.train()
    with pytest.raises(RuntimeError), at_rest(model):
        assert not model.training and not model.decoder.training
        raise RuntimeError
    assert model.training and model.decoder.training
    model.eval()
