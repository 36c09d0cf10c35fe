"""Captioners through files and the Auto classes: bit for bit, safetensors only, in any precision."""

import hashlib

import pytest
import torch
from PIL import Image
from safetensors import safe_open
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModel,
    AutoModelForImageTextToText,
    AutoProcessor,
    AutoTokenizer,
    TimmWrapperConfig,
)

from lrcn_hub.data.text import build_word_tokenizer
from lrcn_hub.models import (
    CaffeNet,
    LrcnCaptioningConfig,
    LrcnCaptioningProcessor,
    LrcnForImageCaptioning,
    LrcnImageProcessor,
)

BACKBONES = {
    "caffenet": {},
    "resnet": {"backbone_config": TimmWrapperConfig(architecture="test_resnet", num_classes=0), "feature": "pooled",
               "feature_size": 96},
    "vit": {"backbone_config": TimmWrapperConfig(architecture="test_vit", num_classes=0,
                                                 model_args={"img_size": 64, "depth": 1}),
            "feature": "grid", "feature_size": 17 * 64, "cell": "rnn", "wiring": "4f"},
}  # fmt: skip


@pytest.fixture(params=BACKBONES)
def model(request, tiny_captioner):
    return tiny_captioner(**BACKBONES[request.param])


@pytest.fixture
def processor():
    side = {"height": 67, "width": 67}
    return LrcnCaptioningProcessor(
        LrcnImageProcessor(size=side, crop_size=side), build_word_tokenizer(list("bcdefgh"))
    )


def digests(model):
    values = model.state_dict().items()
    return {name: hashlib.sha256(value.contiguous().numpy().tobytes()).hexdigest() for name, value in values}


@pytest.mark.parametrize("auto", [AutoModel, AutoModelForImageTextToText, LrcnForImageCaptioning])
def test_a_captioner_comes_back_bit_for_bit(auto, model, tmp_path, logged):
    model.save_pretrained(tmp_path)
    assert {file.name for file in tmp_path.iterdir() if file.suffix != ".py"} == {
        "config.json",
        "generation_config.json",
        "model.safetensors",
    }
    again, report = auto.from_pretrained(tmp_path, output_loading_info=True)
    assert type(again) is LrcnForImageCaptioning and not again.training
    assert not any(report[kind] for kind in ("missing_keys", "unexpected_keys", "mismatched_keys"))
    assert digests(again) == digests(model)
    assert {name for name, p in again.named_parameters() if p.requires_grad} == set(dict(model.named_parameters()))
    assert again.generation_config.max_new_tokens == 50
    again.save_pretrained(tmp_path / "again")
    names = ("config.json", "generation_config.json", "model.safetensors")
    for first, second in ((tmp_path / name, tmp_path / "again" / name) for name in names):
        if first.suffix == ".safetensors":
            assert first.read_bytes() == second.read_bytes()
    assert logged == []


def test_a_reloaded_captioner_gives_the_same_words(model, tmp_path, pictures):
    model.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path)
    side = 64 if "timm" in model.config.backbone_config.model_type else 67
    images = pictures(3)[..., :side, :side]
    options = {"num_beams": 3, "num_return_sequences": 3, "max_new_tokens": 8}
    assert torch.equal(again.generate(images, **options), model.generate(images, **options))
    words = torch.randint(0, 9, (3, 5))
    torch.testing.assert_close(again(images, words).logits, model(images, words).logits)


def test_the_file_holds_every_tensor_under_the_models_names(model, tmp_path):
    model.save_pretrained(tmp_path)
    with safe_open(tmp_path / "model.safetensors", "pt") as file:
        assert set(file.keys()) == set(model.state_dict())
        assert all(torch.equal(file.get_tensor(name), value) for name, value in model.state_dict().items())


def test_a_wrong_file_is_not_loaded_silently(tiny_captioner, tmp_path):
    tiny_captioner().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"embedding.weight has the size \(9, 6\) .* says \(10, 6\)"):
        LrcnForImageCaptioning.from_pretrained(tmp_path, vocab_size=10)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
def test_a_captioner_loads_and_generates_in_half_precision(dtype, model, tmp_path, pictures):
    model.save_pretrained(tmp_path)
    half = AutoModelForImageTextToText.from_pretrained(tmp_path, dtype=dtype)
    assert {p.dtype for p in half.parameters()} == {dtype}
    side = 64 if "timm" in model.config.backbone_config.model_type else 67
    images = pictures(2)[..., :side, :side]  # single precision, as image processors give them
    assert half.generate(images, num_beams=3, max_new_tokens=4).shape[0] == 2
    half.save_pretrained(tmp_path / "half")
    again = AutoModelForImageTextToText.from_pretrained(tmp_path / "half")
    assert again.dtype == dtype
    same = zip(again.state_dict().values(), half.state_dict().values(), strict=True)
    assert all(torch.equal(one, other) for one, other in same)


def test_a_new_model_from_a_configuration_has_its_classes(tiny_captioner):
    config = tiny_captioner().config
    for auto in (AutoModel, AutoModelForImageTextToText):
        assert type(auto.from_config(config)) is LrcnForImageCaptioning


def test_caffenet_is_a_model_of_its_own(tiny_captioner, tmp_path):
    network = tiny_captioner().encoder.backbone
    network.save_pretrained(tmp_path)
    again = AutoModel.from_pretrained(tmp_path)
    assert type(again) is CaffeNet and digests(again) == digests(network)


def test_a_folder_of_model_and_processor_is_all_that_is_needed(tiny_captioner, processor, tmp_path, logged):
    model = tiny_captioner()
    model.save_pretrained(tmp_path)
    processor.save_pretrained(tmp_path)
    assert type(AutoConfig.from_pretrained(tmp_path)) is LrcnCaptioningConfig
    again = AutoProcessor.from_pretrained(tmp_path)
    assert type(again) is LrcnCaptioningProcessor
    assert type(again.image_processor) is LrcnImageProcessor
    assert type(AutoImageProcessor.from_pretrained(tmp_path)) is LrcnImageProcessor
    assert AutoImageProcessor.from_pretrained(tmp_path).to_dict() == processor.image_processor.to_dict()
    assert AutoTokenizer.from_pretrained(tmp_path).get_vocab() == processor.tokenizer.get_vocab()
    picture = Image.effect_noise((90, 70), 80).convert("RGB")
    ours, theirs = processor(picture, text="b d"), again(picture, text="b d")
    assert torch.equal(ours["pixel_values"], theirs["pixel_values"])
    assert ours["decoder_input_ids"].tolist() == theirs["decoder_input_ids"].tolist() == [[0, 2, 4]]
    words = AutoModel.from_pretrained(tmp_path).generate(**theirs, max_new_tokens=5)
    assert words[:, :3].tolist() == [[0, 2, 4]]
    assert again.batch_decode(words, skip_special_tokens=True)[0].startswith("b d")
    assert logged == []
