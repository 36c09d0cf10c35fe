"""What fixes a captioner: the wirings' names and numbers, refusals, and the way through JSON."""

import json

import pytest
from transformers import AutoConfig, BertConfig, PreTrainedConfig, TimmWrapperConfig

from lrcn_hub.models import CaffeNetConfig, LrcnCaptioningConfig


@pytest.mark.parametrize(("name", "layers", "visual"), [("1u", 1, 1), ("2u", 2, 1), ("2f", 2, 2), ("4f", 4, 2)])
def test_a_wirings_name_and_its_numbers_mean_the_same(name, layers, visual):
    named = LrcnCaptioningConfig(wiring=name)
    numbered = LrcnCaptioningConfig(num_layers=layers, visual_layer=visual)
    for config in (named, numbered, LrcnCaptioningConfig(wiring=name, num_layers=layers, visual_layer=visual)):
        assert (config.wiring, config.num_layers, config.visual_layer) == (name, layers, visual)


@pytest.mark.parametrize(
    ("given", "layers", "visual"),
    [
        ({}, 2, 2),
        ({"num_layers": 3}, 3, 1),
        ({"visual_layer": 3}, 3, 3),
        ({"num_layers": 5, "visual_layer": 4}, 5, 4),
    ],
)
def test_any_number_of_layers_and_any_entry_layer_can_be_given(given, layers, visual):
    config = LrcnCaptioningConfig(**given)
    assert (config.num_layers, config.visual_layer) == (layers, visual)


def test_a_stack_without_a_name_in_the_paper_has_none():
    assert LrcnCaptioningConfig(num_layers=3, visual_layer=3).wiring is None


def test_the_defaults_are_the_released_captioner():
    config = LrcnCaptioningConfig()
    assert (config.wiring, config.cell, config.feature, config.feature_size) == ("2f", "lstm", "fc8", 1000)
    assert (config.vocab_size, config.embedding_size, config.hidden_size) == (8801, 1000, 1000)
    assert (config.embedding_dropout, config.lstm_dropout, config.initializer_range) == (0, 0, 0.08)
    assert isinstance(config.backbone_config, CaffeNetConfig)
    assert config.is_encoder_decoder and not config.tie_word_embeddings


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"wiring": "3f"}, r"'3f'.*1u, 2u, 2f, 4f"),
        (
            {"wiring": "2f", "num_layers": 3},
            r"'2f' means num_layers=2 and visual_layer=2.*they are 3 and 2.*leave out",
        ),
        ({"wiring": "2f", "visual_layer": 1}, r"they are 2 and 1"),
        ({"num_layers": 2, "visual_layer": 3}, r"visual_layer is 3.*from 1 to num_layers \(2\)"),
        ({"num_layers": 2, "visual_layer": 0}, r"visual_layer is 0"),
        ({"num_layers": 0}, r"num_layers is 0"),
        ({"num_layers": 0, "visual_layer": 2}, r"num_layers is 0"),
        ({"cell": "gru"}, r"'gru'.*'lstm' or 'rnn'"),
        ({"feature": "fc9"}, r"'fc9'.*fc6, fc7, fc8, pooled, grid"),
        ({"hidden_size": 0}, r"hidden_size is 0.*at least 1"),
        ({"feature_size": -5}, r"feature_size is -5"),
        ({"vocab_size": 0}, r"vocab_size is 0"),
        ({"embedding_size": 0}, r"embedding_size is 0"),
        ({"lstm_dropout": 1.0}, r"lstm_dropout is 1.0.*at least 0 and below 1"),
        ({"embedding_dropout": -0.1}, r"embedding_dropout is -0.1"),
        ({"backbone_config": {"model_type": "vit"}}, r"'vit'.*lrcn_caffenet, timm_wrapper"),
        ({"backbone_config": {}}, r"None.*lrcn_caffenet, timm_wrapper"),
        ({"backbone_config": BertConfig()}, r"'bert'.*lrcn_caffenet, timm_wrapper"),
    ],
)
def test_a_wrong_value_is_refused_with_the_way_out(options, said):
    with pytest.raises(ValueError, match=said):
        LrcnCaptioningConfig(**options)


CONFIGS = [
    LrcnCaptioningConfig(wiring="4f", cell="rnn", lstm_dropout=0.5, hidden_size=7),
    LrcnCaptioningConfig(
        num_layers=3, visual_layer=3, backbone_config=CaffeNetConfig(channels=[2] * 5, image_size=67)
    ),
    LrcnCaptioningConfig(
        backbone_config=TimmWrapperConfig(architecture="test_vit", num_classes=0, model_args={"depth": 1}),
        feature="grid",
        feature_size=64,
        bos_token_id=3,
        decoder_start_token_id=3,
    ),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["caffenet", "numbers", "timm"])
def test_a_configuration_comes_back_equal_from_json_and_from_a_folder(config, tmp_path):
    config.save_pretrained(tmp_path)
    written = json.loads((tmp_path / "config.json").read_text())
    assert written["model_type"] == "lrcn_captioning"
    for read in (AutoConfig.from_pretrained(tmp_path), LrcnCaptioningConfig.from_dict(config.to_dict())):
        assert type(read) is LrcnCaptioningConfig
        assert type(read.backbone_config) is type(config.backbone_config)
        ours, theirs = ({**c.to_dict(), "_name_or_path": ""} for c in (config, read))  # where it was read from
        for backbone in (ours["backbone_config"], theirs["backbone_config"]):
            backbone.pop("num_classes", None)  # timm's own head, which no captioner has
            backbone.pop("label_names", None)
        assert theirs == ours


def test_reading_a_configuration_leaves_the_dictionary_as_it_was():
    values = LrcnCaptioningConfig(wiring="1u").to_dict()
    before = json.dumps(values, sort_keys=True)
    LrcnCaptioningConfig.from_dict(values)
    assert json.dumps(values, sort_keys=True) == before


def test_backbones_of_two_configurations_are_not_shared():
    first, second = LrcnCaptioningConfig(), LrcnCaptioningConfig()
    first.backbone_config.image_size = 67
    assert second.backbone_config.image_size == 227


def test_a_subclass_adds_fields_of_its_own_and_keeps_the_checks(tmp_path):
    class WithSpeakers(LrcnCaptioningConfig):
        model_type = "lrcn_captioning_with_speakers"
        num_speakers: int = 2

    config = WithSpeakers(wiring="1u", num_speakers=5)
    config.save_pretrained(tmp_path)
    read = WithSpeakers.from_pretrained(tmp_path)
    assert (read.num_speakers, read.num_layers, read.model_type) == (5, 1, "lrcn_captioning_with_speakers")
    with pytest.raises(ValueError, match="'gru'"):
        WithSpeakers(cell="gru")


def test_the_configurations_are_stock_ones():
    assert issubclass(LrcnCaptioningConfig, PreTrainedConfig)
    assert AutoConfig.for_model("lrcn_caffenet", image_size=67).image_size == 67
