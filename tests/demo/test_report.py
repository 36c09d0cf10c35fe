import base64
import dataclasses
import io
import json
from html.parser import HTMLParser
from random import Random

import pytest
from PIL import Image, ImageChops

from lrcn_hub.data.moving_shapes import draw_scene, human_caption, oracle_caption, random_scene
from lrcn_hub.demo.judging import judge
from lrcn_hub.demo.report import duration, percent, render, times, write_report
from lrcn_hub.demo.story import Example, Part

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
        trained_before=False,
    )


@pytest.fixture
def results():
    versions = {"python": "3.11.7", "packages": {"torch": "2.15.0", "timm": "1.0.31"}, "commit": "0123abc"}
    return {"seed": 5, "seconds": 70.2, "machine": {"system": "Linux", "processors": 2}, "versions": versions}


@pytest.fixture
def page(part, results, tmp_path):
    return Page(render([part], results, tmp_path))


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
    assert len(addresses) == 3
    assert all(address.startswith("data:image/png;base64,") for address in addresses)
    assert "url(" not in page.text and "@import" not in page.text


def test_the_pictures_are_the_ones_that_were_captioned(page, part):
    for attributes, example in zip(page.all("img"), part.examples, strict=True):
        shown = Image.open(io.BytesIO(base64.b64decode(attributes["src"].partition(",")[2])))
        assert ImageChops.difference(shown.convert("RGB"), Image.open(example.file).convert("RGB")).getbbox() is None


def test_marks_say_what_the_checker_found(part, results, tmp_path):
    states = ("right", "wrong", "unsaid")

    def marks(caption):
        changed = dataclasses.replace(part, examples=[dataclasses.replace(part.examples[0], caption=caption)])
        found = Page(render([changed], results, tmp_path))
        return [attributes["class"] for attributes in found.all("span") if attributes.get("class") in states]

    true = oracle_caption(part.examples[0].scene)
    assert marks(true) == ["right", "right", "right"]
    assert marks("a red circle and a blue star") == ["right", "unsaid", "unsaid"]
    assert marks("a blue circle and a red star") == ["wrong", "unsaid", "unsaid"]
    turned = {"left": "right", "right": "left", "above": "below", "below": "above"}
    assert marks(" ".join(turned.get(word, word) for word in true.split()))[:2] == ["right", "wrong"]


def test_scores_of_every_system_stand_in_one_table(page, part):
    assert len(page.all("tr")) == 1 + len(part.scores)
    assert percent(part.scores["model"]["objects_right"]) in page.text
    assert f"{part.scores['oracle']['cider_d']:.2f}" in page.text


def test_the_learning_curve_has_a_point_for_each_value_logged(page):
    assert len(page.all("svg")) == 2
    assert len(page.all("circle")) == 3
    assert "step 20: 1.00" in page.text


def test_the_harder_split_follows_with_its_own_pictures_and_without_demands(part, results, tmp_path):
    both = [part, dataclasses.replace(part, split="combinations")]
    page = Page(render(both, results, tmp_path))
    assert len(page.all("table")) == 2 and len(page.all("img")) == 6
    assert page.text.count("What was asked of it") == 1


def test_the_state_of_the_system_is_in_the_report(page):
    for fact in ("torch 2.15.0", "timm 1.0.31", "0123abc", "3.11.7", "1 min 10 s", "1,277,825", "2 processors"):
        assert fact in page.text


def test_a_training_of_an_earlier_run_is_not_counted_as_this_runs_time(part, results, tmp_path):
    page = Page(render([dataclasses.replace(part, trained_before=True)], results, tmp_path))
    assert "earlier run" in page.text and "All of it took" not in page.text


def test_a_report_is_written_whole(part, results, tmp_path):
    file = tmp_path / "out" / "report.html"
    file.parent.mkdir()
    file.write_text("an older one")
    write_report(file, [part], results)
    assert file.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert sorted(path.name for path in file.parent.iterdir()) == ["report.html"]


def test_a_parts_figures_are_plain_numbers(part):
    figures = json.loads(json.dumps(part.figures()))
    assert figures["steps"] == 20 and figures["captions_equal_in_a_new_process"] == 3
    assert figures["scores"].keys() == part.scores.keys()


def test_numbers_are_written_as_people_read_them():
    assert (percent(0.705), times(2.04), times(float("inf"))) == ("70 %", "2.0\u00d7", "∞")
    assert (duration(59.6), duration(119.7), duration(5.2)) == ("1 min 0 s", "2 min 0 s", "5 s")
