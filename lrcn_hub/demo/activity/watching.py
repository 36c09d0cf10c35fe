"""Watching held-out videos as one long video, frame by frame, with an answer at every frame."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrcn_hub.data.moving_shapes import write_video
from lrcn_hub.data.videos import iterate_frames, read_frames
from lrcn_hub.timeline.answer import VideoAnswer
from lrcn_hub.timeline.drawing import draw_timeline
from lrcn_hub.timeline.points import Timeline

if TYPE_CHECKING:
    from datasets import Dataset

TITLE = "Watched live: ten videos in a row, each of another action"
ROWS = (0, 3, 4, 7, 8, 11, 12, 15, 16, 19)  # one video of every action, no two of them twins


@dataclass
class Watched:
    """What was said of a video that is several videos in a row."""

    file: Path
    """The long video."""
    picture: Path
    """Its timeline, a PNG."""
    labels: list[str]
    """What each of the videos shows."""
    decisions: list[list[str]]
    """For each of them the decision at each of its frames."""

    @property
    def frames(self) -> int:
        return sum(map(len, self.decisions))

    @property
    def right(self) -> int:
        """How many of the videos were told rightly at their last frame."""
        return sum(said[-1] == label for label, said in zip(self.labels, self.decisions, strict=True))


def watch_in_a_row(model: Any, processor: Any, table: Dataset, folder: Path) -> Watched:
    """Join some videos of `table` to one file in `folder` and watch it by `model.stream`.

    The session is told where a new video begins, as by a player that knows the shots; it forgets what was before.
    """
    rows = table.select([row for row in ROWS if row < len(table)])
    videos = [read_frames(path) for path in rows["video"]]
    file, picture = folder / "in-a-row.mov", folder / "timeline.png"
    write_video(np.concatenate(videos), file)
    starts = set(np.cumsum([0, *map(len, videos)]).tolist())
    session = model.stream(processor=processor.video_processor)
    results, pictures = [], []
    for number, (frame, time) in enumerate(iterate_frames(file)):
        if number in starts:
            session.cut()
        results.append(session.push(frame, times=time))
        if number + len(videos[0]) // 2 in starts:  # in the middle
            pictures.append((time, frame))
    probabilities = np.stack([result.probabilities.double().numpy() for result in results])
    names = table.features["label"].names
    answer = VideoAnswer(probabilities.mean(0), len(results), len(results), results[-1].time)
    times = np.array([result.time for result in results])
    timeline = Timeline(file.name, names, times, probabilities, pictures, answer)
    draw_timeline(timeline, picture, heading=TITLE, classes=len(names))
    said = [result.clip_label for result in results]
    ends = np.cumsum([len(video) for video in videos])
    return Watched(
        file=file,
        picture=picture,
        labels=[names[label] for label in rows["label"]],
        decisions=[said[end - len(video) : end] for end, video in zip(ends, videos, strict=True)],
    )
