"""What the captioner is held against: the nearest training picture's caption, and a caption made without looking."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from tqdm import tqdm
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import LrcnCaptioningConfig, LrcnCaptioningProcessor, LrcnForImageCaptioning

if TYPE_CHECKING:
    from datasets import Dataset

BATCH = 100  # pictures at once


def describe_pictures(
    model: LrcnForImageCaptioning, processor: LrcnCaptioningProcessor, table: Dataset
) -> dict[str, Tensor]:
    """Give two vectors for each picture of `table`: its pixels as the model sees them, and the model's own feature.

    ``pixels`` is (pictures, 3 * H * W), ``feature`` (pictures, F); both are on the CPU.
    """
    pixels, features = [], []
    for start in tqdm(range(0, len(table), BATCH), desc="Looking at pictures", unit="batch", leave=False):
        pictures = table[start : start + BATCH]["image"]
        batch = processor(images=pictures, return_tensors="pt")["pixel_values"]
        with torch.no_grad():
            features.append(model.encoder(batch.to(model.device)).last_hidden_state[:, 0].float().cpu())
        pixels.append(batch.flatten(1))
    return {"pixels": torch.cat(pixels), "feature": torch.cat(features)}


def nearest(queries: Tensor, gallery: Tensor) -> list[int]:
    """Find for each row of `queries` (N, D) the row of `gallery` (M, D) at the smallest Euclidean distance."""
    rows: list[int] = torch.cdist(queries, gallery).argmin(dim=1).tolist()
    return rows


def picture_blind_caption(
    config: LrcnCaptioningConfig,
    processor: LrcnCaptioningProcessor,
    captions: Sequence[str],
    *,
    seed: int = 0,
    steps: int = 200,
    batch_size: int = 32,
    learning_rate: float = 5e-3,
) -> str:
    """Give the likeliest caption, by beam search, of a decoder that has read `captions` but never seen a picture.

    The decoder is the captioner's, with the same number of weights, trained anew with a feature of zeros.
    """
    random = Random(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LrcnForImageCaptioning(config)
        model.encoder.requires_grad_(False)
        optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], learning_rate)
        for _ in tqdm(range(steps), desc="Learning the language without pictures", unit="step", leave=False):
            labels = processor.labels(random.choices(captions, k=batch_size))
            loss = model(encoder_outputs=_blank(config, batch_size), labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    words = model.eval().generate(encoder_outputs=_blank(config, 1), num_beams=5, max_new_tokens=20)
    caption: str = processor.tokenizer.decode(words[0, 1:], skip_special_tokens=True)
    return caption


def _blank(config: LrcnCaptioningConfig, batch_size: int) -> BaseModelOutput:
    return BaseModelOutput(last_hidden_state=torch.zeros(batch_size, 1, config.feature_size))
