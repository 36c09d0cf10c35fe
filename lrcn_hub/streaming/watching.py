"""The loop that watches: frames of all sources through one session, answers out as events."""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from lrcn_hub.models import LrcnNarrationState, LrcnStreamState
from lrcn_hub.streaming.connections import Connection, ConnectionRules, Happening, Picture
from lrcn_hub.streaming.events import LiveEvents, Row
from lrcn_hub.streaming.sources import Source
from lrcn_hub.streaming.view import LiveView
from lrcn_hub.streaming.waiting import FrameQueue, Policy, start_reading

PAUSE = 0.1  # seconds at most until the loop looks again at what does not wake it: clock, signals and the view


@dataclass(frozen=True)
class WatchRules:
    """How several sources are watched.

    - `when_behind`: what becomes of frames that come faster than the model looks: ``drop`` the oldest, ``batch`` up to
      the session's `max_batch` through the backbone at once (and drop what is beyond), or ``wait``; by default drop
      for live sources and wait for files and pipes. A file that is not paced, and a pipe, never lose a frame.
    - `buffer`: frames of a source that may wait.
    - `state_file`: where the state is saved, every `save_every` seconds and at the end.
    """

    when_behind: Policy | None = None
    buffer: int = 8
    state_file: str | None = None
    save_every: float = 60.0


class Stop(threading.Event):
    """Asks the loop to end, and says why."""

    reason = ""

    def ask(self, reason: str) -> None:
        self.reason = reason
        self.set()


class LiveSession(Protocol):
    """What a session of any task does for the loop: it takes frames of rows and gives one answer for each."""

    max_batch: int

    @property
    def state(self) -> Any: ...

    def push(self, frames: list[Any], rows: Sequence[int], times: Sequence[float]) -> Any: ...

    def reset(self, rows: Sequence[int]) -> None: ...

    def finish(self, rows: Sequence[int]) -> list[Any]: ...


State = TypeVar("State", LrcnStreamState, LrcnNarrationState)


def load_state(
    file: str | os.PathLike | None,
    sources: int,
    kind: type[State] = LrcnStreamState,  # type: ignore[assignment]
) -> State | None:
    """Read the state to go on from, if there is one; raises ValueError if it is not of as many sources."""
    if file is None or not os.path.exists(file):
        return None
    state = kind.load(file)
    if len(state.frames) != sources:
        raise ValueError(f"{file} is the state of {len(state.frames)} sources, but {sources} are to be watched")
    return state


