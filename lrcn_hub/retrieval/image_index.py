"""The features of many images, each computed once; on disk they make the next query quick."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from lrcn_hub.data.bad_samples import BadSample
from lrcn_hub.data.feature_cache import FeatureCache, Source, stored
from lrcn_hub.data.frozen_features import describe_features, encode_frozen
from lrcn_hub.data.images import image_faults, image_source
from lrcn_hub.models.images_lrcn import open_image
from lrcn_hub.models.modeling_lrcn import LrcnForImageCaptioning
from lrcn_hub.models.processing_lrcn import LrcnCaptioningProcessor

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".ppm", ".pgm", ".avif", ".jp2")
IMAGES_AT_ONCE = 32


def image_files(folder: str | os.PathLike[str]) -> list[Path]:
    """Find the images in a folder and those below it, by their names' endings, in the order of their paths.

    Raises OSError where there is no such folder, ValueError where it has no images.
    """
    root = Path(folder)
    if not root.is_dir():
        raise NotADirectoryError(f"{root}: there is no such folder")
    files = sorted(path for path in root.rglob("*") if path.suffix.lower() in IMAGE_SUFFIXES and path.is_file())
    if not files:
        raise ValueError(f"{root}: there are no images in it, files that end in {', '.join(IMAGE_SUFFIXES)}")
    return files


def encode_images(model: LrcnForImageCaptioning, processor: LrcnCaptioningProcessor, images: Sequence[Any]) -> Tensor:
    """Compute the features (images, F) of paths, bytes, PIL images or cells of an image column, on the CPU."""
    parts = []
    for start in range(0, len(images), IMAGES_AT_ONCE):
        opened = [open_image(image_source(image)) for image in images[start : start + IMAGES_AT_ONCE]]
        parts.append(encode_frozen(model.encoder, processor(images=opened)["pixel_values"]).cpu())
    return torch.cat(parts)


class ImageIndex:
    """Features that a model gives for images, kept in `folder`.

    They are known by the model's backbone and preprocessing and by each file's path, size and time of change: another
    model's are kept beside, and a file that has changed is looked at anew.
    """

    def __init__(
        self,
        model: LrcnForImageCaptioning,
        processor: LrcnCaptioningProcessor,
        folder: str | os.PathLike[str],
    ) -> None:
        self.model, self.processor = model, processor
        self.cache = FeatureCache(folder, describe_features(model.encoder, processor.image_processor))

    def look(self, files: Sequence[str | os.PathLike[str]]) -> tuple[Tensor, list[int], list[BadSample]]:
        """Give the features (images, F), the numbers of the files that could be read, and what is wrong with others.

        Raises ValueError if none can be read.
        """
        sources = [_source(file) if Path(file).is_file() else None for file in files]
        new = [number for number, source in enumerate(sources) if source is None or source not in self.cache]
        faults = image_faults([os.fspath(files[number]) for number in new]) if new else []
        wrong = {number: fault for number, fault in zip(new, faults, strict=True) if fault is not None}
        bad = [BadSample(os.fspath(files[number]), fault) for number, fault in wrong.items()]
        readable = [number for number in range(len(files)) if number not in wrong]
        if not readable:
            reasons = "".join(f"\n  {one.name}: {one.reason}" for one in bad[:10])
            raise ValueError(f"none of {len(files)} images can be read:{reasons}")

        def compute(chosen: list[int]) -> Tensor:
            return encode_images(self.model, self.processor, [os.fspath(files[readable[k]]) for k in chosen])

        kept = [source for number in readable if (source := sources[number]) is not None]
        references = self.cache.fill(kept, compute, at_once=IMAGES_AT_ONCE, unit="image")
        return torch.stack([stored(reference)[:] for reference in references]), readable, bad


def _source(file: str | os.PathLike[str]) -> Source:
    """Know a file in its present state: once changed it is another."""
    source = Source.of_file(file)
    return replace(source.part(source.state), name=source.name)
