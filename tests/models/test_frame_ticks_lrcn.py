"""Frames at ticks, against the rule said another way: for each tick the first frame that is not before it."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lrcn_hub.models.frame_ticks_lrcn import EARLY, FrameTicks, frames_at_ticks

GAPS = st.lists(st.floats(0.002, 0.4), min_size=1, max_size=60)


def first_frames(times, rate, start):
    """For each tick up to the last frame the first frame at or after it, each once."""
    chosen = []
    for tick in range(math.floor((times[-1] + EARLY - start) * rate) + 1):
        due = start + tick / rate - EARLY
        chosen.append(next(i for i, time in enumerate(times) if time >= start and time >= due))
    return sorted(set(chosen))


@given(GAPS, st.floats(0.5, 30), st.floats(0, 0.5))
def test_every_tick_takes_the_first_frame_that_is_not_before_it(gaps, rate, start):
    times = (np.cumsum(gaps) + 0.5).tolist()
    found, expected = frames_at_ticks(times, rate, start).tolist(), first_frames(times, rate, start)
    near = [abs(((t + EARLY - start) * rate + 0.5) % 1 - 0.5) < 1e-9 for t in times]
    assert found == expected or any(near)


@given(GAPS, st.floats(0.5, 30), st.integers(1, 9))
def test_a_stream_takes_the_frames_of_the_file(gaps, rate, most):
    times = np.cumsum(gaps)
    ticks = FrameTicks(rate, most=most)
    assert [i for i, time in enumerate(times) if ticks.takes(time)] == frames_at_ticks(times, rate, most=most).tolist()
    assert ticks.taken <= most


@pytest.mark.parametrize("fps, rate", [(30, 30), (30, 10), (25, 5), (24, 24), (60, 15)])
def test_times_rounded_to_milliseconds_lose_no_frame(fps, rate):
    times = [round(number / fps, 3) for number in range(600)]
    assert frames_at_ticks(times, rate).tolist() == list(range(0, 600, fps // rate))


def test_a_slow_video_gives_every_frame_once():
    assert frames_at_ticks([0.0, 0.5, 1.0], rate=10).tolist() == [0, 1, 2]


def test_frames_before_the_start_and_from_the_end_on_are_left_out():
    times = [number / 10 for number in range(30)]
    assert frames_at_ticks(times, None, start=1.0, end=1.3).tolist() == [10, 11, 12]
    assert frames_at_ticks(times, 5, start=1.1, end=1.7).tolist() == [11, 13, 15]
    assert frames_at_ticks(times, None, most=2).tolist() == [0, 1]
    assert frames_at_ticks(times, None, start=5).tolist() == []


@pytest.mark.parametrize("rate", [0, -1, math.nan, math.inf])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(ValueError, match="the rate of frames is"):
        FrameTicks(rate)
    with pytest.raises(ValueError, match="at most 0 frames"):
        FrameTicks(None, most=0)
