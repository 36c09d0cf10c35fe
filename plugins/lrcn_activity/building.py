"""Making what a recipe describes: video processor, backbone and recogniser."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file
from transformers import PreTrainedConfig, TimmWrapperConfig

from lrcn_activity.options import CAFFENET, HYBRID, ActivityModelOptions, check_names
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnActivityConfig,
    LrcnActivityProcessor,
    LrcnForVideoClassification,
    LrcnVideoProcessor,
)
from lrcn_hub.models.backbones_lrcn import build_backbone, load_backbone_weights, measure_feature_size
from lrcn_hub.models.video_processing_lrcn import FLOW_MEAN

if TYPE_CHECKING:
    from transformers import PreTrainedModel

BEFORE_CROP = (240 / 227, 320 / 227)  # sequence_input_layer.py: frames of 240 x 320, of which 227 x 227 are taken


def build_video_processor(options: ActivityModelOptions, stream: str) -> LrcnVideoProcessor:
    """Make the preprocessing that belongs to the backbone, with what the options say otherwise.

    Raises ValueError for a backbone that timm does not know, or not with these options.
    """
    if options.backbone in (CAFFENET, HYBRID):
        side = options.image_size or CaffeNetConfig().image_size
        height, width = (round(side * share) for share in BEFORE_CROP)
        mean = {"image_mean": FLOW_MEAN} if stream == "flow" else {}
        processor = LrcnVideoProcessor(
            size={"height": height, "width": width}, crop_size={"height": side, "width": side}, stream=stream, **mean
        )
    else:
        processor = LrcnVideoProcessor.for_timm(_timm_network(options), options.image_size, stream)
    check_names("preprocessing", options.preprocessing, LrcnVideoProcessor.valid_kwargs.__annotations__)
    values = {**processor.to_dict(), "num_frames": options.num_frames, **options.preprocessing}
    return LrcnVideoProcessor(**values)


def build_recogniser(processor: LrcnActivityProcessor, options: ActivityModelOptions) -> LrcnForVideoClassification:
    """Make a recogniser to be trained, with the backbone's weights where the options name some.

    Raises ValueError or OSError for weights that are not there or do not fit.
    """
    side = _picture_side(processor)
    feature = options.feature or ("fc6" if options.backbone in (CAFFENET, HYBRID) else "pooled")
    backbone_config = _backbone_config(options, side)
    backbone, feature_size = _backbone(backbone_config, feature, side, options)
    names = processor.class_names
    config = LrcnActivityConfig(
        backbone_config=backbone_config,
        feature=feature,
        feature_size=feature_size,
        hidden_size=options.hidden_size,
        num_layers=options.num_layers,
        cell=options.cell,
        feature_dropout=options.feature_dropout,
        lstm_dropout=options.lstm_dropout,
        num_frames=options.num_frames,
        initializer_range=options.initializer_range,
        id2label=dict(enumerate(names)),
        label2id={name: number for number, name in enumerate(names)},
    )
    return LrcnForVideoClassification(config, backbone)


def _picture_side(processor: LrcnActivityProcessor) -> int:
    """See what becomes of a frame that is no square: the backbone wants squares of one size."""
    height, width = processor(np.zeros((1, 48, 96, 3), np.uint8))["pixel_values"].shape[-2:]
    if height != width:
        raise ValueError(
            f"preprocessing turns a frame of 96 x 48 into {width} x {height}, but the backbone needs squares of one "
            "size: crop them (do_center_crop), or set a size of equal height and width"
        )
    return int(height)


def _backbone_config(options: ActivityModelOptions, side: int) -> PreTrainedConfig:
    if options.backbone == HYBRID:
        return CaffeNetConfig.hybrid(image_size=side, **options.backbone_options)
    if options.backbone == CAFFENET:
        return CaffeNetConfig(image_size=side, **options.backbone_options)
    return TimmWrapperConfig(architecture=options.backbone, num_classes=0, model_args=options.backbone_options or None)


def _timm_network(options: ActivityModelOptions) -> Any:
    import timm

    if not timm.is_model(options.backbone):
        near = difflib.get_close_matches(options.backbone, [CAFFENET, HYBRID, *timm.list_models()], n=1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(
            f"unknown backbone {options.backbone!r}{hint}; it is {HYBRID}, {CAFFENET} or one of timm.list_models()"
        )
    try:
        return timm.create_model(options.backbone, **options.backbone_options)
    except (RuntimeError, TypeError) as error:  # timm's words for an unknown tag or option
        raise ValueError(
            f"backbone {options.backbone}, backbone_options {options.backbone_options}: {error}"
        ) from error


def _backbone(
    config: PreTrainedConfig, feature: str, side: int, options: ActivityModelOptions
) -> tuple[PreTrainedModel, int]:
    """Make the backbone, with its weights, and count the values of its feature."""
    try:
        backbone = build_backbone(config, feature, pretrained=options.backbone_pretrained)
    except OSError as error:
        raise OSError(
            f"the published weights of {options.backbone} are not in the cache and cannot be fetched; connect to the "
            f"network once, give a file of them as backbone_weights, or go on without (backbone_pretrained: false). "
            f"{error}"
        ) from error
    except RuntimeError as error:  # torch's words for a network that ends before it begins, timm's for no weights
        raise ValueError(f"backbone {options.backbone} for frames of {side} x {side}: {error}") from error
    if options.backbone_weights:
        _load_weights(backbone, options.backbone_weights)
    try:
        return backbone, measure_feature_size(backbone, side)
    except RuntimeError as error:
        raise ValueError(f"backbone {options.backbone} cannot see frames of {side} x {side}: {error}") from error


def _load_weights(backbone: PreTrainedModel, file: str) -> None:
    try:
        load_backbone_weights(backbone, load_file(file))
    except SafetensorError as error:
        raise ValueError(
            f"{file}: no sound safetensors file, and weights in no other form are read: {error}"
        ) from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error
