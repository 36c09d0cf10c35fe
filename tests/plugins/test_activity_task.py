import json
import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForVideoClassification, AutoProcessor, pipeline

import lrcn_activity
from lrcn_activity.options import ActivityDataOptions, ActivityEvaluationOptions, ActivityModelOptions
from lrcn_activity.task import Activity
from lrcn_hub.data.clips import clip_indices
from lrcn_hub.data.videos import read_frames
from lrcn_hub.testing import check_task
from lrcn_hub.training import main
from lrcn_hub.training.evaluate import evaluate_main

TASK = Activity()
TINY = {"hidden_size": 6, "feature_dropout": 0.2, "lstm_dropout": 0.2}
NARROW = {"channels": [4, 4, 4, 4, 4], "fc_sizes": [8]}
HYBRID = {"backbone_options": NARROW, "image_size": 67, **TINY}
TIMM = {
    "backbone": "test_resnet",
    "feature": "grid",
    "image_size": 32,
    "preprocessing": {"size": {"height": 32, "width": 32}},
    **TINY,
}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory):
    """Options of a few moving shapes."""
    folder = str(tmp_path_factory.mktemp("shapes"))
    sizes = {"train": 10, "validation": 4, "test": 4, "picture_size": 32, "folder": folder}
    return ActivityDataOptions(moving_shapes=sizes, check_videos="none", flow_folder=folder)


@pytest.fixture(scope="module")
def tables(shapes):
    return TASK.load_tables(shapes)


def make(tables, **options):
    options = ActivityModelOptions(**options)
    torch.manual_seed(0)
    processor = TASK.build_processor(tables, options)
    return processor, TASK.build_model(processor, options).eval(), options


def answers(model, processor, rows, options, **evaluation):
    batch = TASK.collator(processor, options, training=False)(rows)
    return TASK.predict(model, batch, processor, ActivityEvaluationOptions(**evaluation))


def test_the_plugin_offers_activity_recognition():
    offered = []
    lrcn_activity.register_tasks(offered.append)
    assert [task.name for task in offered] == ["activity"]


@pytest.mark.parametrize("model", [HYBRID, TIMM, {**TIMM, "num_layers": 0}], ids=["hybrid", "timm", "single-frame"])
def test_the_task_keeps_the_contract(tmp_path, shapes, model):
    torch.manual_seed(0)
    check_task(TASK, tmp_path, data_options=shapes, model_options=ActivityModelOptions(**model))


def test_the_task_keeps_the_contract_on_flow(tmp_path, shapes):
    torch.manual_seed(0)
    check_task(
        TASK,
        tmp_path,
        data_options=replace(shapes, stream="flow"),
        model_options=ActivityModelOptions(**HYBRID),
        rows=2,
    )


def test_an_answer_is_the_mean_over_all_frames_of_all_clips(shapes, tables):
    processor, model, _ = make(tables, **TIMM, num_frames=6)
    options = ActivityDataOptions(clip_stride=4)
    row = tables["test"][0]
    found = answers(model, processor, [row, tables["test"][1]], options, frames_at_once=5)[0]
    frames = read_frames(row["video"])
    pixels = processor.video_processor(frames, return_tensors="pt")["pixel_values"][0]
    scores = [model(pixels[None, clip]).frame_logits[0].softmax(-1) for clip in clip_indices(16, 6, 4)[0]]
    expected = torch.cat(scores).mean(0)
    assert torch.allclose(torch.tensor(found["probabilities"]), expected, atol=1e-6)
    assert found["label"] == tables["test"].features["label"].names[int(expected.argmax())]


def test_a_video_is_answered_alike_alone_and_beside_a_shorter_one(tables, tmp_path, write_video):
    processor, model, _ = make(tables, **TIMM)
    short = {"video": str(write_video(tmp_path / "short.avi", frames=5)), "label": 0, "id": "short"}
    rows = [tables["test"][0], short]
    together = answers(model, processor, rows, ActivityDataOptions())
    for row, answer in zip(rows, together, strict=True):
        alone = answers(model, processor, [row], ActivityDataOptions())[0]
        assert np.allclose(alone["probabilities"], answer["probabilities"], atol=1e-6)


def test_ten_crops_are_the_mean_of_ten_views(tables, tmp_path, write_video):
    processor, model, _ = make(tables, **{**TIMM, "preprocessing": {"size": {"height": 40, "width": 48}}})
    row = {"video": str(write_video(tmp_path / "one.avi", frames=4)), "label": 0, "id": "one"}
    found = answers(model, processor, [row], ActivityDataOptions(ten_crops=True))[0]
    frames = torch.from_numpy(read_frames(row["video"])).permute(0, 3, 1, 2)
    wide = processor.video_processor.normalized(processor.video_processor.resized(frames))
    corners = [(0, 0), (0, 16), (8, 0), (8, 16), (4, 8)]
    views = [wide[..., top : top + 32, left : left + 32] for top, left in corners]
    views += [view.flip(-1) for view in views]
    expected = torch.stack([model(view[None]).frame_logits[0].softmax(-1).mean(0) for view in views]).mean(0)
    assert torch.allclose(torch.tensor(found["probabilities"]), expected, atol=1e-5)


