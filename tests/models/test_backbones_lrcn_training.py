"""Which part of a backbone is trained, and what training leaves alone."""

import copy

import pytest
import torch
from transformers import TimmWrapperConfig

from lrcn_hub.models import CaffeNetConfig
from lrcn_hub.models.backbones_lrcn import (
    TimmBackbone,
    measure_feature_size,
)

TINY = CaffeNetConfig(channels=[4] * 5, fc_sizes=[8, 8, 5], image_size=67)


def timm_config(name, **arguments):
    return TimmWrapperConfig(architecture=name, num_classes=0, model_args=arguments or None)


PARTS = [
    (TINY, "fc8", {"fc8.weight", "fc8.bias"}),
    (TINY, "fc7", {"fc7.weight", "fc7.bias"}),
    (timm_config("test_vit"), "pooled", {f"timm_model.blocks.5.mlp.fc2.{kind}" for kind in ("weight", "bias")}),
    (timm_config("resnet18"), "pooled", {"timm_model.layer4.1.conv2.weight"}),
]


@pytest.mark.parametrize(("config", "feature", "last"), PARTS, ids=["fc8", "fc7", "vit", "resnet"])
def test_the_backbone_is_frozen_trained_at_its_end_or_as_a_whole(config, feature, last, captioner):
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


def train_a_little(model, side):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=10.0)
    for _ in range(2):
        optimizer.zero_grad()
        model(torch.randn(4, 3, side, side), labels=torch.randint(0, 9, (4, 3))).loss.backward()
        optimizer.step()


@pytest.mark.parametrize("part", ["frozen", "last-layer", "whole"])
def test_training_changes_what_it_may_and_normalisation_statistics_only_as_a_whole(part, captioner):
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


def test_a_frozen_caffenet_keeps_its_dropout_in_training(captioner):
    """The authors' networks drop out behind fc6 and fc7 in training, frozen or not."""
    model = captioner(CaffeNetConfig(channels=[4] * 5, fc_sizes=[64, 64, 5], image_size=67), "fc8", feature_size=5)
    model.encoder.train_backbone("frozen")
    picture = torch.randn(1, 3, 67, 67)
    model.train()
    assert not torch.equal(model.encoder(picture)[0], model.encoder(picture)[0])
    model.eval()
    torch.testing.assert_close(model.encoder(picture)[0], model.encoder(picture)[0])


def test_a_frozen_backbone_keeps_no_graph(captioner):
    model = captioner(TINY, "fc8", feature_size=5).train()
    model.encoder.train_backbone("frozen")
    assert not model.encoder(torch.randn(1, 3, 67, 67))[0].requires_grad


def test_measuring_a_feature_leaves_the_network_in_its_mode(digest):
    for training in (True, False):
        backbone = TimmBackbone(timm_config("test_resnet")).train(training)
        before = digest(backbone)
        assert measure_feature_size(backbone, 64) == 96
        assert backbone.timm_model.bn1.training == training and digest(backbone) == before
