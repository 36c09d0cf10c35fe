"""Weights of backbones that nobody re-initialises, under whatever names they come."""

import pytest
import timm
import torch
from transformers import TimmWrapperConfig

from lrcn_hub.models import CaffeNet, CaffeNetConfig, LrcnForImageCaptioning
from lrcn_hub.models.backbones_lrcn import (
    build_backbone,
    load_backbone_weights,
)

TINY = CaffeNetConfig(channels=[4] * 5, fc_sizes=[8, 8, 5], image_size=67)


def timm_config(name, **arguments):
    return TimmWrapperConfig(architecture=name, num_classes=0, model_args=arguments or None)


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
def test_loaded_weights_survive_construction_saving_and_loading(name, feature, tmp_path, captioner, digest):
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


def test_a_trained_caffenet_survives_construction(captioner, digest):
    backbone = CaffeNet(TINY)
    with torch.no_grad():
        for weights in backbone.parameters():
            weights.copy_(torch.rand_like(weights))
    before = digest(backbone)
    model = captioner(TINY, "fc8", backbone, feature_size=5)
    model.post_init()
    assert digest(model.encoder.backbone) == before and model.encoder.backbone is backbone


def test_timms_published_weights_survive_construction(monkeypatch, captioner):
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
def test_a_new_network_has_timms_own_initialisation(name, captioner):
    torch.manual_seed(0)
    ours = captioner(timm_config(name), "pooled", feature_size=3).encoder.backbone.timm_model
    torch.manual_seed(0)
    plain = timm.create_model(name, num_classes=0)
    for (key, weights), (_, own) in zip(plain.named_parameters(), ours.named_parameters(), strict=True):
        assert own.mean().item() == pytest.approx(weights.mean().item(), abs=0.02), key
        if weights.numel() > 500:
            assert own.std().item() == pytest.approx(weights.std().item(), rel=0.15), key


def test_a_network_is_reloaded_with_what_timm_computes_and_does_not_save(tmp_path, captioner):
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


def test_weights_of_another_network_are_refused_and_change_nothing(digest):
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
