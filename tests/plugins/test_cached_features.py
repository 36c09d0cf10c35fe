"""Training and judging on cached features, beside the same without: both tasks, from data to an exported model."""

import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file

from lrcn_activity.options import ActivityDataOptions, ActivityModelOptions
from lrcn_activity.task import Activity
from lrcn_captioning.options import CaptioningDataOptions, CaptioningEvaluationOptions, CaptioningModelOptions
from lrcn_captioning.task import Captioning
from lrcn_hub.data.feature_cache import stored
from lrcn_hub.tasks import model_loss
from lrcn_hub.training import main
from lrcn_hub.training.command import parse_command, recipe_from
from lrcn_hub.training.evaluate import evaluate_main

TINY = ["--backbone", "test_resnet", "--feature", "grid", "--image_size", 32, "--train_backbone", "frozen"]
SHORT = ["--max_steps", 4, "--use_cpu", "--disable_tqdm", "--per_device_train_batch_size", 4, "--logging_steps", 1]
WORDS = {
    "activity": [
        *(*TINY, "--hidden_size", 6, "--feature_dropout", 0.2, "--lstm_dropout", 0.2, "--num_frames", 6),
        *("--preprocessing", {"size": {"height": 32, "width": 32}}, "--clip_stride", 4),
    ],
    "captioning": [
        *(*TINY, "--hidden_size", 12, "--embedding_size", 8, "--min_count", 2, "--lstm_dropout", 0.2),
        *("--preprocessing", {"do_center_crop": False, "size": {"height": 32, "width": 32}}),
        *("--max_length", 8, "--strategy", "beam", "--max_new_tokens", 6),
    ],
}
DROPS = '{"drop_path_rate": 0.5, "zero_init_last": false}'
TASKS = ["activity", "captioning"]


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Options of a few moving shapes for each task."""
    sizes = {"train": 10, "validation": 4, "test": 4, "picture_size": 32}
    return {"activity": {**sizes, "folder": str(tmp_path_factory.mktemp("videos"))}, "captioning": sizes}


def words_of(task, shapes, *more):
    given = ["--task", task, *WORDS[task], *SHORT, "--moving_shapes", shapes[task], "--augment", "false"]
    return [word if isinstance(word, str) else json.dumps(word) for word in [*given, *map(str, more)]]


@pytest.fixture(scope="module")
def trained(tmp_path_factory, shapes):
    """Folders of models trained without and with cached features, and that of the features, for each task."""
    folder = tmp_path_factory.mktemp("runs")
    common = ["--eval_steps", 2, "--save_steps", 2]
    for task in TASKS:
        plain, cached = folder / f"{task}-plain", folder / f"{task}-cached"
        assert main(words_of(task, shapes, "--output_dir", plain, *common)) == 0
        cache = ["--cache_features", "--feature_folder", folder / f"{task}-features"]
        assert main(words_of(task, shapes, "--output_dir", cached, *common, *cache)) == 0
    return folder


def losses(folder):
    lines = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if "loss" in line]


def answers(folder):
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("task", TASKS)
def test_losses_metrics_and_answers_are_those_without_a_cache(trained, task):
    plain, cached = trained / f"{task}-plain", trained / f"{task}-cached"
    assert len(losses(plain)) == 4
    assert losses(cached) == pytest.approx(losses(plain), abs=1e-6)
    for split in ("validation", "test"):
        assert_alike(answers(cached / "evaluation" / split), answers(plain / "evaluation" / split))
    metrics = [json.loads((one / "metrics.json").read_text()) for one in (plain, cached)]
    assert metrics[0]["test"] == pytest.approx(metrics[1]["test"], abs=1e-6)
    assert metrics[0]["validation"] == pytest.approx(metrics[1]["validation"], abs=1e-6)
    before, after = (load_file(one / "model.safetensors") for one in (plain, cached))
    assert before.keys() == after.keys()
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)


def assert_alike(found, expected):
    for one, other in zip(found, expected, strict=True):
        assert one["id"] == other["id"]
        if isinstance(one["prediction"], str):
            assert one == other
        else:
            assert one["prediction"]["probabilities"] == pytest.approx(other["prediction"]["probabilities"], abs=1e-6)


@pytest.mark.parametrize("task", TASKS)
def test_an_exported_model_is_judged_on_the_features_that_training_kept(trained, task, tmp_path):
    folder, features = trained / f"{task}-cached", trained / f"{task}-features"
    shards = sorted(features.rglob("*.safetensors"))
    for name, words in (("with", []), ("without", ["--cache_features", "false"])):
        assert evaluate_main([str(folder), "--split", "test", "--output", str(tmp_path / name), *words]) == 0
    assert sorted(features.rglob("*.safetensors")) == shards  # nothing was computed
    assert_alike(answers(tmp_path / "with"), answers(tmp_path / "without"))
    assert_alike(answers(tmp_path / "with"), answers(folder / "evaluation/test"))


@pytest.mark.parametrize("task", TASKS)
def test_a_run_that_was_cut_off_goes_on_to_the_same_bits(trained, task, tmp_path, caplog):
    copy = tmp_path / "model"
    shutil.copytree(trained / f"{task}-cached", copy)
    shutil.rmtree(copy / "checkpoint-4")
    for name in ("metrics.json", "model.safetensors"):
        (copy / name).unlink()
    recipe = yaml.safe_load((copy / "recipe.yaml").read_text())
    recipe["training"]["output_dir"] = str(copy)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with caplog.at_level(logging.INFO, logger="lrcn_hub"):
        assert main(["--recipe", str(tmp_path / "recipe.yaml")]) == 0
    assert "resuming from" in caplog.text
    before, after = (load_file(folder / "model.safetensors") for folder in (trained / f"{task}-cached", copy))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_a_backbone_that_came_by_init_from_is_that_of_the_features_also_after_a_resume(trained, shapes, tmp_path):
    """Without init_from, the network of another seed: the checkpoint alone has the right one."""
    start = trained / "activity-plain"
    words = words_of("activity", shapes, "--init_from", start, "--training.seed", 7, "--cache_features")
    words += ["--eval_steps", "2", "--save_steps", "2", "--feature_folder", str(tmp_path / "features")]
    assert main([*words, "--output_dir", str(tmp_path / "run")]) == 0
    shards = sorted((tmp_path / "features").rglob("*.safetensors"))
    shutil.rmtree(tmp_path / "run/checkpoint-4")
    (tmp_path / "run/metrics.json").unlink()
    assert main([*words, "--output_dir", str(tmp_path / "run")]) == 0
    assert sorted((tmp_path / "features").rglob("*.safetensors")) == shards


@pytest.mark.parametrize(
    ("task", "words", "message"),
    [
        *[(task, ["--augment", "true"], "augment is true.*--augment false") for task in TASKS],
        *[(task, ["--train_backbone", "last-layer"], "train_backbone is last-layer.*frozen") for task in TASKS],
        *[(task, ["--train_backbone", "whole"], "train_backbone is whole.*frozen") for task in TASKS],
        ("activity", ["--chunk_frames", "4"], "leave out --chunk_frames"),
        *[(task, ["--backbone_options", DROPS], "draws dropout.*drop_path_rate") for task in TASKS],
    ],
)
def test_what_has_no_fixed_features_is_refused_with_the_way_out(shapes, tmp_path, task, words, message):
    cache = ["--cache_features", "--feature_folder", tmp_path / "features", "--output_dir", tmp_path / "run"]
    with pytest.raises(ValueError, match=message):
        main(words_of(task, shapes, *cache, *words))
    assert not (tmp_path / "features").exists() and not (tmp_path / "run").exists()


def test_caffenet_that_draws_dropout_below_its_feature_is_refused(shapes, tmp_path):
    data = CaptioningDataOptions(moving_shapes=shapes["captioning"], augment=False)
    for dropout, feature, refused in ((0.5, "fc8", True), (0.5, "fc6", True), (0.0, "fc8", False)):
        sizes = {"channels": [4] * 5, "fc_sizes": [8, 8, 6], "dropout": dropout}
        model = CaptioningModelOptions(
            backbone_options=sizes, feature=feature, image_size=67, train_backbone="frozen", hidden_size=6, min_count=1
        )
        if refused:
            with pytest.raises(ValueError, match="this one draws dropout"):
                cached(Captioning(), data, model, tmp_path)
        else:
            cached(Captioning(), data, model, tmp_path)


def cached(task, data, model, folder, evaluation=None, training=True):
    """Build a model; gives it with its processor, the tables without and with features."""
    tables = task.load_tables(data)
    torch.manual_seed(0)
    processor = task.build_processor(tables, model)
    network = task.build_model(processor, model).eval()

    class Options:
        pass

    options = Options()
    options.data, options.model, options.evaluation = data, model, evaluation or task.EvaluationOptions()
    kept = task.cache_features(network, processor, tables, options, str(folder), training=training)
    return network, processor, tables, kept


def activity_options(shapes, **data):
    model = ActivityModelOptions(
        **{**backbone(), "preprocessing": {"size": {"height": 40, "width": 40}}}, num_frames=6, hidden_size=6
    )
    return ActivityDataOptions(moving_shapes=shapes["activity"], augment=False, clip_stride=4, **data), model


def backbone():
    return {"backbone": "test_resnet", "feature": "grid", "image_size": 32, "train_backbone": "frozen"}


@pytest.mark.parametrize(
    "choice",
    [{}, {"ten_crops": True}, {"frame_rate": 12.0}, {"stream": "flow"}, {"skip_first_frame": True}],
    ids=["plain", "ten crops", "constant rate", "flow", "without the first frame"],
)
def test_a_video_gives_the_same_losses_and_answers_either_way(shapes, tmp_path, choice):
    task = Activity()
    data, options = activity_options(shapes, flow_folder=str(tmp_path / "flow"), **choice)
    model, processor, tables, kept = cached(task, data, options, tmp_path / "features")
    losses, found = [], []
    for table in (tables["train"], kept["train"]):
        batch = task.collator(processor, data, training=True)([{**table[row], "seed": row} for row in range(3)])
        losses.append(float(model_loss(model, batch, 3).detach()))
    assert losses[0] == pytest.approx(losses[1], rel=1e-6)
    for table in (tables["test"], kept["test"]):
        batch = task.collator(processor, data, training=False)([table[row] for row in range(2)])
        found.append([row["probabilities"] for row in task.predict(model, batch, processor, task.EvaluationOptions())])
    assert np.allclose(*found, atol=1e-6)


def test_short_videos_are_masked_and_videos_are_not_opened_again(shapes, tmp_path, write_video):
    for split, count in (("train", 3), ("test", 4)):
        for number in range(count):
            place = tmp_path / f"videos/{split}/{'ab'[number % 2]}/{number}.avi"
            write_video(place, frames=3 + 4 * number, seed=number)
    task = Activity()
    data = ActivityDataOptions(reader="folder", path=str(tmp_path / "videos"), augment=False, allow_leak=True)
    _, options = activity_options(shapes)
    model, processor, tables, kept = cached(task, data, options, tmp_path / "features")
    collate = task.collator(processor, data, training=True)
    rows = [[{**table[row], "seed": row} for row in range(3)] for table in (tables["train"], kept["train"])]
    plain = collate(rows[0])
    expected = float(model_loss(model, plain, 3).detach())
    (tmp_path / "videos").rename(tmp_path / "elsewhere")
    batch = collate(rows[1])
    assert torch.equal(batch["frame_mask"], plain["frame_mask"]) and not batch["frame_mask"].all()
    assert float(model_loss(model, batch, 3).detach()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("strategy", ["greedy", "beam", "sample", "best-of-n", "diverse-beam"])
def test_captions_are_the_same_either_way_however_they_are_found(shapes, tmp_path, strategy):
    task = Captioning()
    data = CaptioningDataOptions(moving_shapes=shapes["captioning"], augment=False, captions_per_image=None)
    size = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
    options = CaptioningModelOptions(**backbone(), preprocessing=size, hidden_size=12, embedding_size=8, min_count=1)
    evaluation = CaptioningEvaluationOptions(strategy=strategy, max_new_tokens=6, num_samples=5)
    model, processor, tables, kept = cached(task, data, options, tmp_path)
    torch.nn.init.normal_(model.predict.weight)
    captions, features = [], []
    for table in (tables["test"], kept["test"]):
        batch = task.collator(processor, data, training=False)([table[row] for row in range(4)])
        with torch.no_grad():
            features.append(batch["encoder_outputs"] if "encoder_outputs" in batch else model.encoder(**batch))
        torch.manual_seed(3)
        captions.append(task.predict(model, batch, processor, evaluation))
    assert captions[0] == captions[1]
    assert torch.allclose(features[0][0], features[1][0], atol=1e-6)
    assert len(features[0][0].unique(dim=0)) == 4


def test_pictures_of_files_and_of_bytes_are_told_apart_by_what_they_are(tmp_path):
    """Files by path and time, bytes by content; a changed picture is refused by name."""
    from PIL import Image

    (tmp_path / "pictures").mkdir()
    lines = []
    for number in range(4):
        noise = np.random.default_rng(number).integers(0, 256, (40, 40, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"pictures/{number}.png")
        split = "train" if number < 3 else "test"
        lines.append({"file_name": f"{number}.png", "caption": f"a picture of {number}", "split": split})
    (tmp_path / "pictures/metadata.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    data = CaptioningDataOptions(reader="folder", path=str(tmp_path / "pictures"), augment=False)
    size = {"size": {"height": 32, "width": 32}, "do_center_crop": False}
    options = CaptioningModelOptions(**backbone(), preprocessing=size, hidden_size=6, min_count=1)
    _, _, _, kept = cached(Captioning(), data, options, tmp_path / "features")
    values = [stored(row["features"])[:] for row in kept["train"]]
    assert len({tuple(value[:4].tolist()) for value in values}) == 3
    Image.new("RGB", (40, 40)).save(tmp_path / "pictures/1.png")
    with pytest.raises(ValueError, match=r"1\.png is not the file whose features are kept"):
        cached(Captioning(), data, options, tmp_path / "features")


def test_other_weights_and_other_preprocessing_are_computed_anew_and_said(shapes, tmp_path, caplog):
    data, options = activity_options(shapes)
    cached(Activity(), data, options, tmp_path)
    with caplog.at_level(logging.INFO, logger="lrcn_hub"):
        other = ActivityModelOptions(**{**vars(options), "preprocessing": {"size": {"height": 48, "width": 40}}})
        cached(Activity(), data, other, tmp_path)
    assert "it differs in preprocessing.size.height: 40 against 48 (there against now)" in caplog.text
    caplog.clear()
    with caplog.at_level(logging.INFO, logger="lrcn_hub"):
        cached(Activity(), data, ActivityModelOptions(**{**vars(options), "feature": "pooled"}), tmp_path)
    assert 'feature: "grid" against "pooled"' in caplog.text
    assert len(list(tmp_path.iterdir())) == 3


PROGRAM = "import sys; from lrcn_hub.training import main; sys.exit(main(sys.argv[1:]))"


@pytest.mark.slow
def test_two_processes_share_one_cache_to_the_numbers_without(shapes, tmp_path):
    found = []
    for name, cache in (("plain", []), ("cached", ["--cache_features", "--feature_folder", tmp_path / "features"])):
        words = words_of("activity", shapes, "--output_dir", tmp_path / name, *cache)
        words[words.index("--per_device_train_batch_size") + 1] = "2"
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
        program = tmp_path / "program.py"
        program.write_text(PROGRAM)
        paths = os.pathsep.join([str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")])
        process = subprocess.run(
            [*launch, str(program), *words],
            env={**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths},
            capture_output=True,
            text=True,
            check=False,
        )
        assert process.returncode == 0, process.stderr
        found.append(losses(tmp_path / name))
        assert_alike(answers(tmp_path / name / "evaluation/test"), answers(tmp_path / "plain" / "evaluation/test"))
    assert found[0] == pytest.approx(found[1], abs=1e-6)
    assert len(list((tmp_path / "features").rglob("*.safetensors"))) == 3  # one for each split: written once


def test_a_recipe_is_the_same_run_wherever_features_are_kept(shapes, tmp_path):
    task = Activity()
    recipes = [
        recipe_from(task, {}, parse_command(words_of("activity", shapes, *words)[2:], {}).options, "command line")
        for words in (["--feature_folder", "a"], ["--feature_folder", "b"], ["--cache_features"])
    ]
    assert not recipes[0].differences(recipes[1])
    assert recipes[0].differences(recipes[2]) == ["training.cache_features: False against True"]
