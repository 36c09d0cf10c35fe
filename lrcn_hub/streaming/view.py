"""The live view: for each source its likeliest labels or last sentences, redrawn in place on a terminal."""

from __future__ import annotations

import shutil
import time
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, TextIO

from lrcn_hub.streaming.events import SHOWN, Row

BAR = 24  # characters of a full bar
NAME = 30  # characters of a source's name
UP_AND_CLEAR = "\x1b[{}F\x1b[J"  # to the beginning of the line so many above, and all below is blank


class LiveView(ABC):
    """Draws rows on `file`, at most every `interval` seconds; a subclass knows how answers look."""

    def __init__(self, file: TextIO, *, interval: float = 0.25):
        self.file, self.interval = file, interval
        self._drawn_lines, self._drawn_at = 0, 0.0
        self._rates = Rates()

    def draw(self, rows: Sequence[Row], *, now: bool = False) -> None:
        """Show `rows` in the place of the last drawing, if it is time, or `now`."""
        moment = time.monotonic()
        if not now and moment < self._drawn_at + self.interval:
            return
        self._drawn_at = moment
        width, height = shutil.get_terminal_size()
        lines = [line for row in rows for line in self._lines(row, self._rates.of(row, moment))]
        lines = [line[: width - 1] for line in lines[: height - 1]]  # a line that wraps could not be found again
        self.erase()
        self.file.write("".join(f"{line}\n" for line in lines))
        self.file.flush()
        self._drawn_lines = len(lines)

    def erase(self) -> None:
        """Take the drawing away, to write something else in its place."""
        if self._drawn_lines:
            self.file.write(UP_AND_CLEAR.format(self._drawn_lines))
            self.file.flush()
        self._drawn_lines = 0

    def _lines(self, row: Row, rate: float) -> list[str]:
        facts = [short(row.source)]
        if row.trouble or not row.started:
            facts.append(row.trouble or "waiting for the first frame")
        result = row.result
        if result is not None:
            facts += [f"frame {result.frame}", clock(result.time or 0.0), f"{rate:.1f} fps", f"lag {row.lag:.2f} s"]
            facts.append(f"dropped {row.dropped}")
        return ["  ".join(facts), *([] if result is None else self.answer_lines(row))]

    @abstractmethod
    def answer_lines(self, row: Row) -> list[str]:
        """What is shown of a row's answers, below the facts."""


class TerminalView(LiveView):
    """Shows the likeliest labels of the decision with bars; `labels` are the model's, `top` of them are shown."""

    def __init__(self, file: TextIO, labels: Mapping[int, str], *, top: int = 3, interval: float = 0.25):
        super().__init__(file, interval=interval)
        self.labels, self.top = labels, min(top, len(labels))

    def answer_lines(self, row: Row) -> list[str]:
        last: Any = row.result
        scores, best = last.clip_probabilities.topk(self.top)
        return [
            f"  {self.labels[label][:20]:<20} {bar(score)} {score:4.0%}"
            for score, label in zip(scores.tolist(), best.tolist(), strict=True)
        ]


class NarrationView(LiveView):
    """Shows the last sentences, `top` of them, and since when the event at hand lasts."""

    def __init__(self, file: TextIO, *, top: int = 3, interval: float = 0.25):
        super().__init__(file, interval=interval)
        self.top = min(top, SHOWN)

    def answer_lines(self, row: Row) -> list[str]:
        last: Any = row.result
        said = [f"  {clock(one.start)} {one.text}" for one in list(row.sentences)[-self.top :]]
        return [*said, f"  {clock(last.event_start)} ... {last.frames_read} frames read"]


class Rates:
    """Frames per second of each row, measured over about the last second."""

    def __init__(self) -> None:
        self._since: dict[int, tuple[float, int]] = {}
        self._rates: dict[int, float] = {}

    def of(self, row: Row, now: float) -> float:
        """Tell the rate at which `row` is watched."""
        then, frames = self._since.setdefault(row.number, (now, row.frames))
        if now >= then + 1:
            self._rates[row.number] = (row.frames - frames) / (now - then)
            self._since[row.number] = (now, row.frames)
        return self._rates.get(row.number, 0.0)


def short(name: str) -> str:
    """The end of a long name, so that there is room beside it."""
    return name if len(name) <= NAME else f"...{name[3 - NAME :]}"


def bar(share: float) -> str:
    """Draw a share of 1 in plain characters."""
    full = round(share * BAR)
    return "#" * full + "." * (BAR - full)


def clock(seconds: float) -> str:
    """Write a time as hours, minutes and seconds."""
    minutes, rest = divmod(int(seconds), 60)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest:02}"
