"""The cards of the models to be published: one for each shipped recipe, blank where data are needed."""

import importlib.resources
import json
import re

import pytest
import yaml
from huggingface_hub import ModelCard

from lrcn_hub.publishing.card_facts import published_models, read_published
from lrcn_hub.publishing.cards import planned_card, write_card

RECIPES = importlib.resources.files("lrcn_hub.recipes")
# Donahue et al., arXiv 1411.4389v4, table 6, COCO: the best row; and the CVPR text's table 3, Flickr30k
BEST = [0.711, 0.541, 0.402, 0.300, 0.896, 0.242, 0.524]
FLICKR = [0.5872, 0.3906, 0.2512, 0.1646]


def recipe(name):
    return yaml.safe_load(RECIPES.joinpath(f"{read_published(name)['recipe']}.yaml").read_text())


def test_every_recipe_but_the_demo_s_has_a_card_under_the_name_of_its_output():
    recipes = {file.name.removesuffix(".yaml") for file in RECIPES.iterdir() if file.name.endswith(".yaml")}
    names = {name for name in recipes if "_demo" not in name}
    assert {read_published(name)["recipe"] for name in published_models()} == names
    for name in published_models():
        assert recipe(name)["training"]["output_dir"] == f"outputs/{name}"


@pytest.mark.parametrize("name", published_models())
def test_a_planned_card_has_no_result_and_marks_every_blank(name):
    card, facts = ModelCard(planned_card(name)), read_published(name)
    assert card.data.eval_results is None and card.data.metrics is None
    tags = {
        "lrcn_captioning": "image-to-text",
        "lrcn_activity": "video-classification",
        "lrcn_narration": "video-to-text",
    }
    assert (card.data.pipeline_tag, card.data.license) == (tags[facts["kind"]], "other")
    blank = f"**not measured: needs {facts['needs']}**"
    evaluation = card.text.partition("## Evaluation\n")[2]
    assert evaluation.startswith(f"\n{blank}")
    assert f"Loss and validation by step: {blank}" in card.text
    assert f"Rows of each split: **not counted: needs {facts['needs']}**" in card.text
    assert "Not executed" in card.text and "Not trained yet" in card.text
    assert facts["datasets"][0]["license"] in card.text
    assert "{{" not in card.text and "{%" not in card.text and "Undefined" not in card.text


@pytest.mark.parametrize("name", published_models())
def test_the_numbers_of_a_planned_card_are_in_recipe_facts_or_templates(name):
    templates = [file for file in importlib.resources.files("lrcn_hub.model_cards").iterdir() if file.is_file()]
    sources = [file.read_text() for file in templates] + [json.dumps(recipe(name)), json.dumps(read_published(name))]
    known = {float(one) for one in re.findall(r"\d+(?:\.\d+)?(?:e-?\d+)?", " ".join(sources))}
    text = planned_card(name).replace(",", "")
    assert {float(one) for one in re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text)} <= {
        rounded for one in known for rounded in (one, round(one, 3), float(f"{one:.4g}"))
    }


def figures(card):
    table = card.partition("**theirs, not measured with this model**")[2].partition("\n## ")[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[float(cell) for cell in line.strip("| ").split("|")[1:]] for line in lines]


def test_the_authors_figures_are_theirs():
    assert figures(planned_card("lrcn-coco-vgg16"))[-1] == BEST
    assert "arXiv 1411.4389v4, table 6" in planned_card("lrcn-coco-vgg16")
    assert read_published("lrcn-flickr30k")["authors"]["rows"] == [
        {"row": "LRCN", **dict(zip(["bleu_1", "bleu_2", "bleu_3", "bleu_4"], FLICKR, strict=True))}
    ]
    assert "The paper gives no figures for this training." in planned_card("lrcn-coco-resnet50")


