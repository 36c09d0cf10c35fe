"""Which frames of a video a narrator reads: the same ones of a file and of a stream, which cannot be searched."""

import math
from collections.abc import Iterable

import numpy as np

EARLY = 1e-3  # seconds; containers round the times of frames, some to milliseconds


class FrameTicks:
    """Chooses frames, in the order of their times, as they come: the first one at or after each tick start + k / rate.

    A frame that several ticks wait for is taken once; one less than a millisecond early is in time. Without a rate all
    frames from `start` on are taken. At most `most` are.

    Raises ValueError for a rate that is not above 0 and for `most` below 1.
    """

    def __init__(self, rate: float | None, start: float = 0.0, most: int | None = None):
        if rate is not None and not (rate > 0 and math.isfinite(rate)):
            raise ValueError(f"the rate of frames is {rate}; it must be above 0 per second, or none for all frames")
        if most is not None and most < 1:
            raise ValueError(f"at most {most} frames are to be taken; that must be at least 1, or none for no limit")
        self.rate, self.start, self.most = rate, start, most
        self.tick = 0
        """The tick that is waited for."""
        self.taken = 0
        """Frames taken so far."""

    def takes(self, time: float) -> bool:
        """Whether the frame at `time`, in seconds, is taken; each frame is asked for once."""
        if time < self.start or (self.most is not None and self.taken >= self.most):
            return False
        if self.rate is not None:
            ticks = math.floor((time + EARLY - self.start) * self.rate)  # of those up to this frame the last
            if ticks < self.tick:
                return False
            self.tick = ticks + 1
        self.taken += 1
        return True


def frames_at_ticks(
    times: Iterable[float],
    rate: float | None,
    start: float = 0.0,
    end: float | None = None,
    most: int | None = None,
) -> np.ndarray:
    """The indices of the frames that `FrameTicks` takes, of frames at `times` from `start` up to, but not, `end`."""
    ticks = FrameTicks(rate, start, most)
    taken = [index for index, time in enumerate(times) if (end is None or time < end) and ticks.takes(float(time))]
    return np.array(taken, dtype=np.int64)
