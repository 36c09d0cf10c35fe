"""Cards hold what the files beside the weights hold, and say plainly what these lack."""

import importlib.resources
import json
import re

import pytest
import yaml
from huggingface_hub import ModelCard

from lrcn_hub.publishing import card_facts
from lrcn_hub.publishing.cards import MARK, Facts, fenced, text, timm_repository, write_card

CONFIG = {
    "model_type": "lrcn_captioning",
    "wiring": "2f",
    "num_layers": 2,
    "visual_layer": 2,
    "feature": "fc7",
    "feature_size": 4099,
    "embedding_size": 37,
    "hidden_size": 53,
    "vocab_size": 8807,
}
METRICS = {
    "validation": {"bleu_4": 0.27182, "cider_d": 0.81234},
    "test": {"bleu_4": 0.31415, "cider_d": 0.91239, "my_metric": 17.5},
}
DATA = {
    "rows": {"train": 11213, "validation": 503},
    "captions": {"train": 56065, "validation": 2515},
    "source": "a_file.json, read as karpathy",
    "license": "cc-by-4.0",
    "leaks": 29,
    "bad_samples": 31,
    "outside_splits": 0,
}
RECIPE = {
    "task": "captioning",
    "data": {
        "reader": "karpathy",
        "path": "/home/somebody/a_file.json",
        "mirror": False,
        "augment": True,
        "license": "",
    },
    "model": {"wiring": "2f", "backbone": "resnet50", "backbone_pretrained": False, "train_backbone": "whole"},
    "training": {
        "max_steps": 400,
        "per_device_train_batch_size": 23,
        "learning_rate": 0.0047,
        "lr_scheduler_type": "cosine",
        "optim": "adamw_torch",
        "seed": 1709,
        "eval_rows": 211,
    },
    "evaluation": {"strategy": "beam", "num_beams": 7},
}
HISTORY = [
    {"loss": 3.25, "step": 100},
    {"eval_bleu_4": 0.1011, "eval_cider_d": 0.2022, "step": 200},
    {"loss": 1.75, "step": 300},
    {"eval_bleu_4": 0.3033, "eval_cider_d": 0.4044, "step": 400},
    {"train_loss": 2.5, "step": 400},
]
VERSIONS = {"python": "3.11.7", "packages": {"torch": "2.15.0"}, "plugins": {}, "commit": "abc"}


class Folder:
    """A model's folder in the making."""

    def __init__(self, path):
        self.path = path
        path.mkdir()

    def write(self, name, content):
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        if name.endswith(".jsonl"):
            file.write_text("".join(json.dumps(line) + "\n" for line in content))
        else:
            file.write_text(yaml.safe_dump(content) if name.endswith(".yaml") else json.dumps(content))

    def card(self, **options):
        return write_card(self.path, **options).read_text(encoding="utf-8")


@pytest.fixture
def bare(tmp_path):
    """A folder with a configuration and nothing else."""
    folder = Folder(tmp_path / "my-model")
    folder.write("config.json", CONFIG)
    return folder


@pytest.fixture
def trained(bare):
    """What a run leaves."""
    files = {"metrics.json": METRICS, "data.json": DATA, "recipe.yaml": RECIPE, "versions.json": VERSIONS}
    for name, content in {**files, "history.jsonl": HISTORY}.items():
        bare.write(name, content)
    (bare.path / "model.safetensors").write_bytes(b"weights")
    return bare


def section(card, title):
    return card.partition(f"## {title}\n")[2].partition("\n## ")[0]


def row(card, name):
    (line,) = [line for line in card.splitlines() if line.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.strip("|").split("|")][1:]


def test_metadata_survive_a_round_trip_through_the_hub_s_own_class(trained):
    trained.card(name="somebody/some-model")
    data = ModelCard.load(trained.path / "README.md").data
    assert (data.library_name, data.pipeline_tag, data.language) == ("transformers", "image-to-text", "en")
    assert data.license == "cc-by-4.0"
    assert data.model_name == "somebody/some-model"
    found = {(result.dataset_split, result.metric_name): result.metric_value for result in data.eval_results}
    assert found == {
        ("validation", "BLEU-4"): 0.27182,
        ("validation", "CIDEr-D"): 0.81234,
        ("test", "BLEU-4"): 0.31415,
        ("test", "CIDEr-D"): 0.91239,
        ("test", "my_metric"): 17.5,
    }
    assert {result.dataset_name for result in data.eval_results} == {DATA["source"]}
    assert data.metrics == ["bleu", "cider", "my_metric"]
    again = ModelCard(str(ModelCard.load(trained.path / "README.md")))
    assert again.data.to_dict() == data.to_dict()


