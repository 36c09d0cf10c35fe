import json

import pytest
import timm
import torch
from datasets import concatenate_datasets
from PIL import Image
from safetensors.torch import save_file
from transformers import AutoProcessor, PreTrainedTokenizerFast

import lrcn_captioning
from lrcn_captioning.options import CaptioningDataOptions, CaptioningEvaluationOptions, CaptioningModelOptions
from lrcn_captioning.task import Captioning
from lrcn_hub import LrcnForImageCaptioning
from lrcn_hub.data.text import build_word_tokenizer, count_vocabulary
from lrcn_hub.tasks import model_loss
from lrcn_hub.testing import check_task

TASK = Captioning()
DATA = CaptioningDataOptions(
    moving_shapes={"train": 12, "validation": 3, "test": 2, "picture_size": 32},
    captions_per_image=None,
    augment=False,
    max_length=8,
)
TINY = {"hidden_size": 12, "embedding_size": 8, "min_count": 2}
CAFFENET = {"backbone_options": {"channels": [4, 4, 4, 4, 4], "fc_sizes": [8, 8, 6]}, "image_size": 67, **TINY}
TIMM = {
    "backbone": "test_resnet",
    "feature": "grid",
    "image_size": 32,
    "preprocessing": {"do_center_crop": False, "size": {"height": 32, "width": 32}},
    **TINY,
}


@pytest.fixture(scope="module")
def tables():
    return TASK.load_tables(DATA)


def make(tables, **options):
    options = CaptioningModelOptions(**options)
    torch.manual_seed(0)
    processor = TASK.build_processor(tables, options)
    return processor, TASK.build_model(processor, options), options


def training_batch(tables, processor, rows=3):
    collate = TASK.collator(processor, DATA, training=True)
    return collate([{**tables["train"][row], "seed": row} for row in range(rows)])


def evaluation_batch(table, processor):
    return TASK.collator(processor, DATA, training=False)([table[row] for row in range(len(table))])


def test_the_plugin_offers_captioning():
    offered = []
    lrcn_captioning.register_tasks(offered.append)
    assert [task.name for task in offered] == ["captioning"]


@pytest.mark.parametrize("model", [CAFFENET, TIMM], ids=["caffenet", "timm"])
def test_the_task_keeps_the_contract(tmp_path, model):
    torch.manual_seed(0)
    check_task(
        TASK,
        tmp_path,
        data_options=DATA,
        model_options=CaptioningModelOptions(**model),
        evaluation_options=CaptioningEvaluationOptions(max_new_tokens=6),
    )


def test_the_vocabulary_is_that_of_the_training_captions(tables):
    tokenizer = make(tables, **CAFFENET)[0].tokenizer
    words = count_vocabulary((c for row in tables["train"]["captions"] for c in row), min_count=2)
    assert tokenizer.get_vocab() == build_word_tokenizer(words).get_vocab()


def test_a_vocabulary_file_is_used_instead(tables, tmp_path):
    (tmp_path / "vocabulary.txt").write_text("<unk>\nred\ncircle\n")
    processor, model, _ = make(tables, **CAFFENET, vocabulary=str(tmp_path / "vocabulary.txt"))
    assert processor.tokenizer("a red circle").input_ids == [1, 2, 3, 0]
    assert model.config.vocab_size == 4


def test_a_vocabulary_with_no_word_left_is_refused(tables):
    with pytest.raises(ValueError, match=r"no word occurs 1000 times.*lower min_count"):
        make(tables, **{**CAFFENET, "min_count": 1000})


def other_tokenizer(folder, **special):
    backend = build_word_tokenizer(["red", "circle"]).backend_tokenizer
    PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>", **special).save_pretrained(folder)
    return str(folder)


def test_another_tokenizer_with_an_end_of_its_own_trains_and_answers(tables, tmp_path):
    folder = other_tokenizer(tmp_path, bos_token="red", eos_token="circle")
    processor, model, _ = make(tables, **CAFFENET, tokenizer=folder)
    config = model.config
    assert (config.decoder_start_token_id, config.eos_token_id, config.pad_token_id) == (2, 3, 3)
    labels = training_batch(tables, processor)["labels"]
    assert (labels == 3).any() and not (labels == 0).any()
    batch = evaluation_batch(tables["test"], processor)
    assert len(TASK.predict(model.eval(), batch, processor, CaptioningEvaluationOptions(max_new_tokens=4))) == 2


def test_a_tokenizer_without_an_end_is_refused(tables, tmp_path):
    with pytest.raises(ValueError, match="has no eos_token: a sentence could not end"):
        make(tables, **CAFFENET, tokenizer=other_tokenizer(tmp_path))


def test_caffenet_sees_pictures_as_the_authors_made_them(tables):
    processor = TASK.build_processor(tables, CaptioningModelOptions(min_count=1)).image_processor
    assert (processor.size.height, processor.size.width) == (256, 256)
    assert (processor.crop_size.height, processor.crop_size.width) == (227, 227)
    red = processor(Image.new("RGB", (300, 200), "red"), return_tensors="pt")["pixel_values"]
    assert red[0, :, 0, 0].tolist() == [-104, -117, 255 - 123]


