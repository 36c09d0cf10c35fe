"""Captioners of a few units whose next word depends on picture, words and state, and what a plain pass says."""

import pytest
import torch
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNetConfig,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)

WORDS = ["a", "red", "green", "blue", "square", "circle", "and"]
SIDE = {"height": 67, "width": 67}


def scaled(model):
    """Weights so large that a lost state or picture is seen in the scores."""
    random = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for name, weights in model.named_parameters():
            if not name.startswith("encoder."):
                weights.uniform_(-1.5, 1.5, generator=random)
            elif weights.dim() > 1:
                weights.normal_(std=(2 / weights[0].numel()) ** 0.5, generator=random)
    return model.eval()


@pytest.fixture
def captioner():
    """Build a captioner of given features."""

    def build(**options):
        sizes = {"feature_size": 5, "vocab_size": 9, "embedding_size": 6, "hidden_size": 7}
        config = LrcnCaptioningConfig(backbone_config={"model_type": "lrcn_given_features"}, **sizes | options)
        return scaled(LrcnForImageCaptioning(config))

    return build


@pytest.fixture
def plain():
    """Score pair by pair, each by a forward pass of its own."""

    def score(model, features, captions):
        with torch.no_grad():
            return torch.tensor([[one(model, feature, caption) for caption in captions] for feature in features])

    def one(model, feature, caption):
        words = torch.tensor([[model.config.decoder_start_token_id, *caption[:-1]]])
        encoded = BaseModelOutput(last_hidden_state=feature[None, None])
        logits = model(encoder_outputs=encoded, decoder_input_ids=words).logits
        return float(logits.log_softmax(-1)[0, range(len(caption)), caption].sum())

    return score


@pytest.fixture(scope="session")
def seeing():
    """A captioner with a small network for pictures, and its processor."""
    backbone = CaffeNetConfig(channels=(4, 4, 4, 4, 4), fc_sizes=(16, 16, 8), image_size=67)
    sizes = {"feature_size": 8, "hidden_size": 7, "embedding_size": 6, "vocab_size": len(WORDS) + 2}
    model = scaled(LrcnForImageCaptioning(LrcnCaptioningConfig(backbone_config=backbone, **sizes)))
    image_processor = LrcnImageProcessor(size=SIDE, crop_size=SIDE, image_std=(60.0,) * 3)
    return model, LrcnCaptioningProcessor(image_processor, build_word_tokenizer(WORDS))
