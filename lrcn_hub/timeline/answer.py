"""One answer for a video: a pass over its frames that may end early, and the late fusion of two streams."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from tqdm import tqdm

from lrcn_hub.scoring.recognition import fuse
from lrcn_hub.timeline.dense import DenseFrame, DenseVideo


class Frames(Protocol):
    """What can be gone through frame by frame: a `DenseVideo` or `TwoStreams`."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[DenseFrame]: ...


@dataclass(frozen=True)
class VideoAnswer:
    """What was said of a video, and how much of it was seen for that."""

    probabilities: np.ndarray
    """One for each class, float64 (C,)."""
    frames_seen: int
    frames: int
    seconds_seen: float
    """The time of the last frame seen."""

    @property
    def stopped_early(self) -> bool:
        return self.frames_seen < self.frames

    def top(self, count: int) -> list[tuple[int, float]]:
        """Give the `count` likeliest classes, best first, each with its probability."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(int(label), float(self.probabilities[label])) for label in order]


def answer_video(
    frames: Frames,
    *,
    early_exit: float | None = None,
    watch: Callable[[DenseFrame], None] | None = None,
    name: str = "",
) -> VideoAnswer:
    """Go through a video; with `early_exit`, only until the answer so far has at least that probability.

    `watch` is told of every frame. A progress bar with `name` appears where it takes longer than two seconds.

    Raises `UnreadableVideoError` as the frames do, and ValueError for a confidence that is no probability.
    """
    if early_exit is not None and not 0 < early_exit <= 1:
        raise ValueError(f"early_exit is {early_exit}; it is a probability, above 0 and at most 1")
    sure = math.inf if early_exit is None else early_exit
    seen, total = 0, len(frames)
    with tqdm(total=total, desc=name, unit="frame", delay=2, leave=False, disable=None) as bar:
        for frame in frames:
            seen += 1
            bar.update()
            if watch is not None:
                watch(frame)
            if frame.so_far.max() >= sure:
                break
    return VideoAnswer(frame.so_far, seen, total, frame.time)


class TwoStreams:
    """The late fusion of frames and flow (paper section 4): weighted means of what both say of one video.

    At every frame that of the flow that leads to it is known; at the first there is none, so frames speak alone.

    Raises ValueError for streams that do not look at the same frames or know other classes.
    """

    def __init__(self, rgb: DenseVideo, flow: DenseVideo, weights: tuple[float, float] = (1 / 2, 1 / 2)) -> None:
        if rgb.flow or not flow.flow:
            raise ValueError("the first model must look at frames, the second at flow")
        if rgb.model.config.id2label != flow.model.config.id2label:
            raise ValueError("the two models do not know the same classes in the same order")
        if len(flow) != len(rgb) - 1:
            raise ValueError(f"{rgb.path}: {len(rgb)} frames and {len(flow)} flow images do not go together")
        self.rgb, self.flow, self.weights = rgb, flow, weights

    def __len__(self) -> int:
        return len(self.rgb)

    def __iter__(self) -> Iterator[DenseFrame]:
        flow = iter(self.flow)
        for frame in self.rgb:
            if frame.number == 0:
                yield frame
                continue
            motion = next(flow)
            both = ((frame.probabilities, motion.probabilities), (frame.so_far, motion.so_far))
            probabilities, so_far = (fuse(pair, self.weights) for pair in both)
            yield replace(frame, probabilities=probabilities, so_far=so_far)
