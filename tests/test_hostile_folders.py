"""A model's folder from anybody: by every door it is refused with one sentence, and nothing in it is run."""

import json
import os
import pickle
import re
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import AutoModel, AutoModelForImageTextToText, pipeline

import lrcn_hub.models
from lrcn_cli import main
from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)
from lrcn_hub.training.evaluate import load_model

SIDE = {"height": 67, "width": 67}


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.fixture
def folder(tmp_path):
    """A captioner that was never trained, sound as yet."""
    backbone = CaffeNetConfig(channels=(4, 4, 4, 4, 4), fc_sizes=(16, 16, 8), image_size=67)
    sizes = {"feature_size": 8, "hidden_size": 16, "embedding_size": 8, "vocab_size": 5}
    LrcnForImageCaptioning(LrcnCaptioningConfig(backbone_config=backbone, **sizes)).save_pretrained(tmp_path / "model")
    image_processor = LrcnImageProcessor(size=SIDE, crop_size=SIDE)
    LrcnCaptioningProcessor(image_processor, build_word_tokenizer(["a", "red", "dog"])).save_pretrained(
        tmp_path / "model"
    )
    Image.effect_noise((90, 70), 80).convert("RGB").save(tmp_path / "photo.png")
    return tmp_path / "model"


def edit(file, **values):
    file.write_text(json.dumps({**json.loads(file.read_text()), **values}))


def pickled(folder):
    (folder / "model.safetensors").unlink()
    torch.save({"embedding.weight": Trap(folder / "sprung")}, folder / "pytorch_model.bin")


