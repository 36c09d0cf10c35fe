"""What fixes a recogniser: the authors' defaults, sizes counted, refusals, and the way through JSON."""

import json

import pytest
import torch
from transformers import AutoConfig, TimmWrapperConfig

from lrcn_hub.models import CaffeNetConfig, LrcnActivityConfig, LrcnForVideoClassification

TINY = CaffeNetConfig(channels=[4] * 5, fc_sizes=[8, 6], image_size=67)


def parameters(config):
    with torch.device("meta"):
        model = LrcnForVideoClassification(config)
    return sum(parameter.numel() for parameter in model.parameters())


def test_the_defaults_are_the_authors_rgb_network():
    config = LrcnActivityConfig()
    assert (config.feature, config.feature_size, config.hidden_size, config.num_layers) == ("fc6", 4096, 256, 1)
    assert (config.feature_dropout, config.lstm_dropout, config.num_frames) == (0.9, 0.5, 16)
    assert (config.cell, config.initializer_range) == ("lstm", 0.01)
    assert config.backbone_config.to_dict() == CaffeNetConfig.hybrid().to_dict()
    assert config.problem_type == "single_label_classification"


def test_the_authors_network_with_101_classes_has_its_65_million_parameters():
    config = LrcnActivityConfig(num_labels=101)
    assert parameters(config) == config.count_parameters() == 65_421_285


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"num_layers": 0},
        {"num_layers": 3, "cell": "rnn"},
        {"num_layers": 2, "num_labels": 9},
        {"feature": "fc7", "feature_size": 6},
    ],
)
def test_parameters_are_counted_before_they_are_made(options):
    config = LrcnActivityConfig(**{"backbone_config": TINY, "feature_size": 8, "hidden_size": 5, **options})
    assert config.count_parameters() == parameters(config)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"feature": "fc9"}, r"'fc9'.*fc6, fc7, fc8, pooled, grid"),
        ({"cell": "gru"}, r"'gru'.*'lstm' or 'rnn'"),
        ({"num_layers": -1}, r"num_layers is -1.*at least 0"),
        ({"num_layers": 10**6}, r"num_layers is 1000000"),
        ({"hidden_size": 0}, r"hidden_size is 0.*at least 1"),
        ({"feature_size": 2.5}, r"feature_size is 2.5"),
        ({"num_frames": 0}, r"num_frames is 0"),
        ({"feature_dropout": 1.0}, r"feature_dropout is 1.0.*below 1"),
        ({"lstm_dropout": -0.1}, r"lstm_dropout is -0.1"),
        ({"initializer_range": -1}, r"initializer_range is -1"),
        ({"num_labels": 10**7}, r"num_labels is 10000000"),
        ({"id2label": {0: "run", 2: "jump"}}, r"\[0, 2\].*0, 1, 2 and so on"),
        ({"backbone_config": {"model_type": "vit"}}, r"'vit'.*lrcn_caffenet, timm_wrapper"),
        ({"feature_size": 10**7, "hidden_size": 10**5}, r"parameters; at most"),
    ],
)
def test_a_wrong_value_is_refused_with_the_way_out(options, said):
    with pytest.raises(ValueError, match=said):
        LrcnActivityConfig(**options)


CONFIGS = [
    LrcnActivityConfig(id2label={0: "run", 1: "jump", 2: "fall"}),
    LrcnActivityConfig(num_layers=0, feature_dropout=0.5, backbone_config=TINY, feature="fc7", feature_size=6),
    LrcnActivityConfig(
        backbone_config=TimmWrapperConfig(architecture="test_resnet", num_classes=0),
        feature="pooled",
        feature_size=96,
        cell="rnn",
        num_labels=7,
    ),
]


@pytest.mark.parametrize("config", CONFIGS, ids=["hybrid", "single-frame", "timm"])
def test_a_configuration_comes_back_equal_from_json_and_from_a_folder(config, tmp_path):
    config.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["model_type"] == "lrcn_activity"
    for read in (AutoConfig.from_pretrained(tmp_path), LrcnActivityConfig.from_dict(config.to_dict())):
        assert type(read) is LrcnActivityConfig
        assert type(read.backbone_config) is type(config.backbone_config)
        ours, theirs = ({**c.to_dict(), "_name_or_path": ""} for c in (config, read))  # where it was read from
        for backbone in (ours["backbone_config"], theirs["backbone_config"]):
            backbone.pop("num_classes", None)  # timm's own head, which is not made
            backbone.pop("label_names", None)
        assert theirs == ours


def test_the_names_of_labels_and_their_numbers_agree():
    config = LrcnActivityConfig(id2label={0: "run", 1: "jump", 2: "fall"})
    assert config.num_labels == 3
    assert config.label2id == {"run": 0, "jump": 1, "fall": 2}
    assert LrcnActivityConfig.from_dict(config.to_dict()).id2label == {0: "run", 1: "jump", 2: "fall"}


def test_backbones_of_two_configurations_are_not_shared():
    first, second = LrcnActivityConfig(), LrcnActivityConfig()
    first.backbone_config.image_size = 67
    assert second.backbone_config.image_size == 227
