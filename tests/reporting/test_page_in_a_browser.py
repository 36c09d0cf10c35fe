"""The page in a real browser, opened as a file: nothing is wider than a phone, and every picture is shown."""

import json
import re
import shutil
import subprocess
from dataclasses import dataclass
from types import SimpleNamespace

import pytest
from datasets import Dataset
from PIL import Image

from lrcn_hub.reporting import Card, Evaluation, Histogram, OtherRun, ReportPage, ReportSection
from lrcn_hub.reporting.page import render_page

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = [pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")]

LONG = "/a/long/path/" + "without_any_blank_" * 12
FRAME = """<iframe src="report.html" style="width: {width}px; height: 900px; border: 0"></iframe><pre id="found"></pre>
<script>
onload = () => {{
  const page = document.querySelector("iframe").contentDocument;
  const pictures = [...page.images].map(image => image.naturalWidth);
  const beyond = page.documentElement.scrollWidth - page.documentElement.clientWidth;
  const found = {{beyond, pictures, paper: getComputedStyle(page.body).backgroundColor}};
  document.getElementById("found").textContent = JSON.stringify(found);
}};
</script>"""


@dataclass
class Options:
    prompt: str = LONG


@pytest.fixture
def page(tmp_path):
    """A page with something of everything, long words in every text."""
    picture, strip = Image.new("RGB", (500, 400), "red"), Image.new("RGB", (256, 64), "blue")
    cards = [
        Card(LONG, [(LONG, "this run: 1.00"), (LONG, "other run: 0.50")], [LONG] * 6, one)
        for one in (picture, strip, None)
    ]
    bins = [f"{place}\u2013{place + 4}" for place in range(0, 100, 5)]
    histogram = Histogram("Lengths", bins, {name: [0.05] * 20 for name in ("this run", "people", "other run")})
    section = ReportSection(LONG, LONG, [("86%", LONG)] * 4, [histogram] * 2, [(LONG, picture)], cards)
    metrics = {"cider_d": 1.25, "bleu_4": 0.5, "a_metric_of_some_third_party": 12345.678}
    spans = dict.fromkeys(metrics, (-1.25, 1.25))
    table = Dataset.from_dict({"id": [1]})
    evaluation = Evaluation(
        LONG, "test", {"test": table}, [""], metrics, Options(), tmp_path, OtherRun(LONG, [""], metrics)
    )
    task = SimpleNamespace(name="captioning", summary="Say it.", best_metric="cider_d")
    (tmp_path / "report.html").write_text(render_page(task, evaluation, ReportPage(spans, spans, [section])))
    return tmp_path


def shown(folder, width, *words):
    (folder / "frame.html").write_text(FRAME.format(width=width))
    options = ["--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run", "--allow-file-access-from-files"]
    options += [f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=5000", "--dump-dom", *words]
    address = (folder / "frame.html").as_uri()
    answer = subprocess.run([CHROMIUM, *options, address], capture_output=True, text=True, timeout=120, check=True)
    return json.loads(re.search('<pre id="found">(.*?)</pre>', answer.stdout)[1])


@pytest.mark.parametrize("width", [340, 390, 768, 1400])
def test_nothing_is_wider_than_the_window(page, width):
    assert shown(page, width)["beyond"] == 0


def test_every_picture_is_shown_in_the_light_and_in_the_dark(page):
    light, dark = shown(page, 800), shown(page, 800, "--blink-settings=preferredColorScheme=0")
    assert light["pictures"] == dark["pictures"] == [500, 360, 256]
    assert (light["paper"], dark["paper"]) == ("rgb(251, 250, 247)", "rgb(21, 24, 27)")
