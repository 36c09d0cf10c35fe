"""Configuration of the activity recogniser: what fixes its layers and shapes, and nothing of how it is trained."""

from typing import Any

from transformers import PreTrainedConfig

from .configuration_lrcn import FEATURES, CaffeNetConfig, read_backbone_config
from .limits_lrcn import (
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

MAX_FRAMES = 10**6

ACTIVITY_CODE = {
    "auto_map": {
        "AutoConfig": "configuration_activity_lrcn.LrcnActivityConfig",
        "AutoModel": "modeling_activity_lrcn.LrcnForVideoClassification",
        "AutoModelForVideoClassification": "modeling_activity_lrcn.LrcnForVideoClassification",
    }
}
"""Where the code of a recogniser is, in the files saved with it: what transformers asks config.json for."""


class LrcnActivityConfig(PreTrainedConfig):
    """A feature of every frame in, class scores at every frame out (paper section 4); the defaults are the authors'.

    - `backbone_config`: the network that looks at a frame; none means the authors' hybrid (`CaffeNetConfig.hybrid`).
    - `feature` is what it gives: fc6 or fc7 (after ReLU), fc8 (raw), its `pooled` vector, or the `grid`, the flattened
      last map, which keeps place. `feature_size` is the number of its values.
    - `num_layers` recurrent layers of `hidden_size` units; 0 is the single-frame baseline, whose classes follow from
      each frame by itself. `cell`: "lstm", or "rnn" (tanh cells with a tanh output layer).
    - `feature_dropout` follows the feature (and takes the place of CaffeNet's own dropout there), `lstm_dropout` each
      recurrent layer. The authors' single-frame networks have 0.5 for the first and no second.
    - `num_frames`: frames of a clip, which video processors and the video-classification pipeline take from a file.
    - `initializer_range`: half width of the uniform distribution of new recurrent weights, deviation of the normal
      distribution of new classifier weights.
    - `num_labels`, `id2label`, `label2id` and `problem_type` are transformers' own.

    Raises ValueError naming a value that is wrong or beyond all reason (`limits_lrcn`).
    """

    model_type = "lrcn_activity"

    backbone_config: dict[str, Any] | PreTrainedConfig | None = None
    feature: str = "fc6"
    feature_size: int = 4096
    hidden_size: int = 256
    num_layers: int = 1
    cell: str = "lstm"
    feature_dropout: float = 0.9
    lstm_dropout: float = 0.5
    num_frames: int = 16
    problem_type: str | None = "single_label_classification"
    initializer_range: float = 0.01

    def __post_init__(self, **kwargs: Any) -> None:
        if type(self).__module__.startswith("lrcn_hub."):  # installed code is taken; nobody need trust other
            kwargs = {name: value for name, value in kwargs.items() if name not in ACTIVITY_CODE}
        check_labels({**kwargs, "num_labels": kwargs.get("num_labels", len(self.id2label or {}))})
        backbone = self.backbone_config
        self.backbone_config = CaffeNetConfig.hybrid() if backbone is None else read_backbone_config(backbone)
        super().__post_init__(**kwargs)
        self._check()
        self.label2id = {name: label for label, name in self.id2label.items()}

    def to_dict(self) -> dict[str, Any]:
        code = ACTIVITY_CODE if type(self) is LrcnActivityConfig else {}  # somebody's subclass is other code
        return {**super().to_dict(), **code}

    def _check(self) -> None:
        if self.feature not in FEATURES:
            raise ValueError(f"feature is {self.feature!r}; it must be one of {', '.join(FEATURES)}")
        if self.cell not in ("lstm", "rnn"):
            raise ValueError(f"cell is {self.cell!r}; it must be 'lstm' or 'rnn'")
        check_count("feature_size", self.feature_size, MAX_WIDTH)
        check_count("hidden_size", self.hidden_size, MAX_SIZE)
        check_count("num_layers", self.num_layers, MAX_LAYERS, least=0)
        check_count("num_frames", self.num_frames, MAX_FRAMES)
        for name in ("feature_dropout", "lstm_dropout"):
            check_share(name, getattr(self, name))
        check_spread("initializer_range", self.initializer_range)
        if sorted(self.id2label) != list(range(len(self.id2label))):
            raise ValueError(f"id2label names {sorted(self.id2label)[:8]}...; labels must be 0, 1, 2 and so on")
        check_stock_values(self)
        check_parameters(self.count_parameters())

    def count_parameters(self) -> int:
        """Count the weights and biases of the model this describes, without those of a timm backbone."""
        hidden, gates = self.hidden_size, 4 if self.cell == "lstm" else 1
        count, inputs = 0, self.feature_size
        for _ in range(self.num_layers):
            count += gates * hidden * (inputs + hidden + 1)
            count += hidden * (hidden + 1) if self.cell == "rnn" else 0
            inputs = hidden
        count += (inputs + 1) * len(self.id2label or {})
        if isinstance(self.backbone_config, CaffeNetConfig):
            count += self.backbone_config.count_parameters(self.feature)
        return count


__all__ = ["LrcnActivityConfig"]
