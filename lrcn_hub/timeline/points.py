"""What a timeline shows: class probabilities over time and some pictures, in memory that does not grow with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from lrcn_hub.timeline.answer import VideoAnswer
from lrcn_hub.timeline.dense import DenseFrame

POINTS, PICTURES, PICTURE_HEIGHT = 400, 10, 96


@dataclass(frozen=True)
class Timeline:
    """The probabilities of all classes at points of a video, each the mean over a few frames, and what was answered.

    `times` (P,) are the points' first frames, in seconds, `probabilities` (P, C); `pictures` are uint8 RGB arrays with
    their times, all of one height.
    """

    title: str
    names: Sequence[str]
    times: np.ndarray
    probabilities: np.ndarray
    pictures: list[tuple[float, np.ndarray]]
    answer: VideoAnswer

    @property
    def end(self) -> float:
        """When what was seen ends, in seconds: one average frame after the last frame's time."""
        seen = self.answer.frames_seen
        return self.answer.seconds_seen * seen / (seen - 1) if seen > 1 else 1.0

    def leading(self, count: int) -> list[int]:
        """Choose up to `count` classes to show: those most probable at any time, the answer's first."""
        peaks = self.probabilities.max(axis=0)
        answered = self.answer.top(1)[0][0]
        order = sorted(range(len(peaks)), key=lambda label: (label != answered, -peaks[label]))
        return [label for label in order[:count] if label == answered or peaks[label] >= 0.1]

    def winners(self) -> list[tuple[float, float, int]]:
        """Give the stretches of time in which one class is the likeliest: start, end and class."""
        best = self.probabilities.argmax(axis=1)
        starts = [0, *(np.flatnonzero(np.diff(best)) + 1)]
        times = [*(float(self.times[start]) for start in starts), self.end]
        return [(times[k], times[k + 1], int(best[start])) for k, start in enumerate(starts)]


class TimelineRecorder:
    """Collects a timeline of a video of `frames` frames; call it with each `DenseFrame`."""

    def __init__(self, frames: int, points: int = POINTS, pictures: int = PICTURES) -> None:
        self.frames, self.points = frames, min(points, frames)
        count = min(pictures, frames)
        self._wanted = {
            (2 * place + 1) * frames // (2 * count) for place in range(count)
        }  # in the middle of equal parts
        self._sums: list[np.ndarray] = []
        self._counts: list[int] = []
        self._times: list[float] = []
        self._pictures: list[tuple[float, np.ndarray]] = []
        self._seen = 0

    def __call__(self, frame: DenseFrame) -> None:
        if self._seen * self.points // self.frames == len(self._sums):
            self._sums.append(np.zeros_like(frame.probabilities))
            self._counts.append(0)
            self._times.append(frame.time)
        self._sums[-1] += frame.probabilities
        self._counts[-1] += 1
        if self._seen in self._wanted:
            height, width = frame.picture.shape[:2]
            size = (max(1, round(width * PICTURE_HEIGHT / height)), PICTURE_HEIGHT)
            shrinks = cv2.INTER_AREA if height > PICTURE_HEIGHT else cv2.INTER_LINEAR
            self._pictures.append((frame.time, cv2.resize(frame.picture, size, interpolation=shrinks)))
        self._seen += 1

    def timeline(self, title: str, names: Sequence[str], answer: VideoAnswer) -> Timeline:
        """Give what was collected, after the video or where it was stopped."""
        probabilities = np.stack(self._sums) / np.array(self._counts)[:, None]
        return Timeline(title, names, np.array(self._times), probabilities, self._pictures, answer)
