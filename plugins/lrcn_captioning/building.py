"""Making what a recipe describes: image processor, backbone and captioner."""

from __future__ import annotations

from PIL import Image

from lrcn_captioning.options import CAFFENET, CaptioningModelOptions
from lrcn_hub.backbones import backbone_config, make_backbone, timm_network
from lrcn_hub.data.option_names import check_names
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)

BEFORE_CROP = 256 / 227  # lrcn.prototxt: pictures are warped to 256 x 256, of which 227 x 227 are taken


def build_image_processor(options: CaptioningModelOptions) -> LrcnImageProcessor:
    """Make the preprocessing that belongs to the backbone, with what the options say otherwise.

    Raises ValueError for a backbone that timm does not know, or not with these options.
    """
    if options.backbone == CAFFENET:
        side = options.image_size or CaffeNetConfig().image_size
        before_crop = round(side * BEFORE_CROP)
        processor = LrcnImageProcessor(
            size={"height": before_crop, "width": before_crop}, crop_size={"height": side, "width": side}
        )
    else:
        processor = LrcnImageProcessor.for_timm(timm_network(options, (CAFFENET,)), options.image_size)
    check_names("preprocessing", options.preprocessing, LrcnImageProcessor.valid_kwargs.__annotations__)
    return LrcnImageProcessor(**{**processor.to_dict(), **options.preprocessing})


def build_captioner(processor: LrcnCaptioningProcessor, options: CaptioningModelOptions) -> LrcnForImageCaptioning:
    """Make a captioner to be trained, with the backbone's weights where the options name some.

    Raises ValueError or OSError for weights that are not there or do not fit.
    """
    side = _picture_side(processor)
    feature = options.feature or ("fc8" if options.backbone == CAFFENET else "pooled")
    config_of_backbone = backbone_config(options, side)
    backbone, feature_size = make_backbone(config_of_backbone, feature, side, options)
    tokenizer = processor.tokenizer
    config = LrcnCaptioningConfig(
        backbone_config=config_of_backbone,
        feature=feature,
        feature_size=feature_size,
        wiring=options.wiring,
        num_layers=options.num_layers,
        visual_layer=options.visual_layer,
        cell=options.cell,
        vocab_size=len(tokenizer),
        embedding_size=options.embedding_size,
        hidden_size=options.hidden_size,
        embedding_dropout=options.embedding_dropout,
        lstm_dropout=options.lstm_dropout,
        initializer_range=options.initializer_range,
        bos_token_id=processor.start_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=processor.start_token_id,
    )
    return LrcnForImageCaptioning(config, backbone)


def _picture_side(processor: LrcnCaptioningProcessor) -> int:
    """See what becomes of a picture that is no square: the backbone wants squares of one size."""
    height, width = processor(images=Image.new("RGB", (96, 48)))["pixel_values"].shape[-2:]
    if height != width:
        raise ValueError(
            f"preprocessing turns a picture of 96 x 48 into {width} x {height}, but the backbone needs squares of one "
            "size: crop them (do_center_crop), or set a size of equal height and width"
        )
    return int(height)
