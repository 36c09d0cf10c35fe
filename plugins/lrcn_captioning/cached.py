"""Pictures as features that a frozen backbone gave before: computing them, and handing them to the captioner."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from lrcn_hub.data.feature_cache import FeatureCache, Reference, Source, stored
from lrcn_hub.data.frozen_features import describe_features, encode_frozen, refuse_changing_features
from lrcn_hub.data.images import image_source
from lrcn_hub.models.images_lrcn import open_image
from lrcn_hub.tasks import Rows

if TYPE_CHECKING:
    from datasets import Dataset

    from lrcn_hub.models import LrcnCaptioningProcessor, LrcnForImageCaptioning

PICTURES_AT_ONCE = 32


def with_cached_features(
    model: LrcnForImageCaptioning,
    processor: LrcnCaptioningProcessor,
    tables: Mapping[str, Dataset],
    options: Any,
    folder: str,
    *,
    training: bool,
) -> dict[str, Dataset]:
    """Add the column ``features``: where the feature (F,) of a row's picture is kept. Pictures stay, undecoded."""
    import datasets

    if training:
        noise = np.random.default_rng(0).integers(0, 256, (96, 128, 3), np.uint8)
        refuse_changing_features(
            model.encoder,
            processor(images=[Image.fromarray(noise)] * 2, return_tensors="pt")["pixel_values"],
            train_backbone=options.model.train_backbone,
            augment=options.data.augment,
        )
    cache = FeatureCache(folder, describe_features(model.encoder, processor.image_processor))
    kept = {}
    for split, table in tables.items():
        pictures = table.cast_column("image", datasets.Image(decode=False))
        kept[split] = pictures.add_column("features", _fill(cache, model, processor, pictures))
    return kept


def _fill(
    cache: FeatureCache, model: LrcnForImageCaptioning, processor: LrcnCaptioningProcessor, pictures: Dataset
) -> list[Reference]:
    def compute(numbers: list[int]) -> Tensor:
        rows = [pictures[number] for number in numbers]
        opened = [open_image(image_source(row["image"]), name=f"image {row['id']}") for row in rows]
        return encode_frozen(model.encoder, processor(images=opened, return_tensors="pt")["pixel_values"])

    cells = zip(pictures["image"], pictures["id"], strict=True)
    sources = [_source(cell, f"image {name}") for cell, name in cells]
    return cache.fill(sources, compute, at_once=PICTURES_AT_ONCE, unit="image")


def _source(cell: Any, name: str) -> Source:
    return Source.of_file(cell["path"]) if cell["bytes"] is None else Source.of_content(cell["bytes"], name)


def encoder_outputs(rows: Rows) -> tuple[Tensor]:
    """Read the features of rows as the captioner's encoder gives them, (images, 1, F)."""
    return (torch.stack([stored(row["features"])[:] for row in rows])[:, None],)
