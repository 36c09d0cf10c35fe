"""From a recogniser to answers: every frame is looked at once, every clip is heard from its own beginning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrcn_activity.clips import fused_probabilities
from lrcn_hub.models import LrcnForVideoClassification
from lrcn_hub.scoring.recognition import early_answers
from lrcn_hub.tasks import Batch


@torch.no_grad()
def classify_videos(
    model: LrcnForVideoClassification, batch: Batch, frames_at_once: int = 64, *, early: bool = False
) -> list[dict[str, Any]]:
    """Classify the videos of a batch that `ClipCollator` made for judging.

    Each answer has ``label``, the name of the likeliest class, and ``probabilities``, one for each class; with `early`
    also ``early``, what the answer would have been before the end (`early_answers`).
    """
    features = _features(model, batch, frames_at_once)
    mask = batch["clip_mask"]
    frame_logits, _ = model.classify(features[batch["clips"]], frame_mask=None if mask.all() else mask)
    found = answers(model, fused_probabilities(frame_logits, mask, batch["video_index"]))
    if early:
        for answer, frames in zip(found, _over_time(frame_logits, batch, len(found)), strict=True):
            answer["early"] = early_answers(*frames)
    return found


def _over_time(frame_logits: Tensor, batch: Batch, videos: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give each video's frames in order: mean probabilities (frames, C) over clips and views, and over how many."""
    probabilities, mask = frame_logits.float().softmax(-1).cpu().double(), batch["clip_mask"].cpu()
    numbers, whose = batch["frame_number"].cpu()[batch["clips"].cpu()], batch["video_index"].cpu()
    for video in range(videos):
        own = (whose == video)[:, None] & mask
        frames, place, counts = numbers[own].unique(return_inverse=True, return_counts=True)
        sums = probabilities.new_zeros(len(frames), probabilities.shape[-1]).index_add(0, place, probabilities[own])
        yield (sums / counts[:, None]).numpy(), counts.numpy()


def _features(model: LrcnForVideoClassification, batch: Batch, frames_at_once: int) -> Tensor:
    """Give the features (frames, F) of a batch: kept ones, or those of the frames that are in it."""
    if "features" in batch:
        kept: Tensor = batch["features"]
        return kept
    frames = batch["pixel_values"].split(frames_at_once)
    return torch.cat([model.encode(some[None])[0] for some in frames])


def answers(model: LrcnForVideoClassification, fused: Iterable[Tensor]) -> list[dict[str, Any]]:
    """Name the likeliest class of each video by its probabilities (C,)."""
    names = model.config.id2label
    return [{"label": names[int(one.argmax())], "probabilities": one.tolist()} for one in fused]


def check_classes(predictions: Sequence[dict[str, Any]], names: Sequence[str]) -> None:
    """Raise ValueError if the answers are not about the classes `names`, in their order."""
    for answer in predictions:
        probabilities = answer["probabilities"]
        best = max(range(len(probabilities)), key=probabilities.__getitem__)
        if len(probabilities) != len(names) or names[best] != answer["label"]:
            raise ValueError(
                f"the model tells {len(probabilities)} classes apart, {answer['label']!r} has the number {best}; the "
                f"data have {len(names)} classes, {', '.join(list(names)[:3])}, ...: they must be the same"
            )
