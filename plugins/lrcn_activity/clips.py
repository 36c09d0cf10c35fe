"""Rows to batches: a random window of each video in training, all clips of it when it is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrcn_activity.frames import frames_shown, read
from lrcn_activity.options import ActivityDataOptions
from lrcn_hub.data.clips import Crop, centre_crop, clip_indices, random_clip_indices, random_crop, ten_crops
from lrcn_hub.tasks import Batch, Rows


@dataclass
class ClipCollator:
    """Rows to a batch, by the options and the preprocessing of the processor.

    In training: ``pixel_values`` (videos, T, 3, H, W), ``frame_mask`` (videos, T) and ``labels`` (videos,). Window,
    crop and mirroring follow from a row's seed and are those of all frames of a clip.

    Else every frame is there once, though clips overlap: ``pixel_values`` (frames, 3, H, W); ``clips`` (clips, T), the
    frames of each clip; ``clip_mask`` (clips, T), which of them count; ``video_index`` (clips,), the row of each;
    ``frame_number`` (frames,), of each frame in its video.
    """

    processor: Any
    options: ActivityDataOptions
    training: bool

    def __post_init__(self) -> None:
        if self.processor.video_processor.stream != self.options.stream:
            raise ValueError(
                f"stream is {self.options.stream}, but the model looks at {self.processor.video_processor.stream}"
            )

    def __call__(self, rows: Rows) -> Batch:
        return self._training_batch(rows) if self.training else self._evaluation_batch(rows)

    @property
    def length(self) -> int:
        """Frames of a clip."""
        return int(self.processor.video_processor.num_frames)

    @property
    def first_frame(self) -> int:
        """The first frame, or flow image, at which a training window may begin."""
        return int(self.options.skip_first_frame and self.options.stream == "rgb")

    def view(self, frames: np.ndarray, row: dict[str, Any]) -> Tensor:
        """Give the one view of frames (N, h, w, 3) of a row, (N, 3, H, W): random in training, by the row's seed."""
        augment = self.training and self.options.augment
        return self._random_view(frames, row["seed"]) if augment else self.views(frames)[0]

    def _training_batch(self, rows: Rows) -> Batch:
        clips, masks = [], []
        for row in rows:
            shown = frames_shown(row, self.options)
            indices, mask = random_clip_indices(len(shown), row["seed"], self.length, self.first_frame)
            frames = read(row, shown[indices[mask]], self.options)
            view = self.view(frames, row)
            clips.append(torch.cat([view, view[-1:].expand(len(mask) - len(view), -1, -1, -1)]))
            masks.append(torch.from_numpy(mask))
        labels = torch.tensor([row["label"] for row in rows])
        return {"pixel_values": torch.stack(clips), "frame_mask": torch.stack(masks), "labels": labels}

    def _evaluation_batch(self, rows: Rows) -> Batch:
        pixels, clips, masks, videos, numbers = [], [], [], [], []
        begin = 0
        for number, row in enumerate(rows):
            shown = frames_shown(row, self.options)
            indices, mask = clip_indices(len(shown), self.length, self.options.clip_stride)
            used, positions = np.unique(shown[indices], return_inverse=True)
            for view in self.views(read(row, used, self.options)):
                pixels.append(view)
                clips.append(torch.from_numpy(positions.reshape(indices.shape)) + begin)
                masks.append(torch.from_numpy(mask))
                videos.append(torch.full((len(indices),), number))
                numbers.append(torch.from_numpy(used))
                begin += len(view)
        return {
            "pixel_values": torch.cat(pixels),
            "clips": torch.cat(clips),
            "clip_mask": torch.cat(masks),
            "video_index": torch.cat(videos),
            "frame_number": torch.cat(numbers),
        }

    def views(self, frames: np.ndarray) -> list[Tensor]:
        """Give the views of frames (N, h, w, 3) that are judged, (N, 3, H, W) each: the centre, or ten crops."""
        resized = self._resized(frames)
        height, width = resized.shape[1:3]
        size = self._crop_size(height)
        crops = ten_crops(height, width, size) if self.options.ten_crops and not self.training else None
        return [self._cut(resized, crop) for crop in crops or [centre_crop(height, width, size)]]

    def _random_view(self, frames: np.ndarray, seed: int) -> Tensor:
        resized = self._resized(frames)
        height, width = resized.shape[1:3]
        crop = random_crop(height, width, seed, self._crop_size(height))
        crop = crop if self.options.mirror else replace(crop, mirrored=False)
        if crop.mirrored or self.options.crop_unmirrored:
            return self._cut(resized, crop)
        whole = self.processor.video_processor.warped(torch.from_numpy(resized).permute(0, 3, 1, 2))
        return self.processor.video_processor.normalized(whole)

    def _crop_size(self, height: int) -> int:
        processor = self.processor.video_processor
        return int(processor.crop_size.height) if processor.do_center_crop else height

    def _resized(self, frames: np.ndarray) -> np.ndarray:
        pixels = torch.from_numpy(np.ascontiguousarray(frames)).permute(0, 3, 1, 2)
        resized: np.ndarray = self.processor.video_processor.resized(pixels).permute(0, 2, 3, 1).numpy()
        return resized

    def _cut(self, frames: np.ndarray, crop: Crop) -> Tensor:
        cut = np.ascontiguousarray(crop(frames, flow=self.options.stream == "flow"))
        pixels: Tensor = self.processor.video_processor.normalized(torch.from_numpy(cut).permute(0, 3, 1, 2))
        return pixels


def fused_probabilities(frame_logits: Tensor, clip_mask: Tensor, video_index: Tensor) -> Sequence[Tensor]:
    """Average the probabilities (clips, T, C) over all frames of all clips of each video; one (C,) for each.

    The authors' ``LRCN_evaluate`` averages so: a frame that is in two clips counts twice.
    """
    probabilities = frame_logits.float().softmax(-1)
    return [
        probabilities[video_index == video][clip_mask[video_index == video]].mean(0)
        for video in range(int(video_index.max()) + 1)
    ]
