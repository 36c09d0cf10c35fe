"""Clips of a video: which frames they have, and the crops and mirroring that all frames of one share."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Literal

import cv2
import numpy as np

ShortVideos = Literal["mask", "repeat"]


def clip_indices(
    frames: int, length: int = 16, stride: int = 8, short: ShortVideos = "mask"
) -> tuple[np.ndarray, np.ndarray]:
    """Choose the frames of all test clips: indices, int64 (clips, length), and which of them count, bool.

    A clip starts at every `stride`-th frame; where it would run past the end it is the last `length` frames, so the
    last clips may be equal, as in the authors' ``LRCN_evaluate``. A video shorter than `length` is one clip: with
    ``"mask"`` its frames and then its last one again, not counted; with ``"repeat"`` its frames over and over.

    Raises ValueError for a video without frames.
    """
    _check(frames, length)
    if stride < 1:
        raise ValueError(f"stride={stride}: it must be at least 1")
    if frames < length:
        indices, mask = _short_clip(frames, length, short)
        return indices[None], mask[None]
    starts = np.minimum(np.arange(0, frames, stride), frames - length)
    indices = starts[:, None] + np.arange(length)
    return indices, np.ones(indices.shape, bool)


def random_clip_indices(
    frames: int, seed: int, length: int = 16, first: int = 0, short: ShortVideos = "mask"
) -> tuple[np.ndarray, np.ndarray]:
    """Choose one training window of `length` consecutive frames: indices, int64 (length,), and which count, bool.

    Every window from frame `first` on is equally likely. The authors never start at a video's first frame, since a
    window's flow begins one frame later: ``first=1`` for RGB and 0 for the flow images give their windows, and with
    the same seed those of the same instants. A short video is treated as by `clip_indices`.
    """
    _check(frames, length)
    if frames < length:
        return _short_clip(frames, length, short)
    first = min(first, frames - length)
    start = first + int(Random(f"window {seed}").random() * (frames - length - first + 1))
    return np.arange(start, start + length), np.ones(length, bool)


def resample_indices(times: np.ndarray, fps: float) -> np.ndarray:
    """Choose the frame to show at each tick of a constant rate, int64: frames are repeated or left out.

    `times` are those of `frame_times`. Every frame goes to the nearest tick, halves to the later one; a tick shows the
    last frame that has gone to it or before it (so does FFmpeg's ``-r``, which the authors used, at 30). The last tick
    is the last frame's.
    """
    if not len(times) or fps <= 0:
        raise ValueError(f"{len(times)} frames at fps={fps}: there must be a frame and a rate above 0")
    ticks = np.floor(np.round(np.asarray(times) * fps, 6) + 0.5)  # rounded: 0.14 s at 25 is 3.5, not a little more
    return np.searchsorted(ticks, np.arange(ticks[-1] + 1), side="right") - 1


@dataclass(frozen=True)
class Crop:
    """A square cut out of every frame of a clip, mirrored or not."""

    top: int
    left: int
    size: int
    mirrored: bool = False

    def __call__(self, frames: np.ndarray, *, flow: bool = False) -> np.ndarray:
        """Cut (..., height, width, 3) to (..., size, size, 3); in flow images mirroring also turns x round."""
        height, width = frames.shape[-3:-1]
        if self.top + self.size > height or self.left + self.size > width or min(self.top, self.left) < 0:
            raise ValueError(f"{self} does not lie in a frame of {height} x {width}")
        cut = frames[..., self.top : self.top + self.size, self.left : self.left + self.size, :]
        return mirror(cut, flow=flow) if self.mirrored else cut


def centre_crop(height: int, width: int, size: int = 227) -> Crop:
    """Choose the middle; in the authors' 240 x 320 frames it begins at (6, 46)."""
    return Crop((height - size) // 2, (width - size) // 2, size)


def random_crop(height: int, width: int, seed: int, size: int = 227) -> Crop:
    """Draw a place, and mirroring half of the time; the same for a seed, so a whole clip shares them."""
    if size > min(height, width):
        raise ValueError(f"a crop of {size} does not fit a frame of {height} x {width}")
    random = Random(f"crop {seed}")
    return Crop(random.randint(0, height - size), random.randint(0, width - size), size, random.random() < 0.5)


def ten_crops(height: int, width: int, size: int = 227) -> list[Crop]:
    """Choose corners (top left, top right, bottom left, bottom right) and centre, then the five mirrored."""
    bottom, right = height - size, width - size
    corners = [Crop(top, left, size) for top in (0, bottom) for left in (0, right)]
    plain = [*corners, centre_crop(height, width, size)]
    return [*plain, *(Crop(crop.top, crop.left, size, mirrored=True) for crop in plain)]


def mirror(frames: np.ndarray, *, flow: bool = False) -> np.ndarray:
    """Mirror uint8 (..., height, width, 3) left to right; of flow images the x channel, the first, becomes 255 - x."""
    mirrored = frames[..., ::-1, :]
    if flow:
        mirrored = mirrored.copy()
        mirrored[..., 0] = 255 - mirrored[..., 0]
    return mirrored


def resize_frame(frame: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale (H, W, 3) to (height, width, 3): by the area under each pixel where both shrink, else bilinearly."""
    if frame.shape[:2] == (height, width):
        return frame
    shrinks = height <= frame.shape[0] and width <= frame.shape[1]
    return cv2.resize(frame, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR)


def resize_frames(frames: np.ndarray, height: int, width: int) -> np.ndarray:
    """Scale all frames of a clip, (frames, H, W, 3)."""
    return np.stack([resize_frame(frame, height, width) for frame in frames])


def shorter_side_size(height: int, width: int, shorter: int) -> tuple[int, int]:
    """Give the height and width at which the shorter side is `shorter` and the shape is kept."""
    scale = shorter / min(height, width)
    return max(shorter, round(height * scale)), max(shorter, round(width * scale))


def _check(frames: int, length: int) -> None:
    if frames < 1 or length < 1:
        raise ValueError(f"{frames} frames in clips of {length}: both must be at least 1")


def _short_clip(frames: int, length: int, short: ShortVideos) -> tuple[np.ndarray, np.ndarray]:
    positions = np.arange(length)
    if short == "repeat":
        return positions % frames, np.ones(length, bool)
    if short != "mask":
        raise ValueError(f"short={short!r}: choose mask or repeat")
    return np.minimum(positions, frames - 1), positions < frames