def test_a_timm_network_sees_pictures_as_timm_prepares_them(tables):
    options = CaptioningModelOptions(backbone="test_resnet", min_count=1)
    ours = TASK.build_processor(tables, options).image_processor
    config = timm.data.resolve_model_data_config(timm.create_model("test_resnet"))
    picture = Image.effect_noise((250, 220), 60).convert("RGB")
    theirs = timm.data.create_transform(**config)(picture)
    assert torch.allclose(ours(picture, return_tensors="pt")["pixel_values"][0], theirs, atol=2e-2)


def test_preprocessing_says_otherwise_and_misspelt_names_are_refused(tables):
    processor = make(tables, **TIMM)[0].image_processor
    assert processor(Image.new("RGB", (50, 40)), return_tensors="pt")["pixel_values"].shape == (1, 3, 32, 32)
    with pytest.raises(ValueError, match="preprocessing has no 'do_centre_crop'; did you mean 'do_center_crop'"):
        make(tables, **{**TIMM, "preprocessing": {"do_centre_crop": False}})


def test_preprocessing_that_leaves_pictures_of_many_sizes_is_refused(tables):
    with pytest.raises(ValueError, match="96 x 48 into 72 x 36, but the backbone needs squares"):
        make(tables, **{**TIMM, "preprocessing": {"do_center_crop": False, "size": {"shortest_edge": 36}}})


def test_misspelt_options_are_refused_with_the_nearest():
    with pytest.raises(ValueError, match="backbone_options has no 'chanels'; did you mean 'channels'"):
        CaptioningModelOptions(backbone_options={"chanels": [1]})
    with pytest.raises(ValueError, match="moving_shapes has no 'sead'; did you mean 'seed'"):
        CaptioningDataOptions(moving_shapes={"sead": 1})


def test_wiring_cell_and_sizes_reach_the_model(tables):
    _, model, _ = make(tables, **CAFFENET, wiring="4f", cell="rnn", lstm_dropout=0.25, feature="fc7")
    config = model.config
    assert (config.num_layers, config.visual_layer, config.cell, config.lstm_dropout) == (4, 2, "rnn", 0.25)
    assert (config.feature, config.feature_size, config.hidden_size) == ("fc7", 8, 12)
    assert make(tables, **CAFFENET)[1].config.wiring == "2f"
    assert make(tables, **CAFFENET, num_layers=3, visual_layer=3)[1].config.visual_layer == 3


def backbone_tensors(model):
    return {name: tensor.clone() for name, tensor in model.encoder.backbone.state_dict().items()}


@pytest.mark.parametrize("options", [CAFFENET, TIMM], ids=["caffenet", "timm"])
def test_backbone_weights_from_a_file_are_those_of_the_model(tables, tmp_path, options):
    saved = {name: tensor.add(1) for name, tensor in backbone_tensors(make(tables, **options)[1]).items()}
    save_file(saved, tmp_path / "backbone.safetensors")
    _, model, _ = make(tables, **options, backbone_weights=str(tmp_path / "backbone.safetensors"))
    loaded = backbone_tensors(model)
    assert loaded.keys() == saved.keys()
    assert all(torch.equal(loaded[name], saved[name]) for name in saved)
    model.save_pretrained(tmp_path / "model")
    reloaded = backbone_tensors(LrcnForImageCaptioning.from_pretrained(tmp_path / "model"))
    assert all(torch.equal(reloaded[name], saved[name]) for name in saved)


def test_backbone_weights_that_do_not_fit_are_refused_by_file(tables, tmp_path):
    save_file({"conv1.weight": torch.zeros(2, 2)}, tmp_path / "other.safetensors")
    with pytest.raises(ValueError, match=r"other\.safetensors: these weights do not fit CaffeNet"):
        make(tables, **CAFFENET, backbone_weights=str(tmp_path / "other.safetensors"))
    (tmp_path / "text.safetensors").write_text("not tensors")
    with pytest.raises(ValueError, match=r"text\.safetensors: "):
        make(tables, **CAFFENET, backbone_weights=str(tmp_path / "text.safetensors"))


