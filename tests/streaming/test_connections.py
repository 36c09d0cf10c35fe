"""One source and its connections: what is told when it stalls, breaks, comes back or ends."""

import itertools
import threading

import av
import numpy as np
import pytest

from lrcn_hub.streaming import ConnectionRules, Source
from lrcn_hub.streaming.connections import Connection, Happening, Picture

QUICK = {"stall_timeout": 0.5, "retries": 2}


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr("lrcn_hub.streaming.connections.FIRST_WAIT", 0.01)
    monkeypatch.setattr("lrcn_hub.streaming.connections.LONGEST_WAIT", 0.05)


def read(source, *, stop=None, start_time=0.0, **rules):
    connection = Connection(Source(str(source)), ConnectionRules(**rules), stop or threading.Event(), start_time)
    items = list(connection.items())
    return [i for i in items if isinstance(i, Picture)], [i for i in items if isinstance(i, Happening)]


def kinds(happenings):
    return [happening.kind for happening in happenings]


def test_a_file_starts_and_ends_and_its_frames_are_those_it_has(write_video, noise):
    frames = noise(10)
    pictures, happenings = read(write_video("a.mkv", frames))
    assert kinds(happenings) == ["started", "ended"]
    assert happenings[1].facts == {"reason": "the end of the video", "failed": False}
    np.testing.assert_array_equal(np.stack([picture.frame for picture in pictures]), frames)
    arrived = [picture.arrived for picture in pictures]
    assert arrived == sorted(arrived)


def test_a_stream_that_hangs_up_is_opened_again_and_its_clock_goes_on(served, stream):
    pictures, happenings = read(served(stream(10), stream(6)), **QUICK)
    assert kinds(happenings) == ["started", "broken", "reconnected", "broken", "broken", "ended"]
    assert happenings[1].facts.pop("reason") in ("the stream ended", "Input/output error")  # FFmpeg's word for it
    assert happenings[1].facts == {"attempt": 1, "retry_in": 0.01}
    assert happenings[2].facts == {"attempt": 1}
    assert [happening.facts["attempt"] for happening in happenings[3:5]] == [1, 2]
    assert happenings[-1].facts["failed"] and "given up: " in happenings[-1].facts["reason"]
    assert len(pictures) == 16
    times = [picture.time for picture in pictures]
    assert times == sorted(times)
    passed = pictures[10].arrived - pictures[9].arrived
    assert times[10] - times[9] == pytest.approx(passed, abs=0.01)


def test_a_stream_that_comes_back_as_a_new_video_begins_at_0(served, stream):
    pictures, _ = read(served(stream(10), stream(6)), reset_on_reconnect=True, **QUICK)
    assert [pictures[0].time, pictures[10].time] == [0, 0]


def test_a_stream_that_comes_back_in_another_size_says_so(served, stream):
    _, happenings = read(served(stream(10), stream(6, (64, 96))), **QUICK)
    assert kinds(happenings)[:4] == ["started", "broken", "reconnected", "size-changed"]
    assert happenings[3].facts == {"width": 96, "height": 64}


def test_a_stream_that_falls_silent_is_given_up_and_opened_again(served, stream):
    pictures, happenings = read(served(stream(10), stream(10), hold=True), **QUICK)
    assert kinds(happenings)[:6] == ["started", "stalled", "broken", "reconnected", "stalled", "broken"]
    assert happenings[1].facts == {"reason": "no data for 0.5 seconds"}
    assert len(pictures) >= 18


def test_a_file_at_an_address_ends_where_it_ends(served, stream):
    pictures, happenings = read(served(stream(10), stream(10), length=True), **QUICK)
    assert kinds(happenings) == ["started", "ended"]
    assert not happenings[1].facts["failed"]
    assert len(pictures) == 10


def test_waits_grow_to_a_limit_and_attempts_are_counted(free_port):
    _, happenings = read(f"http://127.0.0.1:{free_port}/none", retries=5)
    assert kinds(happenings) == ["broken"] * 5 + ["ended"]
    assert [happening.facts["retry_in"] for happening in happenings[:5]] == [0.01, 0.02, 0.04, 0.05, 0.05]
    assert [happening.facts["attempt"] for happening in happenings[:5]] == [1, 2, 3, 4, 5]
    assert happenings[-1].facts == {"reason": "given up: Connection refused", "failed": True}


def test_below_0_retries_have_no_end_but_the_stop(free_port, monkeypatch):
    monkeypatch.setattr("lrcn_hub.streaming.connections.LONGEST_WAIT", 0.0)
    stop = threading.Event()
    connection = Connection(Source(f"http://127.0.0.1:{free_port}/none"), ConnectionRules(retries=-1), stop)
    items = connection.items()
    found = list(itertools.islice(items, 1500))  # far enough for a wait that doubles to overflow
    assert kinds(found) == ["broken"] * 1500
    stop.set()
    assert list(items) == []


def test_a_stop_ends_without_a_word(write_video, noise):
    stop = threading.Event()
    connection = Connection(Source(str(write_video("a.mkv", noise(10)))), ConnectionRules(), stop)
    items = connection.items()
    next(items), next(items)
    stop.set()
    assert list(items) == []


def test_times_go_on_from_where_a_saved_state_ended(write_video, noise):
    pictures, _ = read(write_video("a.mkv", noise(3)), start_time=7.5)
    assert [picture.time for picture in pictures] == pytest.approx([7.5, 7.54, 7.58], abs=0.001)


def test_in_real_time_frames_come_no_sooner_than_their_times(write_video, noise):
    pictures, _ = read(write_video("a.mkv", noise(10)), realtime=True)
    for picture in pictures:
        assert picture.arrived - pictures[0].arrived >= picture.time - 0.002


def test_a_video_without_a_frame_has_failed(tmp_path, write_video, noise):
    path = tmp_path / "empty.mkv"
    with av.open(str(path), "w") as container:
        container.add_stream("ffv1", rate=25, width=64, height=48, pix_fmt="bgr0").codec_context.open()
        container.start_encoding()
    pictures, happenings = read(path)
    assert pictures == [] and kinds(happenings) == ["ended"]
    assert happenings[0].facts["failed"]