def training_batch(tables, processor, seeds, **options):
    rows = [{**tables["train"][0], "seed": seed} for seed in seeds]
    return TASK.collator(processor, ActivityDataOptions(**options), training=True)(rows)


def test_a_training_window_is_successive_frames_with_one_crop_and_one_mirroring(tables):
    sizes = {"preprocessing": {"size": {"height": 40, "width": 40}}, "num_frames": 5}
    processor = make(tables, **{**TIMM, **sizes})[0]
    frames = torch.from_numpy(read_frames(tables["train"][0]["video"])).permute(0, 3, 1, 2)
    whole = processor.video_processor.normalized(processor.video_processor.resized(frames))
    batch = training_batch(tables, processor, range(12))
    assert batch["pixel_values"].shape == (12, 5, 3, 32, 32) and batch["frame_mask"].all()
    seen = set()
    for clip in batch["pixel_values"]:
        found = [
            (start, top, left, mirrored)
            for start in range(12)
            for top in range(9)
            for left in range(9)
            for mirrored in (False, True)
            if torch.equal(clip, cut(whole[start : start + 5], top, left, mirrored))
        ]
        assert len(found) == 1
        seen.add(found[0])
    assert len(seen) > 6 and {one[3] for one in seen} == {False, True}


def cut(clip, top, left, mirrored):
    view = clip[..., top : top + 32, left : left + 32]
    return view.flip(-1) if mirrored else view


def test_the_authors_slip_leaves_clips_that_are_not_mirrored_whole(tables):
    processor = make(tables, **{**TIMM, "preprocessing": {"size": {"height": 40, "width": 40}}})[0]
    batch = training_batch(tables, processor, range(8), crop_unmirrored=False)
    frames = torch.from_numpy(read_frames(tables["train"][0]["video"])).permute(0, 3, 1, 2)
    resized = processor.video_processor.resized(frames)
    warped = processor.video_processor.normalized(processor.video_processor.warped(resized))
    whole = [torch.equal(clip, warped) for clip in batch["pixel_values"]]
    assert 0 < sum(whole) < 8


def test_mirrored_flow_has_the_other_sign_in_x(shapes):
    options = replace(shapes, stream="flow")
    tables = TASK.load_tables(options)
    small = {"preprocessing": {"size": {"height": 67, "width": 67}}}
    processor = make(tables, **HYBRID, **small)[0]
    row = tables["train"][0]
    rows = [{**row, "seed": seed} for seed in range(8)]
    batch = TASK.collator(processor, options, training=True)(rows)
    plain = TASK.collator(processor, replace(options, mirror=False), training=True)(rows)
    assert batch["frame_mask"][0].sum() == 15
    changed = [
        not torch.equal(one, other) for one, other in zip(*(b["pixel_values"] for b in (batch, plain)), strict=True)
    ]
    assert 0 < sum(changed) < 8
    index = changed.index(True)
    x, mirrored_x = plain["pixel_values"][index, :15, 2] + 128, batch["pixel_values"][index, :15, 2] + 128
    assert torch.allclose(mirrored_x, 255 - x.flip(-1), atol=1e-3)  # BGR: x is the last channel


def test_a_constant_rate_repeats_or_leaves_out_frames(tables):
    processor = make(tables, **TIMM, num_frames=32)[0]
    row = tables["test"][0]  # 16 frames, 8 a second
    plain, twice, half = (
        TASK.collator(processor, ActivityDataOptions(frame_rate=rate), training=False)([row]) for rate in (None, 16, 4)
    )
    assert [int(batch["clip_mask"].sum()) for batch in (plain, twice, half)] == [
        16,
        31,
        9,
    ]  # the last frame belongs to the tick after it
    assert torch.equal(twice["pixel_values"], plain["pixel_values"])  # each is looked at once
    assert twice["clips"][0, :31].unique(return_counts=True)[1].tolist().count(2) == 15
    with pytest.raises(ValueError, match="frame_rate is 30; it must be above 0, and none for flow"):
        ActivityDataOptions(frame_rate=30, stream="flow")


