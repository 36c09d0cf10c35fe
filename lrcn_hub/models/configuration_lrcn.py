"""Configurations of the LRCN family: what fixes a model's layers and shapes, and nothing of how it is trained."""

import itertools
from typing import Any

from transformers import PreTrainedConfig, TimmWrapperConfig

from .limits_lrcn import (
    MAX_LAYERS,
    MAX_SIDE,
    MAX_SIZE,
    MAX_WIDTH,
    check_count,
    check_counts,
    check_labels,
    check_parameters,
    check_share,
    check_spread,
    check_stock_values,
    check_timm,
)

WIRINGS = {"1u": (1, 1), "2u": (2, 1), "2f": (2, 2), "4f": (4, 2)}
"""Name in the paper -> (recurrent layers, the layer that the visual input enters); u = unfactored, f = factored."""

FEATURES = ("fc6", "fc7", "fc8", "pooled", "grid")

CAPTIONING_CODE = {
    "auto_map": {
        "AutoConfig": "configuration_lrcn.LrcnCaptioningConfig",
        "AutoModel": "modeling_lrcn.LrcnForImageCaptioning",
        "AutoModelForImageTextToText": "modeling_lrcn.LrcnForImageCaptioning",
    },
    "custom_pipelines": {
        "image-to-text": {
            "impl": "pipeline_lrcn.LrcnImageToTextPipeline",
            "pt": ["AutoModelForImageTextToText"],
            "type": "multimodal",
        }
    },
}
"""Where the code of a captioner is, in the files saved with it: what transformers asks config.json for."""


