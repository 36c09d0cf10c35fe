"""The backbone that a recipe's model options name: made, with its weights, and what goes wrong said in their words."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import PreTrainedConfig, TimmWrapperConfig

from lrcn_hub.models import CaffeNetConfig, LrcnVideoProcessor
from lrcn_hub.models.backbones_lrcn import build_backbone, load_backbone_weights, measure_feature_size
from lrcn_hub.models.video_processing_lrcn import FLOW_MEAN

if TYPE_CHECKING:
    from transformers import PreTrainedModel

# Networks that are written here; every other name is timm's.
OWN: dict[str, Callable[..., CaffeNetConfig]] = {"caffenet": CaffeNetConfig, "hybrid": CaffeNetConfig.hybrid}

BEFORE_CROP = (240 / 227, 320 / 227)  # sequence_input_layer.py: frames of 240 x 320, of which 227 x 227 are taken


class BackboneOptions(Protocol):
    """What of a task's model options is about the backbone."""

    backbone: str
    backbone_options: dict[str, Any]
    backbone_pretrained: bool
    backbone_weights: str | None


class VideoOptions(BackboneOptions, Protocol):
    """What is about how it sees the frames of videos, besides."""

    image_size: int | None


def backbone_config(options: BackboneOptions, side: int) -> PreTrainedConfig:
    """Give the configuration of the backbone for pictures of `side` x `side`."""
    if options.backbone in OWN:
        return OWN[options.backbone](image_size=side, **options.backbone_options)
    return TimmWrapperConfig(architecture=options.backbone, num_classes=0, model_args=options.backbone_options or None)


def timm_network(options: BackboneOptions, known: tuple[str, ...]) -> Any:
    """Make timm's network of that name, for its preprocessing; `known` are the names that a task takes beside timm's.

    Raises ValueError for a name that timm does not know, with the nearest, and for options that it does not take.
    """
    import timm

    if not timm.is_model(options.backbone):
        near = difflib.get_close_matches(options.backbone, [*known, *timm.list_models()], n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"unknown backbone {options.backbone!r}{hint}; it is {', '.join(known)} or one of timm.list_models()"
        )
    try:
        return timm.create_model(options.backbone, **options.backbone_options)
    except (RuntimeError, TypeError) as error:  # timm's words for an unknown tag or option
        raise ValueError(
            f"backbone {options.backbone}, backbone_options {options.backbone_options}: {error}"
        ) from error


def video_preprocessing(options: VideoOptions, known: tuple[str, ...], stream: str = "rgb") -> LrcnVideoProcessor:
    """Make the preprocessing of frames that belongs to the backbone; `known` names are those of `timm_network`."""
    if options.backbone not in OWN:
        return LrcnVideoProcessor.for_timm(timm_network(options, known), options.image_size, stream)
    side = options.image_size or CaffeNetConfig().image_size
    height, width = (round(side * share) for share in BEFORE_CROP)
    mean = {"image_mean": FLOW_MEAN} if stream == "flow" else {}
    size = {"height": height, "width": width}
    return LrcnVideoProcessor(size=size, crop_size={"height": side, "width": side}, stream=stream, **mean)


def frame_side(processor: LrcnVideoProcessor) -> int:
    """See what becomes of a frame that is no square: the backbone wants squares of one size; gives their side.

    Raises ValueError where it gets something else.
    """
    frames = np.zeros((1, 48, 96, 3), np.uint8)
    height, width = processor(frames, do_sample_frames=False, return_tensors="pt")["pixel_values"].shape[-2:]
    if height != width:
        raise ValueError(
            f"preprocessing turns a frame of 96 x 48 into {width} x {height}, but the backbone needs squares of one "
            "size: crop them (do_center_crop), or set a size of equal height and width"
        )
    return int(height)


def make_backbone(
    config: PreTrainedConfig, feature: str, side: int, options: BackboneOptions
) -> tuple[PreTrainedModel, int]:
    """Make the backbone, with its weights where the options name some, and count the values of its feature.

    Raises OSError or ValueError for weights that are not there or do not fit, and for pictures that it cannot see.
    """
    try:
        backbone = build_backbone(config, feature, pretrained=options.backbone_pretrained)
    except OSError as error:
        raise OSError(
            f"the published weights of {options.backbone} are not in the cache and cannot be fetched; connect to the "
            f"network once, give a file of them as backbone_weights, or go on without (backbone_pretrained: false). "
            f"{error}"
        ) from error
    except RuntimeError as error:  # torch's words for a network that ends before it begins, timm's for no weights
        raise ValueError(f"backbone {options.backbone} for pictures of {side} x {side}: {error}") from error
    if options.backbone_weights:
        _load_weights(backbone, options.backbone_weights)
    try:
        return backbone, measure_feature_size(backbone, side)
    except RuntimeError as error:
        raise ValueError(f"backbone {options.backbone} cannot see pictures of {side} x {side}: {error}") from error


def _load_weights(backbone: PreTrainedModel, file: str) -> None:
    try:
        load_backbone_weights(backbone, load_file(file))
    except SafetensorError as error:
        raise ValueError(
            f"{file}: no sound safetensors file, and weights in no other form are read: {error}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
