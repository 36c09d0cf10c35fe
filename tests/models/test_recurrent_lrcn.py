"""The recurrent stack: one set of numbers, however they are computed."""

import copy

import numpy as np
import pytest
import torch

from lrcn_hub.models import LrcnState, recurrent_lrcn
from lrcn_hub.models.recurrent_lrcn import LrcnLayer, LrcnStack

STACKS = {"1u": (1, 1), "2u": (2, 1), "2f": (2, 2), "4f": (4, 2), "three layers": (3, 3)}
D, S, H, B, T = 5, 4, 6, 3, 7


@pytest.fixture(params=STACKS)
def wiring(request):
    return STACKS[request.param]


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


def test_a_wide_input_is_trained_to_the_same_gradients(monkeypatch):
    """From WIDE_INPUT on, training on a CPU goes step by step instead of through the fused kernel."""
    layer, inputs = LrcnLayer(12, 0, 6), torch.randn(3, 5, 12)
    torch.nn.init.normal_(layer.cell.bias_ih_l0)
    found = []
    for width in (13, 12):
        monkeypatch.setattr(recurrent_lrcn, "WIDE_INPUT", width)
        outputs, (h, c) = layer(inputs, (torch.ones(3, 6), torch.ones(3, 6)))
        (outputs.square().sum() + h.sum() + c.sum()).backward()
        found.append([outputs.detach(), *[parameter.grad.clone() for parameter in layer.parameters()]])
        layer.zero_grad()
    assert all(torch.allclose(fused, steps, rtol=1e-4, atol=1e-5) for fused, steps in zip(*found, strict=True))


def test_each_layer_has_the_authors_one_bias():
    parameters = {name: tuple(p.shape) for name, p in LrcnLayer(D, S, H).named_parameters()}
    assert parameters == {
        "cell.weight_ih_l0": (4 * H, D + S),
        "cell.weight_hh_l0": (4 * H, H),
        "cell.bias_ih_l0": (4 * H,),
    }


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
