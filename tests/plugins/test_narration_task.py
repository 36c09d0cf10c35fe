"""The narration task: its contract, what it makes of a recipe, and short trainings of every variant."""

import json
import logging
import shutil
from dataclasses import replace

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import AutoModelForImageTextToText, AutoProcessor

import lrcn_narration
from lrcn_hub.data.videos.segments import read_segment
from lrcn_hub.scoring import score_captions
from lrcn_hub.tasks import model_loss
from lrcn_hub.testing import check_task
from lrcn_hub.training import main
from lrcn_hub.training.evaluate import evaluate_main
from lrcn_narration.data import DataReport
from lrcn_narration.options import NarrationDataOptions, NarrationEvaluationOptions, NarrationModelOptions
from lrcn_narration.task import Narration

TASK = Narration()
COUNTS = {"train": 12, "validation": 3, "test": 4}
EVENTS = NarrationDataOptions(moving_shapes=COUNTS, sentences_per_row=None)
TINY = {"hidden_size": 12, "embedding_size": 8, "min_count": 1, "bias_learning_rate_multiplier": 1.0}
FRAMES = {
    "variant": "frames",
    "frame_size": 6,
    "frame_rate": 4.0,
    "max_frames": 5,
    "backbone": "test_resnet",
    "feature": "grid",
    "image_size": 32,
    "preprocessing": {"do_center_crop": False, "size": {"height": 32, "width": 32}},
    **TINY,
}
OF_NODES = {
    "decoder-prob": {},
    "decoder-max": {"variant": "decoder-max"},
    "encoder-decoder": {"variant": "encoder-decoder"},
    "overlapping": {"variant": "encoder-decoder", "schedule": "overlapping"},
    "two stacks": {"variant": "encoder-decoder", "share_stack": False},
}
OF_FRAMES = {
    "shared": {**FRAMES, "num_layers": 2},
    "separate": {**FRAMES, "frame_reader": "separate", "num_layers": 1},
    "mean": {**FRAMES, "frame_reader": "mean", "num_layers": 1, "train_backbone": "whole"},
    "caffenet": {
        **FRAMES,
        "backbone": "caffenet",
        "backbone_options": {"channels": [4, 4, 4, 4, 4], "fc_sizes": [8, 8]},
        "image_size": 67,
        "feature": None,
        "preprocessing": {},
    },
}


@pytest.fixture(scope="module")
def scenes(tmp_path_factory):
    """Options of a few whole scenes, with videos."""
    folder = str(tmp_path_factory.mktemp("shapes"))
    shapes = {"train": 5, "validation": 2, "test": 2, "picture_size": 32, "videos": True, "folder": folder}
    return NarrationDataOptions(moving_shapes=shapes, level="scene")


@pytest.fixture(scope="module")
def films(scenes):
    """Options of events of scenes: segments of their videos."""
    return replace(scenes, level="event")


@pytest.fixture(scope="module")
def tables():
    return TASK.load_tables(EVENTS)


def make(tables, **options):
    options = NarrationModelOptions(**{**TINY, **options})
    torch.manual_seed(0)
    processor = TASK.build_processor(tables, options)
    return processor, TASK.build_model(processor, options), options


def training_batch(tables, processor, options, rows=3):
    collate = TASK.collator(processor, options, training=True)
    return collate([{**tables["train"][row], "seed": row} for row in range(rows)])


def evaluation_batch(table, processor, options=EVENTS):
    return TASK.collator(processor, options, training=False)([table[row] for row in range(len(table))])


def test_the_plugin_offers_narration():
    offered = []
    lrcn_narration.register_tasks(offered.append)
    assert [task.name for task in offered] == ["narration"]


@pytest.mark.parametrize("model", OF_NODES.values(), ids=OF_NODES)
def test_the_task_keeps_the_contract_with_nodes(tmp_path, model):
    check_task(
        TASK,
        tmp_path,
        data_options=EVENTS,
        model_options=NarrationModelOptions(**{**TINY, **model}),
        evaluation_options=NarrationEvaluationOptions(max_new_tokens=6),
    )


