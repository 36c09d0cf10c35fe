"""Some frames on their way through a live session of narration: which are read, and where an event ends."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from .event_clock_lrcn import Ended, EventClock
from .narration_state_lrcn import LrcnReading


@dataclass(frozen=True)
class SpokenSentence:
    """What is said of an event: the frames from `start` up to, but not, `end`, in seconds.

    `reason` tells why the event has ended: "seconds", a change of "scene" or of the encoder's "state", or the "end" of
    the video. `frames` of it were read.
    """

    row: int
    start: float
    end: float
    text: str
    reason: str
    frames: int


@dataclass(frozen=True)
class NarrationResult:
    """What became of one frame: the sentence of the event that ended with it, if one did, and the event it is in.

    `frame` counts from 0 since the row's `reset`; `event_start` is in seconds, `frames_read` the number of frames of
    the event that were read so far.
    """

    row: int
    frame: int
    time: float
    event_start: float
    frames_read: int
    sentence: SpokenSentence | None


class NarrationPiece:
    """Frames that go through a session together, at most `max_batch`; those of one row in the order of time."""

    def __init__(self, session: Any, frames: list[Tensor], rows: list[int], times: list[float]):
        self.session, self.frames, self.rows, self.times = session, frames, rows, times
        self.pixel_values: dict[int, Tensor] = {}
        self.features: dict[int, Tensor] = {}
        self.sentences: dict[int, SpokenSentence] = {}

    @torch.no_grad()
    def results(self) -> list[NarrationResult]:
        """Read what is to be read, and say what has ended."""
        everything = list(range(len(self.frames)))
        self.cuts = [False] * len(everything)
        if self.session.scene_threshold is not None:
            self._prepare(everything)
            pixel_values = torch.stack([self.pixel_values[place] for place in everything])
            self.cuts = self.session._scene_changes(pixel_values, self.rows)
        self._look(list(self._foreseen()))
        found: dict[int, NarrationResult] = {}
        for wave in self._waves():
            self._watch(wave)
            found |= {place: self._result(place) for place in wave}
        return [found[place] for place in everything]

    def _waves(self) -> Iterator[list[int]]:
        """The first frame of each row, then the second of each, and so on: places in `frames`."""
        places: dict[int, list[int]] = {}
        for place, row in enumerate(self.rows):
            places.setdefault(row, []).append(place)
        for k in range(max(map(len, places.values()), default=0)):
            yield [own[k] for own in places.values() if k < len(own)]

    def _foreseen(self) -> Iterator[int]:
        """The frames that will be read unless a change of the encoder's state begins an event elsewhere."""
        clocks = {row: self.session._clock(row) for row in set(self.rows)}
        for place, (row, time, cut) in enumerate(zip(self.rows, self.times, self.cuts, strict=True)):
            clock = clocks[row]
            if math.isnan(clock.start):
                clock.begin(time)
            if event := clock.ended(row, time, cut):
                clock.begin(event.next_start)
            if clock.ticks.takes(time):
                yield place

    def _prepare(self, places: list[int]) -> None:
        wanted = [place for place in places if place not in self.pixel_values]
        if wanted:
            pixel_values = self.session._pixel_values([self.frames[place] for place in wanted])
            self.pixel_values |= dict(zip(wanted, pixel_values, strict=True))

    def _look(self, places: list[int]) -> None:
        """Put the frames at `places` through the backbone, each of them once."""
        wanted = [place for place in places if place not in self.features]
        if wanted:
            self._prepare(wanted)
            encoder = self.session.model.encoder
            pixel_values = torch.stack([self.pixel_values[place] for place in wanted])[None]
            with self.session._convolutions:
                features = encoder.look(pixel_values.to(self.session._state.encoded.device))[0]
            self.features |= dict(zip(wanted, features, strict=True))

    def _watch(self, wave: list[int]) -> None:
        """Take in one frame of each of some rows."""
        session, state, ended, taken = self.session, self.session._state, {}, []
        for place in wave:
            row, time = self.rows[place], self.times[place]
            if math.isnan(state.starts[row]):
                session._keep_clock(row, EventClock(session.rules, time))
            if event := session._clock(row).ended(row, time, self.cuts[place]):
                ended[place] = event
        self._speak(ended)
        for place in wave:
            row, time = self.rows[place], self.times[place]
            clock = session._clock(row)
            if clock.ticks.takes(time):
                taken.append(place)
            session._keep_clock(row, clock)
            state.gaps[row] = time - state.times[row]
            state.times[row], state.frames[row] = time, state.frames[row] + 1
        if taken:
            self._read(taken)

    def _speak(self, ended: dict[int, Ended]) -> None:
        self.sentences |= dict(zip(ended, self.session._say(list(ended.values())), strict=True))

    def _read(self, places: list[int]) -> None:
        """Read the frames at `places`, of rows that differ; one that changes the encoder's state begins an event."""
        session, state = self.session, self.session._state
        self._look(places)
        features = torch.stack([self.features[place] for place in places])
        encoded, signals = self._step(places, features)
        if session.state_threshold is not None:
            changed = self._changed(places, signals)
            self._speak(changed)
            for place, event in changed.items():
                clock = session._clock(event.row)
                clock.ticks.takes(self.times[place])
                session._keep_clock(event.row, clock)
            if changed:
                encoded, signals = self._step(places, features)
        rows = [self.rows[place] for place in places]
        state.encoded[rows] = encoded
        state.counts[rows] += 1
        state.signals[rows] += signals

    def _step(self, places: list[int], features: Tensor) -> tuple[Tensor, Tensor]:
        """One frame further from the state: the reading then (n, D), and the signal by which changes are told."""
        session, state, rows = self.session, self.session._state, [self.rows[place] for place in places]
        before = LrcnReading(state.encoded[rows], state.counts[rows])
        encoded = session.model.encoder.read_on(features[:, None], reading=before).encoded
        signals = encoded[:, : state.signals.shape[1]] if session.model.config.starts_from_state else features
        return encoded, signals.double()

    def _changed(self, places: list[int], signals: Tensor) -> dict[int, Ended]:
        """The frames that are too far from what their event was so far."""
        session, state, found = self.session, self.session._state, {}
        rows = [self.rows[place] for place in places]
        distances = (1 - F.cosine_similarity(signals, state.signals[rows])).tolist()  # a sum points where a mean does
        for place, row, distance in zip(places, rows, distances, strict=True):
            long_enough = self.times[place] - float(state.starts[row]) >= session.rules.min_seconds
            if state.counts[row] and long_enough and distance > session.state_threshold:
                found[place] = Ended(row, self.times[place], self.times[place], "state")
        return found

    def _result(self, place: int) -> NarrationResult:
        state, row = self.session._state, self.rows[place]
        return NarrationResult(
            row=row,
            frame=int(state.frames[row]) - 1,
            time=self.times[place],
            event_start=float(state.starts[row]),
            frames_read=int(state.counts[row]),
            sentence=self.sentences.get(place),
        )


__all__ = ["NarrationPiece", "NarrationResult", "SpokenSentence"]
