"""When an event of a video begins and ends, as far as time and scenes tell, and which frames of it are read."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from .frame_ticks_lrcn import FrameTicks


class Ended(NamedTuple):
    """That the event of `row` has ended at `end`, why, and when the next one begins, in seconds."""

    row: int
    end: float
    next_start: float
    reason: str


@dataclass(frozen=True)
class EventRules:
    """How long events are, in seconds (a change of scene ends none below `min_seconds`), and what is read of them.

    `rate` and `most` are those of `FrameTicks`.
    """

    every_seconds: float | None
    min_seconds: float
    rate: float | None
    most: int | None


class EventClock:
    """Where one row is in time: when its event began (nan: none has), and which frames of it are read."""

    def __init__(self, rules: EventRules, start: float, tick: int = 0, taken: int = 0):
        self.rules = rules
        self.begin(start)
        self.ticks.tick, self.ticks.taken = tick, taken

    def begin(self, start: float) -> None:
        """Begin an event at `start`."""
        self.start, self.ticks = start, FrameTicks(self.rules.rate, start, self.rules.most)

    def ended(self, row: int, time: float, cut: bool) -> Ended | None:
        """Whether the event ends with a frame at `time`, which shows another scene where `cut`."""
        every = self.rules.every_seconds
        if every is not None and time >= self.start + every:
            end = self.start + every
            later = max(end, self.start + math.floor((time - self.start) / every) * every)  # no event without a frame
            return Ended(row, end, time if cut else min(later, time), "seconds")
        if cut and time - self.start >= self.rules.min_seconds:
            return Ended(row, time, time, "scene")
        return None


__all__ = ["Ended", "EventClock", "EventRules"]