def rates(model, options):
    """Learning-rate and weight-decay multiplier of every trained parameter by its name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group.learning_rate_multiplier, group.weight_decay_multiplier)
        for group in TASK.parameter_groups(model, options)
        for parameter in group.parameters
    }


def test_parts_learn_at_the_authors_rates(tables):
    _, model, options = make(tables, **HYBRID, classifier_learning_rate_multiplier=10.0)
    found = rates(model, options)
    assert found["classifier.weight"] == (10, 1) and found["classifier.bias"] == (20, 0)
    assert found["encoder.backbone.conv1.weight"] == (1, 1) and found["encoder.backbone.conv1.bias"] == (2, 0)
    assert {values for name, values in found.items() if name.startswith("recurrent.")} == {(1, 1)}  # its bias, too


def test_a_frozen_backbone_is_left_out(tables):
    _, model, options = make(tables, **HYBRID, train_backbone="frozen")
    assert not any(name.startswith("encoder.") for name in rates(model, options))


def test_answers_about_other_classes_are_refused(tables):
    answer = {"label": "Archery", "probabilities": [1.0] + [0.0] * 9}
    with pytest.raises(ValueError, match=r"the model tells 10 classes apart, 'Archery' has the number 0"):
        TASK.compute_metrics([answer] * 4, tables["test"], ActivityEvaluationOptions())


def test_an_image_of_answers_shows_the_videos(shapes, tables):
    names = tables["test"].features["label"].names
    answer = {"label": names[0], "probabilities": [1.0] + [0.0] * (len(names) - 1)}
    picture = TASK.illustrate(tables["test"], [answer] * 4, shapes)
    assert picture.mode == "RGB" and picture.width > 500
    assert TASK.illustrate(tables["test"], [answer] * 4, ActivityDataOptions(reader="folder", path="videos")) is None


def test_a_model_for_frames_refuses_flow(shapes, tables):
    processor = make(tables, **TIMM)[0]
    with pytest.raises(ValueError, match="stream is flow, but the model looks at rgb"):
        TASK.collator(processor, ActivityDataOptions(stream="flow"), training=True)


@pytest.fixture(scope="module")
def trained(tmp_path_factory, shapes):
    """A folder that two steps of training have exported."""
    folder = tmp_path_factory.mktemp("run") / "model"
    words = ["--task", "activity", "--output_dir", str(folder), "--max_steps", "2", "--use_cpu", "--disable_tqdm"]
    words += ["--moving_shapes", json.dumps(shapes.moving_shapes), "--per_device_train_batch_size", "2"]
    words += [word for name, value in TIMM.items() for word in (f"--model.{name}", str_of(value))]
    words += ["--dataloader_num_workers", "0", "--eval_steps", "1", "--save_steps", "1"]
    assert main(words) == 0
    return folder


def str_of(value):
    return value if isinstance(value, str) else json.dumps(value)


def test_training_leaves_a_judged_model_and_its_data(trained):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["test"].keys() >= {"accuracy", "top_5_accuracy", "mean_class_accuracy"}
    data = json.loads((trained / "data.json").read_text())
    assert data["rows"] == {"train": 10, "validation": 4, "test": 4} and data["classes"] == 10
    lines = [json.loads(line) for line in (trained / "evaluation/test/predictions.jsonl").read_text().splitlines()]
    assert len(lines) == 4 and abs(sum(lines[0]["prediction"]["probabilities"]) - 1) < 1e-5
    assert (trained / "evaluation/test/confusion_matrix.png").stat().st_size > 10_000


def test_the_same_command_goes_on_after_an_interruption_to_the_same_bits(trained, tmp_path, shapes, caplog):
    copy = tmp_path / "model"
    shutil.copytree(trained, copy)
    shutil.rmtree(copy / "checkpoint-2")
    for name in ("metrics.json", "model.safetensors"):
        (copy / name).unlink()
    recipe = yaml.safe_load((trained / "recipe.yaml").read_text())
    recipe["training"]["output_dir"] = str(copy)
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe))
    with caplog.at_level(logging.INFO, logger="lrcn_hub"):
        assert main(["--recipe", str(tmp_path / "recipe.yaml")]) == 0
    assert "resuming from" in caplog.text
    before, after = (load_file(folder / "model.safetensors") for folder in (trained, copy))
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_an_exported_model_is_judged_again_to_the_same_numbers(trained, tmp_path):
    assert evaluate_main([str(trained), "--split", "test", "--output", str(tmp_path), "--early_recognition"]) == 0
    again = json.loads((tmp_path / "metrics.json").read_text())
    assert again == pytest.approx(json.loads((trained / "metrics.json").read_text())["test"])
    early = json.loads((tmp_path / "early_recognition.json").read_text())["early_recognition"]
    assert early[-1] == {"share_seen": 1.0, "accuracy": pytest.approx(again["accuracy"])}
    assert {path.suffix for path in tmp_path.glob("confusion_matrix.*")} == {".png", ".csv"}


def test_the_stock_pipeline_answers_a_file_as_the_task_does(trained, shapes, tables):
    classify = pipeline("video-classification", model=str(trained), device="cpu")
    model = AutoModelForVideoClassification.from_pretrained(trained)
    processor = AutoProcessor.from_pretrained(trained)
    row = tables["test"][1]
    found = classify(row["video"], top_k=10)
    expected = answers(model, processor, [row], shapes)[0]  # 16 frames are one clip, or rather two equal ones
    scores = {entry["label"]: entry["score"] for entry in found}
    assert found[0]["label"] == expected["label"]
    assert [scores[name] for name in processor.class_names] == pytest.approx(expected["probabilities"], abs=1e-5)
