import pytest
import torch
from transformers import TimmWrapperConfig

from lrcn_hub.data.moving_shapes import load_captioning_tables
from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.demo.captioning import baselines
from lrcn_hub.demo.captioning.baselines import describe_pictures, nearest, picture_blind_caption
from lrcn_hub.models import (
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)

SIDE = 32


@pytest.fixture(scope="module")
def processor():
    size = {"height": SIDE, "width": SIDE}
    words = build_word_tokenizer(["a", "red", "blue", "circle", "star"])
    return LrcnCaptioningProcessor(LrcnImageProcessor(size=size, crop_size=size), words)


@pytest.fixture(scope="module")
def model(processor):
    torch.manual_seed(0)
    backbone = TimmWrapperConfig(architecture="test_resnet", num_classes=0)
    sizes = {"embedding_size": 12, "hidden_size": 12, "vocab_size": len(processor.tokenizer)}
    config = LrcnCaptioningConfig(backbone_config=backbone, feature="grid", feature_size=96, **sizes)
    return LrcnForImageCaptioning(config).eval()


def test_the_nearest_row_is_the_one_at_the_smallest_distance():
    torch.manual_seed(0)
    queries, gallery = torch.randn(7, 5), torch.randn(30, 5)
    slow = [min(range(30), key=lambda row: float(((one - gallery[row]) ** 2).sum())) for one in queries]
    assert nearest(queries, gallery) == slow
    assert nearest(gallery, gallery) == list(range(30))


def test_pictures_are_described_in_their_order_by_pixels_and_by_the_models_feature(model, processor, monkeypatch):
    monkeypatch.setattr(baselines, "BATCH", 2)  # several batches, the last one not full
    table = load_captioning_tables(train=1, validation=1, test=5)["test"]
    found = describe_pictures(model, processor, table)
    pixels = processor(images=table["image"][:])["pixel_values"]
    assert torch.equal(found["pixels"], pixels.flatten(1))
    with torch.no_grad():
        expected = model.encoder(pixels).last_hidden_state[:, 0]
    torch.testing.assert_close(found["feature"], expected, rtol=1e-4, atol=1e-5)
    assert found["feature"].shape == (5, 96)


def test_without_pictures_the_commonest_caption_is_the_likeliest(model, processor):
    captions = ["a blue star"] * 4 + ["a red circle"] + ["a red star"]
    found = picture_blind_caption(model.config, processor, captions, steps=80, learning_rate=2e-2)
    assert found == "a blue star"


def test_learning_the_language_leaves_the_random_state_of_the_rest_as_it_was(model, processor):
    state = torch.random.get_rng_state()
    picture_blind_caption(model.config, processor, ["a red circle"], steps=1)
    assert torch.equal(torch.random.get_rng_state(), state)
