"""The video narrators of Donahue et al. (2015), section 6: from the nodes of a CRF, or from frames, to a sentence.

Sizes in comments: B batch, T steps read or spoken, H hidden units, V words, F a frame's feature, L layers.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import PreTrainedModel
from transformers.modeling_outputs import BaseModelOutput, Seq2SeqLMOutput

from .configuration_narration_lrcn import LrcnNarrationConfig
from .modeling_lrcn import LrcnEncoder, LrcnPreTrainedModel, LrcnSentenceModel
from .narration_session_lrcn import LrcnNarrationSession
from .narration_state_lrcn import LrcnReading
from .recurrent_lrcn import LrcnStack, LrcnState

MAIN_INPUTS = {"encoder-decoder": "source_ids", "frames": "pixel_values"}


class LrcnTwoLayers(nn.Module):
    """S2VT's two layers (Venugopalan et al., 2015): the first reads frames, the second what it says and words.

    While frames are read there are no words, and while words are spoken no frames: either is then zeros.
    """

    def __init__(self, frame_size: int, embedding_size: int, hidden_size: int, dropout: float):
        super().__init__()
        self.frame_size, self.embedding_size = frame_size, embedding_size
        self.frames = LrcnStack(frame_size, 0, hidden_size, 1, dropout=dropout)
        self.words = LrcnStack(hidden_size + embedding_size, 0, hidden_size, 1, dropout=dropout)

    def read(
        self, frames: Tensor, state: LrcnState | None = None, mask: Tensor | None = None
    ) -> tuple[Tensor, LrcnState]:
        """Read frames (B, T, frame_size) where `mask` (B, T) is True; outputs (B, T, H) and the state of both."""
        return self._run(frames, frames.new_zeros(*frames.shape[:2], self.embedding_size), state, mask)

    def speak(self, words: Tensor, state: LrcnState) -> tuple[Tensor, LrcnState]:
        """Go on from `state` with embedded words (B, T, E); outputs (B, T, H) and the state of both."""
        return self._run(words.new_zeros(*words.shape[:2], self.frame_size), words, state, None)

    def _run(
        self, frames: Tensor, words: Tensor, state: LrcnState | None, mask: Tensor | None
    ) -> tuple[Tensor, LrcnState]:
        first, second = (None, None) if state is None else _parted(state)
        seen, first = self.frames(frames, state=first, mask=mask)
        outputs, second = self.words(torch.cat([seen, words], dim=-1), state=second, mask=mask)
        return outputs, LrcnState(first.hidden + second.hidden, first.cell + second.cell, second.steps)


def _parted(state: LrcnState) -> tuple[LrcnState, LrcnState]:
    """Split the state of two layers into that of each."""
    return tuple(LrcnState([h], [c], state.steps) for h, c in zip(state.hidden, state.cell, strict=True))  # type: ignore[return-value]


class LrcnNarrationEncoder(LrcnPreTrainedModel):
    """What is read before anything is said: (B, 1, F), a static input, or h and c of a state's layers in a row."""

    config_class = LrcnNarrationConfig

    def __init__(self, config: LrcnNarrationConfig, backbone: PreTrainedModel | None = None):
        super().__init__(config)
        self.main_input_name = MAIN_INPUTS.get(config.variant, "nodes")
        # Not the configuration's to refuse: transformers makes one of defaults alone, to compare with.
        if self.main_input_name == "nodes" and not config.node_sizes:
            raise ValueError(f"variant {config.variant} needs node_sizes, the number of labels of each node")
        sizes: dict[str, Any] = {"hidden_size": config.hidden_size, "dropout": config.lstm_dropout}
        if config.variant == "encoder-decoder":
            self.embedding = nn.Embedding(config.source_size, config.embedding_size)
            self.stack = LrcnStack(config.embedding_size, 0, num_layers=config.num_layers, **sizes)
        if config.variant == "frames":
            self.frame_encoder = LrcnEncoder(config, backbone)
        if config.variant == "frames" and config.starts_from_state:
            self.project = nn.Linear(config.feature_size, config.frame_size)
            if config.frame_reader == "shared":
                self.stack = LrcnTwoLayers(config.frame_size, config.embedding_size, **sizes)
            else:
                self.stack = LrcnStack(config.frame_size, 0, num_layers=config.num_layers, **sizes)
        self.post_init()

    def forward(
        self,
        nodes: Tensor | None = None,
        source_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        source_mask: Tensor | None = None,
        frame_mask: Tensor | None = None,
        **kwargs: Any,
    ) -> BaseModelOutput:
        """Read one of: `nodes` (B, sum of node_sizes), `source_ids` (B, T), `pixel_values` (B, T, 3, H, W) or the
        frames' features (B, T, F); the masks (B, T), boolean, are False where a shorter row is filled up."""
        given = {"nodes": nodes, "source_ids": source_ids, "pixel_values": pixel_values}[self.main_input_name]
        if given is None:
            raise ValueError(f"a narrator of the variant {self.config.variant!r} reads {self.main_input_name}")
        if self.config.variant == "encoder-decoder":
            return BaseModelOutput(self._read_words(given, source_mask)[:, None])
        if self.config.variant == "frames":
            return BaseModelOutput(self.read_on(given, frame_mask).encoded[:, None])
        return BaseModelOutput(self._node_vector(given)[:, None])

    def _node_vector(self, nodes: Tensor) -> Tensor:
        sizes = list(self.config.node_sizes)
        if nodes.dim() != 2 or nodes.shape[1] != sum(sizes):
            raise ValueError(f"nodes have the shape {tuple(nodes.shape)}; it must be (batch, {sum(sizes)})")
        if self.config.variant == "decoder-prob":
            return nodes
        parts = [F.one_hot(part.argmax(-1), part.shape[-1]) for part in nodes.split(sizes, dim=1)]
        return torch.cat(parts, dim=1).to(nodes.dtype)

    def _read_words(self, source_ids: Tensor, mask: Tensor | None) -> Tensor:
        _, state = self.stack(self.embedding(source_ids), mask=_needed(mask))
        return _in_a_row(state)

    def read_on(self, frames: Tensor, mask: Tensor | None = None, reading: LrcnReading | None = None) -> LrcnReading:
        """Go on from `reading` with frames (B, T, 3, H, W), or their features (B, T, F), where `mask` (B, T) is True.

        Without `reading` it is the beginning. In pieces of any length or all at once, what has been read is the same.
        """
        features = self.look(frames, mask)
        counts = features.new_full((len(features),), features.shape[1], dtype=torch.int64)
        if mask is not None:
            counts = mask.sum(1)
        total = counts if reading is None else reading.counts + counts
        if not self.config.starts_from_state:
            return LrcnReading(_running_mean(features, mask, counts, reading), total)
        state = None if reading is None else _from_a_row(reading.encoded, self.config.hidden_size)
        read = self.stack.read if isinstance(self.stack, LrcnTwoLayers) else self.stack
        _, state = read(self.project(features), state=state, mask=_needed(mask))
        return LrcnReading(_in_a_row(state), total)

    def nothing_read(self, rows: int) -> LrcnReading:
        """The reading of `rows` videos of which no frame has been read: `read_on` begins there as without one."""
        config, like = self.config, next(self.parameters(), torch.zeros(()))
        layers = 2 if config.frame_reader == "shared" else config.num_layers
        size = 2 * layers * config.hidden_size if config.starts_from_state else config.feature_size
        return LrcnReading(
            like.detach().new_zeros(rows, size), torch.zeros(rows, dtype=torch.int64, device=like.device)
        )

    def look(self, frames: Tensor, mask: Tensor | None = None) -> Tensor:
        """Look at the frames (B, T, 3, H, W) where `mask` (B, T) is True; (B, T, F). Features are left as they are."""
        if frames.dim() == 3:  # features already
            return frames
        if mask is None:
            return self.frame_encoder(frames.flatten(0, 1))[0].unflatten(0, frames.shape[:2])[:, :, 0]
        seen = self.frame_encoder(frames[mask])[0][:, 0]
        features = seen.new_zeros(*mask.shape, seen.shape[-1])
        features[mask] = seen
        return features


