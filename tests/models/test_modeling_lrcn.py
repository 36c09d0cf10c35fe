"""The recurrent stack and the captioner: one set of numbers, however they are computed."""

import copy
import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from lrcn_hub.models import LrcnCaptioningConfig, LrcnForImageCaptioning, LrcnState
from lrcn_hub.models.modeling_lrcn import LrcnLayer, LrcnStack, sentence_loss

STACKS = {"1u": (1, 1), "2u": (2, 1), "2f": (2, 2), "4f": (4, 2), "three layers": (3, 3)}
D, S, H, B, T = 5, 4, 6, 3, 7


@pytest.fixture(params=STACKS)
def wiring(request):
    return STACKS[request.param]


@pytest.fixture(params=["lstm", "rnn"])
def cell(request):
    return request.param


@pytest.fixture
def stack(wiring, cell):
    torch.manual_seed(0)
    stack = LrcnStack(D, S, H, *wiring, cell).eval()
    for weights in stack.parameters():
        torch.nn.init.uniform_(weights, -1, 1)
    return stack.requires_grad_(False)


@pytest.fixture
def data(wiring):
    random = torch.Generator().manual_seed(1)
    states = [[torch.rand(B, H, generator=random) - 0.5 for _ in range(wiring[0])] for _ in "hc"]
    return torch.randn(B, T, D, generator=random), torch.randn(B, S, generator=random), LrcnState(*states)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def by_the_equations(stack, inputs, static, state, restarts=None):
    """The equations for one row (T, D) at a time, in double precision: the outputs (T, H) and the layers' states."""
    x, states = inputs.double().numpy(), []
    for k, layer in enumerate(stack.layers):
        weights = {name: value.double().numpy() for name, value in layer.state_dict().items()}
        w_x, w_h, b = (weights[f"cell.{name}_l0"] for name in ("weight_ih", "weight_hh", "bias_ih"))
        h, c = state[k]
        outputs = []
        for t in range(len(x)):
            if restarts is not None and restarts[t]:
                h, c = np.zeros_like(h), np.zeros_like(c)
            seen = np.concatenate([x[t], static.double().numpy()]) if k == stack.visual else x[t]
            gates = w_x @ seen + w_h @ h + b
            if layer.output is None:
                i, f, g, o = gates.reshape(4, -1)
                c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
                h = sigmoid(o) * np.tanh(c)
                outputs.append(h)
            else:
                h = c = np.tanh(gates)  # the state repeats h where a cell would be
                outputs.append(np.tanh(weights["output.weight"] @ h + weights["output.bias"]))
        x = np.stack(outputs)
        states.append((h, c))
    return x, states


def row_of(state, row):
    pairs = zip(state.hidden, state.cell, strict=True)
    return [(h[row].double().numpy(), c[row].double().numpy()) for h, c in pairs]


def assert_same_state(ours, other):
    assert ours.steps == other.steps
    for mine, its in zip(ours.hidden + ours.cell, other.hidden + other.cell, strict=True):
        torch.testing.assert_close(mine, its, atol=5e-6, rtol=0)


def test_the_stack_computes_the_cells_equations(stack, data):
    inputs, static, state = data
    outputs, after = stack(inputs, static, state)
    for row in range(B):
        expected, states = by_the_equations(stack, inputs[row], static[row], row_of(state, row))
        np.testing.assert_allclose(outputs[row].numpy(), expected, atol=5e-6)
        np.testing.assert_allclose(np.array(row_of(after, row)), np.array(states), atol=5e-6)


def test_step_by_step_equals_the_whole_sequence_from_any_state(stack, data):
    inputs, static, state = data
    for start in (None, state):
        whole, after = stack(inputs, static, start)
        steps, now = [], start
        for t in range(T):
            output, now = stack(inputs[:, t : t + 1], static, now)
            steps.append(output)
        torch.testing.assert_close(torch.cat(steps, dim=1), whole, atol=5e-6, rtol=0)
        assert_same_state(now, after)
    assert now.steps == T