class CaffeNetConfig(PreTrainedConfig):
    """CaffeNet, the network of the paper's captioners; the defaults are the released one (60,965,224 parameters).

    `channels`, `kernel_sizes`, `strides`, `paddings` and `groups` are those of conv1..conv5. `fc_sizes` are those of
    fc6..fc8, or of fc6 alone or fc6 and fc7, where the network ends there; `dropout` follows fc6 and fc7 in training.
    The authors' network for videos has the same layers in other sizes: see `hybrid`.
    """

    model_type = "lrcn_caffenet"

    channels: list[int] | tuple[int, ...] = (96, 256, 384, 384, 256)
    kernel_sizes: list[int] | tuple[int, ...] = (11, 5, 3, 3, 3)
    strides: list[int] | tuple[int, ...] = (4, 1, 1, 1, 1)
    paddings: list[int] | tuple[int, ...] = (0, 2, 1, 1, 1)
    groups: list[int] | tuple[int, ...] = (1, 2, 1, 2, 2)
    fc_sizes: list[int] | tuple[int, ...] = (4096, 4096, 1000)
    dropout: float = 0.5
    image_size: int = 227

    def __post_init__(self, **kwargs: Any) -> None:
        check_labels(kwargs)
        super().__post_init__(**kwargs)
        check_stock_values(self)
        for name in ("channels", "groups"):
            check_counts(name, getattr(self, name), (5,), MAX_SIZE)
        for name, least in {"kernel_sizes": 1, "strides": 1, "paddings": 0}.items():
            check_counts(name, getattr(self, name), (5,), MAX_SIDE, least)
        check_counts("fc_sizes", self.fc_sizes, (1, 2, 3), MAX_WIDTH)
        check_share("dropout", self.dropout)
        check_count("image_size", self.image_size, MAX_SIDE)
        if min(self.map_sides) < 1:
            raise ValueError(f"image_size is {self.image_size}; of so few pixels, convolutions and pooling leave none")
        check_parameters(self.count_parameters())

    @classmethod
    def hybrid(cls, **values: Any) -> "CaffeNetConfig":
        """The authors' network for videos up to fc6, CaffeNet mixed with Zeiler and Fergus's (paper section 4)."""
        sizes = {
            "channels": (96, 384, 512, 512, 384),
            "kernel_sizes": (7, 5, 3, 3, 3),
            "strides": (2, 2, 1, 1, 1),
            "paddings": (0, 0, 1, 1, 1),
            "fc_sizes": (4096,),
        }
        return cls(**{**sizes, **values})

    @property
    def map_sides(self) -> list[int]:
        """The sides of the maps after conv1, pool1, conv2, pool2, conv3, conv4, conv5 and pool5.

        Pooling rounds up: 227 -> 55 -> 27 -> 27 -> 13 -> 13 -> 13 -> 13 -> 6 in CaffeNet.
        """
        sides = [self.image_size]
        sizes = zip(self.kernel_sizes, self.strides, self.paddings, strict=True)
        for layer, (kernel, stride, padding) in enumerate(sizes, start=1):
            sides.append((sides[-1] + 2 * padding - kernel) // stride + 1)
            if layer in (1, 2, 5):
                sides.append(-(-(sides[-1] - 3) // 2) + 1)
        return sides[1:]

    def count_parameters(self, feature: str = "fc8") -> int:
        """Count the weights and biases of the layers up to `feature`."""
        layers = zip((3, *self.channels), self.groups, self.kernel_sizes, self.channels, strict=False)
        convolutions = [below // groups * kernel**2 * above for below, groups, kernel, above in layers]
        sizes = (self.channels[-1] * self.map_sides[-1] ** 2, *self.fc_sizes)
        depth = {"fc6": 1, "fc7": 2}.get(feature, 3)
        full = sum((inputs + 1) * outputs for inputs, outputs in itertools.pairwise(sizes[: depth + 1]))
        return sum(convolutions) + sum(self.channels) + full


class GivenFeaturesConfig(PreTrainedConfig):
    """No network for pictures: the model is given features made elsewhere, (batch, F) in the place of pixel values."""

    model_type = "lrcn_given_features"

    def __post_init__(self, **kwargs: Any) -> None:
        check_labels(kwargs)
        super().__post_init__(**kwargs)
        check_stock_values(self)


class LrcnCaptioningConfig(PreTrainedConfig):
    """A picture's feature and the words so far in, the next word out (paper section 5).

    - `wiring` ("1u", "2u", "2f", "4f") stands for `num_layers` and `visual_layer` (counted from 1); give either.
    - `feature` is what the backbone gives: its fc6, fc7 (after ReLU) or fc8 (raw), its `pooled` vector, or the `grid`,
      the flattened last map, which keeps place. `feature_size` is the number of its values.
    - `cell`: "lstm", or "rnn", the ablation of the paper's table 6: tanh cells with a tanh output layer.
    - `embedding_dropout` and `lstm_dropout` (after each recurrent layer) are 0 in the authors' captioners.
    - `initializer_range` is the half width of the uniform distribution of new recurrent and word weights.

    The word ids are the authors': 0 ends a sentence, starts it and fills up; 1 is an unknown word.

    Raises ValueError naming a value that is wrong or beyond all reason (`limits_lrcn`).
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
        check_labels(kwargs)
        # Installed code is taken, and nobody is asked to trust other.
        if type(self).__module__.startswith("lrcn_hub."):
            kwargs = {name: value for name, value in kwargs.items() if name not in CAPTIONING_CODE}
        self.backbone_config = read_backbone_config(self.backbone_config)
        self.num_layers, self.visual_layer = _resolve_wiring(self.wiring, self.num_layers, self.visual_layer)
        names = {layers: name for name, layers in WIRINGS.items()}
        self.wiring = names.get((self.num_layers, self.visual_layer))
        super().__post_init__(**kwargs)
        self.is_encoder_decoder = True
        self._check()

    def to_dict(self) -> dict[str, Any]:
        code = CAPTIONING_CODE if type(self) is LrcnCaptioningConfig else {}  # somebody's subclass is other code
        return {**super().to_dict(), **code}

    def _check(self) -> None:
        if self.feature not in FEATURES:
            raise ValueError(f"feature is {self.feature!r}; it must be one of {', '.join(FEATURES)}")
        if self.cell not in ("lstm", "rnn"):
            raise ValueError(f"cell is {self.cell!r}; it must be 'lstm' or 'rnn'")
        for name, most in {"feature_size": MAX_WIDTH, "vocab_size": MAX_WIDTH, "embedding_size": MAX_SIZE}.items():
            check_count(name, getattr(self, name), most)
        check_count("hidden_size", self.hidden_size, MAX_SIZE)
        for name in ("embedding_dropout", "lstm_dropout"):
            check_share(name, getattr(self, name))
        check_spread("initializer_range", self.initializer_range)
        check_stock_values(self)
        check_parameters(self.count_parameters())

    def count_parameters(self) -> int:
        """Count the weights and biases of the model this describes, without those of a timm backbone."""
        hidden, gates = self.hidden_size, 4 if self.cell == "lstm" else 1
        count = self.vocab_size * (self.embedding_size + hidden + 1)
        for layer in range(1, (self.num_layers or 1) + 1):
            inputs = self.embedding_size if layer == 1 else hidden
            static = self.feature_size if layer == self.visual_layer else 0
            count += gates * hidden * (inputs + static + hidden + 1)
            count += hidden * (hidden + 1) if self.cell == "rnn" else 0
        if isinstance(self.backbone_config, CaffeNetConfig):
            count += self.backbone_config.count_parameters(self.feature)
        return count


def _resolve_wiring(wiring: str | None, num_layers: int | None, visual_layer: int | None) -> tuple[int, int]:
    """Turn a wiring's name and its two numbers, whichever are given, into the numbers."""
    if wiring is None and num_layers is None and visual_layer is None:
        wiring = "2f"
    for name, number in (("num_layers", num_layers), ("visual_layer", visual_layer)):
        if number is not None:
            check_count(name, number, MAX_LAYERS)
    if wiring is not None:
        if not isinstance(wiring, str) or wiring not in WIRINGS:
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


def read_backbone_config(config: dict[str, Any] | PreTrainedConfig | None) -> PreTrainedConfig:
    """Read a backbone's sub-configuration; none means the released CaffeNet."""
    if config is None:
        return CaffeNetConfig()
    known = {kind.model_type: kind for kind in (CaffeNetConfig, TimmWrapperConfig, GivenFeaturesConfig)}
    if not isinstance(config, PreTrainedConfig | dict):
        raise ValueError(f"backbone_config is {config!r}; it must be the values of a configuration")
    model_type = config.model_type if isinstance(config, PreTrainedConfig) else config.get("model_type")
    if not isinstance(model_type, str) or model_type not in known:
        raise ValueError(f"backbone_config has model_type {model_type!r}; it must be one of {', '.join(known)}")
    if not isinstance(config, PreTrainedConfig):
        check_labels(config)
        # timm's labels are not ours
        defaults = {"num_classes": 0} if model_type == TimmWrapperConfig.model_type else {}
        try:
            config = known[model_type].from_dict({**defaults, **config})
        except ValueError:
            raise
        except Exception as error:  # whatever stock configurations make of values of the wrong kind
            raise ValueError(f"backbone_config cannot be read: {error}") from error
    if model_type == TimmWrapperConfig.model_type:
        check_timm(config)
        check_stock_values(config)
    return config


__all__ = ["CaffeNetConfig", "GivenFeaturesConfig", "LrcnCaptioningConfig"]
