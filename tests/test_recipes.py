"""The shipped recipes: their numbers against the authors' files, and two steps of each on data in their own form."""

import json
import logging
import re
from pathlib import Path

import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file, save_file

from lrcn_captioning.building import build_image_processor
from lrcn_hub.models import CaffeNet, CaffeNetConfig
from lrcn_hub.models.backbones_lrcn import TimmBackbone
from lrcn_hub.plugins import get_task
from lrcn_hub.training import main
from lrcn_hub.training.command import Command, recipe_from, written_recipe
from lrcn_hub.training.recipe import shipped_recipes
from lrcn_hub.training.sections import SECTIONS

# The authors' solver files: SGD with momentum 0.9, no weight decay, policy "step".
SOLVERS = {
    "lrcn_solver": {"base_lr": 0.01, "stepsize": 20_000, "max_iter": 110_000, "clip": 10, "batch": 100, "iter": 1},
    "lrcn_finetune_solver": {
        "base_lr": 0.001,
        "stepsize": 20_000,
        "max_iter": 50_000,
        "clip": 25,
        "batch": 100,
        "iter": 1,
    },
    "lrcn_finetune_solver.vgg": {
        "base_lr": 0.001,
        "stepsize": 20_000,
        "max_iter": 50_000,
        "clip": 25,
        "batch": 50,
        "iter": 2,
    },
}


def resolved(name, **training):
    task_name, written, source = written_recipe(Command(flags={"recipe": name}))
    task = get_task(task_name)
    return task, recipe_from(task, written, [(f"training.{key}", [value]) for key, value in training.items()], source)


AUTHORS = {
    "coco_caffenet_frozen": "lrcn_solver",
    "coco_caffenet_finetune": "lrcn_finetune_solver",
    "coco_vgg16_frozen": "lrcn_solver",  # lrcn_solver.vgg has the same numbers
    "coco_vgg16_finetune": "lrcn_finetune_solver.vgg",
    "flickr30k_caffenet_frozen": "lrcn_solver",  # there is no other solver for Flickr30k
    "flickr30k_caffenet_finetune": "lrcn_finetune_solver",
}
TWO_STAGES = ["coco_caffenet", "coco_vgg16", "flickr30k_caffenet"]
SELF_CRITICAL = {
    "captioning_demo_self_critical": "captioning_demo",
    "coco_resnet50_self_critical": "coco_resnet50_adamw",
}
RESTS = sorted(
    name
    for name in set(shipped_recipes()) - AUTHORS.keys() - SELF_CRITICAL.keys()
    if resolved(name)[0].name == "captioning"
)

NARROW_CAFFENET = {"channels": [6, 8, 8, 8, 8], "fc_sizes": [16, 16, 8]}
NARROW_VGG = {"drop_rate": 0.5, "mlp_ratio": 0.004}
SMALL = {
    "coco_caffenet": ["--backbone_options", json.dumps(NARROW_CAFFENET), "--image_size", "67"],
    "flickr30k_caffenet": ["--backbone_options", json.dumps(NARROW_CAFFENET), "--image_size", "67"],
    "coco_vgg16": [
        *("--backbone_options", json.dumps(NARROW_VGG), "--image_size", "32"),
        *("--preprocessing.size.height", "36", "--preprocessing.size.width", "36"),
    ],
    "coco_resnet50_adamw": ["--backbone", "resnet10t", "--backbone_pretrained", "false", "--image_size", "64"],
    "captioning_demo": [
        *("--moving_shapes.train", "8", "--moving_shapes.validation", "3", "--moving_shapes.test", "3"),
        *("--min_count", "1"),
    ],
}
SMALL |= {second: SMALL[first] for second, first in SELF_CRITICAL.items()}
SMALL_EVERYWHERE = [
    *("--embedding_size", "8", "--hidden_size", "8", "--max_new_tokens", "5", "--num_samples", "3"),
    *("--max_steps", "2", "--per_device_train_batch_size", "2", "--eval_steps", "2", "--save_steps", "2"),
    *("--dataloader_num_workers", "0", "--use_cpu", "--disable_tqdm"),
]
CAPTIONS = ["A red dog sits.", "a green dog sits", "The red cat runs .", "a green cat runs", "A dog and a cat"]