def test_a_sequence_in_pieces_equals_the_whole(stack, data):
    inputs, static, state = data
    whole, after = stack(inputs, static, state)
    pieces, now = [], state
    for piece in inputs.split([3, 1, 2, 1], dim=1):  # also a piece of several steps after a single one
        output, now = stack(piece, static, now)
        pieces.append(output)
    torch.testing.assert_close(torch.cat(pieces, dim=1), whole, atol=5e-6, rtol=0)
    assert_same_state(now, after)


def test_a_batch_equals_its_rows_alone(stack, data):
    inputs, static, state = data
    whole, after = stack(inputs, static, state)
    for row in range(B):
        alone = LrcnState(*([value[row : row + 1] for value in values] for values in (state.hidden, state.cell)))
        output, now = stack(inputs[row : row + 1], static[row : row + 1], alone)
        torch.testing.assert_close(output[0], whole[row], atol=5e-6, rtol=0)
        assert_same_state(now, LrcnState(*([v[row : row + 1] for v in vs] for vs in (after.hidden, after.cell)), T))


def test_a_restart_equals_a_sequence_of_its_own(stack, data):
    inputs, static, state = data
    restarts = torch.zeros(B, T, dtype=torch.bool)
    restarts[0, 3] = restarts[1, 0] = restarts[1, 5] = True
    outputs, _ = stack(inputs, static, state, (~restarts).float())
    torch.testing.assert_close(outputs[2], stack(inputs, static, state)[0][2], atol=5e-6, rtol=0)
    for row, first, last in ((0, 3, 7), (1, 0, 5), (1, 5, 7)):
        alone, _ = stack(inputs[row : row + 1, first:last], static[row : row + 1])
        torch.testing.assert_close(outputs[row, first:last], alone[0], atol=5e-6, rtol=0)
    for row in range(B):
        expected, _ = by_the_equations(stack, inputs[row], static[row], row_of(state, row), restarts[row])
        np.testing.assert_allclose(outputs[row].numpy(), expected, atol=5e-6)


def test_states_do_not_change_under_those_who_hold_them(stack, data):
    inputs, static, state = data
    before = copy.deepcopy(state)
    _, after = stack(inputs[:, :1], static, state)
    kept = copy.deepcopy(after)
    stack(inputs, static, after)
    after.reorder_cache(torch.tensor([2, 0, 0]))
    assert_same_state(state, before)
    values = [[*one.hidden, *one.cell, one.static_gates] for one in (after, kept)]
    for mine, its in zip(*values, strict=True):
        assert torch.equal(mine, its[[2, 0, 0]])


def test_the_static_input_may_come_raw_projected_or_joined_to_the_inputs(cell):
    torch.manual_seed(0)
    layer = LrcnLayer(D, S, H, cell)
    for weights in layer.parameters():
        torch.nn.init.uniform_(weights, -1, 1)
    joined = LrcnLayer(D + S, 0, H, cell)
    joined.load_state_dict(layer.state_dict())
    inputs, static = torch.randn(B, T, D), torch.randn(B, S)
    state = (torch.rand(B, H), torch.rand(B, H))
    both = torch.cat([inputs, static[:, None].expand(-1, T, -1)], dim=-1)
    expected, (h, c) = joined(both, state)
    for given in ({"static": static}, {"static_gates": layer.project_static(static)}):
        for cont in (None, torch.ones(B, T)):
            outputs, (own_h, own_c) = layer(inputs, state, continues=cont, **given)
            torch.testing.assert_close(outputs, expected, atol=5e-6, rtol=0)
            torch.testing.assert_close(own_h, h, atol=5e-6, rtol=0)
            torch.testing.assert_close(own_c, c, atol=5e-6, rtol=0)


