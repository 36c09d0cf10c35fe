"""What a configuration may ask for. It may come from anybody, so it is refused before it costs memory or runs code.

The limits are far above any model of this family; whoever needs more changes them here.
"""

import math
import re
from typing import Any

import transformers

MAX_PARAMETERS = 10**10
MAX_LABELS = 10**6
MAX_LAYERS = 128
MAX_HYPOTHESES = 10**4
"""Beams, or captions asked for, of one picture."""
MAX_FRAMES = 10**5
"""Frames of a video that are read together."""
MAX_RATE = 1000
"""Frames read in a second."""
MAX_SIDE = 8192
"""Pixels of a picture's side."""
MAX_SIZE = 10**5
"""Units of a hidden, embedding or convolutional layer."""
MAX_WIDTH = 10**7
"""Words of a vocabulary, values of a feature, units of a fully connected layer."""

TIMM_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_.\-]+)?")
TIMM_COUNTS = {"depth": 512, "depths": 512, "layers": 512, "num_classes": MAX_LABELS}
"""The largest whole number in an argument of a timm network, where it is not `MAX_SIDE`."""
READING_ARGUMENTS = ("pretrained", "checkpoint", "cache_dir")
"""How the names of those arguments begin with which timm reads or fetches files."""


def check_count(name: str, value: Any, most: int, least: int = 1) -> None:
    """Raise ValueError unless `value` is a whole number from `least` to `most`; a truth value is none."""
    if not _is_whole(value) or not least <= value <= most:
        raise ValueError(f"{name} is {_shown(value)}; it must be a whole number, at least {least} and at most {most}")


def check_counts(name: str, values: Any, lengths: tuple[int, ...], most: int, least: int = 1) -> None:
    """Raise ValueError unless `values` are whole numbers from `least` to `most`, as many as one of `lengths`."""
    if not isinstance(values, list | tuple) or len(values) not in lengths:
        raise ValueError(f"{name} is {_shown(values)}; it must be {' or '.join(map(str, lengths))} whole numbers")
    for index, value in enumerate(values):
        check_count(f"{name}[{index}]", value, most, least)


def check_share(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a number from 0 up to, but not, 1."""
    if not _is_number(value) or not 0 <= value < 1:
        raise ValueError(f"{name} is {_shown(value)}; it must be at least 0 and below 1")


def check_spread(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a number from 0 to 100."""
    if not _is_number(value) or not 0 <= value <= 100:
        raise ValueError(f"{name} is {_shown(value)}; it must be a number, at least 0 and at most 100")


def check_rate(name: str, value: Any) -> None:
    """Raise ValueError unless `value` is a number above 0, at most `MAX_RATE`."""
    if not _is_number(value) or not 0 < value <= MAX_RATE:
        raise ValueError(f"{name} is {_shown(value)}; it must be above 0 and at most {MAX_RATE} per second")


def check_labels(values: dict[str, Any]) -> None:
    """Raise ValueError for more labels than `MAX_LABELS`: transformers makes a name for each, timm a unit."""
    for name in ("num_labels", "num_classes"):
        if values.get(name) is not None:
            check_count(name, values[name], MAX_LABELS, least=0)


def check_parameters(count: int) -> None:
    """Raise ValueError for more parameters than `MAX_PARAMETERS`."""
    if count > MAX_PARAMETERS:
        raise ValueError(f"this configuration means a model of {count:,} parameters; at most are {MAX_PARAMETERS:,}")


def check_stock_values(config: Any) -> None:
    """Raise ValueError where a value that transformers itself obeys would make it fetch code or read another file."""
    attention = getattr(config, "_attn_implementation", None)
    if attention is not None and not str(attention).isidentifier():
        raise ValueError(f"attn_implementation is {_shown(attention)}; code from the Hub is not run for these models")
    file = getattr(config, "transformers_weights", None)
    if file is not None and not re.fullmatch(r"[\w\-][\w.\-]*\.safetensors(\.index\.json)?", str(file)):
        raise ValueError(
            f"transformers_weights is {_shown(file)}; it must be a safetensors file in the model's folder"
        )
    names = config.architectures or []
    if not isinstance(names, list | tuple) or any(name in dir(transformers) for name in names):
        raise ValueError(f"architectures is {_shown(names)}; for model_type {config.model_type} it is no stock class")


def check_timm(config: Any) -> None:
    """Raise ValueError unless `config` names a network of timm's own, with arguments that only shape it."""
    if not isinstance(config.architecture, str) or not TIMM_NAME.fullmatch(config.architecture):
        raise ValueError(
            f"backbone_config.architecture is {_shown(config.architecture)}; it must be one of timm.list_models()"
        )
    arguments = {} if config.model_args is None else config.model_args
    if not isinstance(arguments, dict):
        raise ValueError(f"backbone_config.model_args is {_shown(arguments)}; it must be names and values")
    for name, value in arguments.items():
        if name.startswith(READING_ARGUMENTS):
            raise ValueError(
                f"backbone_config.model_args has {name!r}, which makes timm read a file: a model's weights are "
                "those in its own folder (to train from others, give backbone_weights or backbone_pretrained)"
            )
        _check_argument(f"backbone_config.model_args.{name}", value, TIMM_COUNTS.get(name, MAX_SIDE))


def _check_argument(name: str, value: Any, most: int) -> None:
    if isinstance(value, list | tuple | dict):
        inner = value.values() if isinstance(value, dict) else value
        check_count(f"the length of {name}", len(value), 32, least=0)
        for item in inner:
            _check_argument(name, item, most)
    elif isinstance(value, int | float) and not abs(value) <= most:  # NaN is neither
        raise ValueError(f"{name} has {_shown(value)}; a number there is at most {most}")


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_whole(value) or (isinstance(value, float) and not math.isinf(value))


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
