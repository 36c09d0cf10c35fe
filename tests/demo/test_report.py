import base64
import dataclasses
import io
import json
from html.parser import HTMLParser
from random import Random

import numpy as np
import pytest
from PIL import Image, ImageChops

from lrcn_hub.data.moving_shapes import draw_scene, human_caption, oracle_caption, random_scene
from lrcn_hub.demo.activity.story import ActivityPart, VideoExample
from lrcn_hub.demo.activity.watching import Watched
from lrcn_hub.demo.captioning.judging import judge
from lrcn_hub.demo.captioning.story import Example, Part
from lrcn_hub.demo.narration.judging import FRAMES, SHUFFLED
from lrcn_hub.demo.narration.live import Narrated, SaidCue
from lrcn_hub.demo.narration.story import NarrationPart, SceneExample
from lrcn_hub.demo.report import duration, percent, render, times, write_report

VOID = {"br", "img", "link", "meta"}
KINDS = [[("red", "circle"), ("blue", "star")], [("green", "heart"), ("yellow", "square")], [("purple", "star")]]


class Page(HTMLParser):
    """A page's text and elements; unbalanced tags are an error."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def all(self, tag):
        return [attributes for name, attributes in self.elements if name == tag]


@pytest.fixture
def part(tmp_path):
    """What a demo of three pictures would have found; the first caption is perfect, the second one wrong."""
    scenes = [random_scene(kinds, Random(number)) for number, kinds in enumerate(KINDS)]
    references = [[f"{word} reference {number}" for word in ("first", "second", "third")] for number in range(3)]
    captions = [oracle_caption(scenes[0]), "a red star <script>alert(1)</script> & more", "a purple star"]
    examples = []
    for number, (scene, caption) in enumerate(zip(scenes, captions, strict=True)):
        file = tmp_path / f"test-{number}.png"
        draw_scene(scene, 64).save(file)
        examples.append(Example(file, caption, references[number], f"near {number}", scene))
    names = ("model", "nearest_by_feature", "nearest_by_pixels", "picture_blind", "oracle")
    scores = {name: judge(captions, references, scenes) for name in names}
    people = [human_caption(several) for several in references]
    scores["human"] = judge([one for one, _ in people], [rest for _, rest in people], scenes)
    history = [
        {"step": 10, "loss": 3.0},
        {"step": 10, "eval_cider_d": 0.5},
        {"step": 20, "loss": 1.0},
        {"step": 20, "train_runtime": 61.0},
    ]
    return Part(
        split="pairs",
        folder=tmp_path,
        scores=scores,
        counts={"train": 8000, "validation": 20, "test": 3},
        parameters={"captioner": 1_277_825, "backbone": 372_688},
        history=history,
        examples=examples,
        seconds={"train": 61.0, "baselines": 5.0, "reload": 3.0},
    )


@pytest.fixture
def results():
    versions = {"python": "3.11.7", "packages": {"torch": "2.15.0", "timm": "1.0.31"}, "commit": "0123abc"}
    time = {"seconds": 70.2, "seconds_of_training": 61.0, "trained_before": False}
    return {"seed": 5, **time, "machine": {"system": "Linux", "processors": 2}, "versions": versions}


@pytest.fixture
def activity(tmp_path):
    """What a demo of two videos would have found; the first is told rightly."""
    frames = np.random.RandomState(0).randint(0, 256, (16, 40, 40, 3), dtype=np.uint8)
    answers = (("moving left", "moving left"), ("approaching", "<b>leaving</b>"))
    Image.new("RGB", (20, 10), "white").save(tmp_path / "timeline.png")
    watched = Watched(
        file=tmp_path / "in-a-row.mov",
        picture=tmp_path / "timeline.png",
        labels=["moving left", "leaving"],
        decisions=[["leaving", "moving left"], ["leaving", "approaching"]],
    )
    scores = {"model": (0.95, 0.9), "single_frame": (0.45, 0.0), "mean_pooled": (0.48, 0.0), "shuffled": (0.3, 0.1)}
    return ActivityPart(
        folder=tmp_path,
        scores={name: {"accuracy": right, "both_twins_right": both} for name, (right, both) in scores.items()},
        counts={"train": 3000, "validation": 20, "test": 2},
        classes=["moving left", "approaching", "leaving"],
        parameters={"recogniser": 765_432, "backbone": 372_688},
        state_numbers=256,
        history=[{"step": 10, "loss": 2.0}, {"step": 20, "eval_accuracy": 0.5}],
        examples=[VideoExample(tmp_path / "a.mov", frames, label, answer, 0.875) for label, answer in answers],
        watched=watched,
        seconds={"reload": 3.0},
    )


@pytest.fixture
def narration(tmp_path):
    """What a demo of two scenes would have found; the first is told rightly."""
    frames = np.random.RandomState(1).randint(0, 256, (16, 40, 40, 3), dtype=np.uint8)
    sentences = (("a red circle jumps, then a blue square grows", True), ("a <i>blue</i> square & a heart", False))
    events = {"decoder-prob": 3.5, "decoder-max": 3.2, "template": 2.9, "nearest": 2.4}
    return NarrationPart(
        folder=tmp_path,
        events={name: {"cider_d": c, "bleu_4": c / 10, "events_right": c / 5} for name, c in events.items()},
        node_quality={"colour": {"accuracy": 0.68, "calibration_error": 0.1}},
        scenes={
            name: {"event_order_accuracy": order, "events_right": order + 0.02}
            for name, order in ((FRAMES, 0.93), (SHUFFLED, 0.11))
        },
        counts={"events": {"train": 3000}, "scenes": {"train": 2999}},
        parameters={"frames": 876_543, "decoder-prob": 123_321},
        steps={"frames": 2000, "decoder-prob": 1600},
        history=[{"step": 10, "loss": 2.0}, {"step": 20, "eval_cider_d": 1.5}],
        examples=[
            SceneExample(tmp_path / "s.mov", frames, said, ["first one thing"], right) for said, right in sentences
        ],
        narrated=Narrated(
            tmp_path / "long.mov",
            tmp_path / "long.vtt",
            [SaidCue(2.0 * number, 2.0 * number + 2, said, frames, r) for number, (said, r) in enumerate(sentences)],
        ),
        seconds={"narrate": 2.0},
    )


@pytest.fixture
def page(part, activity, narration, results):
    return Page(render([part], activity, narration, results))


def test_the_report_holds_every_caption_reference_and_neighbour(page, part):
    for example in part.examples:
        for text in (example.caption, *example.references, example.nearest):
            assert text in page.text


def test_what_a_model_says_is_shown_as_text_and_never_run(page):
    assert page.all("script") == []


def test_the_report_needs_nothing_beside_it(page):
    addresses = [
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert len(addresses) == 3 + 1 + 2 * 8 + 4 * 12
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "url(" not in page.text and "@import" not in page.text


def test_the_pictures_are_the_ones_that_were_captioned(page, part):
    for attributes, example in zip(page.all("img")[:3], part.examples, strict=True):
        shown = Image.open(io.BytesIO(base64.b64decode(attributes["src"].partition(",")[2])))
        assert ImageChops.difference(shown.convert("RGB"), Image.open(example.file).convert("RGB")).getbbox() is None


def test_marks_say_what_the_checker_found(part, activity, narration, results):
    states = ("right", "wrong", "unsaid")

    def marks(caption):
        changed = dataclasses.replace(part, examples=[dataclasses.replace(part.examples[0], caption=caption)])
        found = Page(render([changed], activity, narration, results))
        return [attributes["class"] for attributes in found.all("span") if attributes.get("class") in states][:3]

    true = oracle_caption(part.examples[0].scene)
    assert marks(true) == ["right", "right", "right"]
    assert marks("a red circle and a blue star") == ["right", "unsaid", "unsaid"]
    assert marks("a blue circle and a red star") == ["wrong", "unsaid", "unsaid"]
    turned = {"left": "right", "right": "left", "above": "below", "below": "above"}
    assert marks(" ".join(turned.get(word, word) for word in true.split()))[:2] == ["right", "wrong"]


def test_scores_of_every_system_stand_in_one_table_for_each_task(page, part, activity, narration):
    assert len(page.all("tr")) == 3 + len(part.scores) + len(activity.scores) + len(narration.events)
    assert percent(part.scores["model"]["objects_right"]) in page.text
    assert f"{part.scores['oracle']['cider_d']:.2f}" in page.text


def test_the_learning_curve_has_a_point_for_each_value_logged(page):
    assert len(page.all("svg")) == 6
    assert len(page.all("circle")) == 7
    assert "step 20: 1.00" in page.text


def test_the_harder_split_follows_with_its_own_pictures_and_without_demands(part, activity, narration, results):
    both = [part, dataclasses.replace(part, split="combinations")]
    page = Page(render(both, activity, narration, results))
    assert len(page.all("table")) == 4 and len(page.all("img")) == 6 + 17 + 48
    assert page.text.count("What was asked of it") == 1


def test_the_state_of_the_system_is_in_the_report(page):
    for fact in (
        "torch 2.15.0",
        "timm 1.0.31",
        "0123abc",
        "3.11.7",
        "1 min 10 s",
        "1,277,825",
        "765,432",
        "876,543",
        "2 processors",
    ):
        assert fact in page.text


def test_what_was_said_of_videos_is_shown_with_what_they_are(page):
    for text in ("moving left (88 %)", "<b>leaving</b> (88 %)", "✓ right", "✗ it is approaching", "256 numbers"):
        assert text in " ".join(page.text.split())


def test_each_watched_video_has_a_cell_for_each_frame(page):
    cells = [attributes for attributes in page.all("i") if "style" not in attributes]
    assert [cell.get("class") for cell in cells] == [None, "yes", "yes", None]


def test_sentences_of_scenes_stand_with_their_time_and_what_is_true_of_them(page):
    text = " ".join(page.text.split())
    assert text.count("a red circle jumps, then a blue square grows") == 2  # live, and as a held-out scene
    assert text.count("a <i>blue</i> square & a heart") == 2
    assert "02.0 to 04.0 s" in text and text.count("✗ events in order") == 2
    assert "first one thing" in text and "long.vtt" in text


def test_what_was_asked_of_narrators_is_held_against_what_was_found(part, activity, narration, results):
    def marks(found):
        text = " ".join(Page(render([part], activity, found, results)).text.split())
        asked = text.partition("What was asked of them")[2].partition("How the narrator")[0]
        return [mark for mark in asked if mark in "✓✗"]

    assert marks(narration) == ["✓"] * 4
    worse = {**narration.events, "decoder-max": {**narration.events["decoder-max"], "bleu_4": 0.9}}
    assert marks(dataclasses.replace(narration, events=worse)) == ["✓", "✗", "✓", "✓"]
    lost = {FRAMES: narration.scenes[SHUFFLED], SHUFFLED: narration.scenes[SHUFFLED]}
    assert marks(dataclasses.replace(narration, scenes=lost)) == ["✓", "✓", "✗", "✗"]
    two = {name: scores for name, scores in narration.events.items() if name != "decoder-max"}
    assert len(marks(dataclasses.replace(narration, events=two))) == 3


def test_a_training_of_an_earlier_run_is_not_counted_as_this_runs_time(part, activity, narration, results):
    page = Page(render([part], activity, narration, results | {"trained_before": True}))
    assert "earlier run" in page.text and "All of it took" not in page.text


def test_a_report_is_written_whole(part, activity, narration, results, tmp_path):
    file = tmp_path / "out" / "report.html"
    file.parent.mkdir()
    file.write_text("an older one")
    write_report(file, [part], activity, narration, results)
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in file.parent.iterdir()) == ["report.html"]


def test_a_parts_figures_are_plain_numbers(part):
    figures = json.loads(json.dumps(part.figures()))
    assert figures["steps"] == 20 and figures["captions_equal_in_a_new_process"] == 3
    assert figures["scores"].keys() == part.scores.keys()


def test_numbers_are_written_as_people_read_them():
    assert (percent(0.705), times(2.04), times(float("inf"))) == ("70 %", "2.0\u00d7", "∞")
    assert (duration(59.6), duration(119.7), duration(5.2)) == ("1 min 0 s", "2 min 0 s", "5 s")
