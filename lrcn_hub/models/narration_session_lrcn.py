"""Live narration: endless videos, one row each, read frame by frame in constant memory; a sentence at each boundary.

From the same boundaries a session says what the model says of the segments of the file.
"""

import math
from collections.abc import Sequence
from typing import Any

from transformers.modeling_outputs import BaseModelOutput

from .event_clock_lrcn import Ended, EventClock, EventRules
from .live_session_lrcn import Frames, LrcnLiveSession, check_above_zero
from .narration_piece_lrcn import NarrationPiece, NarrationResult, SpokenSentence
from .narration_state_lrcn import LrcnNarrationState

USUAL_GAP = 0.04  # seconds from one frame to the next, where only one has been seen


class LrcnNarrationSession(LrcnLiveSession):
    """Endless videos narrated by one model (`model.stream`): what is read is kept in a state that does not grow.

    - `processor` turns uint8 RGB pictures into pixel values and ids into words; its `frame_rate` and `max_frames` say
      which frames of an event are read (`FrameTicks`, counted from the event's start).
    - `batch_size`: how many videos; each is a row. With `state`, it goes on from there, with as many rows.

    An event ends, its sentence is said and the next one begins, reading from nothing:

    - after `every_seconds`;
    - at a picture that differs from the one before by more than `scene_threshold`: mean absolute difference of 16 x 16
      averages, in units of pixel values;
    - at a frame that changes what the encoder knows: the cosine distance (0 to 2) between h of the encoder's layers
      after this frame and the mean of h after each frame of the event so far is above `state_threshold`. A reader that
      takes the mean of the frames has no h: there it is the frame's feature;
    - at the end of the video (`finish`), or whenever one likes (`speak`).

    The frame at which an event ends is the first one of the next. A change of scene or state ends no event before it
    is `min_event_seconds` long. `generate` are options of the model's `generate`, such as num_beams. Frames need
    times, or `frames_per_second`. `max_batch`: frames that go through the backbone at once.

    Raises ValueError for a narrator that reads no frames, options below 0, or a state of another model.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        batch_size: int = 1,
        *,
        state: LrcnNarrationState | None = None,
        every_seconds: float | None = None,
        scene_threshold: float | None = None,
        state_threshold: float | None = None,
        min_event_seconds: float = 1.0,
        generate: dict[str, Any] | None = None,
        frames_per_second: float | None = None,
        max_batch: int = 32,
    ):
        if model.config.variant != "frames":
            raise ValueError(f"a narrator of the variant {model.config.variant!r} reads no frames; give one that does")
        super().__init__(
            model,
            batch_size,
            processor=processor,
            scene_threshold=scene_threshold,
            frames_per_second=frames_per_second,
            max_batch=max_batch,
        )
        check_above_zero(every_seconds=every_seconds, state_threshold=state_threshold)
        self.words, self.generate_options = processor, generate or {}
        self.state_threshold = state_threshold
        self.rules = EventRules(every_seconds, min_event_seconds, processor.frame_rate, processor.max_frames)
        self._state = LrcnNarrationState.new(model, batch_size) if state is None else state.for_model(model)

    def reset(self, rows: Sequence[int] | None = None) -> None:
        """Begin new videos in `rows` (all of them by default): nothing is remembered or said, clocks start at 0."""
        rows = self._checked_rows(range(self.batch_size) if rows is None else rows)
        new = LrcnNarrationState.new(self.model, len(rows))._tensors()
        for name, part in self._state._tensors().items():
            part[rows] = new[name]

    def speak(self, rows: Sequence[int] | None = None) -> list[SpokenSentence]:
        """Say what was read in `rows` (all of them by default) since the last boundary, and begin anew.

        The event has lasted for as long after its last frame as that came after the one before. A row of which nothing
        was read has no sentence.
        """
        rows = self._checked_rows(range(self.batch_size) if rows is None else rows)
        state = self._state
        ended = []
        for row in rows:
            gap = float(state.gaps[row])
            end = float(state.times[row]) + (USUAL_GAP if math.isnan(gap) else gap)
            if state.counts[row]:
                ended.append(Ended(row, end, math.nan, "end"))
        return self._say(ended)

    def finish(self, rows: Sequence[int] | None = None) -> list[SpokenSentence]:
        return self.speak(rows)

    def push(
        self,
        frames: Frames,
        rows: Sequence[int] | None = None,
        times: float | Sequence[float] | None = None,
    ) -> Any:
        """Read one frame or several; gives a `NarrationResult`, or a list of them in the order of `frames`.

        What frames, `rows` and `times` may be is told by `LrcnSession.push`; times of a row grow. Frames that are not
        read, by the processor's `frame_rate`, cost nothing but for the measure of `scene_threshold`.
        """
        several, whose, given, single = self._checked(frames, rows, times)
        stamps = self._stamps(whose, given)
        results: list[NarrationResult] = []
        for start in range(0, len(several), self.max_batch):
            part = slice(start, start + self.max_batch)
            results += NarrationPiece(self, several[part], whose[part], stamps[part]).results()
        return results[0] if single else results

    def _stamps(self, rows: list[int], times: list[float | None]) -> list[float]:
        """The times of frames of `rows`; raises ValueError where there is none, or one before the row's last."""
        frames, last, stamps = self._state.frames.tolist(), self._state.times.tolist(), []
        for row, time in zip(rows, times, strict=True):
            if time is None and self.frames_per_second is None:
                raise ValueError("events have times: give those of the frames, or frames_per_second")
            stamp = frames[row] / self.frames_per_second if time is None else time
            if stamp < last[row]:
                raise ValueError(
                    f"row {row}: a frame at {stamp:g} s after one at {last[row]:g} s; reset the row first"
                )
            frames[row], last[row] = frames[row] + 1, stamp
            stamps.append(stamp)
        return stamps

    def _say(self, ended: list[Ended]) -> list[SpokenSentence]:
        """Say what was read of the events that have `ended`, of rows that differ, and begin the next ones."""
        if not ended:
            return []
        state, rows = self._state, [event.row for event in ended]
        encoded = BaseModelOutput(state.encoded[rows][:, None].clone())
        ids = self.model.generate(encoder_outputs=encoded, **self.generate_options)
        ids = ids[:: len(ids) // len(rows)]  # the best one of several for each row
        texts = self.words.batch_decode(ids, skip_special_tokens=True)
        said = [
            SpokenSentence(
                event.row, float(state.starts[event.row]), event.end, text, event.reason, int(state.counts[event.row])
            )
            for event, text in zip(ended, texts, strict=True)
        ]
        for part in (state.encoded, state.counts, state.signals):
            part[rows] = 0
        for row, _, next_start, _ in ended:
            self._keep_clock(row, EventClock(self.rules, next_start))
        return said

    def _clock(self, row: int) -> EventClock:
        state = self._state
        return EventClock(self.rules, float(state.starts[row]), int(state.ticks[row]), int(state.taken[row]))

    def _keep_clock(self, row: int, clock: EventClock) -> None:
        state = self._state
        state.starts[row], state.ticks[row], state.taken[row] = clock.start, clock.ticks.tick, clock.ticks.taken


__all__ = ["LrcnNarrationSession"]
