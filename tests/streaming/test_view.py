"""The live view, read back from what it sends to a terminal."""

import io
import re

import pytest
import torch

from lrcn_hub.models import FrameResult
from lrcn_hub.streaming import Row, TerminalView
from lrcn_hub.streaming.view import BAR, Rates, bar, clock

LABELS = {0: "left", 1: "right", 2: "a label of more than twenty letters"}


def screen(text):
    """What a terminal shows after `text`: it knows new lines, and going up with clearing below."""
    lines = []
    for up, line in re.findall(r"\x1b\[(\d+)F\x1b\[J|([^\x1b\n]*)\n", text):
        if up:
            assert int(up) <= len(lines)
            del lines[len(lines) - int(up) :]
        else:
            lines.append(line)
    return lines


def row(number=0, **facts):
    p = torch.tensor([0.25, 0.5, 0.25])
    result = FrameResult(number, 750, 3725.2, "right", 0.5, p, "right", 0.5, p, 0)
    return Row(number, f"{number}.mkv", **{"started": True, "result": result, **facts})


@pytest.fixture(autouse=True)
def terminal(monkeypatch):
    monkeypatch.setenv("COLUMNS", "90")
    monkeypatch.setenv("LINES", "24")


def test_each_source_has_its_facts_and_the_likeliest_labels_with_bars():
    file = io.StringIO()
    TerminalView(file, LABELS, top=2).draw([row(dropped=3, lag=0.125)])
    facts, first, second = screen(file.getvalue())
    assert facts == "0.mkv  frame 750  01:02:05  0.0 fps  lag 0.12 s  dropped 3"
    assert first.split() == ["right", "#" * (BAR // 2) + "." * (BAR // 2), "50%"]
    assert second.split()[-1] == "25%"


def test_drawing_again_replaces_what_was_drawn():
    file = io.StringIO()
    view = TerminalView(file, LABELS, top=9)
    for dropped in (1, 2, 3):
        view.draw([row(0, dropped=dropped), row(1)], now=True)
    lines = screen(file.getvalue())
    assert len(lines) == 2 * 4
    assert lines[0].endswith("dropped 3")


def test_it_is_drawn_no_faster_than_asked():
    file = io.StringIO()
    view = TerminalView(file, LABELS, interval=1000)
    view.draw([row()])
    drawn = file.getvalue()
    view.draw([row()])
    assert file.getvalue() == drawn
    view.draw([row()], now=True)
    assert file.getvalue() != drawn


def test_events_can_be_written_in_its_place():
    file = io.StringIO()
    view = TerminalView(file, LABELS)
    view.draw([row()], now=True)
    view.erase()
    view.erase()
    file.write("an event\n")
    view.draw([row()], now=True)
    lines = screen(file.getvalue())
    assert lines[0] == "an event" and len(lines) == 1 + 4


@pytest.mark.parametrize(("columns", "rows"), [("30", "24"), ("90", "6")])
def test_it_never_outgrows_the_terminal(columns, rows, monkeypatch):
    monkeypatch.setenv("COLUMNS", columns)
    monkeypatch.setenv("LINES", rows)
    file = io.StringIO()
    view = TerminalView(file, LABELS)
    for _ in range(2):
        view.draw([row(0), row(1)], now=True)
    lines = screen(file.getvalue())
    assert len(lines) == min(8, int(rows) - 1)
    assert max(map(len, lines)) < int(columns)


def test_a_source_without_frames_says_why():
    file = io.StringIO()
    TerminalView(file, LABELS).draw([Row(0, "a"), row(1, trouble="no data; attempt 2")])
    lines = screen(file.getvalue())
    assert lines[0] == "a  waiting for the first frame"
    assert lines[1].startswith("1.mkv  no data; attempt 2  frame 750")


def test_the_end_of_a_long_name_is_shown_and_room_is_left_for_the_rest():
    file = io.StringIO()
    TerminalView(file, LABELS).draw([row(0), Row(1, "a-folder/" * 20 + "video.mp4")])
    (line,) = [line for line in screen(file.getvalue()) if "waiting" in line]
    assert line.startswith("...") and "a-folder/video.mp4  waiting for the first frame" in line


def test_rates_are_measured_over_the_last_second():
    rates, source = Rates(), Row(0, "a")
    found = []
    for now, frames in ((10.0, 0), (10.5, 10), (11.0, 25), (11.5, 26), (12.0, 30)):
        source.frames = frames
        found.append(rates.of(source, now))
    assert found == [0, 0, 25, 25, 5]


def test_bars_and_clocks():
    assert [bar(share) for share in (0, 1)] == ["." * BAR, "#" * BAR]
    assert [clock(seconds) for seconds in (0, 59.9, 3600 * 100)] == ["00:00:00", "00:00:59", "100:00:00"]
