"""`generate` on the captioner: every stock way of choosing words, at the cost of one backbone pass a picture."""

import warnings

import pytest
import torch
from transformers import GenerationConfig
from transformers.generation.streamers import BaseStreamer
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.sentences.generation import best_of_samples

END, LIMIT = 0, 8
MODES = {
    "greedy": {},
    "beam": {"num_beams": 5},
    "four of a beam": {"num_beams": 5, "num_return_sequences": 4},
    "stock beam": {"num_beams": 3, "length_penalty": 1.0},
    "sampling": {"do_sample": True, "temperature": 0.7},
    "four samples": {"do_sample": True, "num_return_sequences": 4, "top_k": 0},
    "beam sampling": {"do_sample": True, "num_beams": 3},
}


@pytest.fixture(params=MODES)
def mode(request):
    return MODES[request.param]


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def stepwise(model, encoded, words, choose):
    """Go on from `words` by the whole prefix each time, until the end word; padded to LIMIT new words."""
    words, start = list(words), len(words)
    while len(words) < start + LIMIT and END not in words[start:]:
        logits = model(encoder_outputs=encoded, decoder_input_ids=torch.tensor([words])).logits[0, -1]
        words.append(int(choose(logits)))
    return words


def unpadded(row, prompt_length=1):
    new = row[prompt_length:]
    return row[:prompt_length] + (new[: new.index(END) + 1] if END in new else new)


@pytest.mark.parametrize("wiring", ["1u", "2u", "2f", "4f"])
@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_greedy_search_takes_the_likeliest_word_each_time(wiring, cell, tiny_captioner, features):
    lengths = set()
    for seed in range(4):
        model, encoded = tiny_captioner(seed, wiring=wiring, cell=cell), features(4, seed=seed)
        model.predict.bias.data[END] += 2  # so that sentences end sooner or later
        found = model.generate(encoder_outputs=encoded, max_new_tokens=LIMIT).tolist()
        for picture in range(4):
            one = BaseModelOutput(encoded[0][picture : picture + 1])
            assert unpadded(found[picture]) == stepwise(model, one, [0], torch.argmax)
            lengths.add(len(unpadded(found[picture])))
    assert len(lengths) > 1


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_sampling_draws_from_the_models_distribution(temperature, tiny_captioner, features):
    model, encoded = tiny_captioner(1), features(1)
    options = {"do_sample": True, "temperature": temperature, "top_k": 0, "max_new_tokens": LIMIT}
    for seed in range(5):
        torch.manual_seed(seed)
        found = model.generate(encoder_outputs=encoded, **options)[0].tolist()
        torch.manual_seed(seed)
        drawn = stepwise(model, encoded, [0], lambda x: torch.multinomial((x / temperature).softmax(-1), 1))
        assert unpadded(found) == drawn


def test_many_samples_have_the_frequencies_of_the_distribution(tiny_captioner, features):
    model, encoded, count = tiny_captioner(), features(2), 4000
    found = model.generate(
        encoder_outputs=encoded, do_sample=True, temperature=1.5, top_k=0, num_return_sequences=count, max_new_tokens=1
    )
    logits = model(encoder_outputs=encoded, decoder_input_ids=torch.zeros(2, 1, dtype=torch.long)).logits[:, 0]
    for picture, rows in enumerate(found[:, 1].view(2, count)):
        frequencies = rows.bincount(minlength=9) / count
        expected = (logits[picture] / 1.5).softmax(-1)
        assert (frequencies - expected).abs().max() < 5 * (0.25 / count) ** 0.5


def test_returned_sequences_come_picture_by_picture(tiny_captioner, features):
    model, encoded = tiny_captioner(), features(3)
    together = model.generate(encoder_outputs=encoded, num_beams=4, num_return_sequences=3, max_new_tokens=LIMIT)
    assert len(together) == 9
    for picture in range(3):
        one = BaseModelOutput(encoded[0][picture : picture + 1])
        alone = model.generate(encoder_outputs=one, num_beams=4, num_return_sequences=3, max_new_tokens=LIMIT)
        rows = [unpadded(row) for row in together[3 * picture : 3 * picture + 3].tolist()]
        assert rows == [unpadded(row) for row in alone.tolist()]


