"""Videos of minutes, a chunk of frames at a time: what is in memory does not grow with their length."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from lrcn_activity.clips import ClipCollator
from lrcn_activity.frames import frames_shown, read_in_chunks
from lrcn_activity.generation import answers
from lrcn_hub.data.clips import random_clip_indices
from lrcn_hub.models import LrcnForVideoClassification
from lrcn_hub.tasks import Batch, Rows, model_loss


@dataclass
class VideoChunks:
    """The chunks of a batch of videos, decoded when they are asked for; each iteration begins anew.

    Gives ``pixel_values`` (videos, T, 3, H, W) and ``frame_mask`` (videos, T), False where a video has ended.
    """

    collator: ClipCollator
    rows: Rows
    numbers: list[np.ndarray]
    """The frames of each video that are looked at."""
    count: int
    """How many chunks there are; a video that is shorter has empty ones at the end."""

    @property
    def frames(self) -> Tensor:
        """How many frames of each video are looked at, (videos,)."""
        return torch.tensor([len(numbers) for numbers in self.numbers])

    def __iter__(self) -> Iterator[tuple[Tensor, Tensor]]:
        size, options = self._size, self.collator.options
        readers = [
            read_in_chunks(row, numbers, size, options) for row, numbers in zip(self.rows, self.numbers, strict=True)
        ]
        like = None  # what filling looks like: every video has a first chunk
        for _ in range(self.count):
            found = [next(reader, None) for reader in readers]
            views = [
                None if frames is None else self.collator.view(frames, row)
                for frames, row in zip(found, self.rows, strict=True)
            ]
            like = next(view for view in views if view is not None)[:1] if like is None else like
            lengths = torch.tensor([0 if view is None else len(view) for view in views])
            filled = [torch.cat([like[:0] if v is None else v, like.expand(size, -1, -1, -1)])[:size] for v in views]
            yield torch.stack(filled), torch.arange(size) < lengths[:, None]

    @property
    def _size(self) -> int:
        size = self.collator.options.chunk_frames
        assert size is not None  # else there would be no chunks
        return size


@dataclass
class ChunkCollator:
    """Rows to a batch of ``labels`` (videos,) and ``chunks``, a `VideoChunks`.

    In training they are those of one random window of `num_frames` frames of each video, else of the whole videos.
    """

    clips: ClipCollator

    def __call__(self, rows: Rows) -> Batch:
        shown = [frames_shown(row, self.clips.options) for row in rows]
        if self.clips.training:
            shown = [self._window(numbers, row["seed"]) for numbers, row in zip(shown, rows, strict=True)]
        size = self.clips.options.chunk_frames or 1
        labels = torch.tensor([row["label"] for row in rows])
        return {"labels": labels, "chunks": VideoChunks(self.clips, rows, shown, -(-max(map(len, shown)) // size))}

    def _window(self, numbers: np.ndarray, seed: int) -> np.ndarray:
        indices, mask = random_clip_indices(len(numbers), seed, self.clips.length, self.clips.first_frame)
        return numbers[indices[mask]]


def truncated_loss(
    model: LrcnForVideoClassification, batch: Batch, items_in_batch: Tensor | int | None
) -> Iterator[Tensor]:
    """Give the loss of one chunk after another: truncated back-propagation through time.

    The state is carried from chunk to chunk, the gradient is not. All together are what `model_loss` gives for the
    whole windows: the cross entropy at every frame, its mean over a video's frames, summed over videos and divided by
    `items_in_batch`.
    """
    if "chunks" not in batch:  # without data.chunk_frames a window is one chunk
        yield model_loss(model, batch, items_in_batch)
        return
    chunks, labels, state = batch["chunks"], batch["labels"], None
    shares = 1 / (chunks.frames.to(labels.device) * (1 if items_in_batch is None else items_in_batch))
    for pixel_values, mask in chunks:
        mask = mask.to(labels.device)
        output = model(pixel_values=pixel_values.to(labels.device), frame_mask=mask, state=state)
        state = output.state.detach()
        logits = output.frame_logits.float()
        targets = labels[:, None].expand(logits.shape[:2])
        losses = F.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none").view(targets.shape)
        yield (losses.masked_fill(~mask, 0.0).sum(1) * shares).sum()


@torch.no_grad()
def classify_in_chunks(model: LrcnForVideoClassification, chunks: VideoChunks) -> list[dict[str, Any]]:
    """Classify each video as one clip, its state carried from chunk to chunk; answers as `classify_videos` gives."""
    state, device = None, model.classifier.weight.device
    total = torch.zeros(len(chunks.rows), model.config.num_labels, device=device)
    for pixel_values, mask in chunks:
        features = model.encode(pixel_values.to(device), mask.to(device))
        logits, state = model.classify(features, state, frame_mask=mask.to(device))
        total += logits.float().softmax(-1).masked_fill(~mask.to(device)[..., None], 0.0).sum(1)
    return answers(model, total / chunks.frames.to(device)[:, None])
