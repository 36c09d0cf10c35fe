"""timm's networks as features."""

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.models import vgg
from transformers import TimmWrapperConfig

from lrcn_hub.models import LrcnForImageCaptioning
from lrcn_hub.models.backbones_lrcn import (
    build_backbone,
    load_backbone_weights,
    measure_feature_size,
)


def timm_config(name, **arguments):
    return TimmWrapperConfig(architecture=name, num_classes=0, model_args=arguments or None)


@pytest.fixture
def narrow_vgg(monkeypatch):
    """timm's vgg11 with a handful of channels; its fully connected part is that of a narrow one, too."""
    monkeypatch.setitem(vgg.cfgs, "vgg11", [4, "M", 4, "M", 4, 4, "M", 6, 6, "M", 8, 8, "M"])
    return timm_config("vgg11", mlp_ratio=0.01)


@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet", "test_convnext"])
def test_timms_networks_give_their_pooled_vector_or_their_last_map(name):
    picture = torch.randn(2, 3, 160, 160)
    backbones = {feature: build_backbone(timm_config(name), feature).eval() for feature in ("pooled", "grid")}
    plain = timm.create_model(name, num_classes=0).eval()
    plain.load_state_dict(backbones["pooled"].timm_model.state_dict())
    load_backbone_weights(backbones["grid"], plain.state_dict())
    torch.testing.assert_close(backbones["pooled"](picture), plain(picture), atol=1e-5, rtol=1e-3)
    maps = plain.forward_features(picture)
    grid = backbones["grid"](picture)
    torch.testing.assert_close(grid, maps.reshape(2, -1), atol=1e-5, rtol=1e-3)
    assert grid.shape[1] == measure_feature_size(backbones["grid"], 160) > backbones["pooled"](picture).shape[1]


@pytest.mark.parametrize("side", [64, 224, 256])
def test_vggs_features_are_timms_own_layers(side, narrow_vgg):
    whole = timm.create_model("vgg11", mlp_ratio=0.01).eval()
    picture = torch.randn(2, 3, side, side)
    maps = whole.features(picture)
    if side < 224:  # timm spreads a small map over the 7 x 7 that fc6 wants
        maps = F.adaptive_avg_pool2d(maps, (7, 7))
    fc6 = F.relu(whole.pre_logits.fc1(maps))
    fc7 = F.relu(whole.pre_logits.fc2(fc6))
    expected = {
        "fc6": fc6.mean((2, 3)),
        "fc7": fc7.mean((2, 3)),
        "pooled": fc7.mean((2, 3)),
        "fc8": whole.head.fc(fc7.mean((2, 3))),
        "grid": whole.features(picture).flatten(1),
    }
    for feature, values in expected.items():
        network = build_backbone(narrow_vgg, feature).eval()
        load_backbone_weights(network, whole.state_dict())
        torch.testing.assert_close(network(picture), values)
    assert expected["fc8"].shape == (2, 1000)
    assert (expected["fc8"] < 0).any() and (expected["fc7"] >= 0).all()


@pytest.mark.parametrize("feature", ["fc6", "fc7", "fc8", "pooled", "grid"])
def test_vgg_has_no_layers_above_its_feature(feature, narrow_vgg, tmp_path, captioner, digest):
    model = captioner(narrow_vgg, feature).train()
    model(torch.randn(2, 3, 64, 64), labels=torch.randint(0, 9, (2, 6))).loss.backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    model.save_pretrained(tmp_path)
    assert digest(LrcnForImageCaptioning.from_pretrained(tmp_path)) == digest(model)


def test_vggs_dropout_acts_once_behind_fc6(narrow_vgg):
    config = timm_config("vgg11", mlp_ratio=0.01, drop_rate=0.5)
    network = build_backbone(config, "fc6").train()
    with torch.no_grad():
        network.timm_model.pre_logits.fc1.weight.zero_()
        network.timm_model.pre_logits.fc1.bias.fill_(1.0)
    values = network(torch.randn(50, 3, 32, 32))
    assert set(values.unique().tolist()) == {0.0, 2.0}
    assert 0.4 < (values == 0).float().mean() < 0.6


def test_an_unknown_network_is_named():
    with pytest.raises(ImportError, match=r"'resnet1800' is not supported"):
        build_backbone(timm_config("resnet1800"), "pooled")


@pytest.mark.parametrize("feature", ["fc6", "fc7", "fc8"])
def test_a_network_without_fully_connected_layers_says_what_it_gives(feature):
    with pytest.raises(ValueError, match=rf"test_resnet has no feature '{feature}'; it gives pooled or grid"):
        build_backbone(timm_config("test_resnet"), feature)


def test_a_wrong_feature_size_is_refused_with_the_right_one(captioner):
    model = captioner(timm_config("test_resnet"), "grid", feature_size=64)
    with pytest.raises(ValueError, match=r"gives 384 values of 'grid' for pictures of size \(64, 64\)"):
        model(torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, dtype=torch.long))


@pytest.mark.parametrize(
    ("feature", "last"), [("fc6", "pre_logits.fc1"), ("fc7", "pre_logits.fc2"), ("fc8", "head.fc")]
)
def test_vggs_last_layer_is_that_of_the_feature(feature, last, narrow_vgg, captioner):
    encoder = captioner(narrow_vgg, feature).encoder
    assert encoder.last_layer() is encoder.backbone.timm_model.get_submodule(last)
