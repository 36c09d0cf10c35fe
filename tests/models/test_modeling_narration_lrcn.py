"""Narrators beside short references that are written from the paper's words, and what holds of every variant."""

from functools import partial

import pytest
import torch
from transformers import AutoConfig, AutoModel, AutoModelForImageTextToText
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import (
    GivenFeaturesConfig,
    LrcnCaptioningConfig,
    LrcnForImageCaptioning,
    LrcnForVideoNarration,
    LrcnNarrationConfig,
)

NODES, SOURCE, FEATURE, VOCABULARY = [3, 4], 8, 5, 9
VARIANTS = {
    "encoder-decoder": {"variant": "encoder-decoder"},
    "overlapping": {"variant": "encoder-decoder", "schedule": "overlapping"},
    "two stacks": {"variant": "encoder-decoder", "share_stack": False, "num_layers": 3},
    "decoder-max": {"variant": "decoder-max"},
    "decoder-prob": {"variant": "decoder-prob"},
    "factored": {"variant": "decoder-prob", "num_layers": 3, "visual_layer": 2},
    "S2VT": {"variant": "frames"},
    "frames, two stacks": {"variant": "frames", "frame_reader": "separate"},
    "mean of frames": {"variant": "frames", "frame_reader": "mean"},
}
every_variant = pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)


def tiny(options, seed=0):
    """A narrator whose words depend on what was read, on the words so far and on the state: weights are large."""
    sizes = {"vocab_size": VOCABULARY, "embedding_size": 6, "hidden_size": 7, "feature_size": FEATURE, "frame_size": 4}
    model = LrcnForVideoNarration(LrcnNarrationConfig(node_sizes=NODES, source_size=SOURCE, **sizes, **options)).eval()
    random = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for weights in model.parameters():
            weights.uniform_(-1.5, 1.5, generator=random)
        model.predict.weight.mul_(2)
    return model


def something_to_read(model, rows=3, seed=0, length=5):
    random = torch.Generator().manual_seed(seed)
    if model.main_input_name == "source_ids":
        return {"source_ids": torch.randint(1, SOURCE, (rows, length), generator=random)}
    if model.main_input_name == "pixel_values":
        return {"pixel_values": torch.randn(rows, length, FEATURE, generator=random)}
    return {"nodes": torch.cat([torch.rand(rows, n, generator=random).softmax(-1) for n in NODES], dim=1)}


@pytest.fixture(autouse=True)
def _no_gradients(request):
    with torch.set_grad_enabled("gradient" in request.node.name):
        yield


@every_variant
def test_the_configuration_counts_the_weights(options):
    model = tiny(options)
    assert sum(weights.numel() for weights in model.parameters()) == model.config.count_parameters()


@every_variant
def test_word_by_word_is_the_whole_sentence(options):
    model, words = tiny(options), torch.randint(1, VOCABULARY, (3, 6), generator=torch.Generator().manual_seed(1))
    read = something_to_read(model)
    whole = model(**read, decoder_input_ids=words)
    state, logits = None, []
    for word in words.split(1, dim=1):
        step = model(encoder_outputs=model.encoder(**read), decoder_input_ids=word, past_key_values=state)
        state = step.past_key_values
        logits.append(step.logits)
    assert torch.allclose(torch.cat(logits, dim=1), whole.logits, atol=1e-5)
    assert state.steps == whole.past_key_values.steps == 6
    for ours, theirs in zip(
        state.hidden + state.cell, [*whole.past_key_values.hidden, *whole.past_key_values.cell], strict=True
    ):
        assert torch.allclose(ours, theirs, atol=1e-5)


@pytest.mark.parametrize("name", [name for name, options in VARIANTS.items() if "decoder-" not in options["variant"]])
def test_rows_of_different_lengths_in_one_batch_are_read_as_alone(name):
    model = tiny(VARIANTS[name])
    read = something_to_read(model)
    lengths = torch.tensor([5, 2, 4])
    mask = torch.arange(5) < lengths[:, None]
    name = {"source_ids": "source_mask", "pixel_values": "frame_mask"}[model.main_input_name]
    together = model.encoder(**read, **{name: mask})[0]
    for row, length in enumerate(lengths):
        alone = model.encoder(**{key: value[row : row + 1, :length] for key, value in read.items()})[0]
        assert torch.allclose(together[row : row + 1], alone, atol=1e-5)
    assert not torch.allclose(together[1], model.encoder(**read)[0][1], atol=1e-3)
    said = model.generate(**read, **{name: mask}, max_new_tokens=6)
    for row, length in enumerate(lengths):
        alone = model.generate(**{key: value[row : row + 1, :length] for key, value in read.items()}, max_new_tokens=6)
        assert said[row, : alone.shape[1]].tolist() == alone[0].tolist()


