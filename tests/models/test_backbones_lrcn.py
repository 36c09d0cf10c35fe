"""CaffeNet's layers and shapes, timm's networks as features, and weights that nobody re-initialises."""

import copy
import hashlib

import pytest
import timm
import torch
import torch.nn.functional as F
from timm.models import vgg
from transformers import TimmWrapperConfig

from lrcn_hub.models import CaffeNet, CaffeNetConfig, LrcnCaptioningConfig, LrcnForImageCaptioning
from lrcn_hub.models.backbones_lrcn import (
    CaffeNorm,
    TimmBackbone,
    build_backbone,
    load_backbone_weights,
    measure_feature_size,
)

TINY = CaffeNetConfig(channels=[4] * 5, fc_sizes=[8, 8, 5], image_size=67)


def timm_config(name, **arguments):
    return TimmWrapperConfig(architecture=name, num_classes=0, model_args=arguments or None)


def digest(module):
    """A hash over names and bits of all parameters and buffers."""
    seen = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        seen.update(name.encode() + value.contiguous().view(torch.uint8).numpy().tobytes() if value.dim() else b"")
        seen.update(str(value.item()).encode() if not value.dim() else b"")
    return seen.hexdigest()


@pytest.fixture
def narrow_vgg(monkeypatch):
    """timm's vgg11 with a handful of channels; its fully connected part is that of a narrow one, too."""
    monkeypatch.setitem(vgg.cfgs, "vgg11", [4, "M", 4, "M", 4, 4, "M", 6, 6, "M", 8, 8, "M"])
    return timm_config("vgg11", mlp_ratio=0.01)


def captioner(backbone_config, feature, backbone=None, **options):
    size = options.pop("feature_size", None)
    if size is None:
        size = measure_feature_size(backbone or build_backbone(backbone_config, feature), 64)
    config = LrcnCaptioningConfig(
        backbone_config=backbone_config,
        feature=feature,
        feature_size=size,
        vocab_size=9,
        embedding_size=4,
        hidden_size=5,
        **options,
    )
    return LrcnForImageCaptioning(config, backbone)


# CaffeNet


def test_the_released_caffenet_has_its_layers_and_parameters():
    with torch.device("meta"):
        network = CaffeNet(CaffeNetConfig())
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")}
    assert shapes == {
        "conv1.weight": (96, 3, 11, 11),
        "conv2.weight": (256, 48, 5, 5),
        "conv3.weight": (384, 256, 3, 3),
        "conv4.weight": (384, 192, 3, 3),
        "conv5.weight": (256, 192, 3, 3),
        "fc6.weight": (4096, 9216),
        "fc7.weight": (4096, 4096),
        "fc8.weight": (1000, 4096),
    }
    assert sum(p.numel() for p in network.parameters()) == 60_965_224


def test_pooling_rounds_up_and_comes_before_normalisation():
    network = CaffeNet(CaffeNetConfig(channels=[2] * 5, fc_sizes=[2, 2, 2])).eval()
    seen = []
    for name in ("conv1", "pool", "norm", "conv2", "conv3", "conv4", "conv5", "fc6"):
        layer = getattr(network, name)
        layer.register_forward_hook(lambda m, i, output, name=name: seen.append((name, tuple(output.shape[2:]))))
    network(torch.randn(1, 3, 227, 227))
    sides = [("conv1", 55), ("pool", 27), ("norm", 27), ("conv2", 27), ("pool", 13), ("norm", 13)]
    sides += [("conv3", 13), ("conv4", 13), ("conv5", 13), ("pool", 6)]
    assert seen == [*((name, (side, side)) for name, side in sides), ("fc6", ())]


@pytest.mark.parametrize("side", [63, 64, 67, 70, 96, 131, 200, 224, 227])
def test_fc6_fits_pictures_of_any_size(side):
    network = CaffeNet(CaffeNetConfig(channels=[2] * 5, fc_sizes=[3, 3, 3], image_size=side))
    assert network(torch.zeros(1, 3, side, side)).shape == (1, 3)


def test_caffenets_features_are_one_network_cut_at_three_places():
    whole = CaffeNet(TINY, "fc8").eval()
    picture = torch.randn(2, 3, 67, 67)
    found = {}
    for feature in ("fc6", "fc7", "fc8"):
        network = build_backbone(TINY, feature).eval()
        load_backbone_weights(network, whole.state_dict())
        found[feature] = network(picture)
        last = ("fc6", "fc7", "fc8").index(feature) + 1
        assert [name for name, _ in network.named_children() if name.startswith("fc")] == ["fc6", "fc7", "fc8"][:last]
    torch.testing.assert_close(found["fc7"], F.relu(whole.fc7(found["fc6"])))
    torch.testing.assert_close(found["fc8"], whole.fc8(found["fc7"]))
    assert (found["fc6"] >= 0).all() and (found["fc7"] >= 0).all() and (found["fc8"] < 0).any()


