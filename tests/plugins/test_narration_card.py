"""What a narrator's card says and shows, and that its example of use runs as it stands there."""

import re

import pytest
import torch

from lrcn_cli import main as cli
from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnForVideoNarration,
    LrcnNarrationConfig,
    LrcnNarrationProcessor,
    LrcnVideoProcessor,
)
from lrcn_hub.publishing import export_new
from lrcn_narration.options import NarrationDataOptions
from lrcn_narration.task import Narration

TASK = Narration()
LABELS = {"tool": ["none", "knife"], "activity": ["cut", "stir", "peel"]}
SIZES = {"embedding_size": 4, "hidden_size": 4, "vocab_size": 5}


def narrator(variant):
    tokenizer = build_word_tokenizer(["red", "square", "a"])
    if variant == "frames":
        backbone = CaffeNetConfig(channels=[2, 2, 2, 2, 2], fc_sizes=[4, 4, 3], image_size=67)
        seen = {"backbone_config": backbone, "feature": "fc8", "feature_size": 3, "frame_size": 5}
        side = {"height": 67, "width": 67}
        processor = LrcnNarrationProcessor(LrcnVideoProcessor(size=side, crop_size=side), tokenizer, variant)
    else:
        seen = {"node_sizes": [2, 3], "source_size": 5}
        processor = LrcnNarrationProcessor(None, tokenizer, variant, LABELS)
    return LrcnForVideoNarration(LrcnNarrationConfig(variant=variant, **seen, **SIZES)), processor


@pytest.mark.parametrize(
    ("variant", "says"),
    [
        ("decoder-prob", "how likely each label is"),
        ("decoder-max", "it sees the likeliest labels"),
        ("encoder-decoder", "sentence, word by word, and speaks from the state"),
        ("frames", "gives a feature of every frame that is read"),
    ],
)
def test_an_exports_card_tells_what_it_reads_and_its_example_runs(variant, says, tmp_path, capsys):
    folder = tmp_path / "tiny"
    model, processor = narrator(variant)
    export_new(model, processor, folder, {})
    card = (folder / "README.md").read_text()
    assert "pipeline_tag: video-to-text" in card and says in card and "Undefined" not in card
    assert ("needs somebody else's labels" in card) == (variant != "frames")
    assert ("| nodes, labels of all | 2, 5 |" in card) == (
        variant in ("decoder-max", "decoder-prob", "encoder-decoder")
    )
    (code,) = re.findall(r"```python\n(.*?)\n```", card, re.DOTALL)
    exec(code.replace('"tiny"', repr(str(folder))), {})
    printed = capsys.readouterr().out.strip()
    if variant != "frames":
        assert printed.startswith("{'tool': 'knife', 'activity': 'peel'}")


def test_lrcn_card_and_lrcn_export_know_narrators(tmp_path, capsys):
    model, processor = narrator("decoder-prob")
    model.save_pretrained(tmp_path / "saved")
    processor.save_pretrained(tmp_path / "saved")
    assert cli(["export", str(tmp_path / "saved"), str(tmp_path / "clean")]) == 0
    assert "pipeline_narration_lrcn.py" in {file.name for file in (tmp_path / "clean").iterdir()}
    assert cli(["card", str(tmp_path / "clean")]) == 0
    card = (tmp_path / "clean" / "README.md").read_text()
    printed = re.findall(r"```text\n(.*?)\n```", card, re.DOTALL)
    assert len(printed) == 1 and printed[0].startswith("{'tool': 'knife'")
    again = LrcnForVideoNarration.from_pretrained(tmp_path / "clean")
    assert all(torch.equal(one, other) for one, other in zip(again.parameters(), model.parameters(), strict=True))


def test_data_are_described_without_this_machines_folders():
    options = NarrationDataOptions(moving_shapes={"train": 6, "validation": 2, "test": 2, "seed": 3})
    told = TASK.describe_data(TASK.load_tables(options), options)
    assert told["rows"] == {"train": 6, "validation": 2, "test": 2} and told["sentences"]["test"] == 10
    assert (told["source"], told["license"]) == ("moving shapes, built in (seed 3)", "apache-2.0")
    assert told["nodes"] == ["colour (6)", "shape (5)", "action (8)", "place (5)"]


def test_rows_of_nodes_are_drawn_as_bars_and_videos_as_frames(tmp_path):
    shapes = {"train": 2, "validation": 1, "test": 5, "picture_size": 24, "folder": str(tmp_path)}
    options = NarrationDataOptions(moving_shapes=shapes)
    bars = TASK.illustrate(TASK.load_tables(options)["test"], ["a red circle"] * 5, options)
    filmed = NarrationDataOptions(moving_shapes={**shapes, "videos": True})
    frames = TASK.illustrate(TASK.load_tables(filmed)["test"], ["a red circle " * 30] * 5, filmed)
    assert bars.mode == frames.mode == "RGB" and frames.height > bars.height > 300
    assert len(bars.getcolors(1 << 20)) > 2 and len(frames.getcolors(1 << 20)) > 50
    other = NarrationDataOptions(reader="folder", path="videos")
    assert TASK.illustrate(TASK.load_tables(options)["test"], [""] * 5, other) is None