@pytest.mark.parametrize("name", ["a: b", "- {x}", "yes", 'it\'s "so"', "ünï #1", "1e3", "@a|b*c_", "[a](b)", "<b>"])
def test_names_with_special_characters_stay_what_they_are(trained, name):
    trained.write("data.json", {**DATA, "source": name, "revision": "1e3"})
    card = ModelCard(trained.card(name=name))
    assert card.data.model_name == name
    assert {(r.dataset_name, r.dataset_revision) for r in card.data.eval_results} == {(name, "1e3")}
    shown = re.search(r"^# (.*)$", card.text, re.MULTILINE)[1]
    assert re.sub(r"\\(.)", r"\1", shown) == name
    (code,) = re.findall(r"```python\n(.*?)\n```", card.text, re.DOTALL)
    assert repr(name) in repr(compile(code, "example", "exec").co_consts)


def test_every_metric_is_read_from_the_json(trained):
    first = trained.card()
    assert row(section(first, "Evaluation"), "test") == ["0.314", "0.912", "17.500"]
    trained.write("metrics.json", {**METRICS, "test": {"bleu_4": 0.9876, "cider_d": 0.5432}})
    second = trained.card()
    assert row(section(second, "Evaluation"), "test") == ["0.988", "0.543"]
    assert row(section(second, "Evaluation"), "validation") == ["0.272", "0.812"]
    assert "value: 0.9876" in second and "17.5" not in second and "0.31415" not in second


def test_what_evaluate_found_later_is_shown_beside_what_training_found(trained):
    trained.write("evaluation/validation/metrics.json", METRICS["validation"])
    assert "judged again" not in trained.card()
    trained.write("evaluation/test/metrics.json", {"bleu_4": 0.4321})
    card = trained.card()
    assert row(card, "test, judged again")[0] == "0.432"
    assert row(section(card, "Evaluation"), "test")[0] == "0.314"


def test_a_split_that_evaluate_alone_has_judged_is_shown(trained):
    trained.write("metrics.json", {})
    trained.write("evaluation/test/metrics.json", {"bleu_4": 0.4321})
    assert row(trained.card(), "test, judged again") == ["0.432"]


def test_counts_of_rows_leaks_and_bad_samples_are_shown(trained):
    data = section(trained.card(), "Data and splits")
    assert row(data, "train") == ["11,213", "56,065"]
    assert re.search(r"\(leaks\): 29\b", data) and re.search(r"\(bad samples\): 31\b", data)
    assert "in no split" not in data
    trained.write("data.json", {**DATA, "leaks": 0, "outside_splits": 19})
    data = section(trained.card(), "Data and splits")
    assert re.search(r"\(leaks\): 0\b", data) and "in no split: 19" in data


def test_the_training_table_has_each_evaluation_with_the_loss_before_it(trained):
    training = section(trained.card(), "How it was trained")
    assert row(training, "200") == ["3.250", "0.101", "0.202"]
    assert row(training, "400") == ["1.750", "0.303", "0.404"]
    assert row(training, "optimiser steps") == ["400"]
    assert row(training, "learning rate, schedule") == ["0.0047, cosine"]


def test_a_long_history_is_thinned_and_keeps_its_end():
    history = [{"eval_x": number / 100, "step": number} for number in range(1, 101)]
    curve = card_facts.training_curve(history)
    steps = [row["step"] for row in curve["rows"]]
    assert len(steps) == card_facts.SHOWN_ENTRIES and curve["left_out"] and curve["of"] == 100
    assert steps[0] == 1 and steps[-1] == 100 and steps == sorted(set(steps))
    assert not card_facts.training_curve(history[:3])["left_out"]
    assert card_facts.training_curve([{"loss": 2.0, "step": 1}, {"train_loss": 1.0, "step": 2}])["rows"] == [
        {"step": 1, "loss": 2.0}
    ]
    assert card_facts.training_curve([]) is None


