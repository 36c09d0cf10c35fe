"""Narrating held-out scenes as one long video, live, with subtitles as they are said."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lrcn_hub.data.moving_shapes import check_narration, write_video
from lrcn_hub.data.subtitles import SubtitleWriter
from lrcn_hub.data.videos import iterate_frames, read_frames

if TYPE_CHECKING:
    from datasets import Dataset

SCENES = 6  # of the long video


@dataclass
class SaidCue:
    """One subtitle of the long video."""

    start: float
    end: float
    """Both in seconds."""
    text: str
    frames: np.ndarray
    """What was seen then, uint8 RGB (frames, H, W, 3)."""
    right: bool
    """Whether all events are told, and in their order."""


@dataclass
class Narrated:
    """What was said of a video that is several scenes in a row."""

    file: Path
    """The long video."""
    subtitles: Path
    """WebVTT."""
    cues: list[SaidCue]

    @property
    def right(self) -> int:
        return sum(cue.right for cue in self.cues)


def narrate_in_a_row(model: Any, processor: Any, table: Dataset, folder: Path) -> Narrated:
    """Join some scenes of `table` to one file in `folder`, and narrate it by `model.stream` as it plays.

    The session is told where a scene ends, as by a player that knows the shots.
    """
    rows = table.select(range(min(SCENES, len(table))))
    videos = [read_frames(path) for path in rows["video"]]
    file, subtitles = folder / "in-a-row.mov", folder / "in-a-row.vtt"
    write_video(np.concatenate(videos), file, codec="png")
    ends = set(np.cumsum([len(video) for video in videos]).tolist())
    session = model.stream(processor)
    sentences = []
    with SubtitleWriter(subtitles, "vtt") as writer:
        for number, (frame, time) in enumerate(iterate_frames(file), 1):
            session.push(frame, times=time)
            if number in ends:
                (sentence,) = session.speak()
                writer.write(sentence.start, sentence.end, sentence.text)
                sentences.append(sentence)
    cues = [
        SaidCue(said.start, said.end, said.text, video, check_narration(said.text, row["true_nodes"]).order_right)
        for said, video, row in zip(sentences, videos, rows, strict=True)
    ]
    return Narrated(file, subtitles, cues)