@every_variant
@pytest.mark.parametrize("seed", range(3))
def test_beams_follow_the_authors_rule(options, seed, authors_search, searched):
    model = tiny(options, seed)
    encoded = BaseModelOutput(0.5 * model.encoder(**something_to_read(model, seed=seed))[0])

    def next_log_p(row, words):
        one = BaseModelOutput(encoded[0][row : row + 1])
        logits = model(encoder_outputs=one, decoder_input_ids=torch.tensor([words])).logits[0, -1]
        return logits.double().log_softmax(-1).tolist()

    for beams, prompt in ((3, (0,)), (5, (0, 4))):
        found, _ = searched(model, encoded, beams, prompt)
        for row in range(3):
            expected = authors_search(partial(next_log_p, row), list(prompt), beams)
            assert [words for _, words in found[row]] == [words for _, words in expected]
            assert [score for score, _ in found[row]] == pytest.approx([score for score, _ in expected], abs=1e-4)


@every_variant
def test_greedy_search_takes_the_likeliest_word(options):
    model = tiny(options)
    read = something_to_read(model)
    said = model.generate(**read, max_new_tokens=6)
    for row, words in enumerate(said.tolist()):
        one = {key: value[row : row + 1] for key, value in read.items()}
        for t in range(1, len(words)):
            if 0 in words[1:t]:
                assert words[t] == 0
            else:
                logits = model(**one, decoder_input_ids=torch.tensor([words[:t]])).logits[0, -1]
                assert int(logits.argmax()) == words[t]


def lstm_step(layer, x, h, c):
    """One step of an LSTM (Hochreiter and Schmidhuber; Zaremba's notation) with the weights of a torch layer."""
    weight, recurrent, bias = layer.cell.weight_ih_l0, layer.cell.weight_hh_l0, layer.cell.bias_ih_l0
    i, f, g, o = (weight @ x + recurrent @ h + bias).chunk(4)
    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def states(layers):
    return [[torch.zeros(7), torch.zeros(7)] for _ in layers]


def step_stack(layers, x, state):
    for k, layer in enumerate(layers):
        state[k] = list(lstm_step(layer, x, *state[k]))
        x = state[k][0]
    return x


@pytest.mark.parametrize("name", ["encoder-decoder", "overlapping", "two stacks"])
def test_labels_are_read_and_then_words_are_spoken_from_where_that_ended(name):
    model = tiny(VARIANTS[name])
    read, words = something_to_read(model, rows=1)["source_ids"], torch.tensor([[0, 3, 5, 2]])
    reading = model.encoder.stack.layers
    speaking = reading if model.decoder is None else model.decoder.layers
    state, outputs = states(reading), []
    for label in read[0]:
        last = step_stack(reading, model.encoder.embedding.weight[label], state)
    for t, word in enumerate(words[0]):
        if t == 0 and name == "overlapping":
            outputs.append(last)  # the step of the last label says the first word: T + T' - 1 steps
        else:
            outputs.append(step_stack(speaking, model.embedding.weight[word], state))
    expected = torch.stack(outputs) @ model.predict.weight.T + model.predict.bias
    found = model(source_ids=read, decoder_input_ids=words).logits[0]
    assert torch.allclose(found, expected, atol=1e-5)