def test_a_prompt_is_gone_on_from(tiny_captioner, features):
    model, encoded = tiny_captioner(2), features(2)
    for prompt in ([0, 4], [0, 4, 6, 2, 7]):
        prompts = torch.tensor([prompt, [*prompt[:-1], 8]])
        found = model.generate(encoder_outputs=encoded, decoder_input_ids=prompts, max_new_tokens=LIMIT).tolist()
        for picture, words in enumerate(prompts.tolist()):
            one = BaseModelOutput(encoded[0][picture : picture + 1])
            expected = stepwise(model, one, words, torch.argmax)
            assert unpadded(found[picture], len(prompt)) == expected
            without = model.generate(encoder_outputs=one, max_new_tokens=LIMIT).tolist()[0]
            assert expected[: len(words)] == words != without[: len(words)]


def test_the_start_word_need_not_be_the_end_word(tiny_captioner, features):
    model = tiny_captioner(bos_token_id=8, decoder_start_token_id=8)
    encoded = features(2)
    found = model.generate(encoder_outputs=encoded, max_new_tokens=LIMIT).tolist()
    for picture in range(2):
        one = BaseModelOutput(encoded[0][picture : picture + 1])
        assert unpadded(found[picture]) == stepwise(model, one, [8], torch.argmax)


def test_scores_are_those_of_the_words(tiny_captioner, features):
    model, encoded = tiny_captioner(), features(2)
    found = model.generate(
        encoder_outputs=encoded, max_new_tokens=LIMIT, output_scores=True, return_dict_in_generate=True
    )
    steps = model.compute_transition_scores(found.sequences, found.scores, normalize_logits=True)
    log_p = model(encoder_outputs=encoded, decoder_input_ids=found.sequences).logits[:, :-1].log_softmax(-1)
    expected = log_p.gather(-1, found.sequences[:, 1:, None])[..., 0]
    for row in range(2):
        length = len(unpadded(found.sequences[row].tolist())) - 1
        torch.testing.assert_close(steps[row, :length], expected[row, :length], atol=1e-5, rtol=0)


class Listener(BaseStreamer):
    def __init__(self):
        self.words, self.ended = [], False

    def put(self, value):
        self.words += value.flatten().tolist()

    def end(self):
        self.ended = True


def test_a_streamer_hears_every_word(tiny_captioner, features):
    for options in ({}, {"do_sample": True}):
        listener = Listener()
        found = tiny_captioner().generate(encoder_outputs=features(1), streamer=listener, max_new_tokens=5, **options)
        assert listener.words == found[0].tolist() and listener.ended


def test_max_length_counts_the_start_word_as_everywhere_else(tiny_captioner, features, logged):
    model = tiny_captioner()
    model.predict.bias.data[END] = -100
    assert model.generate(encoder_outputs=features(1), max_length=5).shape == (1, 5)
    assert model.generate(encoder_outputs=features(1), max_length=6, num_beams=2).shape == (1, 6)
    for options in ({"max_length": 5}, {"max_length": 5, "num_beams": 2}, {"max_length": 5, "do_sample": True}):
        given = GenerationConfig(**options)
        assert model.generate(encoder_outputs=features(1), generation_config=given).shape == (1, 5)
    assert model.generate(encoder_outputs=features(1), max_new_tokens=5).shape == (1, 6)
    assert model.generate(encoder_outputs=features(1)).shape == (1, 51)  # captioner.py: max_length 50
    assert not logged
    model.generate(encoder_outputs=features(1), max_length=5, max_new_tokens=3)
    assert "take precedence" in logged[0].getMessage()


def test_the_callers_encoder_outputs_stay_as_they_were(mode, tiny_captioner, features):
    encoded = features(3)
    before = encoded.last_hidden_state.clone()
    tiny_captioner().generate(encoder_outputs=encoded, max_new_tokens=3, **mode)
    assert torch.equal(encoded.last_hidden_state, before)
    assert torch.equal(encoded[0], before)


