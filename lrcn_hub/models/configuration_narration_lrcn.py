"""Configuration of the video narrator: what fixes its layers and shapes, and nothing of how it is trained."""

from typing import TYPE_CHECKING, Any

from transformers import PreTrainedConfig

from .configuration_lrcn import FEATURES, CaffeNetConfig, GivenFeaturesConfig, read_backbone_config
from .limits_lrcn import (
    MAX_LABELS,
    MAX_LAYERS,
    MAX_SIZE,
    MAX_WIDTH,
    check_count,
    check_labels,
    check_parameters,
    check_share,
    check_spread,
    check_stock_values,
)

if TYPE_CHECKING:  # transformers copies the files named by such lines along with this one, run or not
    from .pipeline_narration_lrcn import LrcnVideoToTextPipeline  # noqa: F401

VARIANTS = ("encoder-decoder", "decoder-max", "decoder-prob", "frames")
FRAME_READERS = ("shared", "separate", "mean")
SCHEDULES = ("apart", "overlapping")

NARRATION_CODE = {
    "auto_map": {
        "AutoConfig": "configuration_narration_lrcn.LrcnNarrationConfig",
        "AutoModel": "modeling_narration_lrcn.LrcnForVideoNarration",
        "AutoModelForImageTextToText": "modeling_narration_lrcn.LrcnForVideoNarration",
    },
    "custom_pipelines": {
        "video-to-text": {
            "impl": "pipeline_narration_lrcn.LrcnVideoToTextPipeline",
            "pt": ["AutoModelForImageTextToText"],
            "type": "multimodal",
        }
    },
}
"""Where the code of a narrator is, in the files saved with it: what transformers asks config.json for."""