@pytest.mark.parametrize("name", shipped_recipes())
def test_every_value_of_a_shipped_recipe_is_known_and_fits(name, tmp_path):
    task, recipe = resolved(name, output_dir=str(tmp_path), use_cpu="true")
    options = recipe.options(task)
    written = yaml.safe_load((Path(__file__).parents[1] / "recipes" / f"{name}.yaml").read_text())
    assert {"task", *SECTIONS} - written.keys() <= {"objective"}  # which few objectives need
    assert options.data.reader == written["data"]["reader"]


@pytest.mark.parametrize("name", AUTHORS)
def test_the_authors_recipes_have_the_numbers_of_their_solvers(name):
    training = resolved(name)[1].sections["training"]
    found = {
        "base_lr": training["learning_rate"],
        "stepsize": training["lr_step_size"],
        "max_iter": training["max_steps"],
        "clip": training["clip_gradients"],
        "batch": training["per_device_train_batch_size"],
        "iter": training["gradient_accumulation_steps"],
    }
    assert found == SOLVERS[AUTHORS[name]]
    rest = {key: training[key] for key in ("lr_gamma", "momentum", "weight_decay", "seed", "warmup_steps")}
    assert rest == {"lr_gamma": 0.5, "momentum": 0.9, "weight_decay": 0.0, "seed": 1701, "warmup_steps": 0}
    # SoftmaxWithLoss with loss_weight 20, each batch divided by its own words
    ours = {key: training[key] for key in ("optim", "lr_scheduler_type", "objective", "loss_normalization")}
    assert ours == {
        "optim": "caffe_sgd",
        "lr_scheduler_type": "step",
        "objective": "likelihood-times-20",
        "loss_normalization": "batch",
    }
    assert not training["load_best_model_at_end"]  # the last iteration's


@pytest.mark.parametrize("name", AUTHORS)
def test_the_authors_recipes_have_the_network_and_the_data_of_their_nets(name):
    sections = resolved(name)[1].sections
    model, data = sections["model"], sections["data"]
    found = {key: model[key] for key in ("wiring", "cell", "embedding_size", "hidden_size", "initializer_range")}
    assert found == {
        "wiring": "2f",
        "cell": "lstm",
        "embedding_size": 1000,
        "hidden_size": 1000,
        "initializer_range": 0.08,
    }
    assert (model["embedding_dropout"], model["lstm_dropout"]) == (0, 0)  # none in the language part
    assert (model["backbone_learning_rate_multiplier"], model["bias_learning_rate_multiplier"]) == (0.1, 2)
    assert (model["feature"], model["backbone"]) == ("fc8", "vgg16" if "vgg16" in name else "caffenet")
    dropout = model["backbone_options"].get("drop_rate") if "vgg16" in name else CaffeNetConfig().dropout
    assert dropout == 0.5  # drop6, drop7
    assert model["train_backbone"] == ("last-layer" if name.endswith("frozen") else "whole")
    assert (model["tokenizer"], model["min_count"]) == ("authors", 5)
    assert (data["captions_per_image"], data["max_length"], data["augment"], data["mirror"]) == (1, 20, True, True)


@pytest.mark.parametrize(("name", "side"), [("coco_caffenet_frozen", 227), ("coco_vgg16_frozen", 224)])
def test_the_authors_recipes_see_pictures_as_their_nets_do(name, side):
    task, recipe = resolved(name)
    values = recipe.sections["model"]
    small = {"mlp_ratio": 0.004} if "vgg16" in name else {}
    options = task.ModelOptions(**{**values, "backbone_options": {**values["backbone_options"], **small}})
    processor = build_image_processor(options)
    halves = Image.new("RGB", (90, 60), (200, 100, 50))
    halves.paste((10, 20, 30), (45, 0, 90, 60))
    pixels = processor(images=halves, return_tensors="pt")["pixel_values"][0]
    assert pixels.shape == (3, side, side)
    # BGR, 0 to 255 less 104, 117, 123; the picture was warped to 256 x 256, so its middle is the view's
    left, right = pixels[:, 0, 0], pixels[:, -1, -1]
    assert left.tolist() == [50 - 104, 100 - 117, 200 - 123]
    assert right.tolist() == [30 - 104, 20 - 117, 10 - 123]
    middle = side // 2
    assert pixels[0, 0, middle - 4] == 50 - 104 and pixels[0, 0, middle + 4] == 30 - 104


