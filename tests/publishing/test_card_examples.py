"""The cards' examples of use, run as `lrcn card` runs them: in new processes, with models as they are exported."""

import re
from pathlib import Path

import pytest

from lrcn_cli import main as cli
from lrcn_hub.caffe import convert
from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)
from lrcn_hub.publishing import export_new

CAFFE = Path(__file__).parents[1] / "caffe/files"


@pytest.fixture
def captioner(tmp_path):
    """A tiny captioner, exported without a run."""
    backbone = CaffeNetConfig(channels=[2, 2, 2, 2, 2], fc_sizes=[4, 4, 3], image_size=67)
    sizes = {"feature_size": 3, "embedding_size": 4, "hidden_size": 4, "vocab_size": 5}
    model = LrcnForImageCaptioning(LrcnCaptioningConfig(backbone_config=backbone, wiring="1u", **sizes))
    side = {"height": 67, "width": 67}
    images = LrcnImageProcessor(size=side, crop_size=side)
    processor = LrcnCaptioningProcessor(images, build_word_tokenizer(["red", "square", "a"]))
    folder = tmp_path / "tiny captioner"
    export_new(model, processor, folder, {})
    return folder


def shown(folder):
    """What a card's example and its output are."""
    card = (folder / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)\n```", card, re.DOTALL)
    printed = re.findall(r"```text\n(.*?)\n```", card, re.DOTALL)
    return card, code, printed


def test_an_export_has_a_card_at_once_and_lrcn_card_shows_what_its_example_prints(captioner, capsys, tmp_path):
    card, code, printed = shown(captioner)
    assert "Not executed" in card and printed == []
    assert cli(["card", str(captioner), "--name", "somebody/tiny"]) == 0
    assert capsys.readouterr().out.strip() == str(captioner / "README.md")
    card, code, printed = shown(captioner)
    assert 'model="somebody/tiny"' in code and len(printed) == 1
    here = code.replace("somebody/tiny", str(captioner))
    exec(here, {})
    assert capsys.readouterr().out.strip() == printed[0]
    assert str(tmp_path) not in card


@pytest.mark.parametrize(
    ("weights", "printed"),
    [
        ("caffenet_narrow.caffemodel", r"\(1, \d+\)"),
        ("caption_1u.caffemodel", r"\['.*'\]"),
        ("activity_narrow.caffemodel", r"\d+"),
    ],
)
def test_the_example_of_a_converted_model_runs(weights, printed, tmp_path, capsys):
    folder = tmp_path / "converted"
    convert([CAFFE / weights], folder)
    assert weights in (folder / "README.md").read_text().replace("\\_", "_")
    assert cli(["card", str(folder)]) == 0
    (output,) = shown(folder)[2]
    assert re.fullmatch(printed, output)


def test_an_example_that_fails_is_an_error_and_the_card_stays(captioner, capsys):
    before = (captioner / "README.md").read_bytes()
    (captioner / "model.safetensors").write_bytes(b"")
    assert cli(["card", str(captioner)]) == 1
    assert "example of use fails" in capsys.readouterr().err
    assert (captioner / "README.md").read_bytes() == before


def test_a_card_that_cannot_be_written_costs_nothing_but_a_warning(captioner, caplog, tmp_path, monkeypatch):
    def fail(*arguments, **options):
        raise KeyError("no such template")

    monkeypatch.setattr("lrcn_hub.publishing.cards.write_card", fail)
    convert([CAFFE / "caption_1u.caffemodel"], tmp_path / "other")
    assert (tmp_path / "other" / "model.safetensors").is_file()
    assert "has no new model card: KeyError: 'no such template'" in caplog.text


def test_the_card_of_a_model_to_be_published_is_printed(capsys):
    assert cli(["card", "lrcn-flickr30k"]) == 0
    assert "needs Flickr30k" in capsys.readouterr().out
    assert cli(["card", "lrcn-flickr30"]) == 1
    error = capsys.readouterr().err
    assert "lrcn-flickr30 has no config.json" in error