def test_the_static_input_reaches_its_layer_and_those_above_only(stack, data):
    inputs, static, state = data
    for length in (1, T):
        _, one = stack(inputs[:, :length], static, state)
        _, other = stack(inputs[:, :length], static + 1, state)
        moved = [not torch.allclose(a, b, atol=1e-6) for a, b in zip(one.hidden, other.hidden, strict=True)]
        assert moved == [k >= stack.visual for k in range(len(moved))]


def test_gradients_are_the_same_by_steps_and_by_sequence(stack, data):
    inputs, static, state = data
    stack.requires_grad_(True)
    gradients = []
    for by_steps in (False, True):
        stack.zero_grad()
        one_static = static.clone().requires_grad_()
        outputs, _ = stack(inputs, one_static, state, torch.ones(B, T) if by_steps else None)
        (outputs * torch.linspace(-1, 1, H)).sum().backward()
        gradients.append([one_static.grad, *(weights.grad.clone() for weights in stack.parameters())])
    assert len(gradients[0]) > 3
    for one, other in zip(*gradients, strict=True):
        assert one.abs().max() > 0
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


def test_each_layer_has_the_authors_one_bias():
    parameters = {name: tuple(p.shape) for name, p in LrcnLayer(D, S, H).named_parameters()}
    assert parameters == {
        "cell.weight_ih_l0": (4 * H, D + S),
        "cell.weight_hh_l0": (4 * H, H),
        "cell.bias_ih_l0": (4 * H,),
    }


@pytest.mark.parametrize(("wiring", "count"), [("1u", 29_614_801), ("2u", 37_618_801), ("2f", 37_618_801)])
def test_the_language_part_has_the_authors_number_of_parameters(wiring, count):
    with torch.device("meta"):
        model = LrcnForImageCaptioning(LrcnCaptioningConfig(wiring=wiring))
    assert sum(p.numel() for name, p in model.named_parameters() if not name.startswith("encoder.")) == count


def test_new_weights_are_uniform_and_biases_zero(tiny_captioner):
    for cell in ("lstm", "rnn"):
        config = tiny_captioner(cell=cell, hidden_size=64, embedding_size=64, vocab_size=50).config
        model = LrcnForImageCaptioning(config)
        for name, weights in [*model.named_parameters(), *model.named_buffers()]:
            if name.startswith("encoder."):
                continue
            if "bias" in name:
                assert not weights.any(), name
            else:
                assert 0.9 * 0.08 < weights.abs().max() <= 0.08, name
                assert weights.std().item() == pytest.approx(0.08 / math.sqrt(3), rel=0.1), name


@pytest.mark.parametrize("options", [{"wiring": "2f"}, {"wiring": "1u", "cell": "rnn"}], ids=["2f", "1u rnn"])
def test_the_captioner_is_embedding_stack_and_prediction(options, tiny_captioner, pictures):
    model = tiny_captioner(**options).requires_grad_(False)
    words = torch.randint(0, 9, (2, 6), generator=torch.Generator().manual_seed(0))
    outputs = model(pictures(2), words)
    features = model.encoder.backbone(pictures(2))
    torch.testing.assert_close(outputs.encoder_last_hidden_state[:, 0], features)
    zeros = [(np.zeros(7), np.zeros(7))] * len(model.decoder.layers)
    weight, bias = model.predict.weight.double().numpy(), model.predict.bias.double().numpy()
    for row in range(2):
        hidden, _ = by_the_equations(model.decoder, model.embedding.weight[words[row]], features[row], zeros)
        np.testing.assert_allclose(outputs.logits[row].numpy(), hidden @ weight.T + bias, atol=1e-5)


def test_the_next_words_depend_on_picture_words_and_state(tiny_captioner, features):
    model = tiny_captioner()
    words = torch.tensor([[0, 3, 4], [0, 5, 4], [0, 3, 4]])
    logits = model(encoder_outputs=features(3), decoder_input_ids=words).logits
    assert (logits[0] - logits[2]).abs().max() > 0.1  # another picture
    one = features(1)
    logits = model(encoder_outputs=one, decoder_input_ids=words[:2], image_index=torch.tensor([0, 0])).logits
    assert (logits[0, 2] - logits[1, 2]).abs().max() > 0.1  # the same last word, other words before it


