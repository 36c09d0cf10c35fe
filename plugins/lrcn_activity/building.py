"""Making what a recipe describes: video processor, backbone and recogniser."""

from __future__ import annotations

import numpy as np

from lrcn_activity.options import CAFFENET, HYBRID, ActivityModelOptions, check_names
from lrcn_hub.backbones import backbone_config, make_backbone, timm_network
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnActivityConfig,
    LrcnActivityProcessor,
    LrcnForVideoClassification,
    LrcnVideoProcessor,
)
from lrcn_hub.models.video_processing_lrcn import FLOW_MEAN

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
        processor = LrcnVideoProcessor.for_timm(timm_network(options, (HYBRID, CAFFENET)), options.image_size, stream)
    check_names("preprocessing", options.preprocessing, LrcnVideoProcessor.valid_kwargs.__annotations__)
    values = {**processor.to_dict(), "num_frames": options.num_frames, **options.preprocessing}
    return LrcnVideoProcessor(**values)


def build_recogniser(processor: LrcnActivityProcessor, options: ActivityModelOptions) -> LrcnForVideoClassification:
    """Make a recogniser to be trained, with the backbone's weights where the options name some.

    Raises ValueError or OSError for weights that are not there or do not fit.
    """
    side = _picture_side(processor)
    feature = options.feature or ("fc6" if options.backbone in (CAFFENET, HYBRID) else "pooled")
    config_of_backbone = backbone_config(options, side)
    backbone, feature_size = make_backbone(config_of_backbone, feature, side, options)
    names = processor.class_names
    config = LrcnActivityConfig(
        backbone_config=config_of_backbone,
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
