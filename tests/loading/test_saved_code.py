"""Which code is saved beside a model, and whose."""

import ast
import json
import sys
from types import ModuleType

import pytest
from transformers import AutoConfig, AutoModel

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNet,
    CaffeNetConfig,
    LrcnActivityConfig,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnForVideoClassification,
    LrcnForVideoNarration,
    LrcnImageProcessor,
    LrcnNarrationConfig,
    LrcnNarrationProcessor,
)

TINY = {"model_type": "lrcn_caffenet", "channels": [4] * 5, "fc_sizes": [8, 8, 5], "image_size": 67}
CAPTIONER = {"backbone_config": TINY, "feature_size": 5, "vocab_size": 9, "embedding_size": 6, "hidden_size": 7}
RECOGNISER = {"backbone_config": TINY, "feature_size": 8, "hidden_size": 7, "num_labels": 3}


NARRATOR = {"node_sizes": [2, 3], "vocab_size": 9, "embedding_size": 6, "hidden_size": 7}


def tiny(kind):
    if kind is LrcnForVideoNarration:
        nodes = {"tool": ["none", "knife"], "activity": ["cut", "stir", "peel"]}
        processor = LrcnNarrationProcessor(None, build_word_tokenizer(list("bcdefgh")), node_labels=nodes)
        return kind(LrcnNarrationConfig(**NARRATOR)), processor
    if kind is LrcnForImageCaptioning:
        processor = LrcnCaptioningProcessor(LrcnImageProcessor(), build_word_tokenizer(list("bcdefgh")))
        return kind(LrcnCaptioningConfig(**CAPTIONER)), processor
    if kind is LrcnForVideoClassification:
        return kind(LrcnActivityConfig(**RECOGNISER)), LrcnImageProcessor()
    return kind(CaffeNetConfig(**TINY)), LrcnImageProcessor()


def references(value):
    """Every ``file.Class`` named under auto_map and custom_pipelines, at any depth."""
    for key, item in value.items() if isinstance(value, dict) else ():
        if key == "auto_map":
            yield from item.values()
        elif key == "impl":
            yield item
        else:
            yield from references(item)


@pytest.mark.parametrize(
    ("kind", "autos"),
    [
        (CaffeNet, {"AutoConfig", "AutoModel"}),
        (LrcnForImageCaptioning, {"AutoConfig", "AutoModel", "AutoModelForImageTextToText"}),
        (LrcnForVideoClassification, {"AutoConfig", "AutoModel", "AutoModelForVideoClassification"}),
        (LrcnForVideoNarration, {"AutoConfig", "AutoModel", "AutoModelForImageTextToText"}),
    ],
)
def test_all_code_that_the_files_name_is_there_and_nothing_else(kind, autos, tmp_path):
    model, processor = tiny(kind)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["auto_map"].keys() == autos
    named = [name for file in tmp_path.glob("*.json") for name in references(json.loads(file.read_text()))]
    assert {"AutoProcessor", "AutoImageProcessor"} & json_keys(tmp_path)
    wanted, done = {name.split(".")[0] for name in named}, set()
    for name in named:
        file, _, class_name = name.partition(".")
        tree = ast.parse((tmp_path / f"{file}.py").read_text())
        assert class_name in [node.name for node in tree.body if isinstance(node, ast.ClassDef)]
    while wanted - done:
        file = (wanted - done).pop()
        nodes = ast.walk(ast.parse((tmp_path / f"{file}.py").read_text()))
        wanted |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.level}
        done.add(file)
    assert {file.stem for file in tmp_path.glob("*.py")} == wanted


def json_keys(folder):
    texts = [file.read_text() for file in folder.glob("*processor_config.json")]
    return {key for text in texts for key in ("AutoProcessor", "AutoImageProcessor") if key in text}


@pytest.mark.parametrize("kind", [CaffeNet, LrcnForImageCaptioning, LrcnForVideoClassification, LrcnForVideoNarration])
def test_saving_a_loaded_model_changes_no_file(kind, tmp_path):
    model, processor = tiny(kind)
    for step in ("first", "second"):
        model.save_pretrained(tmp_path / step)
        processor.save_pretrained(tmp_path / step)
        AutoConfig.from_pretrained(tmp_path / step).save_pretrained(tmp_path / f"{step}-configuration")
        model = AutoModel.from_pretrained(tmp_path / "first")
        processor = type(processor).from_pretrained(tmp_path / "first")
    names = sorted(file.name for file in (tmp_path / "first").iterdir())
    assert names == sorted(file.name for file in (tmp_path / "second").iterdir())
    for name in names:
        if not name.startswith("tokenizer_config"):  # transformers notes there that it was loaded from a folder
            assert (tmp_path / "first" / name).read_bytes() == (tmp_path / "second" / name).read_bytes(), name


@pytest.mark.parametrize(
    ("config", "task", "file"),
    [
        (LrcnCaptioningConfig(**CAPTIONER), "image-to-text", "pipeline_lrcn"),
        (LrcnNarrationConfig(**NARRATOR), "video-to-text", "pipeline_narration_lrcn"),
    ],
)
def test_a_configuration_of_the_installed_class_names_no_pipeline_to_be_trusted(config, task, file, tmp_path):
    config.save_pretrained(tmp_path)
    assert "custom_pipelines" in json.loads((tmp_path / "config.json").read_text())
    for loaded in (type(config).from_pretrained(tmp_path), AutoConfig.from_pretrained(tmp_path)):
        assert not hasattr(loaded, "custom_pipelines")
        assert loaded.to_dict()["custom_pipelines"][task]["impl"].startswith(f"{file}.")


def test_somebodys_subclass_is_saved_without_our_code_and_without_theirs(tmp_path, monkeypatch):
    source = tmp_path / "theirs.py"
    source.write_text("from ..elsewhere import nothing\n")  # transformers would look for this file and fail
    theirs = ModuleType("theirs")
    theirs.__file__ = str(source)
    monkeypatch.setitem(sys.modules, "theirs", theirs)
    there = {"__module__": "theirs"}
    config = type("TheirConfig", (LrcnCaptioningConfig,), {**there, "model_type": "their_captioner"})
    model = type("TheirModel", (LrcnForImageCaptioning,), {**there, "config_class": config})
    model(config(**CAPTIONER)).save_pretrained(tmp_path / "model")
    assert {file.name for file in (tmp_path / "model").iterdir()} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }
    assert not {"auto_map", "custom_pipelines"} & json.loads((tmp_path / "model" / "config.json").read_text()).keys()
