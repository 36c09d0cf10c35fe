"""Live recognition: endless videos, one row each, classified frame by frame in constant memory and at constant cost.

A session gives for every frame what the model gives for the whole video at once, however the frames arrive.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .live_session_lrcn import Frames, LrcnLiveSession, check_above_zero
from .recurrent_lrcn import LrcnState
from .stream_state_lrcn import LrcnStreamState


@dataclass(frozen=True)
class FrameResult:
    """The answer at one frame, and the running decision on the clip, which is all since its row's last restart.

    `frame` counts from 0 since the row's `reset`; `time` is its time stamp in seconds, if there is one. Probabilities
    are (C,) on the CPU. `clip_start` is the frame at which the decision began: this one, after a scene change.
    """

    row: int
    frame: int
    time: float | None
    label: str
    score: float
    probabilities: Tensor
    clip_label: str
    clip_score: float
    clip_probabilities: Tensor
    clip_start: int


class LrcnSession(LrcnLiveSession):
    """Endless videos watched by one model (`model.stream`); memory and cost per frame do not grow.

    - `batch_size`: how many videos; each is a row. With `state`, it goes on from there, with as many rows.
    - `processor`: what turns uint8 RGB pictures into pixel values: a video or image processor of transformers (or a
      processor that holds a video processor), or any function from a list of (3, H, W) tensors to (n, 3, H, W).
      Without it, frames must be pixel values.
    - The running decision on a clip is the mean probability of its frames, or, with `half_life_frames` or
      `half_life_seconds`, of an exponential window: a frame counts half as much as one so much later.
    - `scene_threshold`: a picture that differs from the one before by more than this starts a new clip: state and
      decision are forgotten. Measured on 16 x 16 averages: mean absolute difference, in units of pixel values.
    - `frames_per_second` makes time stamps where `push` is given none.
    - `max_batch`: frames that go through the backbone at once.

    On a CPU the backbone's weights are laid out channels-last, and convolutions read copies of theirs
    (`PackedConvolutions`), which changes no value.

    Raises ValueError for options that contradict one another, or a state of another model.
    """

    def __init__(
        self,
        model: Any,
        batch_size: int = 1,
        *,
        state: LrcnStreamState | None = None,
        processor: Callable[..., Any] | None = None,
        half_life_frames: float | None = None,
        half_life_seconds: float | None = None,
        scene_threshold: float | None = None,
        frames_per_second: float | None = None,
        max_batch: int = 32,
    ):
        if half_life_frames is not None and half_life_seconds is not None:
            raise ValueError("give half_life_frames or half_life_seconds, not both")
        check_above_zero(half_life_frames=half_life_frames, half_life_seconds=half_life_seconds)
        super().__init__(
            model,
            batch_size,
            processor=processor,
            scene_threshold=scene_threshold,
            frames_per_second=frames_per_second,
            max_batch=max_batch,
        )
        self.half_life_frames, self.half_life_seconds = half_life_frames, half_life_seconds
        self._state = LrcnStreamState.new(model, batch_size) if state is None else state.for_model(model)
        if model.classifier.weight.device.type == "cpu":  # else kernels are laid out anew for every frame
            model.encoder.backbone.to(memory_format=torch.channels_last)

    def reset(self, rows: Sequence[int] | None = None) -> None:
        """Begin new videos in `rows` (all of them by default): nothing is remembered, and clocks start at 0."""
        rows = self._checked_rows(range(self.batch_size) if rows is None else rows)
        self.cut(rows)
        for name, value in (("frames", 0), ("clip_starts", 0), ("times", math.nan), ("thumbnails", math.nan)):
            getattr(self._state, name)[rows] = value

    def cut(self, rows: Sequence[int] | None = None) -> None:
        """Begin a new clip in `rows` (all of them by default), as after a change of scene; clocks run on."""
        rows = self._checked_rows(range(self.batch_size) if rows is None else rows)
        state = self._state
        for parts in (state.hidden, state.cell):
            parts[:] = [part.index_fill(0, torch.tensor(rows, device=part.device), 0) for part in parts]
        for row in rows:
            self._begin_clip(row)

    def push(
        self,
        frames: Frames,
        rows: Sequence[int] | None = None,
        times: float | Sequence[float] | None = None,
    ) -> Any:
        """Watch one frame or several; gives a `FrameResult`, or a list of them in the order of `frames`.

        A frame is pixel values (3, H, W), or with a processor a uint8 RGB picture: a tensor (3, H, W) or an array
        (H, W, 3). Several are stacked, or a list of pictures of any sizes. `rows` says whose frame each is; a row may
        have several, in order of time, or none. By default all are row 0's if there is only that, else there must be
        one for each row. `times` are time stamps in seconds.
        """
        several, whose, stamps, single = self._checked(frames, rows, times)
        if times is None and self.half_life_seconds is not None and self.frames_per_second is None:
            raise ValueError("half_life_seconds needs times of the frames, or frames_per_second")
        results: list[FrameResult] = []
        for start in range(0, len(several), self.max_batch):
            part = slice(start, start + self.max_batch)
            results += self._push(several[part], whose[part], stamps[part])
        return results[0] if single else results

    def _push(self, frames: list[Tensor], rows: list[int], times: list[float | None]) -> list[FrameResult]:
        with torch.inference_mode():
            pixel_values = self._pixel_values(frames).to(self.model.classifier.weight.device)
            with self._convolutions:
                features = self.model.encode(pixel_values[None])[0]
            cuts = self._scene_changes(pixel_values, rows)
            probabilities = self._recur(features, rows, cuts)
        found = zip(rows, times, cuts, probabilities.clone(), strict=True)  # a clone is a normal tensor again
        return [self._decide(*one) for one in found]

    def _recur(self, features: Tensor, rows: list[int], cuts: list[bool]) -> Tensor:
        """Step each row through its frames, of `features` (n, F); gives probabilities (n, C) on the CPU."""
        if rows == list(range(self.batch_size)) and not any(cuts):  # the usual case, with less around it
            before = LrcnState(self._state.hidden, self._state.cell)
            logits, after = self.model.classify(features[:, None], before)
            self._state.hidden, self._state.cell = after.hidden, after.cell
            return logits[:, 0].float().softmax(-1).cpu()
        places: dict[int, list[int]] = {}
        for place, row in enumerate(rows):
            places.setdefault(row, []).append(place)
        most = max(map(len, places.values()))
        order = torch.tensor([own + [-1] * (most - len(own)) for own in places.values()], device=features.device)
        mask = order >= 0  # (rows that have frames, most frames)
        continues = ~torch.tensor(cuts, device=features.device)[order] if any(cuts) else None
        state, index = self._state, torch.tensor(list(places), device=features.device)
        before = LrcnState([h[index] for h in state.hidden], [c[index] for c in state.cell])
        logits, after = self.model.classify(features[order], before, continues, None if mask.all() else mask)
        state.hidden = [h.index_copy(0, index, new) for h, new in zip(state.hidden, after.hidden, strict=True)]
        state.cell = [c.index_copy(0, index, new) for c, new in zip(state.cell, after.cell, strict=True)]
        found = logits.new_empty(len(rows), logits.shape[-1])
        found[order[mask]] = logits[mask]
        return found.float().softmax(-1).cpu()

    def _decide(self, row: int, time: float | None, cut: bool, probabilities: Tensor) -> FrameResult:
        """Take one frame into its row's running decision."""
        state, frame = self._state, int(self._state.frames[row])
        if cut:
            self._begin_clip(row)
        if time is None and self.frames_per_second is not None:
            time = frame / self.frames_per_second
        decay = self._decay(row, time)
        state.totals[row] = decay * state.totals[row] + probabilities
        state.weights[row] = decay * state.weights[row] + 1
        state.frames[row] = frame + 1
        state.times[row] = math.nan if time is None else time
        clip = (state.totals[row] / state.weights[row]).float()
        (score, label), (clip_score, clip_label) = (p.max(0) for p in (probabilities, clip))
        names = self.model.config.id2label
        now = (names[int(label)], float(score), probabilities)
        since = (names[int(clip_label)], float(clip_score), clip)
        return FrameResult(row, frame, time, *now, *since, int(state.clip_starts[row]))

    def _begin_clip(self, row: int) -> None:
        state = self._state
        state.totals[row], state.weights[row], state.clip_starts[row] = 0, 0, state.frames[row]

    def _decay(self, row: int, time: float | None) -> float:
        """What the decision so far is worth beside a new frame at `time`."""
        if self.half_life_frames is not None:
            return 0.5 ** (1 / self.half_life_frames)
        if self.half_life_seconds is None or self._state.weights[row] == 0:
            return 1.0
        passed = 0.0 if time is None else time - float(self._state.times[row])
        return 0.5 ** (max(passed, 0.0) / self.half_life_seconds)  # a source that begins anew may set its clock back


__all__ = ["FrameResult", "LrcnSession"]
