"""The shipped recipes of narration: their numbers against their sources, and two steps of each on data in its form."""

import json
from pathlib import Path

import pytest
import timm
import yaml
from safetensors.torch import save_file

from lrcn_hub.plugins import get_task
from lrcn_hub.training import main
from lrcn_hub.training.command import Command, recipe_from, written_recipe
from lrcn_hub.training.recipe import shipped_recipes

NARRATION = sorted(name for name in shipped_recipes() if name.startswith(("tacos_", "narration_")))
TACOS = {
    "tacos_decoder_prob": "decoder-prob",
    "tacos_decoder_max": "decoder-max",
    "tacos_encoder_decoder": "encoder-decoder",
}
# Section 6 of the paper: two layers, unfactored, units as in the captioners (lrcn.prototxt: 1000)
NETWORK = {"num_layers": 2, "visual_layer": 1, "hidden_size": 1000, "embedding_size": 1000, "initializer_range": 0.08}
# lrcn_solver.prototxt and coco_to_hdf5_data.py of the captioners, since there are none for narration
SOLVER = {
    "optim": "caffe_sgd",
    "learning_rate": 0.01,
    "lr_scheduler_type": "step",
    "lr_step_size": 20_000,
    "lr_gamma": 0.5,
    "momentum": 0.9,
    "weight_decay": 0.0,
    "clip_gradients": 10.0,
    "max_steps": 110_000,
    "per_device_train_batch_size": 100,
    "objective": "likelihood-times-20",
    "seed": 1701,
}
SMALL = [
    *("--hidden_size", "6", "--embedding_size", "5", "--min_count", "1", "--max_steps", "2", "--save_steps", "2"),
    *("--per_device_train_batch_size", "2", "--per_device_eval_batch_size", "2", "--dataloader_num_workers", "0"),
    *("--eval_steps", "2", "--use_cpu", "--disable_tqdm"),
]
NODES = {"activity": ["cut", "wash"], "tool": ["none", "knife"], "object": ["none", "carrot", "cutting board"]}
SAID = [["He took out a knife.", "The person takes a knife."], ["He cut the carrot."], ["She washed the carrot."]]


def resolved(name):
    task_name, written, source = written_recipe(Command(flags={"recipe": name}))
    task = get_task(task_name)
    return task, recipe_from(task, written, [], source)


def test_every_narration_recipe_is_tried():
    assert set(TACOS) == {name for name in NARRATION if name.startswith("tacos")}
    variants = {resolved(name)[1].sections["model"]["variant"] for name in NARRATION if "demo" in name}
    assert variants == {"encoder-decoder", "decoder-max", "decoder-prob", "frames"}


@pytest.mark.parametrize("name", NARRATION)
def test_every_value_is_known_and_fits(name):
    task, recipe = resolved(name)
    assert task.name == "narration"
    recipe.options(task)


@pytest.mark.parametrize("name", TACOS)
def test_the_papers_recipes_have_the_numbers_of_their_sources(name):
    sections = resolved(name)[1].sections
    assert sections["model"]["variant"] == TACOS[name]
    assert {key: sections["model"][key] for key in NETWORK} == NETWORK
    assert {key: sections["training"][key] for key in SOLVER} == SOLVER
    written = (Path(__file__).parents[1] / "recipes" / f"{name}.yaml").read_text()
    for line in written.splitlines():  # every number of network and solver says where it is from
        key = line.split(":")[0].strip()
        told = key in NETWORK or (key in SOLVER and isinstance(SOLVER[key], int | float))
        assert not told or "#" in line, line
    assert sections["model"]["schedule"] == "apart" and sections["model"]["share_stack"]


def write_tacos(folder):
    """TACoS in the form of its JSON files, with node files: two videos in each split."""
    folder.mkdir(parents=True)
    lines = [{"nodes": NODES}]
    for number, split in enumerate(["train", "val", "test"]):
        records = {}
        for video in (f"s{10 + number}-d1.avi", f"s{20 + number}-d2.avi"):
            spans = [[100 * place, 100 * place + 80] for place in range(len(SAID))]
            pairs = [(span, sentence) for span, said in zip(spans, SAID, strict=True) for sentence in said]
            records[video] = {
                "timestamps": [span for span, _ in pairs],
                "sentences": [sentence for _, sentence in pairs],
                "fps": 29.4,
                "num_frames": 400,
            }
            ids = [f"{video.removesuffix('.avi')}/{first}-{last}" for first, last in spans]
            known = [
                {"activity": [0.5, 0.5], "tool": {"knife": 0.9, "none": 0.1}, "object": "none"},
                {"activity": "cut", "tool": "knife", "object": [0.1, 0.6, 0.3]},
                {"activity": "wash", "tool": "none", "object": "carrot"},
            ]
            lines += [{"id": one, "nodes": nodes} for one, nodes in zip(ids, known, strict=True)]
        (folder / f"{split}.json").write_text(json.dumps(records))
    (folder / "nodes.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines))


@pytest.mark.parametrize("name", TACOS)
def test_two_steps_on_tacos_in_its_own_form_give_a_judged_model(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_tacos(tmp_path / "data/tacos")
    assert main(["--recipe", name, *SMALL]) == 0
    folder = Path(resolved(name)[1].sections["training"]["output_dir"])
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics.keys() == {"validation", "test"} and "bleu_4" in metrics["test"]
    assert json.loads((folder / "data.json").read_text())["rows"] == {"train": 6, "validation": 6, "test": 6}


@pytest.mark.parametrize("name", [name for name in NARRATION if "demo" in name])
def test_two_steps_of_the_demos_recipes_give_a_judged_model(name, tmp_path):
    shapes = resolved(name)[1].sections["data"]["moving_shapes"]
    few = {**shapes, "train": 4, "validation": 2, "test": 2, "picture_size": 40}
    few |= {"folder": str(tmp_path)} if few.get("videos") else {}
    words = ["--moving_shapes", json.dumps(few), "--output_dir", str(tmp_path / "model")]
    if few.get("videos"):  # it has the eyes of a captioner, which is trained before
        save_file(timm.create_model("test_resnet", num_classes=0).state_dict(), tmp_path / "eyes.safetensors")
        words += ["--backbone_weights", str(tmp_path / "eyes.safetensors"), "--feature_folder", str(tmp_path / "kept")]
    assert main(["--recipe", name, *SMALL, *words]) == 0
    recipe = yaml.safe_load((tmp_path / "model/recipe.yaml").read_text())
    assert recipe["model"]["variant"] == resolved(name)[1].sections["model"]["variant"]
    assert "cider_d" in json.loads((tmp_path / "model/metrics.json").read_text())["test"]


def test_the_narrator_of_frames_names_the_captioner_whose_eyes_it_needs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shapes = {"train": 2, "validation": 1, "test": 1, "videos": True, "folder": str(tmp_path), "picture_size": 32}
    with pytest.raises(OSError, match=r"outputs/demo/captioning/model/model\.safetensors"):
        main(["--recipe", "narration_demo_frames", *SMALL, "--moving_shapes", json.dumps(shapes)])