def test_labels_are_moved_right_behind_the_start_word(tiny_captioner):
    model = tiny_captioner(decoder_start_token_id=8, pad_token_id=7)
    labels = torch.tensor([[2, 3, 0], [4, 0, -100]])
    assert model.prepare_decoder_input_ids_from_labels(labels).tolist() == [[8, 2, 3], [8, 4, 0]]
    labels = torch.tensor([[4, 0, -100, -100]])
    assert model.prepare_decoder_input_ids_from_labels(labels).tolist() == [[8, 4, 0, 7]]


def test_the_loss_is_the_mean_over_targets_or_a_sum_over_the_given_number(tiny_captioner, pictures):
    model = tiny_captioner()
    labels = torch.tensor([[2, 3, 0], [4, 0, -100]])
    outputs = model(pictures(2), labels=labels)
    log_p = outputs.logits.log_softmax(-1)
    total = -sum(log_p[row, t, word] for row, t, word in ((0, 0, 2), (0, 1, 3), (0, 2, 0), (1, 0, 4), (1, 1, 0)))
    assert outputs.loss.item() == pytest.approx(total.item() / 5, rel=1e-6)
    for number in (20, torch.tensor(20)):
        loss = model(pictures(2), labels=labels, num_items_in_batch=number).loss
        assert loss.item() == pytest.approx(total.item() / 20, rel=1e-6)


def test_what_follows_the_last_target_changes_nothing(tiny_captioner, pictures):
    model = tiny_captioner()
    short = model(pictures(1), labels=torch.tensor([[2, 3, 0]])).loss
    long = model(pictures(1), labels=torch.tensor([[2, 3, 0, -100, -100]])).loss
    assert long.item() == pytest.approx(short.item())


def test_a_batch_without_targets_has_loss_zero():
    logits = torch.randn(2, 3, 5, requires_grad=True)
    loss = sentence_loss(logits, torch.full((2, 3), -100))
    loss.backward()
    assert loss == 0 and not logits.grad.any()


def test_the_loss_of_half_precision_logits_is_computed_in_full():
    logits, labels = 20 * torch.randn(2, 3, 50), torch.randint(0, 50, (2, 3))
    half = logits.bfloat16()
    assert sentence_loss(half, labels) == F.cross_entropy(half.float().flatten(0, 1), labels.flatten())


