"""Dense evaluation of a video of any length: the authors' overlapping clips, with each frame looked at once.

The authors judge clips of 16 frames, one every 8, each from a fresh state, and average over all frames of all clips
(paper section 4; ``LRCN_evaluate``). The clips that are under way at a frame are rows of one batch here, so a frame's
feature serves all of them, and is forgotten then; memory holds a few frames and states, however long the video.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lrcn_hub.data.clips import centre_crop, resample_indices
from lrcn_hub.data.flow import flow_images
from lrcn_hub.data.videos import UnreadableVideoError, frame_times, iterate_frames, probe
from lrcn_hub.data.videos.pyav import VideoSource, refuse_cut_short
from lrcn_hub.models import LrcnForVideoClassification, LrcnState


@dataclass(frozen=True)
class DenseFrame:
    """What the model says at one frame, and of the video up to it; probabilities are float64 (C,)."""

    number: int
    """Of the frame in its video, from 0; of a flow image, the number of its second frame."""
    time: float
    """Seconds since the first frame."""
    picture: np.ndarray
    """The frame, uint8 RGB (H, W, 3); of flow, the image that the model looked at."""
    probabilities: np.ndarray
    """The mean over the clips that the frame is in."""
    so_far: np.ndarray
    """The mean over all frames of all clips up to this one; after the last frame, the answer."""


class DenseVideo:
    """A video as a model sees it; iterate over it for a `DenseFrame` of each frame, in order.

    - `clip_length` is by default the processor's ``num_frames``; 0 makes the whole video one clip. A clip begins at
      every `clip_stride`-th frame, the last ones are the video's last frames (`lrcn_hub.data.clips.clip_indices`).
    - `frame_rate`: look at frames at this constant rate, which repeats or leaves out some; none: all as they are.
    - `frames_at_once` go through the backbone together. With 1 no frame is decoded before the one before it is judged.

    A model for optical flow is shown the authors' flow images, computed on the way. On a CPU the backbone's weights
    are laid out channels-last, which changes no value.

    Raises `UnreadableVideoError` for a file that is no whole video, at the latest where the damage is met.
    """

    def __init__(
        self,
        model: LrcnForVideoClassification,
        processor: Any,
        path: VideoSource,
        *,
        clip_length: int | None = None,
        clip_stride: int = 8,
        frame_rate: float | None = None,
        frames_at_once: int = 32,
    ) -> None:
        self.model, self.path = model, os.fspath(path)
        self.video_processor = getattr(processor, "video_processor", processor)
        self.flow = self.video_processor.stream == "flow"
        if clip_stride < 1 or frames_at_once < 1:
            raise ValueError(f"clip_stride {clip_stride}, frames_at_once {frames_at_once}: both must be at least 1")
        if self.flow and frame_rate is not None:
            raise ValueError(f"frame_rate is {frame_rate}; flow is that between successive frames of the file")
        refuse_cut_short(path)
        times = frame_times(path)
        self._shown = np.arange(len(times) - self.flow) if frame_rate is None else resample_indices(times, frame_rate)
        if not len(self._shown):
            raise UnreadableVideoError(
                self.path, "flow needs at least two frames" if self.flow else "it has no frames"
            )
        ticks = len(self._shown)
        length = self.video_processor.num_frames if clip_length is None else clip_length
        self._length = min(length or ticks, ticks)
        starts = np.arange(0, ticks if self._length < ticks else 1, clip_stride)
        self._starts, self._weights = np.unique(np.minimum(starts, ticks - self._length), return_counts=True)
        self.frames_at_once = frames_at_once
        if model.classifier.weight.device.type == "cpu":  # else kernels are laid out anew for every batch
            model.encoder.backbone.to(memory_format=torch.channels_last)

    def __len__(self) -> int:
        """How many frames, or flow images, are looked at."""
        return len(np.unique(self._shown[self._covered(np.arange(len(self._shown)))]))

    def __iter__(self) -> Iterator[DenseFrame]:
        clips = _ClipsUnderWay(self.model, self._starts, self._weights, self._length)
        total, weight = np.zeros(self.model.config.num_labels), 0
        for numbers, times, pictures, ticks in self._batches():
            features = self._features(np.stack(pictures))
            whose = np.repeat(np.arange(len(ticks)), [len(some) for some in ticks])
            sums, weights = clips.score(np.concatenate(ticks), features[torch.from_numpy(whose)])
            for k, (number, time, picture) in enumerate(zip(numbers, times, pictures, strict=True)):
                own, its_weight = sums[whose == k].sum(0), int(weights[whose == k].sum())
                total, weight = total + own, weight + its_weight
                yield DenseFrame(number + self.flow, time, picture, own / its_weight, total / weight)

    def _batches(self) -> Iterator[tuple[list[int], list[float], list[np.ndarray], list[np.ndarray]]]:
        """Give the frames that some clip shows, `frames_at_once` together: numbers, times, pictures and ticks."""
        batch: list[tuple[int, float, np.ndarray, np.ndarray]] = []
        last, count = int(self._shown[-1]), 0
        for number, (picture, time) in enumerate(self._pictures()):
            count = number + 1
            ticks = self._ticks_of(number)
            if len(ticks):
                batch.append((number, time, picture, ticks))
            if batch and (len(batch) == self.frames_at_once or number == last):
                yield tuple(map(list, zip(*batch, strict=True)))  # type: ignore[misc]
                batch = []
            if number == last:
                return
        raise UnreadableVideoError(self.path, f"damaged; it announces {last + 1} frames, but {count} could be read")

    def _pictures(self) -> Iterator[tuple[np.ndarray, float]]:
        """Decode frames, all as large as the first, or make flow images of them, each with its time."""
        info = probe(self.path)
        frames = iterate_frames(self.path, size=(info.height, info.width))
        if not self.flow:
            yield from frames
            return
        times: list[float] = []

        def noted() -> Iterator[np.ndarray]:
            for frame, time in frames:
                times[:] = [time]
                yield frame

        for image in flow_images(noted()):
            yield image, times[0]

    def _ticks_of(self, number: int) -> np.ndarray:
        """When a frame is shown, counted in frames shown; only what is in a clip."""
        ticks = np.arange(*np.searchsorted(self._shown, [number, number + 1]))
        return ticks[self._covered(ticks)]

    def _covered(self, ticks: np.ndarray) -> np.ndarray:
        begun = np.searchsorted(self._starts, ticks, side="right") - 1
        return ticks < self._starts[begun] + self._length

    @torch.inference_mode()
    def _features(self, pictures: np.ndarray) -> Tensor:
        """Look at pictures, uint8 (n, H, W, 3), through the centre crop; gives features (n, F)."""
        processor, device = self.video_processor, self.model.classifier.weight.device
        resized = processor.resized(torch.from_numpy(pictures).permute(0, 3, 1, 2))
        height, width = resized.shape[-2:]
        crop = centre_crop(height, width, int(processor.crop_size.height) if processor.do_center_crop else height)
        cut = resized[..., crop.top : crop.top + crop.size, crop.left : crop.left + crop.size]
        pixels = processor.normalized(cut).to(device, self.model.dtype)
        return self.model.encode(pixels[None])[0]


class _ClipsUnderWay:
    """The clips that frames are being shown to: each has a row of one batch from its beginning to its end."""

    def __init__(self, model: Any, starts: np.ndarray, weights: np.ndarray, length: int) -> None:
        self.model, self.starts, self.weights, self.length = model, starts, weights, length
        order = np.arange(len(starts))
        still = np.searchsorted(starts, starts - length, side="right")  # the first clip that has not ended by then
        self.rows = int((order - still).max()) + 1
        zeros = model.classifier.weight.new_zeros(self.rows, model.config.hidden_size)
        self.state = LrcnState([zeros] * model.config.num_layers, [zeros] * model.config.num_layers)

    @torch.inference_mode()
    def score(self, ticks: np.ndarray, features: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Go on with `features` (n, F) at `ticks`, which rise; every tick is in a clip.

        Gives for each the sum of its clips' probabilities, (n, C), and how many there are; equal clips count.
        """
        newest = np.searchsorted(self.starts, ticks, side="right") - 1
        # Row r has every clip k with k % rows == r, one after another: here the newest of them that has begun.
        clips = newest - (newest - np.arange(self.rows)[:, None]) % self.rows  # (rows, n); below 0: none yet
        starts = np.where(clips < 0, -self.length, self.starts[clips])
        weights = np.where(ticks < starts + self.length, self.weights[clips], 0)
        continues = torch.from_numpy(ticks != starts).to(features.device)
        logits, self.state = self.model.classify(features.expand(self.rows, -1, -1), self.state, continues)
        probabilities = logits.float().softmax(-1).cpu().double().numpy()
        return np.einsum("rn,rnc->nc", weights, probabilities), weights.sum(axis=0)