def test_s2vt_reads_frames_with_no_words_and_speaks_with_no_frames():
    model = tiny(VARIANTS["S2VT"])
    frames, words = something_to_read(model, rows=1)["pixel_values"], torch.tensor([[0, 3, 5, 2]])
    (first,), (second,) = model.encoder.stack.frames.layers, model.encoder.stack.words.layers
    states_of_both, outputs = states([first, second]), []

    def step(frame, word):
        states_of_both[0] = list(lstm_step(first, frame, *states_of_both[0]))
        states_of_both[1] = list(lstm_step(second, torch.cat([states_of_both[0][0], word]), *states_of_both[1]))
        return states_of_both[1][0]

    for frame in frames[0]:
        step(model.encoder.project(frame), torch.zeros(6))
    for word in words[0]:
        outputs.append(step(torch.zeros(4), model.embedding.weight[word]))
    expected = torch.stack(outputs) @ model.predict.weight.T + model.predict.bias
    assert torch.allclose(model(pixel_values=frames, decoder_input_ids=words).logits[0], expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "layers", "visual"), [("decoder-prob", 2, 1), ("factored", 3, 2), ("mean of frames", 2, 1)]
)
def test_a_static_input_is_seen_as_by_the_captioner(name, layers, visual):
    model = tiny(VARIANTS[name])
    read, words = something_to_read(model), torch.randint(1, VOCABULARY, (3, 4))
    static = read["pixel_values"].mean(1) if "pixel_values" in read else read["nodes"]
    sizes = {"vocab_size": VOCABULARY, "embedding_size": 6, "hidden_size": 7, "feature_size": static.shape[1]}
    layout = {"num_layers": layers, "visual_layer": visual, "backbone_config": GivenFeaturesConfig()}
    captioner = LrcnForImageCaptioning(LrcnCaptioningConfig(**sizes, **layout)).eval()
    ours = {name: value for name, value in model.state_dict().items() if not name.startswith("encoder.")}
    captioner.load_state_dict(ours, strict=False)
    expected = captioner(pixel_values=static, decoder_input_ids=words).logits
    assert torch.allclose(model(**read, decoder_input_ids=words).logits, expected, atol=1e-6)


def test_only_the_likeliest_label_of_each_node_counts_for_decoder_max():
    model = tiny(VARIANTS["decoder-max"])
    sure = torch.tensor([[0.0, 1, 0, 0, 0, 1, 0]])
    unsure = torch.tensor([[0.3, 0.4, 0.3, 0.1, 0.2, 0.6, 0.1]])
    other = torch.tensor([[0.3, 0.4, 0.3, 0.1, 0.6, 0.2, 0.1]])
    vectors = [model.encoder(nodes=nodes)[0] for nodes in (sure, unsure, other)]
    assert torch.equal(vectors[0], sure[:, None])
    assert torch.equal(vectors[0], vectors[1]) and not torch.equal(vectors[0], vectors[2])


@every_variant
def test_every_weight_gets_a_gradient(options):
    model = tiny(options).train()
    read = something_to_read(model)
    labels = torch.tensor([[3, 5, 0], [2, 0, -100], [4, 4, 4]])
    model(**read, labels=labels).loss.backward()
    without = [name for name, weights in model.named_parameters() if weights.grad is None]
    assert without == []


def test_the_loss_is_the_mean_over_words_or_a_sum_over_what_is_given():
    model = tiny(VARIANTS["decoder-prob"])
    read, labels = something_to_read(model, rows=2), torch.tensor([[3, 5, 0], [2, 0, -100]])
    log_p = model(**read, labels=labels).logits.log_softmax(-1)
    total = -sum(log_p[row, t, labels[row, t]] for row, t in ((0, 0), (0, 1), (0, 2), (1, 0), (1, 1)))
    assert model(**read, labels=labels).loss.item() == pytest.approx((total / 5).item(), rel=1e-5)
    assert model(**read, labels=labels, num_items_in_batch=20).loss.item() == pytest.approx(
        (total / 20).item(), rel=1e-5
    )


def test_each_real_frame_is_looked_at_once():
    backbone = {"model_type": "lrcn_caffenet", "channels": [4] * 5, "fc_sizes": [8, FEATURE], "image_size": 67}
    model = tiny({"variant": "frames", "backbone_config": backbone})
    for weights in model.encoder.frame_encoder.parameters():
        weights.data.mul_(0.1)
    frames, mask = torch.randn(2, 3, 3, 67, 67), torch.tensor([[True, True, True], [True, False, False]])
    looks = []
    hook = model.encoder.frame_encoder.register_forward_hook(lambda module, given, found: looks.append(len(given[0])))
    words = model.generate(pixel_values=frames, frame_mask=mask, num_beams=3, num_return_sequences=2)
    hook.remove()
    assert looks == [4] and len(words) == 4
    features = model.encoder.frame_encoder(frames.flatten(0, 1))[0].view(2, 3, FEATURE)
    given = model.encoder(pixel_values=features, frame_mask=mask)[0]
    assert torch.allclose(model.encoder(pixel_values=frames, frame_mask=mask)[0], given, atol=1e-5)