class Watcher:
    """Watches `sources`, each a row of `session`, until they have ended or `stop` is set."""

    def __init__(
        self,
        session: LiveSession,
        sources: Sequence[Source],
        events: LiveEvents,
        *,
        rules: WatchRules,
        connection: ConnectionRules,
        view: LiveView | None = None,
    ):
        self.session, self.sources, self.events, self.rules, self.view = session, sources, events, rules, view
        self.stop = Stop()
        self.rows = [Row(number, source.name) for number, source in enumerate(sources)]
        self.connection = connection
        self._arrival = threading.Condition()
        self._queues = [self._queue(source) for source in sources]
        self._at_once = [session.max_batch if self._policy(source) == "batch" else 1 for source in sources]
        self._saved_at = 0.0

    def _policy(self, source: Source) -> Policy:
        return self.rules.when_behind or ("drop" if self._comes_by_itself(source) else "wait")

    def _comes_by_itself(self, source: Source) -> bool:
        return source.live or (source.kind == "file" and self.connection.realtime)

    def _queue(self, source: Source) -> FrameQueue:
        policy = self._policy(source)
        size = max(self.rules.buffer, self.session.max_batch) if policy == "batch" else self.rules.buffer
        drops = policy != "wait" and self._comes_by_itself(source)
        return FrameQueue(size, drops=drops, arrival=self._arrival)

    def run(self) -> None:
        """Watch; the rows of sources that could not be watched to their end say so (`failed`)."""
        self._save()  # at once: a place where it cannot be saved is better known now
        self._start_readers()
        try:
            while not self.stop.is_set() and not all(row.ended for row in self.rows):
                self._turn()
            for row in self.rows:
                if not row.ended:
                    if self.rules.state_file is None:  # else the next watch goes on in the middle
                        self._finish(row)
                    self.events.emit("stopped", row, reason=self.stop.reason)
            if self.view is not None:
                self.view.draw(self.rows, now=True)
        finally:
            self.stop.set()
            for queue in self._queues:
                queue.close()
            self._save()

    def _start_readers(self) -> None:
        times = self.session.state.times.tolist()
        for row, source, queue, passed in zip(self.rows, self.sources, self._queues, times, strict=True):
            start = 0.0 if math.isnan(passed) else passed
            reader = Connection(source, self.connection, self.stop, start)
            start_reading(queue, reader.items(), row.source)

    def _turn(self) -> None:
        """Wait a little for something to happen, and see to it."""
        with self._arrival:
            self._arrival.wait_for(lambda: any(queue.ready for queue in self._queues), PAUSE)
        pictures: list[tuple[Row, Picture]] = []
        for row, queue, most in zip(self.rows, self._queues, self._at_once, strict=True):
            taken = queue.take(most)
            row.dropped = queue.dropped
            if isinstance(taken, Happening):
                self._happened(row, taken)
            elif taken:
                pictures += [(row, picture) for picture in taken]
            elif not row.ended:
                self._check_silence(row, queue)
        if pictures:
            self._look(pictures)
        if time.monotonic() >= self._saved_at + self.rules.save_every:
            self._save()
        if self.view is not None:
            self.view.draw(self.rows)

    def _look(self, pictures: list[tuple[Row, Picture]]) -> None:
        """Put frames through the model at once."""
        results = self.session.push(
            [picture.frame for _, picture in pictures],
            rows=[row.number for row, _ in pictures],
            times=[picture.time for _, picture in pictures],
        )
        now = time.monotonic()
        for (row, picture), result in zip(pictures, results, strict=True):
            row.frames += 1
            row.lag = now - picture.arrived
            if row.stalled:
                row.stalled, row.trouble = False, ""
                self.events.emit("resumed", row)
            self.events.answer(row, result)

    def _happened(self, row: Row, what: Happening) -> None:
        """Take note of what became of a source."""
        facts = dict(what.facts)
        if what.kind == "stalled" and row.stalled:
            return
        if what.kind == "reconnected" and self.connection.reset_on_reconnect:
            self._finish(row)
            self.session.reset([row.number])
        if what.kind in ("started", "reconnected"):
            row.started, row.stalled, row.trouble = True, False, ""
        elif what.kind == "stalled":
            row.stalled, row.trouble = True, facts["reason"]
        elif what.kind == "broken":
            row.trouble = f"{facts['reason']}; attempt {facts['attempt']}"
        elif what.kind == "ended":
            self._finish(row)
            row.ended, row.failed, row.trouble = True, facts["failed"], facts["reason"]
        self.events.emit(what.kind, row, **facts)

    def _finish(self, row: Row) -> None:
        """Tell what the session has left to say of a video that has ended."""
        for last in self.session.finish([row.number]):
            self.events.finished(row, last)

    def _check_silence(self, row: Row, queue: FrameQueue) -> None:
        """Find a stall of a pipe or a camera, from which reads cannot be interrupted."""
        limit = self.connection.stall_timeout
        blocks = self.sources[row.number].kind in ("pipe", "device")
        if blocks and not row.stalled and time.monotonic() > queue.last_arrival + limit:
            self._happened(row, Happening("stalled", {"reason": f"no frame for {limit:g} seconds"}))

    def _save(self) -> None:
        if self.rules.state_file is not None:
            self.session.state.save(self.rules.state_file)
            self._saved_at = time.monotonic()