# Donahue et al., UCF-101, accuracy in per cent: CVPR table 1 (split 1 of RGB, flow, both by halves, by thirds)
SPLIT_1 = {
    "single-frame": [69.00, 72.20, 75.71, 79.04],
    "lstm": [71.12, 76.95, 81.97, 82.92],
    "lstm-fc7": [70.68, 69.36, 79.01, 80.51],
}
# the mean of the three splits, RGB and flow, in the CVPR text and in arXiv v4
THREE_SPLITS = {
    "single-frame": {"CVPR": [67.70, 72.19], "v4": [67.37, 74.37]},
    "lstm": {"CVPR": [68.19, 77.46], "v4": [68.20, 77.28]},
}


# the same, TACoS multilevel, BLEU-4 in per cent: v4 table 9 = CVPR table 5
TACOS = {
    "SMT), likeliest": 24.9,
    "SMT), dist": 26.9,
    "encoder": 25.3,
    "LSTM decoder, likeliest": 27.4,
    "LSTM decoder, d": 28.8,
}


@pytest.mark.parametrize("variant", ["encoder-decoder", "decoder-max", "decoder-prob"])
def test_the_authors_narrators_have_the_figures_of_the_paper(variant):
    rows = {row["row"]: row["bleu_4"] for row in read_published(f"lrcn-tacos-{variant}")["authors"]["rows"]}
    found = [next(value for row, value in rows.items() if words in row) for words in TACOS]
    assert [100 * value for value in found] == pytest.approx(list(TACOS.values())) and len(rows) == len(TACOS)
    card = planned_card(f"lrcn-tacos-{variant}")
    assert [row[0] for row in figures(card)] == pytest.approx(found)
    assert ("read as a sentence" in card or "as a\nsentence, word by word" in card) == (variant == "encoder-decoder")


@pytest.mark.parametrize("model", SPLIT_1)
@pytest.mark.parametrize("stream", ["rgb", "flow"])
def test_the_authors_accuracies_are_those_of_the_paper(model, stream):
    rows = {row["row"]: 100 * row["accuracy"] for row in read_published(f"ucf101-{model}-{stream}")["authors"]["rows"]}
    place = ["rgb", "flow"].index(stream)
    alone = [value for row, value in rows.items() if "split 1 (CVPR)" in row and "weights" not in row]
    halves = [value for row, value in rows.items() if "weights 1/2 and 1/2" in row]
    thirds = [value for row, value in rows.items() if "weights 1/3 and 2/3" in row]
    assert [*alone, *halves, *thirds] == pytest.approx([SPLIT_1[model][place], *SPLIT_1[model][2:]])
    for text, values in THREE_SPLITS.get(model, {}).items():
        (found,) = [value for row, value in rows.items() if f"three splits ({text})" in row]
        assert found == pytest.approx(values[place])
    shown = figures(planned_card(f"ucf101-{model}-{stream}"))
    assert [row[0] for row in shown] == pytest.approx([value / 100 for value in rows.values()], abs=6e-4)


def test_a_card_of_flow_says_so():
    for name in published_models():
        if read_published(name)["kind"] == "lrcn_activity":
            card = planned_card(name)
            assert ("give it flow images" in card) == ("here your flow images" in card) == name.endswith("flow")
            assert ("recurrent layers go through" in card) == ("single-frame" not in name)


def test_a_trained_model_s_card_has_its_own_results_beside_the_authors_figures(tmp_path):
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "lrcn_captioning"}))
    (tmp_path / "metrics.json").write_text(json.dumps({"test": {"bleu_4": 0.2222}}))
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(recipe("lrcn-coco")))
    card = write_card(tmp_path, published="lrcn-coco").read_text()
    assert "| test | 0.222 |" in card and [0.659, 0.478, 0.336, 0.237, 0.717, 0.218, 0.486] in figures(card)
    assert "not measured: needs" not in card.partition("## Evaluation")[2].partition("## Good")[0]
    assert "Not trained yet" not in card
    assert "Its numbers are those of the shipped recipe `coco_caffenet_finetune`" in card


def test_an_example_of_use_is_python():
    for name in published_models():
        (code,) = re.findall(r"```python\n(.*?)\n```", planned_card(name), re.DOTALL)
        assert re.search(rf'(model=|from_pretrained\()"{name}"', code)
        compile(code, name, "exec")