@pytest.mark.parametrize("model", OF_FRAMES.values(), ids=OF_FRAMES)
def test_the_task_keeps_the_contract_with_frames(tmp_path, scenes, films, model):
    for options in (scenes, films):
        check_task(
            TASK,
            tmp_path / options.level,
            data_options=options,
            model_options=NarrationModelOptions(**model),
            evaluation_options=NarrationEvaluationOptions(max_new_tokens=6),
            rows=2,
        )


def test_sentences_of_a_row_share_its_pass_through_the_encoder(tables):
    processor, model, _ = make(tables)
    batch = training_batch(tables, processor, EVENTS, rows=2)
    assert batch["video_index"].tolist() == [0] * 5 + [1] * 5 and batch["nodes"].shape == (2, 24)
    together = model_loss(model.eval(), batch, 1)
    apart = sum(
        model_loss(model, {"nodes": batch["nodes"][which, None], "labels": labels[None]}, 1)
        for which, labels in zip(batch["video_index"], batch["labels"], strict=True)
    )
    assert torch.allclose(together, apart, rtol=1e-5)


def test_the_sentence_of_a_step_follows_from_the_rows_seed(tables):
    processor = make(tables)[0]
    collate = TASK.collator(processor, replace(EVENTS, sentences_per_row=1), training=True)
    row = tables["train"][0]
    said = {tuple(collate([{**row, "seed": seed}])["labels"][0].tolist()) for seed in range(20)}
    known = {tuple(ids.tolist()) for ids in processor.labels(row["sentences"])}
    assert 1 < len(said) <= len({tuple(n for n in ids if n >= 0) for ids in known})


def test_frames_of_a_segment_are_read_at_the_narrators_rate(films):
    tables = TASK.load_tables(films)
    processor = make(tables, **FRAMES)[0]
    assert (processor.frame_rate, processor.max_frames) == (4.0, 5)
    rows = [row for row in tables["train"] if row["start"] > 0][:2]
    batch = TASK.collator(processor, films, training=False)(rows)
    for row, pixels, mask in zip(rows, batch["pixel_values"], batch["frame_mask"], strict=True):
        frames = read_segment(row["video"], row["start"], row["end"], frame_rate=4.0, max_frames=5).frames
        alone = processor(videos=[frames])["pixel_values"][0]
        assert torch.equal(pixels[mask], alone)
        given = {"video": row["video"], "start": row["start"], "end": row["end"]}
        assert torch.equal(processor(videos=[given])["pixel_values"][0], alone)  # by the decoder that travels


def test_nodes_keep_the_order_of_the_data(tables):
    processor, model, _ = make(tables)
    assert processor.nodes.labels == DataReport.of(tables["train"]).nodes
    assert list(model.config.node_sizes) == [6, 5, 8, 5]
    row = tables["test"][0]
    flat = [value for node in row["nodes"] for value in node]
    assert torch.equal(evaluation_batch(tables["test"], processor)["nodes"][0], torch.tensor(flat))


def test_data_without_what_the_variant_reads_are_refused(tables, scenes):
    whole = TASK.load_tables(scenes)
    with pytest.raises(ValueError, match="decoder-max reads nodes, but the data have none: name a node_file, or take"):
        make(whole, variant="decoder-max")
    with pytest.raises(ValueError, match=r"frames reads video, but 12 rows of split train have none, train-\d+-0"):
        make(tables, **FRAMES)
    partly = tables["test"].map(
        lambda row, number: {"nodes": None if number == 1 else row["nodes"]}, with_indices=True
    )
    with pytest.raises(
        ValueError, match=rf"but 1 rows of split test have none, {partly['id'][1]} among them: complete"
    ):
        make({**tables, "test": partly})
    processor = make(tables)[0]
    with pytest.raises(ValueError, match=f"row {partly['id'][1]} has no nodes"):
        evaluation_batch(partly, processor)


def test_options_reach_the_model(tables):
    chosen = {"variant": "encoder-decoder", "schedule": "overlapping", "share_stack": False, "num_layers": 3}
    config = make(tables, **chosen, lstm_dropout=0.25, initializer_range=0.05)[1].config
    assert {name: getattr(config, name) for name in chosen} == chosen
    assert (config.lstm_dropout, config.initializer_range, config.hidden_size) == (0.25, 0.05, 12)
    assert config.source_size == len(make(tables)[0].nodes.vocabulary) + 1
    paper = make(tables, hidden_size=NarrationModelOptions().hidden_size)[1].config
    assert (paper.num_layers, paper.visual_layer, paper.hidden_size) == (2, 1, 1000)
    with pytest.raises(ValueError, match="backbone_options has no 'chanels'; did you mean 'channels'"):
        NarrationModelOptions(backbone_options={"chanels": [1]})
    with pytest.raises(ValueError, match="frame_rate is 0; it must be above 0"):
        NarrationModelOptions(frame_rate=0)


