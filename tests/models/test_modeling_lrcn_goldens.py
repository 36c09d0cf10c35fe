"""The layers against Caffe's own (tests/goldens/README.md). Goldens are (T, B, ...), our tensors (B, T, ...)."""

import json
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.models.modeling_lrcn import sentence_loss
from lrcn_hub.models.recurrent_lrcn import LrcnLayer

BEAMS = json.loads((Path(__file__).parents[1] / "goldens" / "decode_beams.json").read_text())


@pytest.fixture(params=["nostatic", "static"])
def lstm(request, golden, load_layer):
    values = golden(f"lstm_{request.param}")
    layer = LrcnLayer(5, 6 if request.param == "static" else 0, 4)
    load_layer(layer, [values[f"param/lstm/{i}"] for i in range(4) if f"param/lstm/{i}" in values])
    return layer, values


def run_layer(layer, values, group, state=None):
    x = values[f"{group}/x"].transpose(0, 1).requires_grad_()
    static = values.get(f"{group}/x_static")
    if static is not None:
        static.requires_grad_()
    h, c = state or (x.new_zeros(3, 4), x.new_zeros(3, 4))
    outputs, (h, c) = layer(x, (h, c), static, continues=values[f"{group}/cont"].transpose(0, 1))
    return outputs.transpose(0, 1), h[None], c[None], x, static


def test_the_lone_lstm_with_restarts_equals_caffes(lstm, assert_close_to_golden):
    layer, values = lstm
    outputs, h, c, *_ = run_layer(layer, values, "in")
    assert_close_to_golden(outputs, values["out/h"])
    assert_close_to_golden(h, values["out/h_T"])
    assert_close_to_golden(c, values["out/c_T"])


def test_a_second_sequence_carries_the_state_on_as_in_caffe(lstm, assert_close_to_golden):
    layer, values = lstm
    _, h, c, *_ = run_layer(layer, values, "in")
    outputs, h, c, *_ = run_layer(layer, values, "carry_in", (h[0], c[0]))
    assert_close_to_golden(outputs, values["carry_out/h"])
    assert_close_to_golden(h, values["carry_out/h_T"])
    assert_close_to_golden(c, values["carry_out/c_T"])


def test_a_state_given_from_outside_is_used_as_caffes_exposed_one(lstm, assert_close_to_golden):
    layer, values = lstm
    state = (values["exposed_in/h_0"][0], values["exposed_in/c_0"][0])
    outputs, h, c, *_ = run_layer(layer, values, "exposed_in", state)
    assert_close_to_golden(outputs, values["exposed_out/h"])
    assert_close_to_golden(h, values["exposed_out/h_T"])
    assert_close_to_golden(c, values["exposed_out/c_T"])


@pytest.mark.parametrize("loss_name", ["lin", "softmax"])
def test_the_lone_lstms_gradients_equal_caffes(lstm, loss_name, load_layer, from_caffe_rows, assert_close_to_golden):
    layer, values = lstm
    outputs, _, _, x, static = run_layer(layer, values, "in")
    if loss_name == "lin":
        loss = (outputs * values["lin/R"]).sum()
    else:
        target = values["softmax/target"].long()
        loss = F.cross_entropy(outputs.reshape(-1, 4), target.reshape(-1), ignore_index=-1)
    assert_close_to_golden(loss.detach(), values[f"{loss_name}/loss"])
    loss.backward()
    expected = LrcnLayer(5, 0 if static is None else 6, 4)  # its parameters hold the expected gradients
    load_layer(expected, [values[f"{loss_name}_grad/lstm/{i}"] for i in range(3 if static is None else 4)])
    for name in ("weight_ih_l0", "weight_hh_l0", "bias_ih_l0"):
        assert_close_to_golden(getattr(layer.cell, name).grad, getattr(expected.cell, name).detach())
    assert_close_to_golden(x.grad.transpose(0, 1), values[f"{loss_name}_grad_in/x"])
    if static is not None:
        assert_close_to_golden(static.grad, values[f"{loss_name}_grad_in/x_static"])


@pytest.fixture
def captioner(golden, load_layer):
    """A captioner with the weights of a golden file, and that file."""

    def build(name, wiring):
        values = golden(name)
        config = LrcnCaptioningConfig(
            backbone_config={"model_type": "lrcn_caffenet", "channels": [2, 2, 2, 2, 2], "fc_sizes": [2, 2, 10]},
            wiring=wiring,
            vocab_size=23,
            embedding_size=12,
            hidden_size=12,
            feature_size=10,
        )
        model = LrcnForImageCaptioning(config).eval()
        load_captioner(model, lambda key: values[f"param/{key}"], load_layer)
        return model, values

    return build


