"""CaffeNet's layers and shapes."""

import copy

import pytest
import torch
import torch.nn.functional as F

from lrcn_hub.models import CaffeNet, CaffeNetConfig
from lrcn_hub.models.backbones_lrcn import (
    CaffeNorm,
    build_backbone,
    load_backbone_weights,
)

TINY = CaffeNetConfig(channels=[4] * 5, fc_sizes=[8, 8, 5], image_size=67)


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


@pytest.mark.parametrize("feature", ["pooled", "grid"])
def test_caffenet_says_what_it_gives(feature):
    with pytest.raises(ValueError, match=rf"no feature '{feature}'; it gives fc6, fc7, fc8"):
        build_backbone(TINY, feature)


def test_caffenet_has_no_pretrained_weights_to_fetch():
    with pytest.raises(ValueError, match="give a file of them"):
        build_backbone(TINY, "fc8", pretrained=True)
