"""What watching writes: one JSON object on a line for each event (docs/watch.md says what each field means)."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TextIO

from lrcn_hub.models import FrameResult, NarrationResult, SpokenSentence

SHOWN = 5  # sentences that are kept for the view


@dataclass
class Row:
    """One source among those that are watched: what is known of it now."""

    number: int
    source: str
    started: bool = False
    stalled: bool = False
    ended: bool = False
    failed: bool = False
    dropped: int = 0
    frames: int = 0
    """Watched since the start, across reconnections."""
    lag: float = 0.0
    """Seconds from the last frame's arrival to its answer."""
    result: FrameResult | NarrationResult | None = None
    """The last answer."""
    sentences: deque[SpokenSentence] = field(default_factory=lambda: deque(maxlen=SHOWN))
    """The last ones said, where it is narrated."""
    trouble: str = ""
    """Why no frame comes, while none does."""


@dataclass
class EventRules:
    """Which frames get a line besides those that change a decision: `every_frame`, or one each `every` seconds."""

    every_frame: bool = False
    every: float | None = None


@dataclass
class LiveEvents(ABC):
    """Turns answers and happenings into lines, each given whole to `write`; a subclass knows a session's answers."""

    write: Callable[[str], None]
    rules: EventRules = field(default_factory=EventRules)
    _reported: dict[int, float] = field(default_factory=dict)

    @abstractmethod
    def answer(self, row: Row, result: Any) -> None:
        """Write what a frame's answer is worth."""

    @abstractmethod
    def finished(self, row: Row, last: Any) -> None:
        """Write one of the things that a session says when a video has ended."""

    @abstractmethod
    def answer_facts(self, row: Row) -> dict[str, Any]:
        """What every event tells of the last answer."""

    def is_frame_told(self, row: int, result: Any) -> bool:
        """Whether the frame itself has an event."""
        return self.rules.every_frame or self._is_time(row, result.time or 0.0)

    def _is_time(self, row: int, time: float) -> bool:
        last = self._reported.get(row)
        if self.rules.every is None or (last is not None and last <= time < last + self.rules.every):
            return False
        self._reported[row] = time
        return True

    def emit(self, kind: str, row: Row, **facts: Any) -> None:
        """Write one event of `row` with what is known of it now."""
        last = row.result
        line = {
            "event": kind,
            "at": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "source": row.source,
            "row": row.number,
            "frame": last and last.frame,
            "time": None if last is None or last.time is None else round(last.time, 6),
            **self.answer_facts(row),
            "dropped": row.dropped,
        }
        self.write(json.dumps({**line, **facts}, ensure_ascii=False))


@dataclass
class Events(LiveEvents):
    """The events of recognition: a new scene, a new decision, or the frame itself."""

    _decisions: dict[int, str] = field(default_factory=dict)

    def finished(self, row: Row, last: Any) -> None:
        """A recogniser has said everything by the last frame."""

    def answer(self, row: Row, result: FrameResult) -> None:
        row.result = result
        for kind in self._kinds(row.number, result):
            self.emit(kind, row)

    def _kinds(self, row: int, result: FrameResult) -> Iterator[str]:
        if result.clip_start == result.frame > 0:
            yield "scene"
        if self._decisions.get(row) != result.clip_label:
            self._decisions[row] = result.clip_label
            yield "label"
        if self.is_frame_told(row, result):
            yield "frame"

    def answer_facts(self, row: Row) -> dict[str, Any]:
        last: Any = row.result
        return {
            "label": last and last.label,
            "score": last and round(last.score, 6),
            "clip_label": last and last.clip_label,
            "clip_score": last and round(last.clip_score, 6),
            "clip_start": last and last.clip_start,
        }


@dataclass
class NarrationEvents(LiveEvents):
    """The events of narration: a sentence at each boundary, also given to `say`; or the frame itself."""

    say: Callable[[Row, SpokenSentence], None] | None = None

    def answer(self, row: Row, result: NarrationResult) -> None:
        row.result = result
        if result.sentence is not None:
            self.finished(row, result.sentence)
        if self.is_frame_told(row.number, result):
            self.emit("frame", row)

    def finished(self, row: Row, last: SpokenSentence) -> None:
        row.sentences.append(last)
        facts = {"start": last.start, "end": last.end, "text": last.text, "reason": last.reason}
        self.emit("sentence", row, **facts, frames_read=last.frames)
        if self.say is not None:
            self.say(row, last)

    def answer_facts(self, row: Row) -> dict[str, Any]:
        last: Any = row.result
        return {"event_start": last and last.event_start, "frames_read": last and last.frames_read}


def line_writer(file: TextIO) -> Callable[[str], None]:
    """Make what writes one line to `file` and flushes it, so that a reader sees each event at once."""

    def write(line: str) -> None:
        file.write(line + "\n")
        file.flush()

    return write
