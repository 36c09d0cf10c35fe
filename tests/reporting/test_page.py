"""The page: whole in itself, well-formed, its numbers those of the metrics, everything on it text."""

import re
from dataclasses import dataclass
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import pytest
from datasets import Dataset
from PIL import Image

from lrcn_hub.reporting import Card, Evaluation, Histogram, OtherRun, ReportPage, ReportSection
from lrcn_hub.reporting.page import number, render_page

VOID = {"meta", "img"}
EVIL = "<script>alert('1')</script>\" onload=\"x & more"


@dataclass
class Options:
    strategy: str = "beam"
    prompt: str | None = None


class Page(HTMLParser):
    """A page's elements and text; unbalanced tags are an error."""

    def __init__(self, html):
        super().__init__()
        self.open, self.elements, self.texts = [], [], []
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
        self.texts.append((self.open[-1] if self.open else "", data.strip()))


@pytest.fixture
def draw():
    def draw(content=None, task="measuring", **changes):
        table = Dataset.from_dict({"id": ["a", "b"]})
        known = {"name": "my-model", "split": "test", "tables": {"test": table}, "predictions": [1, 2]}
        known |= {"metrics": {"speed": 3.25, "bleu_4": 0.5}, "options": Options(), "folder": Path(".")}
        words = SimpleNamespace(name=task, summary="Measure.", best_metric="speed")
        return render_page(words, Evaluation(**(known | changes)), content or ReportPage())

    return draw


def rows(page):
    """Cells of the table by the measure's name, brackets beside the values."""
    found = re.findall(r'<th scope="row">(.*?)(?:<small>.*?)?</th>(.*?)</tr>', page, re.DOTALL)
    return {
        name: [cell.replace("<small>", " ").replace("</small>", "") for cell in re.findall("<td.*?>(.*?)</td>", cells)]
        for name, cells in found
    }


def test_metrics_stand_in_a_table_known_ones_first_and_under_their_names(draw):
    page = draw(ReportPage(intervals={"speed": (3.0, 3.5)}))
    assert rows(page) == {"BLEU-4": ["0.500"], "speed": ["3.250 [3.000, 3.500]"]}
    assert list(rows(page)) == ["BLEU-4", "speed"]
    assert page.count('class="best"') == 1 and "Other run" not in page
    assert ("dd", "strategy beam") in Page(page).texts


def test_another_run_has_a_column_and_a_difference(draw):
    other = OtherRun("their-model", [1, 1], {"speed": 3.5, "colour": 1.0})
    page = draw(ReportPage(differences={"speed": (-0.5, -0.1)}), other=other)
    assert rows(page) == {
        "BLEU-4": ["0.500", "\u2013", "\u2013"],
        "speed": ["3.250", "3.500", "\u22120.250 [\u22120.500, \u22120.100]"],
    }
    assert '<td class="clear">\u22120.250' in page and "their-model" in page
    unsure = draw(ReportPage(differences={"speed": (-0.5, 0.1)}), other=other)
    assert 'class="clear"' not in unsure


@pytest.mark.parametrize(
    ("value", "plain", "signed"),
    [
        (0.12345, "0.123", "+0.123"),
        (-0.0001, "0.000", "0.000"),
        (-1.5, "\u22121.500", "\u22121.500"),
        (1.0, "1.000", "+1.000"),
        (12345.0, "12,345", "+12,345"),
        (12.5, "12.500", "+12.500"),
        (float("nan"), "\u2013", "\u2013"),
        (float("inf"), "\u2013", "\u2013"),
    ],
)
def test_numbers_are_written_alike(value, plain, signed):
    assert (number(value), number(value, signed=True)) == (plain, signed)


def full(text):
    """A page's content with `text` wherever a text may stand."""
    picture = Image.new("RGB", (8, 8), "red")
    card = Card(text, [(text, text), ("", text)], [text] * 7, picture)
    histogram = Histogram(text, [text], {text: [0.5], text + "2": [1.0]})
    section = ReportSection(text, text, [(text, text)], [histogram], [(text, picture)], [card])
    return ReportPage(sections=[section, ReportSection("empty")])


def test_whatever_is_said_is_text(draw):
    other = OtherRun(EVIL, [1, 1], {EVIL: 1.0})
    options = Options(strategy=EVIL)
    page = draw(
        full(EVIL),
        EVIL,
        name=EVIL,
        metrics={EVIL: 0.5},
        other=other,
        options=options,
        tables={EVIL: Dataset.from_dict({"id": [1]})},
        split=EVIL,
    )
    parsed = Page(page)
    assert "script" not in {tag for tag, _ in parsed.elements}
    assert not [attributes for _, attributes in parsed.elements if "onload" in attributes]
    said = [text for _, text in parsed.texts]
    assert said.count(EVIL) >= 12 and any("(nothing)" in text for text in said)
    alike = Page(
        draw(
            full("plain"),
            "plain",
            name="plain",
            metrics={"plain": 0.5},
            other=OtherRun("plain", [1, 1], {"plain": 1.0}),
            options=Options(strategy="plain"),
            tables={"plain": Dataset.from_dict({"id": [1]})},
            split="plain",
        )
    )
    assert [tag for tag, _ in parsed.elements] == [tag for tag, _ in alike.elements]


def test_the_page_asks_for_nothing_from_outside(draw):
    page = re.sub(r"data:[\w/;]+base64,[\w+/=]+", "", draw(full("x")))
    assert not re.search(r"https?:|//[a-z]|<link|<script|@import|url\(", page)
    assert "default-src 'none'" in page


def test_a_card_shows_five_references_and_counts_the_rest(draw):
    card = Card("row", [("said", "1.00")], [f"reference {n}" for n in range(8)])
    page = draw(ReportPage(sections=[ReportSection("Cards", cards=[card])]))
    assert page.count("<li>reference") == 5 and "and 3 more" in page and "<img" not in page


def test_a_strip_of_frames_is_as_wide_as_its_card(draw):
    def card(size):
        return draw(ReportPage(sections=[ReportSection("C", cards=[Card("r", [], picture=Image.new("RGB", size))])]))

    assert 'class="card box wide"' in card((300, 100)) and 'class="card box"' in card((300, 200))
    assert '<img class="small"' in card((100, 90)) and '<img class="small"' not in card((300, 200))
