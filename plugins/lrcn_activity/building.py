"""Making what a recipe describes: video processor, backbone and recogniser."""

from __future__ import annotations

from lrcn_activity.options import CAFFENET, HYBRID, ActivityModelOptions
from lrcn_hub.backbones import backbone_config, frame_side, make_backbone, video_preprocessing
from lrcn_hub.data.option_names import check_names
from lrcn_hub.models import (
    LrcnActivityConfig,
    LrcnActivityProcessor,
    LrcnForVideoClassification,
    LrcnVideoProcessor,
)


def build_video_processor(options: ActivityModelOptions, stream: str) -> LrcnVideoProcessor:
    """Make the preprocessing that belongs to the backbone, with what the options say otherwise.

    Raises ValueError for a backbone that timm does not know, or not with these options.
    """
    processor = video_preprocessing(options, (HYBRID, CAFFENET), stream)
    check_names("preprocessing", options.preprocessing, LrcnVideoProcessor.valid_kwargs.__annotations__)
    values = {**processor.to_dict(), "num_frames": options.num_frames, **options.preprocessing}
    return LrcnVideoProcessor(**values)


def build_recogniser(processor: LrcnActivityProcessor, options: ActivityModelOptions) -> LrcnForVideoClassification:
    """Make a recogniser to be trained, with the backbone's weights where the options name some.

    Raises ValueError or OSError for weights that are not there or do not fit.
    """
    side = frame_side(processor.video_processor)
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