def test_several_sentences_of_one_video_are_read_once():
    model = tiny(VARIANTS["S2VT"])
    read, labels = something_to_read(model, rows=2), torch.tensor([[3, 5, 0], [2, 0, -100], [4, 1, 0]])
    index = torch.tensor([0, 0, 1])
    expected = model(pixel_values=read["pixel_values"][index], labels=labels).logits
    assert torch.allclose(model(**read, labels=labels, video_index=index).logits, expected, atol=1e-6)
    with pytest.raises(ValueError, match="3 sentences but 2 videos: give video_index"):
        model(**read, labels=labels)


@every_variant
def test_a_saved_narrator_is_the_same_for_the_auto_classes(options, tmp_path):
    model = tiny(options)
    model.save_pretrained(tmp_path)
    read = something_to_read(model)
    for auto in (AutoModel, AutoModelForImageTextToText):
        again = auto.from_pretrained(tmp_path)
        assert isinstance(again, LrcnForVideoNarration)
        assert torch.equal(again.generate(**read, num_beams=3), model.generate(**read, num_beams=3))
    assert AutoConfig.from_pretrained(tmp_path).to_diff_dict() == model.config.to_diff_dict()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"variant": "decoder"}, "variant is 'decoder'; it must be one of encoder-decoder, decoder-max"),
        ({"node_sizes": [3, 0]}, "node_sizes"),
        ({"node_sizes": [3], "visual_layer": 3}, "visual_layer"),
        ({"variant": "frames", "num_layers": 3}, "num_layers is 3; S2VT's shared stack has 2"),
        ({"variant": "encoder-decoder", "schedule": "late"}, "schedule is 'late'"),
    ],
)
def test_a_configuration_that_cannot_be_is_refused_by_name(options, message):
    with pytest.raises(ValueError, match=message):
        LrcnNarrationConfig(**options)


def test_a_narrator_of_nodes_without_their_sizes_is_refused_though_its_configuration_is_the_default():
    with pytest.raises(ValueError, match="decoder-prob needs node_sizes"):
        LrcnForVideoNarration(LrcnNarrationConfig())


def test_the_wrong_kind_of_input_is_refused_by_name():
    with pytest.raises(ValueError, match=r"nodes have the shape \(2, 6\); it must be \(batch, 7\)"):
        tiny(VARIANTS["decoder-prob"]).encoder(nodes=torch.zeros(2, 6))
    with pytest.raises(ValueError, match="a narrator of the variant 'frames' reads pixel_values"):
        tiny(VARIANTS["S2VT"]).encoder(nodes=torch.zeros(2, 7))


def test_new_forget_gates_begin_with_their_bias_and_loaded_ones_keep_theirs(tmp_path):
    sizes = {"vocab_size": 7, "embedding_size": 3, "hidden_size": 4, "node_sizes": [2, 2], "num_layers": 2}
    model = LrcnForVideoNarration(LrcnNarrationConfig(**sizes, forget_bias=1.5))
    for layer in model.decoder.layers:
        assert layer.cell.bias_ih_l0.tolist() == [0.0] * 4 + [1.5] * 4 + [0.0] * 8
    trained = torch.arange(16.0)
    with torch.no_grad():
        model.decoder.layers[0].cell.bias_ih_l0.copy_(trained)
    model.save_pretrained(tmp_path)
    again = LrcnForVideoNarration.from_pretrained(tmp_path)
    assert again.decoder.layers[0].cell.bias_ih_l0.equal(trained)
    plain = LrcnForVideoNarration(LrcnNarrationConfig(**sizes))
    assert not any(layer.cell.bias_ih_l0.any() for layer in plain.decoder.layers)
    with pytest.raises(ValueError, match="forget_bias is -1"):
        LrcnNarrationConfig(**sizes, forget_bias=-1)