def rates(model, options):
    """Learning-rate and weight-decay multiplier of every trained parameter by its name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group.learning_rate_multiplier, group.weight_decay_multiplier)
        for group in TASK.parameter_groups(model, options)
        for parameter in group.parameters
    }


def test_words_learn_at_the_base_rate_and_biases_as_in_caffes_nets(tables):
    _, model, options = make(tables, bias_learning_rate_multiplier=2.0)
    found = rates(model, options)
    assert found.pop("predict.bias") == (2, 0) and set(found.values()) == {(1, 1)}


def test_a_backbone_is_left_out_or_learns_slower(scenes):
    tables = TASK.load_tables(scenes)
    slow = {"backbone_learning_rate_multiplier": 0.5, "bias_learning_rate_multiplier": 2.0}
    _, model, options = make(tables, **{**OF_FRAMES["caffenet"], **slow, "train_backbone": "whole"})
    found = rates(model, options)
    assert found["encoder.frame_encoder.backbone.conv1.weight"] == (0.5, 1)
    assert found["encoder.frame_encoder.backbone.conv1.bias"] == (1, 0)
    assert found["encoder.project.weight"] == (1, 1) and found["encoder.project.bias"] == (2, 0)
    _, model, options = make(tables, **OF_FRAMES["caffenet"])
    assert not any(name.startswith("encoder.frame_encoder.") for name in rates(model, options))


@pytest.mark.parametrize("strategy", ["greedy", "beam", "sample", "best-of-n", "diverse-beam"])
@pytest.mark.parametrize("variant", ["decoder-prob", "encoder-decoder"])
def test_every_strategy_answers_each_row_with_one_sentence(tables, variant, strategy):
    processor, model, _ = make(tables, variant=variant, initializer_range=1.0)
    options = NarrationEvaluationOptions(strategy=strategy, max_new_tokens=5, num_beams=4, num_groups=2, num_samples=3)
    said = TASK.predict(model.eval(), evaluation_batch(tables["test"], processor), processor, options)
    assert len(said) == 4 and all(len(sentence.split()) <= 5 for sentence in said)


def test_another_models_processor_is_refused(tables):
    model = make(tables)[1]
    other = make(tables, variant="decoder-max")[0]
    with pytest.raises(ValueError, match="variant is decoder-max, but the model's is decoder-prob"):
        TASK.predict(model, evaluation_batch(tables["test"], other), other, NarrationEvaluationOptions())


def test_true_sentences_score_better_than_swapped_ones(tables):
    table = tables["train"]
    truth = [sentences[0] for sentences in table["sentences"]]
    good = TASK.compute_metrics(truth, table, NarrationEvaluationOptions())
    bad = TASK.compute_metrics(truth[1:] + truth[:1], table, NarrationEvaluationOptions())
    assert good["bleu_4"] == pytest.approx(1.0) and good["cider_d"] > 2 * bad["cider_d"]
    same = TASK.compute_metrics(["a red circle"] * 12, table, NarrationEvaluationOptions())
    assert same["different_sentences"] == 1 / 12


def test_a_report_has_what_was_said_beside_what_people_say_and_the_template(tables, tmp_path):
    template = "the {colour} {shape} {action}{ place}"
    TASK.write_report(["a", "b", "c", "d"], tables["test"], NarrationEvaluationOptions(template=template), tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "sentences.jsonl").read_text().splitlines()]
    assert [line["said"] for line in lines] == ["a", "b", "c", "d"]
    for line, row in zip(lines, tables["test"], strict=True):
        assert (line["id"], line["people_say"]) == (row["id"], row["sentences"])
        assert line["template"].startswith(f"the {line['likeliest']['colour']} {line['likeliest']['shape']}")
    scores = json.loads((tmp_path / "template.json").read_text())
    assert scores == pytest.approx(
        score_captions([line["template"] for line in lines], tables["test"]["sentences"][:])
    )
    assert scores["bleu_1"] > 0.3


def test_without_a_template_and_without_nodes_there_is_no_floor(scenes, tmp_path):
    TASK.write_report(["a", "b"], TASK.load_tables(scenes)["test"], NarrationEvaluationOptions(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["sentences.jsonl"]


@pytest.mark.parametrize("variant", OF_NODES.values(), ids=OF_NODES)
def test_training_learns_to_say_what_the_nodes_say(tables, variant):
    sizes = {"hidden_size": 48, "embedding_size": 24, "min_count": 1}
    processor, model, options = make(tables, **{**variant, **sizes})
    one = replace(EVENTS, sentences_per_row=1)
    batch = training_batch(tables, processor, one, rows=6)
    loss = fitted(model, options, batch, steps=100)
    assert loss < 0.35 * blind_loss(batch)


@pytest.mark.parametrize("name", ["shared", "separate", "mean"])
def test_training_learns_to_say_what_frames_show(scenes, name):
    tables = TASK.load_tables(scenes)
    variant = {**OF_FRAMES[name], "hidden_size": 48, "embedding_size": 24, "frame_size": 24}
    processor, model, options = make(tables, **variant)
    batch = training_batch(tables, processor, scenes, rows=3)
    assert fitted(model, options, batch, steps=60) < 0.5 * blind_loss(batch)


def fitted(model, options, batch, steps):
    """The loss of one batch after so many steps on it."""
    groups = [
        {"params": group.parameters, "lr": 0.01 * group.learning_rate_multiplier}
        for group in TASK.parameter_groups(model, options)
    ]
    optimizer = torch.optim.AdamW(groups)
    for _ in range(steps):
        loss = model_loss(model.train(), batch, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return loss


def blind_loss(batch):
    """The best loss of a model that knows only how often words occur."""
    targets = batch["labels"][batch["labels"] != -100]
    shares = targets.bincount() / len(targets)
    return -shares[targets].log().mean()


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder that two steps of training have exported."""
    folder = tmp_path_factory.mktemp("run") / "model"
    words = ["--task", "narration", "--output_dir", str(folder), "--max_steps", "2", "--use_cpu", "--disable_tqdm"]
    words += ["--moving_shapes", json.dumps(COUNTS), "--per_device_train_batch_size", "2"]
    words += [word for name, value in TINY.items() for word in (f"--model.{name}", json.dumps(value))]
    words += ["--dataloader_num_workers", "0", "--eval_steps", "1", "--save_steps", "1"]
    assert main(words) == 0
    return folder