def _needed(mask: Tensor | None) -> Tensor | None:
    """None for a mask that leaves nothing out: then the fused kernel reads."""
    return None if mask is None or bool(mask.all()) else mask


def _in_a_row(state: LrcnState) -> Tensor:
    return torch.cat([*state.hidden, *state.cell], dim=-1)  # (B, 2 L H)


def _from_a_row(encoded: Tensor, hidden_size: int) -> LrcnState:
    parts = list(encoded.split(hidden_size, dim=-1))
    return LrcnState(parts[: len(parts) // 2], parts[len(parts) // 2 :])


def _running_mean(features: Tensor, mask: Tensor | None, counts: Tensor, before: LrcnReading | None) -> Tensor:
    """The mean of `features` (B, T, F), `counts` (B,) of them in each row, and of those read before."""
    if mask is None:
        mean = features.mean(1)
    else:
        weights = mask[..., None].to(features.dtype)
        mean = (features * weights).sum(1) / weights.sum(1).clamp(min=1)
    if before is None:
        return mean
    share = counts / (before.counts + counts).clamp(min=1)  # of the new frames
    return before.encoded + share[:, None].to(mean.dtype) * (mean - before.encoded)


class LrcnForVideoNarration(LrcnSentenceModel):
    """The paper's narrators: what was seen as a static input of the decoder, or as the state that it begins with.

    `backbone` is a trained network that looks at frames; its weights are kept bit for bit.
    """

    config_class = LrcnNarrationConfig
    input_modalities = ("video",)
    index_needed = "{sentences} sentences but {rows} videos: give video_index"

    def __init__(self, config: LrcnNarrationConfig, backbone: PreTrainedModel | None = None):
        super().__init__(config)
        self.main_input_name = MAIN_INPUTS.get(config.variant, "nodes")
        self.encoder = LrcnNarrationEncoder(config, backbone)
        self.embedding = nn.Embedding(config.vocab_size, config.embedding_size)
        self.decoder = None
        if not (config.starts_from_state and self._is_shared):
            self.decoder = LrcnStack(
                config.embedding_size,
                config.static_size,
                config.hidden_size,
                config.num_layers,
                config.visual_layer,
                dropout=config.lstm_dropout,
            )
        self.predict = nn.Linear(config.hidden_size, config.vocab_size)
        self.generation_config.max_new_tokens = 50
        self.post_init()

    @property
    def _is_shared(self) -> bool:
        """Whether what reads also speaks."""
        return self.config.share_stack if self.config.variant == "encoder-decoder" else self._is_two_layers

    @property
    def _is_two_layers(self) -> bool:
        return self.config.variant == "frames" and self.config.frame_reader == "shared"

    def forward(
        self,
        nodes: Tensor | None = None,
        source_ids: Tensor | None = None,
        pixel_values: Tensor | None = None,
        source_mask: Tensor | None = None,
        frame_mask: Tensor | None = None,
        decoder_input_ids: Tensor | None = None,
        labels: Tensor | None = None,
        video_index: Tensor | None = None,
        encoder_outputs: BaseModelOutput | None = None,
        past_key_values: LrcnState | None = None,
        num_items_in_batch: Tensor | int | None = None,
        **kwargs: Any,
    ) -> Seq2SeqLMOutput:
        """Score next words.

        - nodes, source_ids, pixel_values and their masks are those of `LrcnNarrationEncoder`; or encoder_outputs;
        - decoder_input_ids (B, T), labels (B, T) and num_items_in_batch are those of the captioner;
        - video_index (B,): the row that each sentence describes, where rows have several sentences.

        Gives logits (B, T, V), the loss, and the state after the last step as past_key_values.
        """
        if encoder_outputs is None:
            encoder_outputs = self.encoder(nodes, source_ids, pixel_values, source_mask, frame_mask)
        return self.score_words(
            encoder_outputs[0], decoder_input_ids, labels, video_index, past_key_values, num_items_in_batch
        )

    def decode(self, words: Tensor, features: Tensor, state: LrcnState | None = None) -> tuple[Tensor, LrcnState]:
        if self.decoder is not None and not self.config.starts_from_state:
            hidden, state = self.decoder(self.embed(words), features, state)
            return self.predict(hidden), state
        if state is None:
            state = _from_a_row(features, self.config.hidden_size)  # where the encoder has left off
        seen, embedded = state.steps, self.embed(words)
        spoken = []
        if seen == 0 and self.config.schedule == "overlapping":  # the last step that read says the first word
            spoken, embedded = [state.hidden[-1][:, None]], embedded[:, 1:]
        if embedded.shape[1]:
            hidden, state = self._speak(embedded, state)
            spoken.append(hidden)
        state = LrcnState(state.hidden, state.cell, seen + words.shape[1])
        return self.predict(torch.cat(spoken, dim=1)), state

    def stream(self, processor: Any, batch_size: int = 1, **options: Any) -> LrcnNarrationSession:
        """Start narrating `batch_size` endless videos at once; `options` are those of `LrcnNarrationSession`."""
        return LrcnNarrationSession(self, processor, batch_size, **options)

    def _speak(self, embedded: Tensor, state: LrcnState) -> tuple[Tensor, LrcnState]:
        if self._is_two_layers:
            return self.encoder.stack.speak(embedded, state)
        stack = self.encoder.stack if self.decoder is None else self.decoder
        return stack(embedded, state=state)


__all__ = ["LrcnForVideoNarration"]
