"""``lrcn export`` as a user runs it."""

import json

import pytest

from lrcn_cli import main


@pytest.fixture
def model(tmp_path):
    from lrcn_hub.models import CaffeNet, CaffeNetConfig, LrcnImageProcessor

    sizes = {"channels": [4] * 5, "fc_sizes": [8, 8, 5], "image_size": 67}
    CaffeNet(CaffeNetConfig(**sizes)).save_pretrained(tmp_path / "model")
    LrcnImageProcessor().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_is_exported_and_named(lrcn, model, tmp_path):
    answer = lrcn("export", model, tmp_path / "out")
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, f"{tmp_path / 'out'}\n", "")
    assert json.loads((tmp_path / "out" / "config.json").read_text())["auto_map"]["AutoModel"]
    assert {"backbones_lrcn.py", "image_processing_lrcn.py"} <= {path.name for path in (tmp_path / "out").iterdir()}


def test_a_failure_is_one_line_and_leaves_nothing(model, tmp_path, capsys):
    (model / "model.safetensors").unlink()
    assert main(["export", str(model), str(tmp_path / "out")]) == 1
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"lrcn export: error: {model} has no model.safetensors; ")
    assert captured.err.count("\n") == 1
    assert not (tmp_path / "out").exists()