def test_captions_of_one_picture_share_one_pass_through_the_backbone(tiny_captioner, pictures):
    model = tiny_captioner()
    index, labels = torch.tensor([1, 0, 1]), torch.randint(0, 9, (3, 4))
    sizes = []
    model.encoder.backbone.register_forward_hook(lambda module, inputs, output: sizes.append(len(output)))
    shared = model(pictures(2), labels=labels, image_index=index)
    repeated = model(pictures(2)[index], labels=labels)
    assert sizes == [2, 3]
    torch.testing.assert_close(shared.logits, repeated.logits, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(shared.loss, repeated.loss)


def test_more_sentences_than_pictures_need_to_say_which(tiny_captioner, pictures):
    with pytest.raises(ValueError, match=r"3 sentences but 2 pictures: give image_index"):
        tiny_captioner()(pictures(2), labels=torch.zeros(3, 4, dtype=torch.long))


def test_a_captioner_without_words_says_what_is_missing(tiny_captioner, pictures):
    with pytest.raises(ValueError, match="decoder_input_ids or labels"):
        tiny_captioner()(pictures(2))


def test_dropouts_act_in_training_only(tiny_captioner, features):
    words = torch.randint(0, 9, (1, 6))
    for name in ("embedding_dropout", "lstm_dropout"):
        model = tiny_captioner(**{name: 0.5})
        one, two = (model(encoder_outputs=features(1), decoder_input_ids=words).logits for _ in range(2))
        torch.testing.assert_close(one, two)
        model.train()
        one, two = (model(encoder_outputs=features(1), decoder_input_ids=words).logits for _ in range(2))
        assert not torch.equal(one, two)


@pytest.mark.parametrize("cell", ["lstm", "rnn"])
@pytest.mark.parametrize("wiring", ["1u", "2u", "2f", "4f"])
def test_gradients_reach_every_parameter(wiring, cell, tiny_captioner, pictures):
    model = tiny_captioner(wiring=wiring, cell=cell).train()
    model(pictures(4), labels=torch.randint(0, 9, (4, 12))).loss.backward()
    for name, weights in model.named_parameters():
        assert weights.grad is not None and weights.grad.any(), name


@pytest.mark.parametrize("length", [1, 5])
@pytest.mark.parametrize("wiring", ["1u", "2f", "4f"])
def test_training_under_bfloat16_autocast_follows_full_precision(wiring, cell, length, tiny_captioner, pictures):
    model = tiny_captioner(wiring=wiring, cell=cell).train()
    model.encoder.backbone.config.dropout = 0.0
    labels = torch.randint(0, 9, (4, length), generator=torch.Generator().manual_seed(2))
    model(pictures(4), labels=labels).loss.backward()
    exact = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.zero_grad()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        outputs = model(pictures(4), labels=labels)
    outputs.loss.backward()
    rough = torch.cat([p.grad.flatten() for p in model.parameters()])
    assert outputs.logits.dtype == torch.bfloat16 and outputs.loss.dtype == torch.float32
    assert torch.isfinite(rough).all()
    assert F.cosine_similarity(exact, rough, dim=0) > 0.98


def test_torchs_second_bias_stays_zero_in_training_also_after_loading(cell, tiny_captioner, pictures, tmp_path):
    tiny_captioner(cell=cell).save_pretrained(tmp_path)
    for model in (tiny_captioner(cell=cell), LrcnForImageCaptioning.from_pretrained(tmp_path)):
        model.train().requires_grad_(True)
        optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
        before = model.decoder.layers[1].cell.bias_ih_l0.clone()
        for _ in range(3):
            optimizer.zero_grad()
            model(pictures(2), labels=torch.randint(0, 9, (2, 5))).loss.backward()
            optimizer.step()
        for layer in model.decoder.layers:
            assert not layer.cell.bias_hh_l0.any() and layer.cell.bias_hh_l0.grad is None
        assert not torch.equal(model.decoder.layers[1].cell.bias_ih_l0, before)
        model.eval()  # the fused kernel knows the trained weights
        steps, words, state = [], torch.randint(0, 9, (1, 4)), None
        for t in range(4):
            output = model(pictures(1), words[:, t : t + 1], past_key_values=state)
            steps, state = [*steps, output.logits], output.past_key_values
        torch.testing.assert_close(torch.cat(steps, dim=1), model(pictures(1), words).logits, atol=1e-5, rtol=0)


def test_a_deep_copy_is_a_model_of_its_own(tiny_captioner, pictures):
    model = tiny_captioner()
    twin = copy.deepcopy(model)
    words = torch.randint(0, 9, (2, 5))
    before = model(pictures(2), words).logits
    torch.testing.assert_close(twin(pictures(2), words).logits, before)
    with torch.no_grad():
        for weights in twin.parameters():
            weights.add_(0.1)
    torch.testing.assert_close(model(pictures(2), words).logits, before)
    assert (twin(pictures(2), words).logits - before).abs().max() > 0.01


def test_a_backbone_with_another_number_of_values_is_refused(tiny_captioner, pictures):
    model = tiny_captioner(feature_size=6)
    with pytest.raises(ValueError, match=r"gives 5 values of 'fc8'.*\(67, 67\).*feature_size=6"):
        model(pictures(1), torch.zeros(1, 1, dtype=torch.long))
