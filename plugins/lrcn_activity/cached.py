"""Videos as features that a frozen backbone gave before: computing them, and batches of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lrcn_activity.clips import ClipCollator
from lrcn_activity.frames import frames_shown, read_in_chunks
from lrcn_activity.options import ActivityDataOptions
from lrcn_hub.data.clips import clip_indices, random_clip_indices
from lrcn_hub.data.feature_cache import FeatureCache, Reference, Source, stored
from lrcn_hub.data.flow import FlowOptions
from lrcn_hub.data.frozen_features import describe_features, encode_frozen, refuse_changing_features
from lrcn_hub.tasks import Batch, Rows

if TYPE_CHECKING:
    from datasets import Dataset

    from lrcn_hub.models import LrcnActivityProcessor, LrcnForVideoClassification


def with_cached_features(
    model: LrcnForVideoClassification,
    processor: LrcnActivityProcessor,
    tables: Mapping[str, Dataset],
    options: Any,
    folder: str,
    *,
    training: bool,
) -> dict[str, Dataset]:
    """Add the column ``features``: where those of all frames of a row are kept, (views, frames, F).

    There is one view, the centre, or ten of what is judged where the options say ten_crops.
    """
    if options.data.chunk_frames:
        raise ValueError("cache_features holds whole windows: leave out --chunk_frames, or --cache_features")
    if training:
        noise = np.random.default_rng(0).integers(0, 256, (1, 2, 96, 128, 3), np.uint8)
        refuse_changing_features(
            model.encoder,
            processor(list(noise))["pixel_values"][0],
            train_backbone=options.model.train_backbone,
            augment=options.data.augment,
        )
    description = describe_features(model.encoder, processor.video_processor)
    kept = {}
    for split, table in tables.items():
        clips = ClipCollator(processor, options.data, training=training and split == "train")
        cache = FeatureCache(folder, {**description, "sampling": _sampling(clips)})
        kept[split] = table.add_column("features", _fill(cache, model, table, clips, options))
    return kept


def _fill(
    cache: FeatureCache, model: LrcnForVideoClassification, table: Dataset, clips: ClipCollator, options: Any
) -> list[Reference]:
    def compute(numbers: list[int]) -> list[Tensor]:
        return [_encode(model, table[number], clips, options.evaluation.frames_at_once) for number in numbers]

    return cache.fill([Source.of_file(video) for video in table["video"]], compute)


def _sampling(clips: ClipCollator) -> dict[str, Any]:
    """Say which frames of a file, and which views of them, the backbone sees."""
    options: ActivityDataOptions = clips.options
    sampling: dict[str, Any] = {
        "stream": options.stream,
        "frame_rate": options.frame_rate,
        "views": _views(clips),
    }
    if options.stream == "flow":
        sampling["flow"] = asdict(FlowOptions())
    return sampling


def _views(clips: ClipCollator) -> int:
    return 10 if clips.options.ten_crops and not clips.training else 1


def _encode(
    model: LrcnForVideoClassification, row: dict[str, Any], clips: ClipCollator, frames_at_once: int
) -> Tensor:
    """Compute the features of all frames that a row shows, (views, frames, F)."""
    shown, repeats = np.unique(frames_shown(row, clips.options), return_inverse=True)
    views: list[list[Tensor]] = [[] for _ in range(_views(clips))]
    for frames in read_in_chunks(row, shown, frames_at_once, clips.options):
        for features, view in zip(views, clips.views(frames), strict=True):
            features.append(encode_frozen(model.encoder, view).cpu())
    return torch.stack([torch.cat(features)[repeats] for features in views])


@dataclass
class CachedClips:
    """Rows to a batch as `ClipCollator` makes it; where rows have cached features, without looking at the videos.

    Such a batch has ``features`` in place of ``pixel_values``: (videos, T, F) in training, else (frames, F).
    """

    clips: ClipCollator

    def __call__(self, rows: Rows) -> Batch:
        if "features" not in rows[0]:
            return self.clips(rows)
        return self._training_batch(rows) if self.clips.training else self._evaluation_batch(rows)

    def _training_batch(self, rows: Rows) -> Batch:
        windows, masks = [], []
        for row in rows:
            features = stored(row["features"])
            _, count, size = features.get_shape()
            indices, mask = random_clip_indices(count, row["seed"], self.clips.length, self.clips.first_frame)
            start, length = int(indices[0]), int(mask.sum())
            window = torch.zeros(len(mask), size)
            window[:length] = features[0, start : start + length]
            windows.append(window)
            masks.append(torch.from_numpy(mask))
        labels = torch.tensor([row["label"] for row in rows])
        return {"features": torch.stack(windows), "frame_mask": torch.stack(masks), "labels": labels}

    def _evaluation_batch(self, rows: Rows) -> Batch:
        parts, clips, masks, videos, numbers = [], [], [], [], []
        begin = 0
        for number, row in enumerate(rows):
            features = stored(row["features"])[:]
            count = features.shape[1]
            indices, mask = clip_indices(count, self.clips.length, self.clips.options.clip_stride)
            for view in features:
                parts.append(view)
                clips.append(torch.from_numpy(indices) + begin)
                masks.append(torch.from_numpy(mask))
                videos.append(torch.full((len(indices),), number))
                numbers.append(torch.arange(count))
                begin += count
        return {
            "features": torch.cat(parts),
            "clips": torch.cat(clips),
            "clip_mask": torch.cat(masks),
            "video_index": torch.cat(videos),
            "frame_number": torch.cat(numbers),
        }