def test_a_bare_folder_gives_a_card_that_says_what_is_not_known(bare):
    card = bare.card()
    assert ModelCard(card).data.eval_results is None
    assert "**not measured**" in section(card, "Evaluation")
    assert section(card, "Data and splits").count("**not recorded**") == 4
    assert "**Not recorded.**" in section(card, "How it was trained")
    assert "**not stated**" in section(card, "Licence") and "license_name: not-stated" in card
    assert "Not executed" in section(card, "How to use")
    assert card.startswith("---\n") and "\n# my-model\n" in card


def numbers(written):
    """Numbers of a text with the digits behind their points."""
    found = re.findall(r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e-?\d+)?", written)
    return [(float(one.rstrip(",").replace(",", "")), len(one.rstrip(",").partition(".")[2])) for one in found]


def known_numbers(folder):
    files = [file for pattern in ("*.json*", "*.yaml") for file in folder.rglob(pattern)]
    templates = [file for file in importlib.resources.files("lrcn_hub.model_cards").iterdir() if file.is_file()]
    return {value for file in (*files, *templates) for value, _ in numbers(file.read_text(encoding="utf-8"))}


def strangers(card, folder):
    known = known_numbers(folder)
    return [
        value
        for value, digits in numbers(card)
        if not any(round(one, digits) == value or float(f"{one:.4g}") == value for one in known)
    ]


def test_no_number_of_a_card_is_in_no_file(trained):
    card = trained.card()
    assert len(numbers(card)) > 50
    assert strangers(card, trained.path) == []
    assert strangers(card + " 0.7654", trained.path) == [0.7654]  # the search finds some


def test_the_folders_of_a_machine_are_not_told(trained):
    trained.write("recipe.yaml", {**RECIPE, "training": {**RECIPE["training"], "init_from": "/home/somebody/first"}})
    card = trained.card()
    assert "/home" not in card and str(trained.path.parent) not in card
    assert row(card, "begins with") == ["the weights of first"]


@pytest.mark.parametrize(
    ("section_name", "key", "value"),
    [
        ("model", "backbone_pretrained", True),
        ("model", "backbone_weights", "a.safetensors"),
        ("training", "init_from", "b"),
    ],
)
def test_weights_that_began_with_others_do_not_take_the_licence_of_the_data(trained, section_name, key, value):
    recipe = {**RECIPE, section_name: {**RECIPE[section_name], key: value}}
    trained.write("recipe.yaml", recipe)
    assert ModelCard(trained.card()).data.license == "other"
    trained.write("recipe.yaml", {**recipe, "data": {**RECIPE["data"], "license": "mit"}})
    assert ModelCard(trained.card()).data.license == "mit"


def test_pretrained_weights_of_timm_are_the_base_model(trained):
    assert ModelCard(trained.card()).data.base_model is None
    trained.write("recipe.yaml", {**RECIPE, "model": {**RECIPE["model"], "backbone_pretrained": True}})
    assert ModelCard(trained.card()).data.base_model == "timm/resnet50.a1_in1k"
    assert timm_repository("resnet18.a1_in1k") == "timm/resnet18.a1_in1k"


def test_a_dataset_of_the_hub_is_named_with_its_revision(trained):
    assert ModelCard(trained.card()).data.datasets is None
    trained.write("data.json", {**DATA, "dataset": "somebody/photos", "revision": "f" * 40})
    data = ModelCard(trained.card()).data
    assert data.datasets == ["somebody/photos"]
    assert {(r.dataset_type, r.dataset_revision) for r in data.eval_results} == {("somebody/photos", "f" * 40)}


def test_moving_shapes_are_called_toy_data(trained):
    assert "toy" not in section(trained.card(), "Good for, and not good for")
    trained.write("recipe.yaml", {**RECIPE, "data": {**RECIPE["data"], "reader": "moving-shapes"}})
    assert "toy data" in section(trained.card(), "Good for, and not good for")


def test_drawn_answers_are_shown(trained):
    assert "## Examples" not in trained.card()
    (trained.path / "assets").mkdir()
    (trained.path / "assets/test.png").write_bytes(b"picture")
    assert "](assets/test.png)" in trained.card()


