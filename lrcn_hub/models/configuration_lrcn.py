"""Configurations of the LRCN family: what fixes a model's layers and shapes, and nothing of how it is trained."""

from typing import Any

from transformers import PreTrainedConfig, TimmWrapperConfig

WIRINGS = {"1u": (1, 1), "2u": (2, 1), "2f": (2, 2), "4f": (4, 2)}
"""Name in the paper -> (recurrent layers, the layer that the visual input enters); u = unfactored, f = factored."""

FEATURES = ("fc6", "fc7", "fc8", "pooled", "grid")


class CaffeNetConfig(PreTrainedConfig):
    """CaffeNet, the network of the paper's captioners; the defaults are the released one (60,965,224 parameters).

    `channels` are those of conv1..conv5, `fc_sizes` those of fc6..fc8; `dropout` follows fc6 and fc7 in training.
    """

    model_type = "lrcn_caffenet"

    channels: list[int] | tuple[int, ...] = (96, 256, 384, 384, 256)
    fc_sizes: list[int] | tuple[int, ...] = (4096, 4096, 1000)
    dropout: float = 0.5
    image_size: int = 227


class GivenFeaturesConfig(PreTrainedConfig):
    """No network for pictures: the model is given features made elsewhere, (batch, F) in the place of pixel values."""

    model_type = "lrcn_given_features"


class LrcnCaptioningConfig(PreTrainedConfig):
    """A picture's feature and the words so far in, the next word out (paper section 5).

    - `wiring` ("1u", "2u", "2f", "4f") stands for `num_layers` and `visual_layer` (counted from 1); give either.
    - `feature` is what the backbone gives: its fc6, fc7 (after ReLU) or fc8 (raw), its `pooled` vector, or the `grid`,
      the flattened last map, which keeps place. `feature_size` is the number of its values.
    - `cell`: "lstm", or "rnn", the ablation of the paper's table 6: tanh cells with a tanh output layer.
    - `embedding_dropout` and `lstm_dropout` (after each recurrent layer) are 0 in the authors' captioners.
    - `initializer_range` is the half width of the uniform distribution of new recurrent and word weights.

    The word ids are the authors': 0 ends a sentence, starts it and fills up; 1 is an unknown word.
    """

    model_type = "lrcn_captioning"
    is_encoder_decoder = True
    keys_to_ignore_at_inference = ("past_key_values",)

    backbone_config: dict[str, Any] | PreTrainedConfig | None = None
    feature: str = "fc8"
    feature_size: int = 1000
    wiring: str | None = None
    num_layers: int | None = None
    visual_layer: int | None = None
    cell: str = "lstm"
    vocab_size: int = 8801
    embedding_size: int = 1000
    hidden_size: int = 1000
    embedding_dropout: float = 0.0
    lstm_dropout: float = 0.0
    initializer_range: float = 0.08
    bos_token_id: int | None = 0
    eos_token_id: int | None = 0
    pad_token_id: int | None = 0
    decoder_start_token_id: int | None = 0
    tie_word_embeddings: bool = False

    def __post_init__(self, **kwargs: Any) -> None:
        self.backbone_config = _backbone_config(self.backbone_config)
        self.num_layers, self.visual_layer = _resolve_wiring(self.wiring, self.num_layers, self.visual_layer)
        names = {layers: name for name, layers in WIRINGS.items()}
        self.wiring = names.get((self.num_layers, self.visual_layer))
        super().__post_init__(**kwargs)
        self.is_encoder_decoder = True
        self._check()

    def _check(self) -> None:
        if self.feature not in FEATURES:
            raise ValueError(f"feature is {self.feature!r}; it must be one of {', '.join(FEATURES)}")
        if self.cell not in ("lstm", "rnn"):
            raise ValueError(f"cell is {self.cell!r}; it must be 'lstm' or 'rnn'")
        for name in ("feature_size", "vocab_size", "embedding_size", "hidden_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("embedding_dropout", "lstm_dropout"):
            if not 0 <= getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; it must be at least 0 and below 1")


def _resolve_wiring(wiring: str | None, num_layers: int | None, visual_layer: int | None) -> tuple[int, int]:
    """Turn a wiring's name and its two numbers, whichever are given, into the numbers."""
    if wiring is None and num_layers is None and visual_layer is None:
        wiring = "2f"
    if wiring is not None:
        if wiring not in WIRINGS:
            raise ValueError(
                f"wiring is {wiring!r}; it must be one of {', '.join(WIRINGS)}, or left out for the numbers"
            )
        named = WIRINGS[wiring]
        given = (named[0] if num_layers is None else num_layers, named[1] if visual_layer is None else visual_layer)
        if given != named:
            raise ValueError(
                f"wiring {wiring!r} means num_layers={named[0]} and visual_layer={named[1]}, but they are {given[0]} "
                f"and {given[1]}; leave out either the wiring or the numbers"
            )
        return named
    visual = 1 if visual_layer is None else visual_layer
    layers = visual if num_layers is None else num_layers
    if not 1 <= visual <= layers:
        raise ValueError(f"visual_layer is {visual}; it must be a layer from 1 to num_layers ({layers})")
    return layers, visual


def _backbone_config(config: dict[str, Any] | PreTrainedConfig | None) -> PreTrainedConfig:
    """Read a backbone's sub-configuration; none means the released CaffeNet."""
    if config is None:
        return CaffeNetConfig()
    known = {kind.model_type: kind for kind in (CaffeNetConfig, TimmWrapperConfig, GivenFeaturesConfig)}
    model_type = config.model_type if isinstance(config, PreTrainedConfig) else config.get("model_type")
    if model_type not in known:
        raise ValueError(f"backbone_config has model_type {model_type!r}; it must be one of {', '.join(known)}")
    if isinstance(config, PreTrainedConfig):
        return config
    defaults = {"num_classes": 0} if model_type == TimmWrapperConfig.model_type else {}  # timm's labels are not ours
    return known[model_type].from_dict({**defaults, **config})


__all__ = ["CaffeNetConfig", "GivenFeaturesConfig", "LrcnCaptioningConfig"]
