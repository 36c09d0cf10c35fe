"""Videos to sentences: of given segments, or event after event as a live session finds them; and rows of nodes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from tqdm import tqdm

from lrcn_hub.data.annotation_files import read_rows
from lrcn_hub.data.segment_files import GivenSegment
from lrcn_hub.data.videos import check_segment, frame_times, iterate_frames, probe, read_segment
from lrcn_hub.data.videos.pyav import refuse_cut_short

logger = logging.getLogger(__name__)

ROWS_AT_ONCE = 32  # rows of nodes that are narrated in one batch


@dataclass(frozen=True)
class Sentence:
    """What is said of a part of a video, in seconds, or of the row `id`, whose times may be unknown."""

    start: float | None
    end: float | None
    text: str
    id: str | None = None


@dataclass(frozen=True)
class NodeRow:
    """What is known of the nodes of one row; `source` is where that was said."""

    id: str
    nodes: Any
    start: float | None
    end: float | None
    source: str


class Narrator:
    """A narrator, its processor, and options of `generate`; progress is shown where standard error is a terminal."""

    def __init__(self, model: Any, processor: Any, **options: Any):
        self.model, self.processor, self.options = model, processor, options

    def segments(self, path: str, segments: Sequence[GivenSegment] | None = None) -> Iterator[Sentence]:
        """Say a sentence of each segment, in their order, or one of the whole video.

        Raises `UnreadableVideoError` for a video that cannot be read; what else is wrong `check_segments` says before.
        """
        if segments is None:
            segments = [GivenSegment(0.0, video_end(path), path)]
        for one in tqdm(segments, "segments", unit="segment", disable=None if len(segments) > 1 else True):
            yield Sentence(one.start, one.end, self._say_segment(path, one))

    def _say_segment(self, path: str, one: GivenSegment) -> str:
        rate, most = self.processor.frame_rate, self.processor.max_frames
        found = read_segment(path, one.start, one.end, frame_rate=rate, max_frames=most)
        (text,) = self._say(self.processor(videos=[found.frames]))
        return text

    def events(self, path: str, **rules: Any) -> Iterator[Sentence]:
        """Say a sentence at each boundary that a live session of these `rules` finds (`LrcnNarrationSession`).

        Raises `UnreadableVideoError` for a video that cannot be read to its end, after what can be said of it.
        """
        session = self.model.stream(self.processor, generate=self.options, **rules)
        frames = iter(tqdm(iterate_frames(path), "frames", unit="frame", disable=None))
        while batch := list(islice(frames, session.max_batch)):
            pictures, times = zip(*batch, strict=True)
            for result in session.push(list(pictures), times=times):
                if result.sentence:
                    yield Sentence(result.sentence.start, result.sentence.end, result.sentence.text)
        for last in session.finish():
            yield Sentence(last.start, last.end, last.text)
        refuse_cut_short(path)

    def nodes(self, rows: Iterable[NodeRow]) -> Iterator[Sentence]:
        """Say a sentence of each row. Raises ValueError, naming where it was said, for nodes that are wrong."""
        with tqdm(rows, "rows", unit="row", disable=None) as shown:
            left = iter(shown)
            while batch := list(islice(left, ROWS_AT_ONCE)):
                texts = self._say(self.processor(nodes=[self._checked(row) for row in batch]))
                for row, text in zip(batch, texts, strict=True):
                    yield Sentence(row.start, row.end, text, row.id)

    def _checked(self, row: NodeRow) -> list[list[float]]:
        if self.processor.nodes is None:
            raise ValueError(f"{row.source}: this narrator reads frames, not nodes; give it videos")
        return self.processor.nodes.distributions(row.nodes, row.source)

    def _say(self, inputs: Any) -> list[str]:
        ids = self.model.generate(**inputs.to(self.model.device), **self.options)
        return self.processor.batch_decode(ids, skip_special_tokens=True)


def check_segments(path: str, segments: Sequence[GivenSegment]) -> None:
    """Raise ValueError, with the place where it was said, for a segment that is not in the video at `path`."""
    end = video_end(path)
    for one in segments:
        check_segment(f"{one.source}: {path}", one.start, one.end, end)


def video_end(path: str | os.PathLike[str]) -> float:
    """When the last frame of a video has been shown, in seconds since the first."""
    gap = 1 / probe(path).fps  # first, since it tells of a video without frames
    return float(frame_times(path)[-1]) + gap


def read_node_rows(file: Path, labels: dict[str, list[str]]) -> Iterator[NodeRow]:
    """Read a JSONL file of rows with ``id`` and ``nodes``, and perhaps ``start`` and ``end`` in seconds.

    A first line {"nodes": {node: [label, ...]}} without id tells nodes and labels; they must be `labels`, in that
    order. Raises ValueError that names file and line for what is something else.
    """
    for number, (source, row) in enumerate(read_rows(file)):
        if number == 0 and set(row) == {"nodes"}:
            told = row["nodes"]
            if not isinstance(told, dict) or list(told.items()) != list(labels.items()):
                raise ValueError(
                    f"{source}: nodes and labels are {str(told)[:200]}, but the model's are {str(labels)[:200]}; they "
                    "must be the same, in the same order"
                )
            continue
        if not {"id", "nodes"} <= row.keys():
            raise ValueError(f"{source}: a row needs id and nodes; there is {', '.join(row) or 'nothing'}")
        start, end = row.get("start"), row.get("end")
        timed = [type(time) in (int, float) for time in (start, end)]
        if any(timed) != all(timed) or (not any(timed) and (start, end) != (None, None)):
            raise ValueError(f"{source}: start is {start!r} and end is {end!r}; give both in seconds, or none")
        if start is not None:
            check_segment(source, start, end)
        yield NodeRow(str(row["id"]), row["nodes"], start, end, source)


__all__ = ["Narrator", "NodeRow", "Sentence", "check_segments", "read_node_rows", "video_end"]
