"""Configurations from anybody: what is beyond all reason is refused by name, before it costs memory or runs code."""

import json

import pytest
import torch
from transformers import AutoConfig, AutoModel, TimmWrapperConfig

from lrcn_hub.models import (
    CaffeNetConfig,
    GivenFeaturesConfig,
    LrcnCaptioningConfig,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)
from lrcn_hub.models.backbones_lrcn import CaffeNet
from lrcn_hub.models.limits_lrcn import MAX_PARAMETERS

SMALL = {"feature_size": 5, "vocab_size": 9, "embedding_size": 6, "hidden_size": 7, "wiring": "1u"}
TINY_CAFFENET = {"model_type": "lrcn_caffenet", "channels": [4] * 5, "fc_sizes": [8, 8, 5], "image_size": 67}
TIMM = {"model_type": "timm_wrapper", "architecture": "test_resnet"}


@pytest.fixture
def loaded(tmp_path):
    """Load a folder that holds nothing but this configuration."""

    def load(**values):
        config = {"model_type": "lrcn_captioning", "backbone_config": TINY_CAFFENET, **SMALL, **values}
        (tmp_path / "config.json").write_text(json.dumps(config))
        return AutoModel.from_pretrained(tmp_path)

    return load


ABSURD = [0, -1, 10**12, True, 50.0, "50", None, float("nan"), float("inf"), [9]]
SIZES = ["vocab_size", "embedding_size", "hidden_size", "feature_size"]


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("value", ABSURD, ids=repr)
def test_an_absurd_size_is_refused_with_field_value_and_range(name, value, loaded, little_memory):
    with pytest.raises(ValueError, match=rf"^{name} is .*at least 1 and at most 10+$") as refusal:
        loaded(**{name: value})
    assert repr(value) in str(refusal.value)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"num_layers": 10**6, "wiring": None}, "num_layers is 1000000; .* at most 128"),
        ({"visual_layer": "1", "wiring": None}, "visual_layer is '1'"),
        ({"wiring": ["2f"]}, r"wiring is \['2f'\]"),
        ({"lstm_dropout": float("nan")}, "lstm_dropout is nan; it must be at least 0 and below 1"),
        ({"embedding_dropout": "0.5"}, "embedding_dropout is '0.5'"),
        ({"lstm_dropout": True}, "lstm_dropout is True"),
        ({"initializer_range": float("inf")}, "initializer_range is inf; .* at most 100"),
        ({"num_labels": 10**10}, "num_labels is 10000000000; .* at most 1000000"),
        ({"backbone_config": {**TIMM, "architecture": 5}}, "backbone_config cannot be read: .*'architecture'"),
        ({"backbone_config": {**TIMM, "model_args": ["depth"]}}, "backbone_config cannot be read: .*'model_args'"),
        ({"backbone_config": {**TIMM, "num_classes": "many"}}, "num_classes is 'many'"),
        ({"backbone_config": [1]}, r"backbone_config is \[1\]"),
        ({"backbone_config": {"model_type": ["x"]}}, r"model_type \['x'\]"),
        ({"backbone_config": {**TIMM, "num_classes": 10**10}}, "num_classes is 10000000000"),
        ({"backbone_config": {**TINY_CAFFENET, "channels": [10**9] * 5}}, r"channels\[0\] is 1000000000; .* 100000"),
        (
            {"backbone_config": {**TINY_CAFFENET, "channels": [4] * 4}},
            r"channels is \[4, 4, 4, 4\]; .* 5 whole numbers",
        ),
        ({"backbone_config": {**TINY_CAFFENET, "fc_sizes": [8, -8, 5]}}, r"fc_sizes\[1\] is -8"),
        (
            {"backbone_config": {**TINY_CAFFENET, "image_size": 10**9}},
            "image_size is 1000000000; .* at most 8192",
        ),
        ({"backbone_config": {**TINY_CAFFENET, "image_size": 38}}, "image_size is 38"),
        ({"backbone_config": {**TINY_CAFFENET, "dropout": 2}}, "dropout is 2"),
        (
            {"backbone_config": {"model_type": "lrcn_given_features", "num_labels": 10**10}},
            "num_labels is 10000000000",
        ),
    ],
)
def test_other_absurd_values_are_refused_by_name(values, said, loaded, little_memory):
    with pytest.raises(ValueError, match=said):
        loaded(**values)


def test_sizes_that_are_large_together_are_refused_by_their_number_of_parameters(loaded, little_memory):
    with pytest.raises(ValueError, match=r"a model of 3\d\d,\d{3},\d{3},\d{3} parameters; at most are 10,000,000,000"):
        loaded(hidden_size=10**5, embedding_size=10**5, wiring="4f", vocab_size=9)
    with pytest.raises(ValueError, match=r"a model of .* parameters"):
        CaffeNetConfig(fc_sizes=(10**6, 10**6, 5))
    assert MAX_PARAMETERS == 10**10