def count_calls(module, size):
    calls = []
    module.register_forward_hook(lambda module, inputs, output: calls.append(size(inputs[0])))
    return calls


def test_the_backbone_sees_each_picture_once_and_the_decoder_one_word_a_step(mode, tiny_captioner, pictures):
    model = tiny_captioner()
    model.predict.bias.data[END] = -100  # so that every step is taken
    images = count_calls(model.encoder.backbone, len)
    words = count_calls(model.embedding, lambda ids: ids.shape[1])
    static = []
    stock = model.decoder.layers[1].project_static
    model.decoder.layers[1].project_static = lambda features: static.append(len(features)) or stock(features)
    model.generate(pictures(3), max_new_tokens=6, **mode)
    assert images == [3]
    assert words == [1] * 6
    assert len(static) == 1  # the picture's share of the gates, too, is computed once
    images.clear(), words.clear()
    prompts = torch.zeros(3, 4, dtype=torch.long)
    model.generate(pictures(3), decoder_input_ids=prompts, max_new_tokens=6, **mode)
    assert images == [3]
    assert words == [4] + [1] * 5


def test_best_of_many_samples_sees_each_picture_once(tiny_captioner, pictures):
    model = tiny_captioner()
    images = count_calls(model.encoder.backbone, len)
    best_of_samples(model, {"pixel_values": pictures(2)}, num_samples=5, max_new_tokens=4)
    assert images == [2]


@pytest.mark.parametrize("extra", [{}, {"output_scores": True, "return_dict_in_generate": True}], ids=["", "scores"])
def test_no_mode_warns_or_logs(mode, extra, tiny_captioner, pictures, logged):
    model = tiny_captioner()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.generate(pictures(2), **mode, **extra)
        model.generate(pictures(2), decoder_input_ids=torch.zeros(2, 2, dtype=torch.long), **mode, **extra)
    assert [record.getMessage() for record in logged] == []


def test_pictures_may_be_given_by_position_or_by_name(tiny_captioner, pictures):
    model = tiny_captioner()
    by_position = model.generate(pictures(2), max_new_tokens=LIMIT)
    assert torch.equal(model.generate(pixel_values=pictures(2), max_new_tokens=LIMIT), by_position)
    encoded = model.encoder(pictures(2))
    assert torch.equal(model.generate(encoder_outputs=encoded, max_new_tokens=LIMIT), by_position)


def test_a_misspelt_option_is_refused(tiny_captioner, pictures):
    with pytest.raises(ValueError, match="num_beans"):
        tiny_captioner().generate(pictures(1), num_beans=3)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64], ids=str)
@pytest.mark.parametrize("cell", ["lstm", "rnn"])
def test_other_precisions_generate(dtype, cell, tiny_captioner, pictures):
    model = tiny_captioner(cell=cell).to(dtype)
    prompts = torch.zeros(2, 3, dtype=torch.long)
    for options in ({}, {"num_beams": 3}, {"do_sample": True}, {"decoder_input_ids": prompts, "num_beams": 2}):
        found = model.generate(
            pictures(2), max_new_tokens=4, output_scores=True, return_dict_in_generate=True, **options
        )
        assert found.scores[0].isfinite().all()
        assert found.past_key_values is None or found.past_key_values.hidden[0].dtype == dtype


@pytest.mark.parametrize("options", [{}, {"num_beams": 3}], ids=["greedy", "beam"])
def test_generation_under_autocast_and_from_a_prompt(options, tiny_captioner, pictures):
    for cell in ("lstm", "rnn"):
        model = tiny_captioner(cell=cell)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            for prompt in (torch.zeros(2, 1, dtype=torch.long), torch.tensor([[0, 3, 4], [0, 5, 1]])):
                found = model.generate(pictures(2), decoder_input_ids=prompt, max_new_tokens=4, **options)
                assert torch.equal(found[:, : prompt.shape[1]], prompt)
