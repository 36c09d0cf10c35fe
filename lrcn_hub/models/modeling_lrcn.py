"""The networks of Donahue et al., "Long-term Recurrent Convolutional Networks" (2015), read from top to bottom:
what all share, the picture's encoder, what all that speak share, the captioner. Below them all is the recurrent
core, recurrent_lrcn.py.

Sizes in comments: B batch, T time steps, V words, E embedding, F a picture's feature.
"""

from typing import TYPE_CHECKING, Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import GenerationMixin, PreTrainedConfig, PreTrainedModel
from transformers import initialization as init
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from .backbones_lrcn import build_backbone, mark_initialised
from .configuration_lrcn import LrcnCaptioningConfig
from .limits_lrcn import MAX_HYPOTHESES, check_count
from .loading_lrcn import CheckedPreTrainedModel
from .recurrent_lrcn import LrcnStack, LrcnState
from .search_lrcn import beam_search, greedy_search

if TYPE_CHECKING:  # transformers copies the files named by such lines along with this one, run or not
    from .pipeline_lrcn import LrcnImageToTextPipeline  # noqa: F401

IGNORED_LABEL = -100  # a position without a target, PyTorch's convention; Caffe's authors write -1
BACKBONE_TRAINING = ("frozen", "last-layer", "whole")


class LrcnPreTrainedModel(CheckedPreTrainedModel):
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
        forget = getattr(self.config, "forget_bias", 0.0)
        if isinstance(module, nn.LSTM) and forget:
            gates = torch.zeros(4, module.hidden_size)
            gates[1] = forget  # torch's order: i, f, g, o
            init.copy_(module.bias_ih_l0, gates.flatten())


class LrcnEncoder(LrcnPreTrainedModel):
    """The backbone as the encoder of `generate`: (B, 3, H, W) pictures in, features (B, 1, F) out.

    In a model without a backbone (GivenFeaturesConfig), features (B, F) come in.
    """

    def __init__(self, config: PreTrainedConfig, backbone: PreTrainedModel | None = None):
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


class LrcnSentenceModel(LrcnPreTrainedModel, GenerationMixin):
    """What the models share that say something: words in, words out, by transformers' own `generate`.

    A subclass has an `encoder`, an `embedding` of words and their scores, `predict`, and says by `decode` what comes
    next. The encoder runs once for each picture or video; what it gives, (B, 1, F), is all that `decode` sees of it.
    """

    encoder: nn.Module
    embedding: nn.Embedding
    predict: nn.Linear
    index_needed = "{sentences} sentences but {rows} pictures: give image_index"

    def get_encoder(self, *args: Any, **kwargs: Any) -> nn.Module:
        return self.encoder

    def get_input_embeddings(self) -> nn.Embedding:
        return self.embedding

    def get_output_embeddings(self) -> nn.Linear:
        return self.predict

    def decode(self, words: Tensor, features: Tensor, state: LrcnState | None = None) -> tuple[Tensor, LrcnState]:
        """Read `words` (B, T) about what has `features` (B, F); gives logits of next words (B, T, V) and the state.

        One step of this is all that a search needs.
        """
        raise NotImplementedError

    def embed(self, words: Tensor) -> Tensor:
        """Turn word ids (B, T) into vectors (B, T, E)."""
        embedded = self.embedding(words)
        return F.dropout(embedded, self.config.embedding_dropout) if self.training else embedded

    def score_words(
        self,
        encoded: Tensor,
        decoder_input_ids: Tensor | None,
        labels: Tensor | None,
        index: Tensor | None,
        state: LrcnState | None,
        num_items_in_batch: Tensor | int | None,
    ) -> Seq2SeqLMOutput:
        """Score next words about what the encoder gave, `encoded` (rows, 1, F); the rest as in `forward`."""
        if decoder_input_ids is None:
            decoder_input_ids = self.prepare_decoder_input_ids_from_labels(labels)
        features = encoded[:, 0] if index is None else encoded[index, 0]
        if len(features) != len(decoder_input_ids):
            raise ValueError(self.index_needed.format(sentences=len(decoder_input_ids), rows=len(features)))
        logits, state = self.decode(decoder_input_ids, features, state)
        loss = None if labels is None else sentence_loss(logits, labels, num_items_in_batch)
        return Seq2SeqLMOutput(loss=loss, logits=logits, past_key_values=state, encoder_last_hidden_state=encoded)

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
        for name in ("num_beams", "num_return_sequences"):
            check_count(name, chosen(name) or 1, MAX_HYPOTHESES)
        beams = chosen("num_beams") or 1
        plain = not chosen("return_dict_in_generate") and kwargs.get("streamer") is None
        if not stock and (beams > 1 or plain):
            kwargs.setdefault("custom_generate", beam_search if beams > 1 else greedy_search)
        if getattr(generation_config, "max_length", None) and generation_config.max_new_tokens is None:
            kwargs, generation_config = {**_chosen_in(generation_config), **kwargs}, None
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


class LrcnForImageCaptioning(LrcnSentenceModel):
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
        encoded = (self.encoder(pixel_values) if encoder_outputs is None else encoder_outputs)[0]
        return self.score_words(encoded, decoder_input_ids, labels, image_index, past_key_values, num_items_in_batch)

    def decode(self, words: Tensor, features: Tensor, state: LrcnState | None = None) -> tuple[Tensor, LrcnState]:
        hidden, state = self.decoder(self.embed(words), features, state)
        return self.predict(hidden), state


def _chosen_in(generation_config: Any) -> dict[str, Any]:
    """What a generation configuration sets, as arguments of the call: these may be None against a model's default."""
    chosen = {name: value for name, value in vars(generation_config).items() if value is not None}
    return {name: value for name, value in chosen.items() if name[0] != "_" and name != "transformers_version"}


def sentence_loss(logits: Tensor, labels: Tensor, num_items: Tensor | int | None = None) -> Tensor:
    """Mean negative log-likelihood of `labels` (B, T) under `logits` (B, T, V); a sum over `num_items` where given."""
    losses = F.cross_entropy(
        logits.flatten(0, 1).float(), labels.flatten(), ignore_index=IGNORED_LABEL, reduction="sum"
    )
    return losses / ((labels != IGNORED_LABEL).sum().clamp(min=1) if num_items is None else num_items)


__all__ = ["LrcnForImageCaptioning", "LrcnState"]
