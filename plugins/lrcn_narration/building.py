"""Making what a recipe describes: what reads nodes or frames, and the narrator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lrcn_hub.backbones import backbone_config, frame_side, make_backbone, video_preprocessing
from lrcn_hub.data.option_names import check_names
from lrcn_hub.models import (
    LrcnForVideoNarration,
    LrcnNarrationConfig,
    LrcnNarrationProcessor,
    LrcnVideoProcessor,
)
from lrcn_hub.sentences.tokenizer import build_tokenizer
from lrcn_narration.data import DataReport
from lrcn_narration.options import CAFFENET, NarrationModelOptions

if TYPE_CHECKING:
    from datasets import Dataset


def build_processor(tables: Mapping[str, Dataset], options: NarrationModelOptions) -> LrcnNarrationProcessor:
    """Make the processor of a narrator of these data.

    Raises ValueError for data without the nodes, or the videos, that the variant reads, and for a backbone that timm
    does not know, or not with these options.
    """
    labels = DataReport.of(tables["train"]).nodes
    reads_frames = options.variant == "frames"
    column = "video" if reads_frames else "nodes"
    if not reads_frames and not labels:
        raise ValueError(
            f"variant {options.variant} reads nodes, but the data have none: name a node_file, or take variant frames"
        )
    for split, table in tables.items():
        if missing := [name for name, cell in zip(table["id"], table[column], strict=True) if cell is None]:
            way_out = (
                "name the video_folder (moving-shapes: moving_shapes.videos)"
                if reads_frames
                else "complete the node_file, or take variant frames"
            )
            raise ValueError(
                f"variant {options.variant} reads {column}, but {len(missing)} rows of split {split} have none, "
                f"{missing[0]} among them: {way_out}"
            )
    said = (sentence for sentences in tables["train"]["sentences"] for sentence in sentences)
    return LrcnNarrationProcessor(
        build_video_processor(options) if reads_frames else None,
        build_tokenizer(said, options),
        variant=options.variant,
        node_labels=None if reads_frames else labels,
        absent_label=options.absent_label,
        frame_rate=options.frame_rate if reads_frames else None,
        max_frames=options.max_frames,
    )


def build_video_processor(options: NarrationModelOptions) -> LrcnVideoProcessor:
    """Make the preprocessing that belongs to the backbone, with what the options say otherwise."""
    processor = video_preprocessing(options, (CAFFENET,))
    check_names("preprocessing", options.preprocessing, LrcnVideoProcessor.valid_kwargs.__annotations__)
    return LrcnVideoProcessor(**{**processor.to_dict(), **options.preprocessing})


def build_narrator(processor: LrcnNarrationProcessor, options: NarrationModelOptions) -> LrcnForVideoNarration:
    """Make a narrator to be trained, with the backbone's weights where the options name some.

    Raises ValueError or OSError for weights that are not there or do not fit.
    """
    seen: dict[str, Any] = {}
    backbone = None
    if options.variant == "frames":
        side = frame_side(processor.video_processor)
        feature = options.feature or ("fc7" if options.backbone == CAFFENET else "pooled")
        config_of_backbone = backbone_config(options, side)
        backbone, feature_size = make_backbone(config_of_backbone, feature, side, options)
        seen = {"backbone_config": config_of_backbone, "feature": feature, "feature_size": feature_size}
    elif processor.nodes is not None:
        seen = {"node_sizes": processor.nodes.sizes, "source_size": len(processor.nodes.vocabulary) + 1}
    tokenizer = processor.tokenizer
    config = LrcnNarrationConfig(
        **seen,
        variant=options.variant,
        schedule=options.schedule,
        share_stack=options.share_stack,
        frame_reader=options.frame_reader,
        frame_size=options.frame_size,
        num_layers=options.num_layers,
        visual_layer=options.visual_layer,
        vocab_size=len(tokenizer),
        embedding_size=options.embedding_size,
        hidden_size=options.hidden_size,
        embedding_dropout=options.embedding_dropout,
        lstm_dropout=options.lstm_dropout,
        initializer_range=options.initializer_range,
        forget_bias=options.forget_bias,
        bos_token_id=processor.start_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.eos_token_id,
        decoder_start_token_id=processor.start_token_id,
    )
    return LrcnForVideoNarration(config, backbone)