def escaping(folder):
    shutil.move(folder / "model.safetensors", folder.parent / "outside.safetensors")
    index = {"metadata": {}, "weight_map": {"embedding.weight": "../outside.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))


FAULTS = {
    "a pickle": (pickled, r"pytorch_model\.bin: only safetensors are loaded"),
    "an absurd size": (
        lambda f: edit(f / "config.json", vocab_size=10**12),
        r"vocab_size is 1000000000000; .* at most",
    ),
    "a path outside": (escaping, r"model\.safetensors\.index\.json: its index names '\.\./outside\.safetensors'"),
    "sizes that disagree": (
        lambda f: edit(f / "config.json", vocab_size=6),
        r"embedding\.weight has the size \(5, 8\) in the weights, the configuration says \(6, 8\)",
    ),
    "a huge header": (
        lambda f: (f / "model.safetensors").write_bytes(struct.pack("<Q", 2**62) + b"{}"),
        "its weights are no sound safetensors file",
    ),
    "another class of transformers": (
        lambda f: edit(f / "config.json", architectures=["BertModel"]),
        r"architectures is \['BertModel'\]",
    ),
}
DOORS = {
    "AutoModel": AutoModel.from_pretrained,
    "AutoModelForImageTextToText": AutoModelForImageTextToText.from_pretrained,
    "pipeline": lambda folder: pipeline("image-to-text", model=str(folder)),
    "lrcn evaluate": load_model,
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("door", DOORS)
def test_no_door_lets_it_in(door, fault, folder):
    spoil, said = FAULTS[fault]
    spoil(folder)
    with pytest.raises(ValueError, match=said):
        DOORS[door](folder)
    assert not (folder / "sprung").exists()


@pytest.mark.parametrize("fault", FAULTS)
def test_lrcn_caption_says_it_in_one_line(fault, folder, capsys):
    spoil, said = FAULTS[fault]
    spoil(folder)
    capsys.readouterr()
    assert main(["caption", str(folder.parent / "photo.png"), "--model", str(folder)]) == 1
    out, err = capsys.readouterr()
    assert out == "" and not (folder / "sprung").exists()
    (line,) = [line for line in err.splitlines() if "Traceback" in line or "error" in line]
    assert line.startswith("lrcn caption: error: ")
    assert re.search(said, line)


def test_the_same_folder_unspoiled_is_let_in(folder, capsys):
    for door in DOORS.values():
        assert door(folder)
    assert main(["caption", str(folder.parent / "photo.png"), "--model", str(folder)]) == 0


@pytest.mark.parametrize("name", ["num_beams", "num_return_sequences"])
def test_a_generation_configuration_may_not_ask_for_millions_of_hypotheses(name, folder, capsys):
    edit(folder / "generation_config.json", **{name: 10**9, "do_sample": name != "num_beams"})
    model = AutoModel.from_pretrained(folder)
    with pytest.raises(ValueError, match=f"{name} is 1000000000; .* at most 10000$"):
        model.generate(torch.zeros(1, 3, 67, 67))


def test_pictures_may_not_be_made_absurdly_large(folder, capsys):
    content = json.loads((folder / "processor_config.json").read_text())
    content["image_processor"]["size"] = {"height": 10**6, "width": 10**6}
    (folder / "processor_config.json").write_text(json.dumps(content))
    assert main(["caption", str(folder.parent / "photo.png"), "--model", str(folder)]) == 1
    assert "error: size.height is 1000000; it must be a whole number" in capsys.readouterr().err


def test_the_code_that_travels_with_a_model_refuses_the_same(folder, tmp_path):
    for file in Path(lrcn_hub.models.__file__).parent.glob("*_lrcn.py"):
        shutil.copy(file, folder / file.name)
    names = []
    for number, (spoil, _) in enumerate(FAULTS.values()):
        names.append(str(shutil.copytree(folder, tmp_path / f"spoiled{number}")))
        spoil(tmp_path / f"spoiled{number}")
    program = """
import sys
sys.modules["lrcn_hub"] = None
from transformers import AutoModel
for folder in sys.argv[2:]:
    try:
        AutoModel.from_pretrained(folder, trust_remote_code=True)
    except ValueError as error:
        print(str(error).replace(chr(10), " "))
print(type(AutoModel.from_pretrained(sys.argv[1], trust_remote_code=True)).__module__)
"""
    environment = {**os.environ, "HF_MODULES_CACHE": str(tmp_path / "modules"), "HF_HUB_OFFLINE": "1"}
    command = [sys.executable, "-c", program, str(folder), *names]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, cwd=tmp_path, check=False)
    *said, module = answer.stdout.splitlines()
    assert module.startswith("transformers_modules."), answer.stderr
    for line, (_, wanted) in zip(said, FAULTS.values(), strict=True):
        assert re.search(wanted, line)
    assert not list(tmp_path.glob("*/sprung"))


def test_the_trap_of_these_tests_springs(tmp_path):
    torch.load(_saved(tmp_path), weights_only=False)
    assert (tmp_path / "sprung").exists()


def _saved(tmp_path):
    torch.save({"x": Trap(tmp_path / "sprung")}, tmp_path / "x.bin")
    return tmp_path / "x.bin"


@pytest.mark.parametrize("option", ["--backbone_weights", "--init_from"])
@pytest.mark.parametrize("form", ["torch", "pickle"])
def test_training_does_not_begin_from_pickles(option, form, tmp_path, capsys):
    weights = tmp_path / "weights"
    weights.mkdir()
    if form == "torch":
        torch.save({"x": Trap(tmp_path / "sprung")}, weights / "pytorch_model.bin")
    else:
        (weights / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    words = ["train", "--task", "captioning", "--reader", "moving-shapes", "--output_dir", str(tmp_path / "out")]
    words += ["--data.moving_shapes.train", "4", "--data.moving_shapes.validation", "1"]
    words += ["--data.moving_shapes.test", "1", "--min_count", "1", "--backbone", "test_resnet", "--use_cpu"]
    words += ["--image_size", "32", option, str(weights if option == "--init_from" else weights / "pytorch_model.bin")]
    assert main(words) == 1
    assert "pytorch_model.bin: " in (said := capsys.readouterr().err.splitlines()[-1]) and "safetensors" in said
    assert not (tmp_path / "sprung").exists() and not (tmp_path / "out").exists()