def load_captioner(model, blob, load_layer):
    with torch.no_grad():
        model.embedding.weight.copy_(blob("embedding/0"))
        model.predict.weight.copy_(blob("predict/0"))
        model.predict.bias.copy_(blob("predict/1"))
    for k, layer in enumerate(model.decoder.layers):
        blobs = 4 if k == model.decoder.visual else 3
        load_layer(layer, [blob(f"lstm{k + 1}/{i}") for i in range(blobs)])


def encoded(features):
    return BaseModelOutput(last_hidden_state=features[:, None])


def forward_with_restarts(model, values):
    """The captioner's own parts in its own order, with Caffe's sentence markers."""
    features = values["in/image_features"].requires_grad_()
    words = model.embedding(values["in/input_sentence"].long().transpose(0, 1))
    hidden, _ = model.decoder(words, features, continues=values["in/cont_sentence"].transpose(0, 1))
    return model.predict(hidden), features


@pytest.mark.parametrize("wiring", ["1u", "2f"])
def test_a_captioners_words_loss_and_gradients_equal_caffes(wiring, captioner, load_layer, assert_close_to_golden):
    model, values = captioner(f"caption_{wiring}", wiring)
    logits, features = forward_with_restarts(model, values)
    assert_close_to_golden(logits.transpose(0, 1), values["out/predict"])
    assert_close_to_golden(logits.softmax(-1).transpose(0, 1), values["out/probs"])

    labels = values["target_sentence"].long().transpose(0, 1)
    loss = sentence_loss(logits, labels.masked_fill(labels == -1, -100))
    assert_close_to_golden(loss.detach(), values["loss"])
    loss.backward()
    assert_close_to_golden(features.grad, values["blob_diff/image_features"])
    expected = LrcnForImageCaptioning(model.config)
    load_captioner(expected, lambda key: values[f"grad/{key}"], load_layer)
    compared = dict(expected.named_parameters())
    for name, parameter in model.named_parameters():
        if parameter.requires_grad and not name.startswith("encoder."):
            assert_close_to_golden(parameter.grad, compared[name].detach())


def test_the_authors_loss_weight_scales_every_gradient(captioner, golden, from_caffe_rows, assert_close_to_golden):
    model, values = captioner("caption_2f", "2f")
    logits, _ = forward_with_restarts(model, values)
    labels = values["target_sentence"].long().transpose(0, 1)
    (20 * sentence_loss(logits, labels.masked_fill(labels == -1, -100))).backward()
    weighted = golden("caption_2f_loss_weight_20")
    assert_close_to_golden(model.embedding.weight.grad, weighted["grad/embedding/0"])
    assert_close_to_golden(model.decoder.layers[1].cell.weight_hh_l0.grad, from_caffe_rows(weighted["grad/lstm2/3"]))


def test_first_words_and_greedy_steps_have_caffes_probabilities(captioner, golden, assert_close_to_golden):
    model, values = captioner("decode", "2f")
    features = values["image_features"]
    first = model(encoder_outputs=encoded(features), decoder_input_ids=torch.zeros(3, 1, dtype=torch.long)).logits
    assert_close_to_golden(first[:, 0].softmax(-1).detach(), values["first_step_probs"])
    for image in range(3):
        scores = model.generate(
            encoder_outputs=encoded(features[image : image + 1]),
            max_new_tokens=12,
            output_scores=True,
            return_dict_in_generate=True,
        ).scores
        assert_close_to_golden(torch.cat(scores).softmax(-1), values[f"greedy_probs/{image}"])


@pytest.mark.parametrize("case", BEAMS["results"], ids=lambda c: f"image{c['image']}-width{c['beam_width']}")
def test_beam_search_finds_the_sequences_and_scores_of_the_authors_rule(case, captioner):
    model, values = captioner("decode", "2f")
    width = case["beam_width"]
    found = model.generate(
        encoder_outputs=encoded(values["image_features"][case["image"]][None]),
        num_beams=width,
        num_return_sequences=width,
        max_new_tokens=BEAMS["max_length"],
        output_scores=True,
        return_dict_in_generate=True,
    )
    sequences = []
    for row in found.sequences[:, 1:].tolist():
        end = row.index(0) + 1 if 0 in row else len(row)
        sequences.append(row[:end])
    assert sequences == case["sequences"]
    if width > 1:
        assert torch.allclose(found.sequences_scores, torch.tensor(case["scores"]), atol=1e-4)
    else:
        log_p = [s.log_softmax(-1)[0, word].item() for s, word in zip(found.scores, sequences[0], strict=True)]
        assert sum(log_p) == pytest.approx(case["scores"][0], abs=1e-4)
