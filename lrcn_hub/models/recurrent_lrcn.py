"""The recurrent core of the LRCN models, read from top to bottom: the state, one recurrent layer, the stack of layers.

Sizes in comments: B batch, T time steps, D input, S static input, H hidden units.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDE_INPUT = 2048  # values of an input from which training on a CPU is faster step by step: fc6 has 4096


class LrcnState:
    """All that a recurrent model remembers: h and c of every layer, and how many steps it has seen.

    `hidden` and `cell` hold one (B, H) tensor for each layer (an RNN, which has no cell, repeats h). `static_gates` is
    what the static input gives to the visual layer's gates, (B, 4H), computed once for a whole sentence.
    It is also the cache of transformers' `generate`, which asks for the last three members.
    """

    is_compileable = False
    is_croppable = False

    def __init__(self, hidden: list[Tensor], cell: list[Tensor], steps: int = 0, static_gates: Tensor | None = None):
        self.hidden, self.cell, self.steps, self.static_gates = hidden, cell, steps, static_gates

    def reorder_cache(self, rows: Tensor) -> None:
        """Replace the batch by `rows` of it: how beam search drops hypotheses and doubles others."""
        self.hidden = [h.index_select(0, rows) for h in self.hidden]
        self.cell = [c.index_select(0, rows) for c in self.cell]
        if self.static_gates is not None:
            self.static_gates = self.static_gates.index_select(0, rows)

    def get_seq_length(self, layer_idx: int = 0) -> int:
        return self.steps

    def detach(self) -> "LrcnState":
        """The same values without their history: where back-propagation through time is to end."""
        gates = None if self.static_gates is None else self.static_gates.detach()
        return LrcnState([h.detach() for h in self.hidden], [c.detach() for c in self.cell], self.steps, gates)


class LrcnLayer(nn.Module):
    """One recurrent layer with an optional static input that is seen at every step (Caffe's x_static).

    There is one set of parameters and two ways through it: torch's fused kernel for sequences, plain linear maths for
    single steps, for restarts, and wherever a static input is worth projecting once. Both give the same numbers.

    `cell` "lstm": i, f, o = sigmoid, g = tanh of W_x x + W_s s + W_h h + b; c = f c + i g; h = o tanh(c). As in Caffe
    there is one bias: torch's second one stays 0. "rnn": h = tanh(W_x x + W_s s + W_h h + b), out tanh(W_o h + b_o).
    """

    def __init__(self, input_size: int, static_size: int, hidden_size: int, cell: str = "lstm"):
        super().__init__()
        self.input_size, self.hidden_size = input_size, hidden_size
        kind = nn.LSTM if cell == "lstm" else nn.RNN
        self.cell = kind(input_size + static_size, hidden_size, batch_first=True)
        # A buffer, since a parameter would be trained again after `from_pretrained`, which ignores requires_grad.
        zeros = torch.zeros_like(self.cell.bias_hh_l0, requires_grad=False)
        del self.cell.bias_hh_l0
        self.cell.register_buffer("bias_hh_l0", None)
        self.cell.bias_hh_l0 = zeros  # by assignment: torch's RNNs keep a list of their weights by it
        self.output = nn.Linear(hidden_size, hidden_size) if cell == "rnn" else None

    def project_static(self, static: Tensor) -> Tensor:
        """What a static input (B, S) and the bias give to the gates of every step: (B, 4H), or (B, H) for "rnn"."""
        return F.linear(static, self.cell.weight_ih_l0[:, self.input_size :], self._bias())

    def project_inputs(self, inputs: Tensor) -> Tensor:
        """What inputs (..., D) give to the gates, (..., 4H), or (..., H) for "rnn"; the bias is not in it."""
        return F.linear(inputs, self._input_weight())

    def advance(
        self, gates: Tensor, state: tuple[Tensor, Tensor] | None = None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Make one step from what inputs, static input and bias give to the gates, (B, 4H), which it overwrites.

        For those who share these between rows, without gradients. Gives outputs (B, H) and state as `forward` does.
        """
        if state is not None:
            gates.addmm_(state[0], self.cell.weight_hh_l0.t())
        if self.output is not None:
            h = torch.tanh(gates)
            return self._output(h), (h, h)
        i, f, g, o = gates.chunk(4, dim=-1)
        c = i.sigmoid_() * g.tanh_()
        if state is not None:
            c.addcmul_(f.sigmoid_(), state[1])
        h = torch.tanh(c).mul_(o.sigmoid_())
        return h, (h, c)

    def _bias(self) -> Tensor:
        return self.cell.bias_ih_l0 + self.cell.bias_hh_l0

    def forward(
        self,
        inputs: Tensor,
        state: tuple[Tensor, Tensor] | None = None,
        static: Tensor | None = None,
        static_gates: Tensor | None = None,
        continues: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run `inputs` (B, T, D) from `state` (h and c, each (B, H)); gives the outputs (B, T, H) and the new state.

        Without `state` the layer has seen nothing: h and c are 0, and their products are not computed. Give `static`
        (B, S) or its projection `static_gates`. Where `continues` (B, T) is 0, a row forgets its state before that
        step (Caffe's cont). Where `mask` (B, T) is False, a row keeps its state as if there were no such step; with a
        mask, give `state`.
        """
        if inputs.shape[1] == 1 and continues is None and mask is None:
            return self._one_step(inputs[:, 0], state, static, static_gates)
        # The fused kernel's way back through wide inputs is slow there, too; see docs/performance.md.
        wide = static is not None or (inputs.shape[-1] >= WIDE_INPUT and torch.is_grad_enabled())
        wide_on_cpu = wide and inputs.device.type == "cpu"
        if continues is not None or mask is not None or static_gates is not None or wide_on_cpu:
            return self._steps(inputs, state, static, static_gates, continues, mask)
        if static is not None:  # the fused kernel takes no gates
            inputs = torch.cat([inputs, static[:, None].expand(-1, inputs.shape[1], -1)], dim=-1)
        before = None if state is None else (state[0][None], state[1][None])
        if self.output is None:
            outputs, (h, c) = self.cell(inputs, before)
            return outputs, (h[0], c[0])
        hidden, h = self.cell(inputs, before and before[0])
        return self._output(hidden), (h[0], h[0])

    def _one_step(
        self, x: Tensor, state: tuple[Tensor, Tensor] | None, static: Tensor | None, static_gates: Tensor | None
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        gates = torch.addmm(self._known_gates(static, static_gates), x, self._input_weight().t())
        h, c = self._step(gates, state)
        return self._output(h)[:, None], (h, c)

    def _steps(
        self,
        inputs: Tensor,
        state: tuple[Tensor, Tensor] | None,
        static: Tensor | None,
        static_gates: Tensor | None,
        continues: Tensor | None,
        mask: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        known = self._known_gates(static, static_gates)
        seen = inputs[:1] if inputs.stride(0) == 0 else inputs  # what all rows share is projected once
        gates = F.linear(seen, self._input_weight()) + (known if known.dim() == 1 else known[:, None])
        gates = gates.expand(inputs.shape[0], -1, -1)  # (B, T, 4H)
        outputs = []
        for t, known in enumerate(gates.unbind(dim=1)):
            before = state
            if state is not None and continues is not None:
                state = (state[0] * continues[:, t, None], state[1] * continues[:, t, None])
            h, c = self._step(known, state)
            if mask is not None and before is not None:
                h, c = (torch.where(mask[:, t, None], *values) for values in ((h, before[0]), (c, before[1])))
            state = h, c
            outputs.append(h)
        return self._output(torch.stack(outputs, dim=1)), (h, c)

    def _input_weight(self) -> Tensor:
        return self.cell.weight_ih_l0[:, : self.input_size]

    def _known_gates(self, static: Tensor | None, static_gates: Tensor | None) -> Tensor:
        """What the gates of every step begin with."""
        if static_gates is None:
            static_gates = self._bias() if static is None else self.project_static(static)
        return static_gates

    def _step(self, gates: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Tensor]:
        if state is not None:  # else h and c are 0
            gates = torch.addmm(gates, state[0], self.cell.weight_hh_l0.t())
        if self.output is not None:
            h = torch.tanh(gates)
            return h, h
        i, f, g, o = gates.chunk(4, dim=-1)
        c = torch.sigmoid(i) * torch.tanh(g)
        if state is not None:
            c = c + torch.sigmoid(f) * state[1]
        return torch.sigmoid(o) * torch.tanh(c), c

    def _output(self, hidden: Tensor) -> Tensor:
        return hidden if self.output is None else torch.tanh(self.output(hidden))


class LrcnStack(nn.Module):
    """Recurrent layers on top of one another; the visual input enters layer `visual_layer`, counted from 1."""

    def __init__(
        self,
        input_size: int,
        static_size: int,
        hidden_size: int,
        num_layers: int,
        visual_layer: int = 1,
        cell: str = "lstm",
        dropout: float = 0.0,
    ):
        super().__init__()
        self.visual, self.hidden_size, self.dropout = visual_layer - 1, hidden_size, dropout
        self.layers = nn.ModuleList(
            LrcnLayer(hidden_size if k else input_size, static_size if k == self.visual else 0, hidden_size, cell)
            for k in range(num_layers)
        )

    def forward(
        self,
        inputs: Tensor,
        static: Tensor | None = None,
        state: LrcnState | None = None,
        continues: Tensor | None = None,
        mask: Tensor | None = None,
    ) -> tuple[Tensor, LrcnState]:
        """Run `inputs` (B, T, D) with `static` (B, S) from `state`, or from one that has seen nothing.

        Gives outputs (B, T, H) and the new state. `continues` and `mask` (B, T) are those of `LrcnLayer`.
        """
        # With gradients, all weights must take part, or DDP waits for theirs.
        if state is None and (torch.is_grad_enabled() or mask is not None):
            zeros = inputs.new_zeros(inputs.shape[0], self.hidden_size)
            state = LrcnState([zeros] * len(self.layers), [zeros] * len(self.layers))
        static_gates = state.static_gates if state else None
        if static is not None and static_gates is None and inputs.shape[1] == 1:
            static_gates = self.layers[self.visual].project_static(static)
        x, hidden, cell = inputs, [], []
        for k, layer in enumerate(self.layers):
            seen = (static, static_gates) if k == self.visual else (None, None)
            x, (h, c) = layer(x, (state.hidden[k], state.cell[k]) if state else None, *seen, continues, mask)
            x = F.dropout(x, self.dropout, True) if self.training else x
            hidden.append(h)
            cell.append(c)
        return x, LrcnState(hidden, cell, (state.steps if state else 0) + inputs.shape[1], static_gates)