@pytest.mark.parametrize("network", ["caffenet", "vgg16"])
def test_a_second_stage_begins_where_the_first_one_ends(network):
    first = resolved(f"coco_{network}_frozen")[1].sections
    second = resolved(f"coco_{network}_finetune")[1].sections
    steps = {"caffenet": "", "vgg16": "/checkpoint-90000"}[network]  # the authors' lrcn_iter_110000, the last one
    assert second["training"]["init_from"] == first["training"]["output_dir"] + steps
    if steps:  # that checkpoint is made and kept
        assert 90_000 % first["training"]["save_steps"] == 0 and first["training"]["save_total_limit"] is None
    ours = {"train_backbone", "backbone_weights"}
    assert {k: v for k, v in first["model"].items() if k not in ours} == {
        k: v for k, v in second["model"].items() if k not in ours
    }
    assert first["data"] == second["data"]


@pytest.mark.parametrize("name", SELF_CRITICAL)
def test_a_self_critical_stage_has_the_network_and_the_pictures_of_the_first_one(name):
    first, second = resolved(SELF_CRITICAL[name])[1].sections, resolved(name)[1].sections
    for option in ("wiring", "embedding_size", "hidden_size", "backbone", "feature", "image_size", "preprocessing"):
        assert second["model"][option] == first["model"][option]
    for option in ("reader", "path", "image_folder", "moving_shapes", "max_length"):
        assert second["data"][option] == first["data"][option]
    assert second["evaluation"] == first["evaluation"]
    assert second["training"]["objective"] == "self-critical" and second["training"]["cache_features"]


class Pictures:
    """Small photographs in the making, all different, under the names that data sets give theirs."""

    def __init__(self):
        self.count = 0

    def write(self, file):
        self.count += 1
        generator = torch.Generator().manual_seed(self.count)
        pixels = torch.randint(0, 256, (6, 8, 3), generator=generator, dtype=torch.uint8)
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.numpy()).resize((60, 45)).save(file, "JPEG")


def write_coco(root, pictures):
    """COCO's annotation files and folders, with the id lists that divide them."""
    ids = {"train2014": [9, 25, 30, 34], "val2014": [42, 73, 74]}
    for name, numbers in ids.items():
        files = {number: f"COCO_{name}_{number:012d}.jpg" for number in numbers}
        for file in files.values():
            pictures.write(root / name / file)
        content = {
            "info": {"year": 2014},
            "images": [{"id": k, "file_name": file, "height": 45, "width": 60} for k, file in files.items()],
            "annotations": [
                {"id": 100 * number + i, "image_id": number, "caption": caption}
                for number in numbers
                for i, caption in enumerate(CAPTIONS)
            ],
            "licenses": [],
        }
        (root / "annotations").mkdir(exist_ok=True)
        (root / f"annotations/captions_{name}.json").write_text(json.dumps(content))
    lists = {"train": ids["train2014"], "val": ids["val2014"][:1], "test": ids["val2014"][1:2]}  # one is left out
    for split, numbers in lists.items():
        (root / f"coco2014_cocoid.{split}.txt").write_text("".join(f"{number}\n" for number in numbers))


