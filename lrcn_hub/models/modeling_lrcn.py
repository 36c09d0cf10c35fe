"""The networks of Donahue et al., "Long-term Recurrent Convolutional Networks" (2015), read from top to bottom:
the state, one recurrent layer, the stack of layers, the picture's encoder, the captioner.

Sizes in comments: B batch, T time steps, D input, S static input, H hidden units, V words, F a picture's feature.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from .backbones_lrcn import build_backbone, mark_initialised
from .beam_search_lrcn import beam_search
from .configuration_lrcn import LrcnCaptioningConfig

IGNORED_LABEL = -100  # a position without a target, PyTorch's convention; Caffe's authors write -1
BACKBONE_TRAINING = ("frozen", "last-layer", "whole")


class LrcnState:
    """All that a recurrent model remembers: h and c of every layer, and how many steps it has seen.

    `hidden` and `cell` hold one (B, H) tensor for each layer (`cell` is what an RNN leaves unused). `static_gates` is
    the static input's share in the visual layer's gates, (B, 4H), computed once for a whole sentence.
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
        """The part of the gates that a static input (B, S) gives at every step: (B, 4H), or (B, H) for "rnn"."""
        return F.linear(static, self.cell.weight_ih_l0[:, self.input_size :])

    def forward(
        self,
        inputs: Tensor,
        state: tuple[Tensor, Tensor],
        static: Tensor | None = None,
        static_gates: Tensor | None = None,
        continues: Tensor | None = None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        """Run `inputs` (B, T, D) from `state` (h and c, each (B, H)); gives the outputs (B, T, H) and the new state.

        Give `static` (B, S) or its projection `static_gates`. Where `continues` (B, T) is 0, a row forgets its state
        before that step (Caffe's cont).
        """
        wide_on_cpu = static is not None and inputs.device.type == "cpu"  # see docs/performance.md
        if inputs.shape[1] == 1 or continues is not None or static_gates is not None or wide_on_cpu:
            return self._steps(inputs, state, static, static_gates, continues)
        if static is not None:  # the fused kernel takes no gates
            inputs = torch.cat([inputs, static[:, None].expand(-1, inputs.shape[1], -1)], dim=-1)
        h, c = state[0][None], state[1][None]
        if self.output is None:
            outputs, (h, c) = self.cell(inputs, (h, c))
            return outputs, (h[0], c[0])
        hidden, h = self.cell(inputs, h)
        return torch.tanh(self.output(hidden)), (h[0], state[1])

    def _steps(
        self,
        inputs: Tensor,
        state: tuple[Tensor, Tensor],
        static: Tensor | None,
        static_gates: Tensor | None,
        continues: Tensor | None,
    ) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        if static_gates is None and static is not None:
            static_gates = self.project_static(static)
        weight, bias = self.cell.weight_ih_l0[:, : self.input_size], self.cell.bias_ih_l0 + self.cell.bias_hh_l0
        gates = F.linear(inputs, weight, bias)  # (B, T, 4H): what does not wait for the step before
        if static_gates is not None:
            gates = gates + static_gates[:, None]
        h, c = state
        outputs = []
        for t, known in enumerate(gates.unbind(dim=1)):
            if continues is not None:
                h, c = h * continues[:, t, None], c * continues[:, t, None]
            h, c = self._step(torch.addmm(known, h, self.cell.weight_hh_l0.t()), c)
            outputs.append(h)
        hidden = torch.stack(outputs, dim=1)
        return (hidden if self.output is None else torch.tanh(self.output(hidden))), (h, c)

    def _step(self, gates: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        if self.output is not None:
            return torch.tanh(gates), c
        i, f, g, o = gates.chunk(4, dim=-1)
        c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
        return torch.sigmoid(o) * torch.tanh(c), c


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

    def initial_state(self, inputs: Tensor) -> LrcnState:
        """The state of a model that has seen nothing: zeros, one row for each row of `inputs`."""
        zeros = inputs.new_zeros(inputs.shape[0], self.hidden_size)
        return LrcnState([zeros] * len(self.layers), [zeros] * len(self.layers))

    def forward(
        self,
        inputs: Tensor,
        static: Tensor | None = None,
        state: LrcnState | None = None,
        continues: Tensor | None = None,
    ) -> tuple[Tensor, LrcnState]:
        """Run `inputs` (B, T, D) with `static` (B, S) from `state`; gives outputs (B, T, H) and the new state."""
        state = state or self.initial_state(inputs)
        static_gates = state.static_gates
        if static is not None and static_gates is None and inputs.shape[1] == 1:
            static_gates = self.layers[self.visual].project_static(static)
        x, hidden, cell = inputs, [], []
        for k, layer in enumerate(self.layers):
            seen = (static, static_gates) if k == self.visual else (None, None)
            x, (h, c) = layer(x, (state.hidden[k], state.cell[k]), *seen, continues)
            x = F.dropout(x, self.dropout, self.training)
            hidden.append(h)
            cell.append(c)
        return x, LrcnState(hidden, cell, state.steps + inputs.shape[1], static_gates)


class LrcnPreTrainedModel(PreTrainedModel):
    """What the LRCN models share: configuration, initialisation, which parts of the backbone are trained."""

    config_class = LrcnCaptioningConfig
    base_model_prefix = "lrcn"
    main_input_name = "pixel_values"
    input_modalities = ("image",)
    _no_split_modules = ("LrcnStack",)

    def _init_weights(self, module: nn.Module) -> None:
        """Uniform weights and zero biases, as in the authors' nets; backbones initialise themselves."""
        bound = self.config.initializer_range
        if isinstance(module, nn.LSTM | nn.RNN | nn.Linear | nn.Embedding):
            weights = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
            for name, weight in weights:
                if "bias" in name:
                    init.zeros_(weight)
                else:
                    init.uniform_(weight, -bound, bound)


class LrcnEncoder(LrcnPreTrainedModel):
    """The backbone as the encoder of `generate`: (B, 3, H, W) pictures in, features (B, 1, F) out.

    In a model without a backbone (GivenFeaturesConfig), features (B, F) come in.
    """

    def __init__(self, config: LrcnCaptioningConfig, backbone: PreTrainedModel | None = None):
        super().__init__(config)
        if backbone is None:
            backbone = build_backbone(config.backbone_config, config.feature)
        else:
            mark_initialised(backbone)  # somebody's trained weights
        self.backbone = backbone
        self.trained_part = "whole"
        self.post_init()

    def train_backbone(self, part: str) -> None:
        """Choose what training may change of the backbone: nothing ("frozen"), its "last-layer", or the "whole".

        A backbone that is not trained as a whole keeps the statistics of its normalisation layers, too.
        """
        if part not in BACKBONE_TRAINING:
            raise ValueError(f"train_backbone is {part!r}; it must be one of {', '.join(BACKBONE_TRAINING)}")
        self.trained_part = part
        self.backbone.requires_grad_(part == "whole")
        if part == "last-layer":
            self.last_layer().requires_grad_(True)
        self.train(self.training)

    def last_layer(self) -> nn.Module:
        """The backbone's last fully connected or convolutional layer: fc8, in the authors' nets."""
        return [m for m in self.backbone.modules() if isinstance(m, nn.Linear | nn.Conv2d)][-1]

    def train(self, mode: bool = True) -> "LrcnEncoder":
        super().train(mode)
        if self.trained_part != "whole":
            for module in self.backbone.modules():
                if isinstance(module, nn.modules.batchnorm._NormBase):
                    module.eval()
        return self

    def forward(self, pixel_values: Tensor, **kwargs: Any) -> BaseModelOutput:
        dtype = next((p.dtype for p in self.backbone.parameters()), pixel_values.dtype)
        features = self.backbone(pixel_values.to(dtype))  # (B, F)
        if features.shape[-1] != self.config.feature_size:
            raise ValueError(
                f"the backbone gives {features.shape[-1]} values of {self.config.feature!r} for pictures of size "
                f"{tuple(pixel_values.shape[-2:])}, but the configuration says feature_size={self.config.feature_size}"
            )
        return BaseModelOutput(last_hidden_state=features[:, None])


class LrcnForImageCaptioning(LrcnPreTrainedModel, GenerationMixin):
    """The paper's captioner: word embedding -> recurrent layers, one of which sees the picture -> next word.

    It generates by transformers' own `generate`: the backbone runs once for each picture, then one word per step.
    `backbone` is a trained network to build on (see `build_backbone`); its weights are kept bit for bit.
    """

    def __init__(self, config: LrcnCaptioningConfig, backbone: PreTrainedModel | None = None):
        super().__init__(config)
        self.encoder = LrcnEncoder(config, backbone)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        self.decoder = LrcnStack(
            config.embedding_size,
            config.feature_size,
            config.hidden_size,
            config.num_layers or 1,
            config.visual_layer or 1,
            config.cell,
            config.lstm_dropout,
        )
        self.predict = nn.Linear(config.hidden_size, config.vocab_size)
        self.generation_config.max_new_tokens = 50  # captioner.py: max_length
        self.post_init()

    def get_encoder(self, *args: Any, **kwargs: Any) -> LrcnEncoder:
        return self.encoder

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embedding

    def get_output_embeddings(self) -> nn.Linear:
        return self.predict

    def forward(
        self,
        pixel_values: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        image_index: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        past_key_values: LrcnState | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput:
        """Score next words.

        - pixel_values (images, 3, H, W), or encoder_outputs that hold their features (images, 1, F);
        - decoder_input_ids (B, T): words so far, the start id first; by default `labels` moved right by one step;
        - labels (B, T): the words to come, -100 where there is none. The loss is their mean negative log-likelihood,
          or the sum divided by num_items_in_batch;
        - image_index (B,): the row of pixel_values that each sentence describes, where pictures have several; without
          it sentence and picture numbers must agree.

        Gives logits (B, T, V), the loss, and the state after the last step as past_key_values.
        """
        if encoder_outputs is None:
            encoder_outputs = self.encoder(pixel_values)
        if decoder_input_ids is None:
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        features = encoder_outputs[0][:, 0]  # (images, F)
        if image_index is not None:
            features = features[image_index]
        if len(features) != len(decoder_input_ids):
            raise ValueError(f"{len(decoder_input_ids)} sentences but {len(features)} pictures: give image_index")

        words = F.dropout(self.embedding(decoder_input_ids), self.config.embedding_dropout, self.training)
        hidden, state = self.decoder(words, features, past_key_values)
        logits = self.predict(hidden)
        loss = None if labels is None else sentence_loss(logits, labels, num_items_in_batch)
        return Seq2SeqLMOutput(
            loss=loss, logits=logits, past_key_values=state, encoder_last_hidden_state=encoder_outputs[0]
        )

    def prepare_decoder_input_ids_from_labels(self, labels: Tensor) -> Tensor:
        """Move `labels` (B, T) right by one step behind the start id; where there is no target, the padding id."""
        if labels is None:
            raise ValueError("give decoder_input_ids or labels: there are no words to score")
        start = labels.new_full((len(labels), 1), self.config.decoder_start_token_id)
        words = torch.cat([start, labels[:, :-1]], dim=1)
        return words.masked_fill(words == IGNORED_LABEL, self.config.pad_token_id)

    def prepare_inputs_for_generation(
        self,
        decoder_input_ids: Tensor,
        past_key_values: LrcnState | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """One step of `generate`: only the words that the state has not seen."""
        seen = past_key_values.get_seq_length() if past_key_values is not None else 0
        return {
            "decoder_input_ids": decoder_input_ids[:, seen:],
            "past_key_values": past_key_values,
            "encoder_outputs": encoder_outputs,
        }

    def generate(self, inputs: Tensor | None = None, generation_config: Any = None, **kwargs: Any) -> Any:
        """transformers' `generate`; beams follow the authors' rule (see `beam_search`), unless the call or the
        generation configuration samples, or sets `length_penalty` or `early_stopping`, which the stock one knows."""

        def chosen(name: str) -> Any:  # the order of precedence in transformers
            values = (kwargs.get(name), getattr(generation_config, name, None), getattr(self.generation_config, name))
            return next((value for value in values if value is not None), None)

        stock = chosen("do_sample") or chosen("length_penalty") is not None or chosen("early_stopping") is not None
        if (chosen("num_beams") or 1) > 1 and not stock:
            kwargs.setdefault("custom_generate", beam_search)
        if kwargs.get("max_length") is not None:
            kwargs.setdefault("max_new_tokens", None)  # a default of ours, which would take precedence
        if kwargs.get("encoder_outputs") is not None:
            kwargs["encoder_outputs"] = BaseModelOutput(kwargs["encoder_outputs"][0])  # a copy: it is changed in place
        return super().generate(inputs, generation_config=generation_config, **kwargs)

    @classmethod
    def _supports_default_dynamic_cache(cls) -> bool:
        return False  # else generate makes an attention cache, and beam search reorders that instead of our state

    def _prepare_special_tokens(self, generation_config: Any, *args: Any, **kwargs: Any) -> None:
        # One id ends and fills sentences; the stock check would warn that this needs an attention mask.
        kwargs.pop("kwargs_has_attention_mask", None)
        super()._prepare_special_tokens(generation_config, None, **kwargs)


def sentence_loss(logits: Tensor, labels: Tensor, num_items: Tensor | int | None = None) -> Tensor:
    """Mean negative log-likelihood of `labels` (B, T) under `logits` (B, T, V); a sum over `num_items` where given."""
    losses = F.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
    )
    return losses / ((labels != IGNORED_LABEL).sum().clamp(min=1) if num_items is None else num_items)


__all__ = ["LrcnForImageCaptioning", "LrcnState"]