def test_a_converted_model_s_card_tells_its_files_and_measures_nothing(bare):
    files = [{"name": "lrcn|1.caffemodel", "bytes": 150475204, "sha256": "ab" * 32}]
    bare.write("conversion.json", {"model": "captioner 2f", "files": files, "passed_over": ["loss"]})
    card = bare.card()
    training = section(card, "How it was trained")
    assert f"| lrcn\\|1.caffemodel | 150,475,204 | `{'ab' * 32}` |" in training and "passed over: loss" in training
    assert "**not measured**" in section(card, "Evaluation")
    assert "ask those who published them" in section(card, "Licence")
    assert strangers(card, bare.path) == []


def test_a_model_without_a_cnn_says_so_and_is_used_with_features(bare):
    bare.write("config.json", {**CONFIG, "backbone_config": {"model_type": "lrcn_given_features"}})
    card = bare.card()
    assert "cannot look at pictures" in card and "torch.zeros" in section(card, "How to use")


def test_remote_code_is_spoken_of_only_where_the_folder_has_it(bare):
    assert "trust_remote_code" not in bare.card()
    bare.write("config.json", {**CONFIG, "auto_map": {"AutoModel": "modeling_lrcn.X"}})
    assert "trust_remote_code=True" in bare.card()


def test_an_unknown_type_of_model_gets_the_general_card(bare):
    bare.write("config.json", {"model_type": "somebody-s"})
    bare.write("recipe.yaml", {"task": "gone"})
    card = bare.card()
    assert "`somebody-s`" in card and "`gone`" in card
    assert ModelCard(card).data.pipeline_tag is None


def test_what_is_not_ours_is_not_overwritten(bare):
    file = bare.path / "README.md"
    file.write_text("My own words.")
    with pytest.raises(ValueError, match=r"README.md was not written here, so it stays; --overwrite"):
        bare.card()
    assert file.read_text() == "My own words."
    assert bare.card(overwrite=True).rstrip().endswith(MARK)
    bare.card()


@pytest.mark.parametrize("name", ["metrics.json", "recipe.yaml", "history.jsonl", "data.json"])
def test_a_damaged_file_is_named_and_the_old_card_stays(trained, name):
    before = trained.card()
    (trained.path / name).write_text('{"a": [')
    with pytest.raises(ValueError, match=rf"{re.escape(name)} is damaged"):
        trained.card()
    assert (trained.path / "README.md").read_text() == before


def test_a_folder_without_a_model_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"no config.json, so it holds no model"):
        write_card(tmp_path)


def test_the_name_and_the_model_to_be_published_are_remembered(trained):
    trained.card(name="somebody/lrcn-coco", published="lrcn-coco")
    card = trained.card()
    assert "# somebody/lrcn-coco\n" in card and "theirs, not measured with this model" in card
    assert "differs from the shipped recipe" in card and "training.max\\_steps: 400 instead of 50000" in card


def test_a_model_to_be_published_that_nobody_knows_is_refused_with_those_there_are(trained):
    with pytest.raises(ValueError, match=r"'lrcn-cocoa'; there are .*lrcn-coco,"):
        trained.card(published="lrcn-cocoa")


def test_the_example_s_output_is_shown_until_weights_or_example_change(trained):
    trained.card()
    facts = Facts.of(trained.path)
    example = re.search(r"```python\n(.*?)\n```", trained.card(name="NAME"), re.DOTALL)[1].replace("NAME", "")
    usage = {"example": example, "output": "a green triangle", "weights": facts.weights}
    trained.write("card.json", {"usage": usage})
    assert "a green triangle" in trained.card()
    trained.write("card.json", {"usage": {**usage, "example": "print(1)"}})
    assert "a green triangle" not in trained.card()
    trained.write("card.json", {"usage": usage})
    (trained.path / "model.safetensors").write_bytes(b"other weights")
    assert "a green triangle" not in trained.card()


def test_code_with_fences_in_it_stays_in_one_block():
    assert fenced("a\n```\nb", "text") == "````text\na\n```\nb\n````"


def test_text_is_kept_from_being_markdown():
    assert text("a|b\n*c* <d>") == r"a\|b \*c\* \<d\>"
