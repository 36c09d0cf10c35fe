"""The shipped activity recipes: their numbers against the authors' files, and two steps of each on a tiny UCF-101."""

import json
import logging
from pathlib import Path

import av
import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from lrcn_activity.building import build_video_processor
from lrcn_hub.models import CaffeNet, CaffeNetConfig
from lrcn_hub.plugins import get_task
from lrcn_hub.training import main
from lrcn_hub.training.command import Command, recipe_from, written_recipe
from lrcn_hub.training.recipe import shipped_recipes

# The authors' solver files; all have SGD with momentum 0.9, policy "step" and the seed 1701.
SOLVERS = {
    "single_frame_rgb": {"stepsize": 3000, "max_iter": 5000, "clip": None, "batch": 128},
    "single_frame_flow": {"stepsize": 20_000, "max_iter": 50_000, "clip": None, "batch": 128},
    "lstm_rgb": {"stepsize": 10_000, "max_iter": 30_000, "clip": 5, "batch": 24},
    "lstm_flow": {"stepsize": 20_000, "max_iter": 70_000, "clip": 15, "batch": 24},
}
SOLVERS |= {"lstm_fc7_rgb": SOLVERS["lstm_rgb"], "lstm_fc7_flow": SOLVERS["lstm_flow"]}
MEANS = {  # in RGB; 128.68 is a slip of sequence_input_layer.py
    "single_frame_rgb": [123.68, 116.779, 103.939],
    "lstm_rgb": [128.68, 116.779, 103.939],
    "lstm_fc7_rgb": [128.68, 116.779, 103.939],
}
SMALL = [
    *("--image_size", "67", "--hidden_size", "5", "--max_steps", "2", "--save_steps", "2"),
    *("--per_device_train_batch_size", "2", "--per_device_eval_batch_size", "2", "--dataloader_num_workers", "0"),
    *("--use_cpu", "--disable_tqdm"),
]
CLASSES = ["Archery", "BabyCrawling", "Diving"]


def resolved(name):
    task_name, written, source = written_recipe(Command(flags={"recipe": f"ucf101_hybrid_{name}"}))
    task = get_task(task_name)
    return task, recipe_from(task, written, [], source)


def test_every_ucf101_recipe_is_held_to_a_solver():
    assert {f"ucf101_hybrid_{name}" for name in SOLVERS} == {n for n in shipped_recipes() if n.startswith("ucf101")}


@pytest.mark.parametrize("name", SOLVERS)
def test_the_numbers_are_those_of_the_solvers(name):
    training = resolved(name)[1].sections["training"]
    found = {
        "stepsize": training["lr_step_size"],
        "max_iter": training["max_steps"],
        "clip": training["clip_gradients"],
        "batch": training["per_device_train_batch_size"],
    }
    assert found == SOLVERS[name]
    rest = {key: training[key] for key in ("learning_rate", "lr_gamma", "momentum", "weight_decay", "seed")}
    assert rest == {"learning_rate": 0.001, "lr_gamma": 0.1, "momentum": 0.9, "weight_decay": 0.005, "seed": 1701}
    ours = {key: training[key] for key in ("optim", "lr_scheduler_type", "loss_normalization", "warmup_steps")}
    assert ours == {
        "optim": "caffe_sgd",
        "lr_scheduler_type": "step",
        "loss_normalization": "batch",
        "warmup_steps": 0,
    }
    assert not training["load_best_model_at_end"] and training["gradient_accumulation_steps"] == 1


@pytest.mark.parametrize("name", SOLVERS)
def test_the_networks_are_those_of_the_prototxts(name):
    sections = resolved(name)[1].sections
    model, data = sections["model"], sections["data"]
    single = name.startswith("single_frame")
    assert model["backbone"] == "hybrid" and model["train_backbone"] == "whole"
    assert model["feature"] == ("fc6" if name in ("lstm_rgb", "lstm_flow") else "fc7")
    sizes = (model["num_layers"], model["num_frames"], model["feature_dropout"], model["hidden_size"])
    assert sizes[:3] == ((0, 1, 0.5) if single else (1, 16, 0.9))
    assert single or (sizes[3], model["lstm_dropout"]) == (256, 0.5)
    multipliers = {key: value for key, value in model.items() if key.endswith("_multiplier")}
    assert list(multipliers.values()) == [1.0, 10.0, 2.0] and model["initializer_range"] == 0.01
    assert data["stream"] == name.rsplit("_", 1)[1] and data["split"] == 1
    assert data["clip_stride"] == (1 if single else 8) and data["crop_unmirrored"] == single
    assert data["skip_first_frame"] == (not single and data["stream"] == "rgb")