class LrcnNarrationConfig(PreTrainedConfig):
    """What is seen in a video in, a sentence out (paper section 6); the defaults are the paper's two layers of 1000.

    - `variant` is what is read: "encoder-decoder", the labels of the nodes as a sentence of their own; "decoder-max",
      a vector with a one for the likeliest label of each node, seen at every step; "decoder-prob", the nodes'
      distributions in its place; "frames", what a backbone sees in the frames.
    - `node_sizes`: the number of labels of each node, an absent one's label included, in the order of the nodes.
    - `source_size`: words that labels are made of, 0 fills up (encoder-decoder). `schedule`: "apart", the decoder
      begins with a start word of its own after the last label, T + T' steps in all; or "overlapping", the first word
      follows from the last label's step, T + T' - 1 steps (both are in versions of the paper).
    - `share_stack`: one recurrent stack reads and speaks ("same two-layer LSTM for encoding and decoding"), or two.
    - `frame_reader`: "shared", S2VT's stack of two layers, the first of which reads frames and then nothing while the
      second one speaks; "separate", a stack that reads and one that speaks, from its state; "mean", the mean of the
      frames' features as static input. `frame_size`: to what size a frame's feature is brought first (S2VT: 500).
    - `backbone_config`, `feature`, `feature_size`: what looks at frames, as in `LrcnCaptioningConfig`; none means that
      features are given.
    - `num_layers` of `hidden_size` units; the static input enters `visual_layer`, counted from 1 (unfactored: 1).

    - `forget_bias`: with what the biases of new forget gates begin. Caffe's 0 halves what a new layer remembers at
      every step; at 1 or 2 it keeps three or four fifths and more, and soon learns to remember what was long ago.

    The word ids are those of the captioner: 0 ends a sentence, starts it and fills up; 1 is an unknown word.

    Raises ValueError naming a value that is wrong or beyond all reason (`limits_lrcn`).
    """

    model_type = "lrcn_narration"
    is_encoder_decoder = True
    keys_to_ignore_at_inference = ("past_key_values",)

    variant: str = "decoder-prob"
    node_sizes: list[int] | tuple[int, ...] = ()
    source_size: int = 2
    schedule: str = "apart"
    share_stack: bool = True
    frame_reader: str = "shared"
    frame_size: int = 500
    backbone_config: dict[str, Any] | PreTrainedConfig | None = None
    feature: str = "fc7"
    feature_size: int = 4096
    num_layers: int = 2
    visual_layer: int = 1
    vocab_size: int = 8801
    embedding_size: int = 1000
    hidden_size: int = 1000
    embedding_dropout: float = 0.0
    lstm_dropout: float = 0.0
    initializer_range: float = 0.08
    forget_bias: float = 0.0
    bos_token_id: int | None = 0
    eos_token_id: int | None = 0
    pad_token_id: int | None = 0
    decoder_start_token_id: int | None = 0
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        check_labels(kwargs)
        if type(self).__module__.startswith("lrcn_hub."):  # installed code is taken; nobody need trust other
            kwargs = {name: value for name, value in kwargs.items() if name not in NARRATION_CODE}
        backbone = self.backbone_config
        self.backbone_config = GivenFeaturesConfig() if backbone is None else read_backbone_config(backbone)
        super().__post_init__(**kwargs)
        self.is_encoder_decoder = True
        self._check()

    def to_dict(self) -> dict[str, Any]:
        code = NARRATION_CODE if type(self) is LrcnNarrationConfig else {}  # somebody's subclass is other code
        return {**super().to_dict(), **code}

    @property
    def starts_from_state(self) -> bool:
        """Whether the decoder goes on from the state in which an encoder has left off, or else sees a static input."""
        return self.variant == "encoder-decoder" or (self.variant == "frames" and self.frame_reader != "mean")

    @property
    def static_size(self) -> int:
        """The number of values of the static input."""
        if self.starts_from_state:
            return 0
        return self.feature_size if self.variant == "frames" else sum(self.node_sizes)

    def _check(self) -> None:
        choices = {
            "variant": VARIANTS,
            "feature": FEATURES,
            "frame_reader": FRAME_READERS,
            "schedule": SCHEDULES,
        }
        for name, known in choices.items():
            if getattr(self, name) not in known:
                raise ValueError(f"{name} is {getattr(self, name)!r}; it must be one of {', '.join(known)}")
        for size in self.node_sizes:
            check_count("node_sizes", size, MAX_LABELS)
        widths = ("feature_size", "vocab_size", "source_size")
        for name in (*widths, "embedding_size", "hidden_size", "frame_size"):
            check_count(name, getattr(self, name), MAX_WIDTH if name in widths else MAX_SIZE)
        check_count("num_layers", self.num_layers, MAX_LAYERS)
        check_count("visual_layer", self.visual_layer, self.num_layers)
        if self.variant == "frames" and self.frame_reader == "shared" and self.num_layers != 2:
            raise ValueError(f"num_layers is {self.num_layers}; S2VT's shared stack has 2 (frame_reader: separate)")
        for name in ("embedding_dropout", "lstm_dropout"):
            check_share(name, getattr(self, name))
        check_spread("initializer_range", self.initializer_range)
        check_spread("forget_bias", self.forget_bias)
        check_stock_values(self)
        check_parameters(self.count_parameters())

    def count_parameters(self) -> int:
        """Count the weights and biases of the model this describes, without those of a timm backbone."""
        hidden, embedding = self.hidden_size, self.embedding_size
        count = self.vocab_size * (embedding + hidden + 1)
        frames = self.variant == "frames" and self.frame_reader != "mean"
        if frames:
            count += self.frame_size * (self.feature_size + 1)
        if frames and self.frame_reader == "shared":
            count += _layers(self.frame_size, hidden, 1) + _layers(hidden + embedding, hidden, 1)
        else:
            count += _layers(embedding, hidden, self.num_layers) + 4 * hidden * self.static_size
        if frames and self.frame_reader == "separate":
            count += _layers(self.frame_size, hidden, self.num_layers)
        if self.variant == "encoder-decoder":
            count += self.source_size * embedding
            count += 0 if self.share_stack else _layers(embedding, hidden, self.num_layers)
        if self.variant == "frames" and isinstance(self.backbone_config, CaffeNetConfig):
            count += self.backbone_config.count_parameters(self.feature)
        return count


def _layers(inputs: int, hidden: int, count: int) -> int:
    """Count the parameters of `count` recurrent layers."""
    first, other = (4 * hidden * (size + hidden + 1) for size in (inputs, hidden))
    return first + (count - 1) * other


__all__ = ["LrcnNarrationConfig"]