def test_training_leaves_a_judged_model_and_its_data(trained):
    metrics = json.loads((trained / "metrics.json").read_text())
    assert metrics["test"].keys() >= {"bleu_4", "cider_d", "different_sentences"}
    data = json.loads((trained / "data.json").read_text())
    assert data["rows"] == COUNTS and data["sentences"] == {split: 5 * count for split, count in COUNTS.items()}
    assert data["nodes"] == ["colour (6)", "shape (5)", "action (8)", "place (5)"]
    lines = (trained / "evaluation/test/sentences.jsonl").read_text().splitlines()
    assert len(lines) == 4


def test_the_same_command_goes_on_after_an_interruption_to_the_same_bits(trained, tmp_path, caplog):
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
    template = "the {colour} {shape} {action}{ place}"
    words = [str(trained), "--split", "test", "--output", str(tmp_path), "--template", template]
    assert evaluate_main(words) == 0
    again = json.loads((tmp_path / "metrics.json").read_text())
    assert again == pytest.approx(json.loads((trained / "metrics.json").read_text())["test"])
    assert json.loads((tmp_path / "template.json").read_text())["cider_d"] > again["cider_d"]


def test_a_trained_folder_answers_as_the_task_does(trained, tables):
    model, processor = AutoModelForImageTextToText.from_pretrained(trained), AutoProcessor.from_pretrained(trained)
    batch = evaluation_batch(tables["test"], processor)
    said = TASK.predict(model.eval(), batch, processor, NarrationEvaluationOptions())
    lines = (trained / "evaluation/test/predictions.jsonl").read_text().splitlines()
    assert said == [json.loads(line)["prediction"] for line in lines]
