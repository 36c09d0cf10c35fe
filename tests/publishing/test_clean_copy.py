import importlib
import json

import pytest
import torch
import yaml
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoProcessor,
    BertConfig,
    BertForMaskedLM,
    Wav2Vec2FeatureExtractor,
)

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)
from lrcn_hub.publishing import export_folder

module = importlib.import_module("lrcn_hub.publishing.clean_copy")
TINY = {"model_type": "lrcn_caffenet", "channels": [4] * 5, "fc_sizes": [8, 8, 5], "image_size": 67}
SIZES = {"feature_size": 5, "vocab_size": 9, "embedding_size": 6, "hidden_size": 7}


@pytest.fixture
def captioner():
    return LrcnForImageCaptioning(LrcnCaptioningConfig(backbone_config=TINY, **SIZES))


@pytest.fixture
def run(captioner, tmp_path):
    """The folder of a finished run with a checkpoint, as older versions left it: without the code."""
    folder = tmp_path / "run"
    processor = LrcnCaptioningProcessor(LrcnImageProcessor(), build_word_tokenizer(list("bcdefgh")))
    for place in (folder, folder / "checkpoint-4"):
        captioner.save_pretrained(place)
        processor.save_pretrained(place)
        for file in place.glob("*_lrcn.py"):
            file.unlink()
        config = json.loads((place / "config.json").read_text())
        del config["auto_map"], config["custom_pipelines"]
        (place / "config.json").write_text(json.dumps(config))
    (folder / "recipe.yaml").write_text(yaml.safe_dump({"task": "captioning"}))
    (folder / "versions.json").write_text('{"python": "3.0"}')
    (folder / "metrics.json").write_text('{"test": {"cider": 0.5}}')
    (folder / "README.md").write_text("---\nlicense: mit\n---\n![a chart](chart.png)\n")
    (folder / "chart.png").write_bytes(b"png")
    (folder / "evaluation" / "test").mkdir(parents=True)
    (folder / "evaluation" / "test" / "metrics.json").write_text('{"cider": 0.5}')
    (folder / "evaluation" / "test" / "predictions.jsonl").write_text("{}\n")
    (folder / "checkpoint-4" / "optimizer.pt").write_bytes(b"x")
    (folder / "checkpoint-4" / "trainer_state.json").write_text("{}")
    return folder


def test_a_run_becomes_a_folder_of_its_model_alone_that_is_complete(captioner, run, tmp_path):
    out = export_folder(run, tmp_path / "out")
    assert out == tmp_path / "out"
    loaded = AutoModel.from_pretrained(out).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in captioner.state_dict().items())
    assert AutoProcessor.from_pretrained(out).tokenizer.get_vocab()["h"] == 8
    config = json.loads((out / "config.json").read_text())
    for reference in (*config["auto_map"].values(), config["custom_pipelines"]["image-to-text"]["impl"]):
        assert (out / f"{reference.split('.')[0]}.py").is_file()
    for name in ("recipe.yaml", "versions.json", "metrics.json", "README.md", "chart.png", "generation_config.json"):
        assert (out / name).is_file(), name
        assert (run / name).read_bytes() == (out / name).read_bytes()
    files = {file.relative_to(out).as_posix() for file in out.rglob("*") if file.is_file()}
    assert "evaluation/test/metrics.json" in files
    assert not [name for name in files if "checkpoint" in name or "predictions" in name or name.endswith(".pt")]


def test_a_checkpoint_takes_the_recipe_of_its_run_but_not_its_metrics(captioner, run, tmp_path):
    out = export_folder(run / "checkpoint-4", tmp_path / "out")
    loaded = AutoModel.from_pretrained(out).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in captioner.state_dict().items())
    names = {path.name for path in out.iterdir()}
    assert {"recipe.yaml", "versions.json"} <= names
    assert not names & {"metrics.json", "optimizer.pt", "trainer_state.json"}


def test_precision_stays_as_it_is(captioner, run, tmp_path):
    captioner.half().save_pretrained(run)
    loaded = AutoModel.from_pretrained(export_folder(run, tmp_path / "out"))
    assert {tensor.dtype for tensor in loaded.parameters()} == {torch.float16}


def test_another_packages_model_is_copied_without_code(tmp_path):
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    model = BertForMaskedLM(BertConfig(vocab_size=9, max_position_embeddings=4, **sizes))
    model.save_pretrained(tmp_path / "bert")
    Wav2Vec2FeatureExtractor().save_pretrained(tmp_path / "bert")
    out = export_folder(tmp_path / "bert", tmp_path / "out")
    loaded = AutoModelForMaskedLM.from_pretrained(out).state_dict()
    assert all(torch.equal(loaded[name], tensor) for name, tensor in model.state_dict().items())
    assert "auto_map" not in json.loads((out / "config.json").read_text())
    assert not list(out.glob("*.py"))


@pytest.mark.parametrize(
    ("missing", "reason"),
    [
        ("config.json", r"has no config\.json; its training has not ended: finish it, or give .*checkpoint-4"),
        ("model.safetensors", r"has no model\.safetensors; save the model there"),
        ("*_config.json", r"has no config\.json"),
        ("*token*", r"has no tokenizer\.json, which its processor needs"),
        (
            "*[rn]_config.json *tokenizer.json",
            r"has no processor_config\.json, nor .*; save the model's processor there",
        ),
    ],
)
def test_what_is_missing_is_named_and_nothing_is_written(missing, reason, run, tmp_path):
    for pattern in missing.split():
        for file in run.glob(pattern):
            file.unlink()
    if missing == "*_config.json":
        (run / "config.json").unlink()
    with pytest.raises(OSError, match=reason):
        export_folder(run, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}


def test_a_folder_that_is_not_there_or_not_new_is_refused(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere is no folder"):
        export_folder(tmp_path / "nowhere", tmp_path / "out")
    with pytest.raises(ValueError, match="is not an empty folder"):
        export_folder(run, run)


def test_an_export_cut_off_leaves_nothing(run, tmp_path, monkeypatch):
    def fail(source, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(importlib.import_module("lrcn_hub.publishing.export").shutil, "copyfile", fail)
    with pytest.raises(OSError, match="no room for"):
        export_folder(run, tmp_path / "out")
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
