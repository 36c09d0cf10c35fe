"""A captioner without a backbone: it takes features made elsewhere."""

import pytest
import torch
from transformers import AutoModel
from transformers.modeling_outputs import BaseModelOutput

from lrcn_hub.models import GivenFeaturesConfig, LrcnCaptioningConfig, LrcnForImageCaptioning


@pytest.fixture
def model():
    config = LrcnCaptioningConfig(
        backbone_config=GivenFeaturesConfig(), vocab_size=23, embedding_size=6, hidden_size=5, feature_size=4
    )
    return LrcnForImageCaptioning(config).eval()


def test_features_take_the_place_of_pixel_values(model):
    features = torch.randn(3, 4)
    encoded = BaseModelOutput(last_hidden_state=features[:, None])
    words = torch.tensor([[0, 3], [0, 5], [0, 7]])
    given = model(pixel_values=features, decoder_input_ids=words).logits
    assert torch.equal(given, model(encoder_outputs=encoded, decoder_input_ids=words).logits)
    assert torch.equal(
        model.generate(features, num_beams=3, max_new_tokens=5),
        model.generate(encoder_outputs=encoded, num_beams=3, max_new_tokens=5),
    )


def test_it_has_no_weights_for_pictures_and_is_the_same_after_reload(model, tmp_path):
    assert not list(model.encoder.parameters())
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path)
    assert again.config.backbone_config.model_type == "lrcn_given_features"
    features = torch.randn(2, 4)
    assert torch.equal(model.generate(features, max_new_tokens=5), again.generate(features, max_new_tokens=5))


def test_half_precision_features_suit_a_half_precision_model(model):
    words = model.to(torch.bfloat16).generate(torch.randn(2, 4, dtype=torch.bfloat16), max_new_tokens=3)
    assert words.shape[0] == 2


def test_pictures_and_features_of_another_size_are_refused(model):
    with pytest.raises(ValueError, match=r"no network that looks at pictures: give features .* \(1, 3, 8, 8\)"):
        model.generate(torch.zeros(1, 3, 8, 8))
    with pytest.raises(ValueError, match="feature_size=4"):
        model.generate(torch.zeros(1, 5))