def test_new_caffenets_have_caffes_fillers():
    torch.manual_seed(0)
    network = CaffeNet(CaffeNetConfig(channels=[16] * 5, fc_sizes=[64, 64, 64]))
    for name, layer in network.named_children():
        if hasattr(layer, "weight"):
            std = 0.005 if name in ("fc6", "fc7") else 0.01
            assert layer.weight.std().item() == pytest.approx(std, rel=0.1), name
            one = name in ("conv2", "conv4", "conv5", "fc6", "fc7")
            assert (layer.bias == (1.0 if one else 0.0)).all(), name


def test_the_hybrid_has_the_authors_layers_up_to_fc6():
    with torch.device("meta"):
        network = CaffeNet(CaffeNetConfig.hybrid(), "fc6")
    shapes = {name: tuple(p.shape) for name, p in network.named_parameters() if name.endswith("weight")}
    assert shapes == {
        "conv1.weight": (96, 3, 7, 7),
        "conv2.weight": (384, 48, 5, 5),
        "conv3.weight": (512, 384, 3, 3),
        "conv4.weight": (512, 256, 3, 3),
        "conv5.weight": (384, 256, 3, 3),
        "fc6.weight": (4096, 13824),
    }
    assert network.config.map_sides == [111, 55, 26, 13, 13, 13, 13, 6]
    assert CaffeNetConfig().map_sides == [55, 27, 27, 13, 13, 13, 13, 6]
    assert CaffeNetConfig.hybrid().count_parameters("fc6") == sum(p.numel() for p in network.parameters())


@pytest.mark.parametrize(("sizes", "known"), [([8], "fc6"), ([8, 7], "fc6, fc7")])
def test_a_network_may_end_at_fc6_or_fc7(sizes, known):
    config = CaffeNetConfig(channels=[4] * 5, fc_sizes=sizes, image_size=67)
    assert CaffeNet(config, known[-3:])(torch.zeros(1, 3, 67, 67)).shape == (1, sizes[-1])
    with pytest.raises(ValueError, match=f"no feature 'fc8'; it gives {known}$"):
        CaffeNet(config, "fc8")


def test_pictures_too_small_for_the_layers_are_refused():
    assert (
        CaffeNet(CaffeNetConfig(channels=[2] * 5, fc_sizes=[2], image_size=39), "fc6")(torch.ones(1, 3, 39, 39))
        .isfinite()
        .all()
    )
    for config in (CaffeNetConfig, CaffeNetConfig.hybrid):
        with pytest.raises(ValueError, match="image_size is 8; of so few pixels"):
            config(image_size=8)


@pytest.mark.parametrize("name", ["kernel_sizes", "strides", "paddings", "groups"])
def test_a_layers_sizes_are_whole_numbers_for_each_of_five_layers(name):
    for wrong in ([1] * 4, [1, 1, 1, 1, -1], [1, 1, 1, 1, 1.5], 3):
        with pytest.raises(ValueError, match=name):
            CaffeNetConfig(**{name: wrong})