@pytest.mark.parametrize("wiring", ["1u", "2u", "2f", "4f"])
@pytest.mark.parametrize("cell", ["lstm", "rnn"])
@pytest.mark.parametrize("feature", ["fc6", "fc7", "fc8"])
def test_parameters_are_counted_as_the_model_has_them(wiring, cell, feature):
    sizes = {"channels": [2, 4, 6, 8, 10], "fc_sizes": [11, 12, 13], "image_size": 99}
    options = {**SMALL, "feature_size": {"fc6": 11, "fc7": 12, "fc8": 13}[feature], "wiring": wiring}
    config = LrcnCaptioningConfig(backbone_config=CaffeNetConfig(**sizes), feature=feature, cell=cell, **options)
    with torch.device("meta"):
        model = LrcnForImageCaptioning(config)
    assert config.count_parameters() == sum(p.numel() for p in model.parameters())


def test_the_released_sizes_are_those_of_the_paper_and_far_below_the_limits():
    assert CaffeNetConfig().count_parameters() == 60_965_224
    assert LrcnCaptioningConfig().count_parameters() < MAX_PARAMETERS / 100


def test_the_smallest_picture_that_caffenet_may_be_made_for_leaves_one_value_of_a_map():
    config = CaffeNetConfig(channels=[2] * 5, fc_sizes=[3, 3, 3], image_size=39)
    assert config.map_sides[-1] == 1
    assert CaffeNet(config)(torch.zeros(1, 3, 39, 39)).shape == (1, 3)


@pytest.mark.parametrize(
    "architecture", ["hf-hub:evil/net", "hf_hub:evil/net", "local-dir:/etc", "evil/net", "../net", "", "C:\\net"]
)
def test_a_backbone_that_timm_would_fetch_or_read_is_refused(architecture, loaded):
    with pytest.raises(ValueError, match=r"backbone_config.architecture is .* timm.list_models"):
        loaded(backbone_config={**TIMM, "architecture": architecture})


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"pretrained": True}, "'pretrained', which makes timm read a file"),
        ({"pretrained_cfg": {"url": "http://evil/x.pth"}}, "'pretrained_cfg'"),
        ({"pretrained_cfg_overlay": {"file": "/etc/passwd"}}, "'pretrained_cfg_overlay'"),
        ({"checkpoint_path": "x.pth"}, "'checkpoint_path'"),
        ({"cache_dir": "/"}, "'cache_dir'"),
        ({"embed_dim": 10**9}, "embed_dim has 1000000000; a number there is at most 8192"),
        ({"depth": 10**6}, "depth has 1000000; a number there is at most 512"),
        ({"layers": [2, 10**6]}, "layers has 1000000"),
        ({"block_args": {"size": float("nan")}}, "size|block_args has nan"),
        ({"depths": [1] * 1000}, "the length of backbone_config.model_args.depths is 1000"),
    ],
)
def test_arguments_that_make_a_backbone_huge_or_read_files_are_refused(arguments, said, loaded):
    for config in ({**TIMM, "model_args": arguments}, TimmWrapperConfig(architecture="test_vit")):
        if isinstance(config, TimmWrapperConfig):
            config.model_args = arguments
            with pytest.raises(ValueError, match=said):
                LrcnCaptioningConfig(backbone_config=config)
        else:
            with pytest.raises(ValueError, match=said):
                loaded(backbone_config=config)


def test_usual_timm_networks_and_arguments_pass():
    for architecture in ("resnet50", "resnet50.a1_in1k", "vit_base_patch16_224.augreg2_in21k_ft_in1k", "test_vit"):
        arguments = {"img_size": [224, 160], "depth": 12, "mlp_ratio": 4.0, "act_layer": "gelu", "num_classes": 21843}
        config = TimmWrapperConfig(architecture=architecture, model_args=arguments)
        assert LrcnCaptioningConfig(backbone_config=config).backbone_config.model_args == arguments


@pytest.mark.parametrize("where", ["model", "backbone"])
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("attn_implementation", "evil/kernel"),
        ("_attn_implementation", "evil/kernel:run"),
        ("transformers_weights", "../model.safetensors"),
        ("transformers_weights", "/model.safetensors"),
        ("transformers_weights", "adapter_model.bin"),
        ("architectures", ["BertModel"]),
    ],
)
def test_values_that_would_make_transformers_read_elsewhere_or_run_code_are_refused(where, name, value, loaded):
    values = {name: value} if where == "model" else {"backbone_config": {**TINY_CAFFENET, name: value}}
    with pytest.raises(ValueError, match=f"{name.removeprefix('_')} is "):
        loaded(**values)


@pytest.mark.parametrize("kind", [CaffeNetConfig, GivenFeaturesConfig, LrcnCaptioningConfig])
def test_what_save_pretrained_writes_is_read_again(kind, tmp_path):
    config = kind(num_labels=3, attn_implementation="eager", architectures=["LrcnForImageCaptioning"])
    config.save_pretrained(tmp_path)
    assert kind.from_pretrained(tmp_path).num_labels == 3
    if kind is not GivenFeaturesConfig:
        assert type(AutoConfig.from_pretrained(tmp_path)) is kind


@pytest.mark.parametrize("value", [0, -1, 10**9, "227", float("nan"), 2.5])
@pytest.mark.parametrize("name", ["size", "crop_size"])
def test_a_picture_is_not_made_absurdly_large(name, value):
    with pytest.raises(ValueError, match=rf"{name}.height is .* at least 1 and at most 8192"):
        LrcnImageProcessor(**{name: {"height": value, "width": 227}})
