import importlib
import json
import subprocess
from types import SimpleNamespace

import pytest
import torch
import yaml
from transformers import (
    AutoFeatureExtractor,
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    Wav2Vec2FeatureExtractor,
)

from lrcn_hub.publishing import export
from lrcn_hub.publishing.versions import _commit, collect_versions

module = importlib.import_module("lrcn_hub.publishing.export")
TASK = SimpleNamespace(name="words")
RECIPE = {"task": "words", "training": {"seed": 1}}


@pytest.fixture
def model():
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    return BertForMaskedLM(BertConfig(vocab_size=9, max_position_embeddings=4, **sizes))


@pytest.fixture
def told(monkeypatch):
    told = []
    monkeypatch.setattr(module, "notify", lambda hook, **arguments: told.append((hook, arguments)))
    return told


def test_an_exported_folder_is_complete_and_loads_to_the_same_bits(model, told, tmp_path):
    folder = tmp_path / "a" / "model"
    metrics = {"test": {"accuracy": 0.5}}
    assert export(model, Wav2Vec2FeatureExtractor(), TASK, folder, recipe=RECIPE, metrics=metrics) == folder
    loaded = AutoModelForMaskedLM.from_pretrained(folder).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())
    assert AutoFeatureExtractor.from_pretrained(folder).to_dict() == Wav2Vec2FeatureExtractor().to_dict()
    assert yaml.safe_load((folder / "recipe.yaml").read_text()) == RECIPE
    assert json.loads((folder / "metrics.json").read_text()) == metrics
    assert json.loads((folder / "versions.json").read_text()) == collect_versions()
    assert told == [("exported", {"task": TASK, "model": model, "folder": str(folder)})]
    assert not [path for path in folder.iterdir() if path.name.startswith(".")]


def test_a_failed_export_leaves_what_was_there(model, told, tmp_path):
    export(model, Wav2Vec2FeatureExtractor(), TASK, tmp_path, recipe=RECIPE, metrics={"run": 1})
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with torch.no_grad():
        model.cls.predictions.bias += 1

    class Unwritable:
        def save_pretrained(self, folder):
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="no room for"):
        export(model, Unwritable(), TASK, tmp_path, recipe=RECIPE, metrics={"run": 2})
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    assert len(told) == 1


def test_an_export_cut_off_while_moving_leaves_nothing_that_loads(model, told, tmp_path, monkeypatch):
    export(model, Wav2Vec2FeatureExtractor(), TASK, tmp_path, recipe=RECIPE, metrics={})
    (tmp_path / "notes.txt").write_text("mine")
    moved = []

    def replace(source, target, real=module.os.replace):
        if len(moved) == 2:
            raise KeyboardInterrupt
        moved.append(target)
        real(source, target)

    monkeypatch.setattr(module.os, "replace", replace)
    with pytest.raises(KeyboardInterrupt):
        export(model, Wav2Vec2FeatureExtractor(), TASK, tmp_path, recipe=RECIPE, metrics={})
    assert not (tmp_path / "config.json").exists()
    assert not (tmp_path / "metrics.json").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"
    with pytest.raises((OSError, ValueError)):
        AutoModelForMaskedLM.from_pretrained(tmp_path)


def test_the_commit_is_that_of_a_checkout_and_marked_where_files_differ(tmp_path):
    def git(*words):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        return subprocess.run(
            ["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True, text=True
        ).stdout

    git("init", "-q")
    (tmp_path / "a.py").write_text("1")
    assert _commit(tmp_path) is None
    git("add", "a.py")
    git("commit", "-qm", "first")
    commit = git("rev-parse", "HEAD").strip()
    assert _commit(tmp_path) == commit
    (tmp_path / "a.py").write_text("2")
    assert _commit(tmp_path) == f"{commit}+"
