"""Segments as features that a frozen backbone gave before: computing them, and handing them to the narrator."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import Tensor

from lrcn_hub.data.feature_cache import FeatureCache, Reference, Source
from lrcn_hub.data.frozen_features import describe_features, encode_frozen, refuse_changing_features
from lrcn_narration.collating import read_clip

if TYPE_CHECKING:
    from datasets import Dataset

    from lrcn_hub.models import LrcnForVideoNarration, LrcnNarrationProcessor


def with_cached_features(
    model: LrcnForVideoNarration,
    processor: LrcnNarrationProcessor,
    tables: Mapping[str, Dataset],
    options: Any,
    folder: str,
    *,
    training: bool,
) -> dict[str, Dataset]:
    """Add the column ``features``: where those of the frames that are read of a row are kept, (frames, F)."""
    if processor.variant != "frames":
        raise ValueError(
            f"a narrator of the variant {processor.variant} looks at no frames: go on without --cache_features"
        )
    encoder = model.encoder.frame_encoder
    if training:
        noise = np.random.default_rng(0).integers(0, 256, (2, 96, 128, 3), np.uint8)
        pixel_values = processor(videos=[noise])["pixel_values"][0]
        refuse_changing_features(encoder, pixel_values, train_backbone=options.model.train_backbone, augment=False)
    sampling = {"frame_rate": processor.frame_rate, "max_frames": processor.max_frames}
    cache = FeatureCache(folder, {**describe_features(encoder, processor.video_processor), "sampling": sampling})
    return {
        split: table.add_column("features", _fill(cache, model, processor, table)) for split, table in tables.items()
    }


def _fill(
    cache: FeatureCache, model: LrcnForVideoNarration, processor: LrcnNarrationProcessor, table: Dataset
) -> list[Reference]:
    def compute(numbers: list[int]) -> list[Tensor]:
        clips = [read_clip(table[number], processor) for number in numbers]
        return [encode_frozen(model.encoder.frame_encoder, clip) for clip in clips]

    places = zip(table["video"], table["start"], table["end"], strict=True)
    return cache.fill([_source(*place) for place in places], compute, unit="segment")


def _source(video: str, start: float | None, end: float | None) -> Source:
    whole = Source.of_file(video)
    return whole if start is None and end is None else whole.part(f"from {start} to {end} s")