def test_the_normalisation_and_its_gradient_are_torchs():
    x = 30 * torch.randn(2, 9, 5, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    one, other = CaffeNorm()(ours), F.local_response_norm(theirs, 5, alpha=1e-4, beta=0.75, k=1.0)
    torch.testing.assert_close(one, other)
    weights = torch.randn_like(x)
    (one * weights).sum().backward()
    (other * weights).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_caffenet_runs_in_half_precision(dtype):
    network = CaffeNet(TINY).eval()
    picture = 50 * torch.randn(1, 3, 67, 67)
    half = copy.deepcopy(network).to(dtype)(picture.to(dtype))
    assert half.dtype == dtype
    torch.testing.assert_close(half.float(), network(picture), rtol=0.05, atol=0.05)


# timm


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
def test_vgg_has_no_layers_above_its_feature(feature, narrow_vgg, tmp_path):
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


@pytest.mark.parametrize("feature", ["pooled", "grid"])
def test_caffenet_says_what_it_gives(feature):
    with pytest.raises(ValueError, match=rf"no feature '{feature}'; it gives fc6, fc7, fc8"):
        build_backbone(TINY, feature)


def test_caffenet_has_no_pretrained_weights_to_fetch():
    with pytest.raises(ValueError, match="give a file of them"):
        build_backbone(TINY, "fc8", pretrained=True)


def test_a_wrong_feature_size_is_refused_with_the_right_one():
    model = captioner(timm_config("test_resnet"), "grid", feature_size=64)
    with pytest.raises(ValueError, match=r"gives 384 values of 'grid' for pictures of size \(64, 64\)"):
        model(torch.zeros(1, 3, 64, 64), torch.zeros(1, 1, dtype=torch.long))


# Weights


def pretrained(name):
    """A network whose weights and statistics are not those of any initialisation."""
    network = timm.create_model(name)
    with torch.no_grad():
        for value in network.state_dict().values():
            if value.is_floating_point():
                value.copy_(torch.rand_like(value) + 0.5)
    return network


@pytest.mark.parametrize("feature", ["pooled", "grid"])
@pytest.mark.parametrize("name", ["test_resnet", "test_vit", "test_efficientnet"])
def test_loaded_weights_survive_construction_saving_and_loading(name, feature, tmp_path):
    given = pretrained(name).state_dict()
    backbone = build_backbone(timm_config(name), feature)
    load_backbone_weights(backbone, given)
    before = digest(backbone)
    for key, value in backbone.timm_model.state_dict().items():
        assert torch.equal(value, given[key]), key
    model = captioner(timm_config(name), feature, backbone, feature_size=3)
    assert digest(model.encoder.backbone) == before
    model.post_init()
    model.init_weights()
    assert digest(model.encoder.backbone) == before
    model.save_pretrained(tmp_path)
    again = LrcnForImageCaptioning.from_pretrained(tmp_path)
    assert digest(again.encoder.backbone) == before
    assert digest(again) == digest(model)


def test_a_trained_caffenet_survives_construction():
    backbone = CaffeNet(TINY)
    with torch.no_grad():
        for weights in backbone.parameters():
            weights.copy_(torch.rand_like(weights))
    before = digest(backbone)
    model = captioner(TINY, "fc8", backbone, feature_size=5)
    model.post_init()
    assert digest(model.encoder.backbone) == before and model.encoder.backbone is backbone


def test_timms_published_weights_survive_construction(monkeypatch):
    """`pretrained` goes to timm, which loads its weights; here from a stand-in for its cache."""
    published = pretrained("test_resnet").state_dict()
    stock = timm.create_model

    def create_model(*names, pretrained=False, **options):
        network = stock(*names, **options)
        if pretrained:
            network.load_state_dict({k: v for k, v in published.items() if k in network.state_dict()})
        return network

    monkeypatch.setattr(timm, "create_model", create_model)
    backbone = build_backbone(timm_config("test_resnet"), "pooled", pretrained=True)
    model = captioner(timm_config("test_resnet"), "pooled", backbone)
    for key, value in model.encoder.backbone.timm_model.state_dict().items():
        assert torch.equal(value, published[key]), key


@pytest.mark.parametrize("name", ["test_resnet", "test_vit"])
def test_a_new_network_has_timms_own_initialisation(name):
    torch.manual_seed(0)
    ours = captioner(timm_config(name), "pooled", feature_size=3).encoder.backbone.timm_model
    torch.manual_seed(0)
    plain = timm.create_model(name, num_classes=0)
    for (key, weights), (_, own) in zip(plain.named_parameters(), ours.named_parameters(), strict=True):
        assert own.mean().item() == pytest.approx(weights.mean().item(), abs=0.02), key
        if weights.numel() > 500:
            assert own.std().item() == pytest.approx(weights.std().item(), rel=0.15), key


def test_a_network_is_reloaded_with_what_timm_computes_and_does_not_save(tmp_path):
    """Swin's index tables are buffers that no file holds."""
    config = timm_config("swin_tiny_patch4_window7_224", img_size=64, embed_dim=8, depths=[1, 2], num_heads=[1, 2],
                         window_size=4)  # fmt: skip
    model = captioner(config, "grid").eval()
    model.save_pretrained(tmp_path)
    again = LrcnForImageCaptioning.from_pretrained(tmp_path)
    picture, words = torch.randn(1, 3, 64, 64), torch.zeros(1, 2, dtype=torch.long)
    torch.testing.assert_close(again(picture, words).logits, model(picture, words).logits)


@pytest.mark.parametrize("prefix", ["", "timm_model.", "model.", "encoder.backbone.timm_model.", "encoder.backbone."])
def test_weights_are_found_under_the_prefixes_of_other_savers(prefix):
    given = pretrained("test_resnet").state_dict()
    backbone = build_backbone(timm_config("test_resnet"), "pooled")
    load_backbone_weights(backbone, {prefix + name: value for name, value in given.items()})
    for key, value in backbone.timm_model.state_dict().items():
        assert torch.equal(value, given[key]), key


def test_weights_of_another_network_are_refused_and_change_nothing():
    backbone = build_backbone(timm_config("test_resnet"), "pooled")
    before = digest(backbone)
    good = pretrained("test_resnet").state_dict()
    first = next(iter(good))
    missing = {name: value for name, value in good.items() if name != first}
    with pytest.raises(ValueError, match=rf"1 tensors are missing \(the first is timm_model.{first}\)"):
        load_backbone_weights(backbone, missing)
    with pytest.raises(ValueError, match=rf"1 have another shape \(the first is timm_model.{first}\)"):
        load_backbone_weights(backbone, {**good, first: torch.zeros(2, 3)})
    with pytest.raises(ValueError, match="do not fit TimmBackbone"):
        load_backbone_weights(backbone, CaffeNet(TINY).state_dict())
    assert digest(backbone) == before


# Which part is trained

PARTS = [
    (TINY, "fc8", {"fc8.weight", "fc8.bias"}),
    (TINY, "fc7", {"fc7.weight", "fc7.bias"}),
    (timm_config("test_vit"), "pooled", {f"timm_model.blocks.5.mlp.fc2.{kind}" for kind in ("weight", "bias")}),
    (timm_config("resnet18"), "pooled", {"timm_model.layer4.1.conv2.weight"}),
]


@pytest.mark.parametrize(("config", "feature", "last"), PARTS, ids=["fc8", "fc7", "vit", "resnet"])
def test_the_backbone_is_frozen_trained_at_its_end_or_as_a_whole(config, feature, last):
    with torch.device("meta"):
        model = captioner(config, feature, feature_size=3)
    backbone = model.encoder.backbone
    every = {name for name, _ in backbone.named_parameters()}
    for part, expected in (("frozen", set()), ("last-layer", last), ("whole", every), ("frozen", set())):
        model.encoder.train_backbone(part)
        assert {name for name, p in backbone.named_parameters() if p.requires_grad} == expected
        assert all(p.requires_grad for name, p in model.named_parameters() if not name.startswith("encoder."))
    with pytest.raises(ValueError, match=r"'half'.*frozen, last-layer, whole"):
        model.encoder.train_backbone("half")


@pytest.mark.parametrize(
    ("feature", "last"), [("fc6", "pre_logits.fc1"), ("fc7", "pre_logits.fc2"), ("fc8", "head.fc")]
)
def test_vggs_last_layer_is_that_of_the_feature(feature, last, narrow_vgg):
    encoder = captioner(narrow_vgg, feature).encoder
    assert encoder.last_layer() is encoder.backbone.timm_model.get_submodule(last)


def train_a_little(model, side):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=10.0)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(4, 3, side, side), labels=torch.randint(0, 9, (4, 3))).loss.backward()
        optimizer.step()


