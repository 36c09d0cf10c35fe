"""Timelines: what they show, and that picture and page show it."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from lrcn_hub.timeline.answer import VideoAnswer
from lrcn_hub.timeline.dense import DenseFrame
from lrcn_hub.timeline.drawing import draw_timeline
from lrcn_hub.timeline.page import render_page, write_page
from lrcn_hub.timeline.points import TimelineRecorder

NAMES = ["run & <jump>", "swim", "row", "dive"]


def record(probabilities, frames=None, names=NAMES, size=(30, 40), **sizes):
    """The timeline of a video of 10 frames a second with these probabilities (frames seen, C)."""
    probabilities = np.asarray(probabilities, float)
    recorder = TimelineRecorder(frames or len(probabilities), **sizes)
    for number, values in enumerate(probabilities):
        picture = np.full((*size, 3), number % 256, np.uint8)
        recorder(DenseFrame(number, number / 10, picture, values, probabilities[: number + 1].mean(0)))
    answer = VideoAnswer(probabilities.mean(0), len(probabilities), frames or len(probabilities), number / 10)
    return recorder.timeline("holiday.mp4", names, answer)


def of_phases(*labels, frames=10):
    return [np.eye(len(NAMES))[label] * 0.88 + 0.03 for label in labels for _ in range(frames)]


def test_a_short_video_is_shown_frame_by_frame():
    values = of_phases(0, 1)
    timeline = record(values)
    assert np.allclose(timeline.probabilities, values)
    assert np.allclose(timeline.times, np.arange(20) / 10) and timeline.end == pytest.approx(2.0)


@pytest.mark.parametrize("frames", [7, 10, 23, 1000])
def test_a_long_video_is_shown_by_means_of_equal_stretches(frames):
    values = np.random.RandomState(0).dirichlet(np.ones(4), frames)
    timeline = record(values, points=7, pictures=3)
    parts = np.array([k * 7 // frames for k in range(frames)])
    assert len(timeline.times) == 7
    assert np.allclose(timeline.probabilities, [values[parts == part].mean(0) for part in range(7)])
    assert np.allclose(timeline.times, [np.flatnonzero(parts == part)[0] / 10 for part in range(7)])
    assert [picture[0, 0, 0] for _, picture in timeline.pictures] == [
        (2 * k + 1) * frames // 6 % 256 for k in range(3)
    ]


def test_the_classes_shown_are_the_answer_and_those_that_lead_somewhere():
    values = of_phases(2, frames=3) + of_phases(1, frames=6) + [[0.35, 0.6, 0.03, 0.02]]
    assert record(values).leading(6) == [1, 2, 0]
    assert record(values).leading(2) == [1, 2]


def test_stretches_of_time_have_a_likeliest_class():
    found = record(of_phases(0, 2, 0)).winners()
    assert [(round(start, 6), round(end, 6), label) for start, end, label in found] == [
        (0, 1, 0),
        (1, 2, 2),
        (2, 3, 0),
    ]


@pytest.mark.parametrize("frames", [1, 2, 30])
def test_the_picture_shows_who_led_when(tmp_path, frames):
    draw_timeline(record(of_phases(0, 0, 1, frames=frames)), tmp_path / "t.png")
    with Image.open(tmp_path / "t.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    teal, orange = (np.abs(pixels - colour).sum(-1) < 6 for colour in ((15, 111, 120), (217, 130, 43)))
    ribbon = (teal | orange).sum(1).argmax()
    left, right = np.flatnonzero(teal[ribbon]).mean(), np.flatnonzero(orange[ribbon]).mean()
    assert left < right and teal[ribbon].sum() > 1.8 * orange[ribbon].sum() > 300


def test_the_page_needs_nothing_beside_it_and_shows_the_values(tmp_path):
    values = of_phases(0, 0, 1, frames=1)
    write_page(record(values), tmp_path / "t.html")
    page = (tmp_path / "t.html").read_text(encoding="utf-8")
    assert not re.search(r"(src|href)=\"(?!data:)|https?://|@import|url\(", page)
    assert "run &amp; &lt;jump&gt;" in page and "<jump>" not in page
    assert '"times":[0.0,0.1,0.2]' in page and "[0.91,0.91,0.03]" in page
    assert page.count("<img ") == 3
    drawing = page[page.index("<svg", page.index('id="chart"')) :]
    root = ElementTree.fromstring(drawing[: drawing.index("</svg>") + 6])
    lines = [line.get("points").split() for line in root.findall("polyline")]
    answer = lines[-1]  # drawn last, above the others
    assert answer[0] == "0.0,27.0" and answer[-1] == "1000.0,291.0" and len(answer) == 4


def test_a_video_that_was_not_watched_to_its_end_says_so():
    page = render_page(record(of_phases(1, frames=12), frames=4000))
    assert "swim (91%, after 12 of 4,000 frames)" in page and "mean over what was seen" in page
