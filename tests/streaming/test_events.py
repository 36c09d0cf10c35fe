"""Events: which frames are worth a line, and what stands in it."""

import io
import json
from datetime import datetime

import pytest
import torch

from lrcn_hub.models import FrameResult
from lrcn_hub.streaming import EventRules, Events, Row, line_writer


def result(frame, clip_label="left", *, time=None, clip_start=0):
    p = torch.tensor([0.25, 0.75])
    return FrameResult(0, frame, time, "right", 0.75, p, clip_label, 0.6, p, clip_start)


@pytest.fixture
def lines():
    """What answers a given rule makes lines of: (event, frame)."""

    def lines(results, row=None, **rules):
        found = []
        events = Events(lambda line: found.append(json.loads(line)), EventRules(**rules))
        for one in results:
            events.answer(row or Row(0, "a.mkv"), one)
        return [(event["event"], event["frame"]) for event in found]

    return lines


def test_a_change_of_decision_is_a_line(lines):
    results = [result(t, label) for t, label in enumerate(["left", "left", "right", "right", "left"])]
    assert lines(results) == [("label", 0), ("label", 2), ("label", 4)]


def test_a_new_scene_is_a_line_of_its_own(lines):
    results = [result(0), result(1), result(2, "right", clip_start=2), result(3, "right", clip_start=2)]
    assert lines(results) == [("label", 0), ("scene", 2), ("label", 2)]


def test_every_frame_can_be_a_line(lines):
    assert lines([result(0), result(1)], every_frame=True) == [("label", 0), ("frame", 0), ("frame", 1)]


def test_a_line_every_so_often_follows_the_videos_time(lines):
    results = [result(t, time=t / 10) for t in range(30)] + [result(30, time=0.5), result(31, time=1.2)]
    assert lines(results, every=1.0) == [("label", 0), *(("frame", t) for t in (0, 10, 20, 30))]


def test_decisions_of_different_rows_are_told_apart():
    found = []
    events = Events(lambda line: found.append(json.loads(line)))
    rows = [Row(0, "a.mkv"), Row(1, "a.mkv")]
    for row, label in ((0, "left"), (1, "right"), (0, "left"), (1, "right")):
        events.answer(rows[row], result(0, label))
    assert [(event["row"], event["clip_label"]) for event in found] == [(0, "left"), (1, "right")]


def test_a_line_has_all_fields_and_more_where_there_is_more():
    found = []
    row = Row(3, "rtsp://kamera/ü", dropped=4)
    events = Events(found.append)
    events.emit("started", row, width=64, height=48)
    row.result = result(7, time=0.28)
    events.emit("broken", row, reason="gone")
    common = {"source": "rtsp://kamera/ü", "row": 3, "dropped": 4}
    unknown = dict.fromkeys(["frame", "time", "label", "score", "clip_label", "clip_score", "clip_start"])
    known = {"frame": 7, "time": 0.28, "label": "right", "score": 0.75, "clip_label": "left", "clip_score": 0.6}
    expected = [
        {"event": "started", **common, **unknown, "width": 64, "height": 48},
        {"event": "broken", **common, **known, "clip_start": 0, "reason": "gone"},
    ]
    for line, wanted in zip(found, expected, strict=True):
        event = json.loads(line)
        assert datetime.fromisoformat(event.pop("at")).utcoffset().total_seconds() == 0
        assert event == wanted


def test_each_line_is_flushed_at_once():
    class File(io.StringIO):
        flushed = ""

        def flush(self):
            self.flushed = self.getvalue()

    file = File()
    write = line_writer(file)
    write("{}")
    assert file.flushed == "{}\n"
    write("[]")
    assert file.flushed == "{}\n[]\n"