@pytest.mark.parametrize("part", ["frozen", "last-layer", "whole"])
def test_training_changes_what_it_may_and_normalisation_statistics_only_as_a_whole(part):
    model = captioner(timm_config("test_resnet", zero_init_last=False), "pooled")
    model.train()
    model.encoder.train_backbone(part)
    for _ in range(2):
        model.train()  # as trainers do, at every step
        before = copy.deepcopy(model.encoder.backbone.state_dict())
        train_a_little(model, 64)
    changed = {n for n, value in model.encoder.backbone.state_dict().items() if not torch.equal(value, before[n])}
    statistics = {name for name in before if "running" in name or "num_batches" in name}
    trained = {name for name, p in model.encoder.backbone.named_parameters() if p.requires_grad}
    assert changed == trained | (statistics if part == "whole" else set())
    assert model.encoder.backbone.timm_model.bn1.training == (part == "whole")
    assert not model.eval().encoder.backbone.timm_model.bn1.training


def test_a_frozen_caffenet_keeps_its_dropout_in_training():
    """The authors' networks drop out behind fc6 and fc7 in training, frozen or not."""
    model = captioner(CaffeNetConfig(channels=[4] * 5, fc_sizes=[64, 64, 5], image_size=67), "fc8", feature_size=5)
    model.encoder.train_backbone("frozen")
    picture = torch.randn(1, 3, 67, 67)
    model.train()
    assert not torch.equal(model.encoder(picture)[0], model.encoder(picture)[0])
    model.eval()
    torch.testing.assert_close(model.encoder(picture)[0], model.encoder(picture)[0])


def test_a_frozen_backbone_keeps_no_graph():
    model = captioner(TINY, "fc8", feature_size=5).train()
    model.encoder.train_backbone("frozen")
    assert not model.encoder(torch.randn(1, 3, 67, 67))[0].requires_grad


def test_measuring_a_feature_leaves_the_network_in_its_mode():
    for training in (True, False):
        backbone = TimmBackbone(timm_config("test_resnet")).train(training)
        before = digest(backbone)
        assert measure_feature_size(backbone, 64) == 96
        assert backbone.timm_model.bn1.training == training and digest(backbone) == before