def write_karpathy(file, folders, pictures):
    """Karpathy's JSON; `folders` names the folder of each split's pictures, whose names are kept in filepath."""
    images = []
    for split, folder in folders.items():
        for number in range(3):
            name = f"{split}_{number}.jpg"
            pictures.write(file.parent / (folder or "images") / name)
            sentences = [{"raw": c, "tokens": re.findall(r"\w+", c.lower()), "imgid": len(images)} for c in CAPTIONS]
            image = {"filename": name, "imgid": len(images), "split": split, "sentences": sentences}
            images.append(image | ({"filepath": folder, "cocoid": 500 + len(images)} if folder else {}))
    file.write_text(json.dumps({"images": images, "dataset": file.stem.removeprefix("dataset_")}))


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A working folder with data and weights where the recipes say that they are."""
    pictures = Pictures()
    (tmp_path / "data/flickr30k").mkdir(parents=True)
    write_coco(tmp_path / "data/coco", pictures)
    coco = {"train": "train2014", "restval": "val2014", "val": "val2014", "test": "val2014"}
    write_karpathy(tmp_path / "data/coco/dataset_coco.json", coco, pictures)
    flickr = dict.fromkeys(["train", "val", "test"], "")
    write_karpathy(tmp_path / "data/flickr30k/dataset_flickr30k.json", flickr, pictures)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_weights(name, network):
    """Weights of the network, as small as SMALL makes it, where the recipe expects them."""
    from transformers import TimmWrapperConfig

    if network == "caffenet":
        weights = CaffeNet(CaffeNetConfig(image_size=67, **NARROW_CAFFENET)).state_dict()
        for weight in weights.values():  # so narrow, Caffe's own fillers would let no gradient through
            weight.mul_(8 if weight.ndim > 1 else 0)
    else:
        config = TimmWrapperConfig(architecture=network, num_classes=0, model_args=NARROW_VGG)
        weights = TimmBackbone(config, "fc8").timm_model.state_dict()
    file = Path(resolved(name)[1].sections["model"]["backbone_weights"])
    file.parent.mkdir(parents=True)
    save_file(weights, file)
    return weights


def train(name, *words):
    small = SMALL[name.removesuffix("_frozen").removesuffix("_finetune")]
    assert main(["--recipe", name, *SMALL_EVERYWHERE, *small, *words]) == 0
    folder = Path(resolved(name)[1].sections["training"]["output_dir"])
    return folder, load_file(folder / "model.safetensors")


@pytest.mark.parametrize("name", RESTS)
def test_two_steps_of_a_recipe_give_a_judged_model(name, place):
    folder, _ = train(name)
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics.keys() == {"validation", "test"} and "cider_d" in metrics["test"]


@pytest.mark.parametrize("name", SELF_CRITICAL)
def test_two_steps_of_a_self_critical_stage(name, place):
    start, first = train(SELF_CRITICAL[name])
    # what so young a model says is worth nothing yet: without likelihood there would be nothing to learn
    likelihood = ["--likelihood_weight", "1", "--warmup_steps", "0", "--early_stopping_patience", "none"]
    likelihood += ["--load_best_model_at_end", "false"]
    _, second = train(name, "--init_from", str(start), *likelihood)
    changed = {key for key in first if not torch.equal(first[key], second[key])}
    assert changed and not any(key.startswith("encoder.") for key in changed)


@pytest.mark.parametrize("name", TWO_STAGES)
def test_two_steps_of_both_stages(name, place, caplog):
    network = name.split("_")[1]
    released = write_weights(f"{name}_frozen", network)
    first_folder, first = train(f"{name}_frozen")
    metrics = json.loads((first_folder / "metrics.json").read_text())
    assert metrics.keys() == {"validation", "test"} and "cider_d" in metrics["test"]
    last = {"caffenet": "fc8.", "vgg16": "head.fc."}[network]
    assert changed(released, first) == {f"{last}weight", f"{last}bias"}

    start = first_folder / "checkpoint-2" if network == "vgg16" else first_folder
    with caplog.at_level(logging.INFO, logger="lrcn_hub"):
        _, second = train(f"{name}_finetune", "--init_from", str(start))
    listed = {message.split()[1] for message in caplog.messages if message.startswith("  loaded ")}
    assert listed == first.keys() == second.keys()
    assert f"from {start}: {len(first)} weights loaded, 0 skipped, 0 mismatched, 0 of the model" in caplog.text
    assert changed(released, second) >= {key for key in released if key.endswith("weight")}  # now all is trained


def changed(released, model):
    """Names of the network's weights that are not the released ones any more."""
    own = {name: next(value for key, value in model.items() if key.endswith(f".{name}")) for name in released}
    return {name for name, value in released.items() if not torch.equal(value, own[name])}