@pytest.mark.parametrize("name", SOLVERS)
def test_frames_are_seen_as_the_authors_nets_see_them(name):
    task, recipe = resolved(name)
    stream = recipe.sections["data"]["stream"]
    processor = build_video_processor(task.ModelOptions(**recipe.sections["model"]), stream)
    ramp = np.arange(240 * 320, dtype=np.int64).reshape(1, 240, 320, 1) // 7 % 256
    frames = np.concatenate([ramp, 255 - ramp, ramp // 2], axis=-1).astype(np.uint8)
    pixels = processor(frames, return_tensors="pt")["pixel_values"][0, 0].permute(1, 2, 0).numpy()
    expected = frames[0, 6:233, 46:273].astype(np.float64) - MEANS.get(name, [128.0] * 3)  # LRCN_evaluate's centre
    assert np.allclose(pixels, expected[..., ::-1], atol=1e-3)


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_a_second_stage_begins_where_the_first_one_ends(stream):
    first = resolved(f"single_frame_{stream}")[1].sections["training"]
    for name in (f"lstm_{stream}", f"lstm_fc7_{stream}"):
        assert resolved(name)[1].sections["training"]["init_from"] == first["output_dir"]


def write_clip(file, seed):
    noise = np.random.RandomState(seed).randint(0, 256, (6, 8, 3), dtype=np.uint8).repeat(8, 0).repeat(8, 1)
    file.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(file), "w") as container:
        stream = container.add_stream("mpeg4", rate=25, width=64, height=48, pix_fmt="yuv420p")
        for number in range(18):
            frame = av.VideoFrame.from_ndarray(np.roll(noise, 2 * number, axis=1), format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with a tiny UCF-101 and narrow hybrid weights where the recipes say that they are."""
    lists = tmp_path / "data/ucfTrainTestlist"
    lists.mkdir(parents=True)
    train, test = [], []
    for number, name in enumerate(CLASSES, 1):
        for group in (1, 2):
            line = f"{name}/v_{name}_g{group:02d}_c01.avi"
            write_clip(tmp_path / "data/UCF-101" / line, 10 * number + group)
            (test if group == 1 else train).append(line if group == 1 else f"{line} {number}")
    (lists / "classInd.txt").write_bytes("".join(f"{k} {n}\r\n" for k, n in enumerate(CLASSES, 1)).encode())
    (lists / "trainlist01.txt").write_bytes("".join(f"{line}\r\n" for line in train).encode())
    (lists / "testlist01.txt").write_bytes("".join(f"{line}\r\n" for line in test).encode())
    config = CaffeNetConfig.hybrid(image_size=67, channels=[4] * 5, fc_sizes=[8, 7, 6])
    weights = CaffeNet(config).state_dict()
    for weight in weights.values():  # so narrow, Caffe's own fillers would let no gradient through
        weight.mul_(8 if weight.ndim > 1 else 0)
    (tmp_path / "weights/hybrid").mkdir(parents=True)
    save_file(weights, tmp_path / "weights/hybrid/model.safetensors")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def train(name, fc_sizes):
    narrow = json.dumps({"channels": [4] * 5, "fc_sizes": fc_sizes})
    assert main(["--recipe", f"ucf101_hybrid_{name}", *SMALL, "--backbone_options", narrow]) == 0
    folder = Path(resolved(name)[1].sections["training"]["output_dir"])
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics.keys() == {"test"} and "accuracy" in metrics["test"]
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_two_steps_of_all_stages(stream, place, caplog):
    first = train(f"single_frame_{stream}", [8, 7])
    released = load_file("weights/hybrid/model.safetensors")
    assert not torch.equal(first["encoder.backbone.conv1.weight"], released["conv1.weight"])  # the whole is trained
    with caplog.at_level(logging.INFO, logger="lrcn_hub"):
        second = train(f"lstm_{stream}", [8])
        third = train(f"lstm_fc7_{stream}", [8, 7])
    loaded = [message.split()[1] for message in caplog.messages if message.startswith("  loaded ")]
    assert sorted(loaded) == sorted(name for model in (second, third) for name in model if name.startswith("encoder."))
    assert "encoder.backbone.fc7.weight" in third and "encoder.backbone.fc7.weight" not in second