def rates(model, options):
    """Learning-rate and weight-decay multiplier of every trained parameter by its name."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group.learning_rate_multiplier, group.weight_decay_multiplier)
        for group in TASK.parameter_groups(model, options)
        for parameter in group.parameters
    }


def test_the_first_stage_trains_fc8_and_the_words_at_the_authors_rates(tables):
    _, model, options = make(tables, **CAFFENET, train_backbone="last-layer")
    found = rates(model, options)
    assert found.pop("encoder.backbone.fc8.weight") == (0.1, 1)
    assert found.pop("encoder.backbone.fc8.bias") == (0.2, 0)
    assert found.pop("predict.bias") == (2, 0)
    assert set(found.values()) == {(1, 1)}
    assert sorted(found) == sorted(
        ["embedding.weight", "predict.weight"]
        + [f"decoder.layers.{k}.cell.{name}_l0" for k in (0, 1) for name in ("weight_ih", "weight_hh", "bias_ih")]
    )


def test_the_second_stage_trains_the_whole_network_and_a_frozen_one_is_left_out(tables):
    _, model, options = make(tables, **CAFFENET, train_backbone="whole", backbone_learning_rate_multiplier=0.5)
    found = rates(model, options)
    assert found["encoder.backbone.conv1.weight"] == (0.5, 1)
    assert found["encoder.backbone.conv1.bias"] == (1.0, 0)
    _, model, options = make(tables, **CAFFENET, train_backbone="frozen")
    assert not [name for name in rates(model, options) if name.startswith("encoder.")]
    assert not any(parameter.requires_grad for parameter in model.encoder.parameters())


def test_the_authors_objective_is_twenty_times_the_likelihood(tables):
    processor, model, _ = make(tables, **CAFFENET)
    batch = training_batch(tables, processor)
    plain = TASK.objectives["likelihood"](model.eval(), batch, 7)
    weighted = TASK.objectives["likelihood-times-20"](model.eval(), batch, 7)
    assert torch.allclose(weighted, 20 * plain)
    assert next(iter(TASK.objectives)) == "likelihood"


def test_captions_of_one_picture_share_its_pass_through_the_network(tables):
    processor, model, _ = make(tables, **CAFFENET)
    batch = training_batch(tables, processor, rows=2)
    seen = []
    model.encoder.backbone.register_forward_hook(lambda module, inputs, output: seen.append(len(output)))
    together = model_loss(model.eval(), batch, 1)
    assert seen == [2] and len(batch["labels"]) == 10
    apart = sum(
        model_loss(model, {"pixel_values": batch["pixel_values"][which, None], "labels": labels[None]}, 1)
        for which, labels in zip(batch["image_index"], batch["labels"], strict=True)
    )
    assert torch.allclose(together, apart, rtol=1e-5)


@pytest.mark.parametrize("strategy", ["greedy", "beam", "sample", "best-of-n", "diverse-beam"])
def test_every_strategy_answers_each_row_with_one_caption(tables, strategy):
    processor, model, _ = make(tables, **CAFFENET)
    options = CaptioningEvaluationOptions(
        strategy=strategy, max_new_tokens=5, num_beams=4, num_groups=2, num_samples=3
    )
    captions = TASK.predict(model.eval(), evaluation_batch(tables["validation"], processor), processor, options)
    assert len(captions) == 3
    for caption in captions:
        assert isinstance(caption, str) and "<EOS>" not in caption and len(caption.split()) <= 5


def test_a_saved_captioner_answers_alike(tables, tmp_path):
    processor, model, _ = make(tables, **TIMM)
    options = CaptioningEvaluationOptions(max_new_tokens=6, strategy="beam", num_beams=2)
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    reloaded, words = LrcnForImageCaptioning.from_pretrained(tmp_path), AutoProcessor.from_pretrained(tmp_path)
    batch = evaluation_batch(tables["validation"], processor)
    before = TASK.predict(model.eval(), batch, processor, options)
    assert TASK.predict(reloaded, evaluation_batch(tables["validation"], words), words, options) == before
    assert json.loads((tmp_path / "config.json").read_text())["feature"] == "grid"


def test_true_captions_score_better_than_swapped_ones(tables):
    table = tables["train"]
    truth = [captions[0] for captions in table["captions"]]
    good = TASK.compute_metrics(truth, table, CaptioningEvaluationOptions())
    bad = TASK.compute_metrics(truth[1:] + truth[:1], table, CaptioningEvaluationOptions())
    assert good["bleu_4"] == pytest.approx(1.0) and good["cider_d"] > 2 * bad["cider_d"]
    assert all(isinstance(value, float) for value in good.values())


def test_saying_the_same_of_every_picture_shows_in_the_metrics(tables):
    metrics = TASK.compute_metrics(["a red circle"] * 12, tables["train"], CaptioningEvaluationOptions())
    assert metrics["different_captions"] == 1 / 12


def test_captions_that_have_collapsed_are_warned_of(tables, caplog):
    table = concatenate_datasets([tables["train"]] * 2)
    TASK.compute_metrics([captions[0] for captions in table["captions"]], table, CaptioningEvaluationOptions())
    assert not caplog.records
    TASK.compute_metrics(["a red circle"] * 24, table, CaptioningEvaluationOptions())
    assert "'a red circle' is said of 100% of the images" in caplog.text


def test_training_learns_more_than_how_often_words_occur(tables):
    sizes = {**TIMM, "hidden_size": 64, "embedding_size": 32}
    processor, model, options = make(tables, **sizes, backbone_learning_rate_multiplier=1.0)
    groups = [
        {"params": group.parameters, "lr": 0.01 * group.learning_rate_multiplier}
        for group in TASK.parameter_groups(model, options)
    ]
    optimizer = torch.optim.AdamW(groups)
    batch = training_batch(tables, processor, rows=6)
    targets = batch["labels"][batch["labels"] != -100]
    shares = targets.bincount() / len(targets)
    picture_and_order_blind = -(shares[targets].log().mean())
    for _ in range(80):
        loss = model_loss(model.train(), batch, None)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss < 0.4 * picture_and_order_blind
