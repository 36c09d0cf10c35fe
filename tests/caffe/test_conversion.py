"""Converted folders against ground truth, through the Auto classes and generate; and what leaves no folder behind."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from transformers import AutoImageProcessor, AutoModel, AutoModelForImageTextToText, AutoProcessor, pipeline
from transformers.utils import logging

import lrcn_hub
from lrcn_hub.caffe import CaffeFileError, convert

logging.disable_progress_bar()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "model"


@pytest.fixture
def converted(out):
    def run(*weights, **options):
        convert(weights, out, **options)
        return AutoModel.from_pretrained(out)

    return run


def close(ours, wanted):
    """Within 1e-5 of the array's maximum."""
    wanted = np.asarray(wanted)
    assert ours.shape == wanted.shape
    return np.abs(ours.detach().numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()


# Ground truth


@pytest.mark.parametrize("wiring", ["1u", "2f"])
@pytest.mark.parametrize("with_prototxt", [False, True])
def test_a_captioner_gives_caffes_scores(wiring, with_prototxt, files, golden, converted):
    prototxt = files / f"caption_{wiring}.prototxt" if with_prototxt else None
    model, values = converted(files / f"caption_{wiring}.caffemodel", prototxt=prototxt), golden(f"caption_{wiring}")
    assert model.config.wiring == wiring
    words = torch.from_numpy(values["in/input_sentence"]).long().T
    features = torch.from_numpy(values["in/image_features"])
    continues = torch.from_numpy(values["in/cont_sentence"]).T
    hidden, _ = model.decoder(model.embedding(words), features, continues=continues)
    assert close(model.predict(hidden).transpose(0, 1), values["out/predict"])
    first = 1 + int(np.flatnonzero((values["in/cont_sentence"][1:] == 0).any(axis=1))[0])  # before any restart
    logits = model(pixel_values=features, decoder_input_ids=words[:, :first]).logits
    assert close(logits.transpose(0, 1), values["out/predict"][:first])


def test_beam_search_finds_the_sequences_of_ground_truth(files, golden, converted, request):
    beams = json.loads((request.config.rootpath / "tests/goldens/decode_beams.json").read_text())
    model, values = converted(files / "decode.caffemodel"), golden("decode")
    for case in beams["results"]:
        width = case["beam_width"]
        found = model.generate(
            pixel_values=torch.from_numpy(values["image_features"][case["image"]][None]),
            num_beams=width,
            num_return_sequences=width,
            max_new_tokens=beams["max_length"],
        )
        rows = [row[: row.index(0) + 1] if 0 in row else row for row in found[:, 1:].tolist()]
        assert rows == case["sequences"]


@pytest.mark.parametrize("name", ["caffenet_narrow", "caffenet_narrow_v1"])
@pytest.mark.parametrize("with_prototxt", [False, True])
def test_caffenet_gives_caffes_values_at_every_layer(name, with_prototxt, files, golden, converted):
    prototxt = files / f"{name}.prototxt" if with_prototxt else None
    model, values = converted(files / f"{name}.caffemodel", prototxt=prototxt), golden("caffenet_narrow")
    assert model.config.channels == [12, 32, 48, 48, 32]
    made = {}
    for layer, module in model.named_children():
        module.register_forward_hook(lambda _, __, output, layer=layer: made.__setitem__(layer, output))
    fc8 = model(torch.from_numpy(values["in/data"]))
    assert close(fc8, values["out/fc8"])
    for layer in ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7"):
        assert close(made[layer], values[f"out/{layer}_pre_relu"])


def test_every_weight_of_a_file_of_caffes_is_kept_bit_for_bit(files, golden, converted):
    weights = converted(files / "caffenet_narrow_v1.caffemodel").state_dict()
    blobs = {key[6:]: value for key, value in golden("caffenet_narrow").items() if key.startswith("param/")}
    assert len(blobs) == len(weights)
    for key, blob in blobs.items():
        layer, index = key.split("/")
        assert np.array_equal(weights[f"{layer}.{'weight' if index == '0' else 'bias'}"].numpy(), blob)


# Forms that no file of Caffe's is here for, against Caffe's equations in double precision


@pytest.mark.parametrize(("layers", "visual"), [(1, 1), (2, 1), (2, 2), (4, 2), (3, 3)])
@pytest.mark.parametrize("form", ["v2", "v1 legacy", "v2 legacy", "v2 double unpacked"])
def test_any_wiring_in_any_form_follows_caffes_equations(layers, visual, form, proto, nets, write, converted):
    blobs = nets.captioner(layers, visual, seed=layers)
    layer, *rest = form.split()
    options = {"double": "double" in rest, "packed": "unpacked" not in rest, "diff": True}
    data = nets.network(blobs, getattr(proto, layer), form="legacy" if "legacy" in rest else "shape", **options)
    model = converted(write(data))
    assert (model.config.num_layers, model.config.visual_layer) == (layers, visual)
    random = np.random.default_rng(5)
    features, sentences = random.normal(size=(3, 7)), random.integers(0, 9, (6, 3))
    wanted = nets.caption_logits(blobs, features, sentences, visual)
    words = torch.from_numpy(sentences).T
    given = torch.from_numpy(features).float()
    assert close(model(pixel_values=given, decoder_input_ids=words).logits.transpose(0, 1), wanted)

    steps = model.generate(given, max_new_tokens=5, min_new_tokens=5, output_logits=True, return_dict_in_generate=True)
    wanted = nets.caption_logits(blobs, features, steps.sequences[:, :-1].T.numpy(), visual)
    for step, logits in enumerate(steps.logits):
        assert close(logits, wanted[step])


def caffe_features(blobs, pixels):
    """fc6, fc7 and fc8 of CaffeNet, written down once more."""

    def conv(x, name, **options):
        return F.relu(F.conv2d(x, *tensors(blobs[name]), **options))

    def pool(x):
        x = F.pad(x, (0, 1, 0, 1), value=-torch.inf) if x.shape[-1] % 2 == 0 else x
        return F.max_pool2d(x, 3, 2)

    def norm(x):
        squares = F.pad(x**2, (0, 0, 0, 0, 2, 2))
        return x / (1 + 1e-4 / 5 * sum(squares[:, k : k + x.shape[1]] for k in range(5))) ** 0.75

    x = norm(pool(conv(pixels, "conv1", stride=4)))
    x = norm(pool(conv(x, "conv2", padding=2, groups=2)))
    x = conv(conv(x, "conv3", padding=1), "conv4", padding=1, groups=2)
    x = pool(conv(x, "conv5", padding=1, groups=2)).flatten(1)
    fc6 = F.relu(F.linear(x, *tensors(blobs["fc6"])))
    fc7 = F.relu(F.linear(fc6, *tensors(blobs["fc7"])))
    return {"fc6": fc6, "fc7": fc7, "fc8": F.linear(fc7, *tensors(blobs["fc8"]))}


def tensors(arrays):
    return [torch.from_numpy(array.astype(np.float32)).double() for array in arrays]


@pytest.mark.parametrize(("feature", "size"), [("fc6", 10), ("fc7", 12), ("fc8", 7)])
@pytest.mark.parametrize("one_file", [True, False])
def test_a_captioner_with_its_cnn_describes_pictures(feature, size, one_file, nets, write, converted):
    cnn, words = nets.caffenet(), nets.captioner(feature=size)
    if one_file:
        paths = [write(nets.network(cnn | words))]
    else:
        paths = [write(nets.network(cnn), "cnn.caffemodel"), write(nets.network(words))]
    model = converted(*paths)
    assert model.config.feature == feature
    pixels = torch.randn(2, 3, 227, 227, generator=torch.Generator().manual_seed(0)) * 50
    wanted = caffe_features(cnn, pixels.double())[feature]
    sentences = np.array([[0, 0], [3, 5], [2, 8]])
    logits = model(pixel_values=pixels, decoder_input_ids=torch.from_numpy(sentences).T).logits
    assert close(logits.transpose(0, 1), nets.caption_logits(words, wanted.numpy(), sentences, 2))


def test_the_last_file_counts_for_a_layer_in_several(nets, write, converted):
    first, second = nets.captioner(seed=1), nets.captioner(seed=2)
    model = converted(
        write(nets.network(first), "first.caffemodel"), write(nets.network({"predict": second["predict"]}))
    )
    assert close(model.predict.weight, second["predict"][0].astype(np.float32))
    assert close(model.embedding.weight, first["embedding"][0].astype(np.float32))


# Which feature


def test_two_features_of_the_right_size_need_a_word(nets, write, out, converted):
    weights = write(nets.network(nets.caffenet(fc=(7, 7, 5)) | nets.captioner()))
    with pytest.raises(
        CaffeFileError, match=r"sees 7 values, and fc6 has 7, fc7 has 7, fc8 has 5.*--feature.*--prototxt"
    ):
        convert([weights], out)
    assert converted(weights, feature="fc6").config.feature == "fc6"


@pytest.mark.parametrize(("feature", "other"), [("fc6", "fc7"), ("fc7", "fc6")])
def test_the_prototxt_says_which_feature(feature, other, files, nets, write, out, converted):
    weights = write(nets.network(nets.caffenet(fc=(7, 7, 5)) | nets.captioner(1, 1)))
    words = f"""
    layer {{ name: "embedding" type: "Embed" bottom: "words" top: "embedding" }}
    layer {{ name: "lstm1" type: "LSTM" bottom: "embedding" bottom: "cont" bottom: "{feature}" top: "lstm1" }}
    layer {{ name: "predict" type: "InnerProduct" bottom: "lstm1" top: "predict" }}
    """
    prototxt = write((files / "caffenet_narrow.prototxt").read_text() + words, "net.prototxt")
    with pytest.raises(CaffeFileError, match=rf"net.prototxt: the captioner sees {feature}, not {other}"):
        convert([weights], out, prototxt=prototxt, feature=other)
    assert converted(weights, prototxt=prototxt).config.feature == feature


@pytest.mark.parametrize(
    ("feature", "reason"),
    [(None, "sees 8 values, but fc6 has 10, fc7 has 12, fc8 has 7"), ("fc7", "sees 8 values, so not fc7")],
)
def test_a_cnn_of_other_sizes_is_refused(feature, reason, nets, write, out):
    weights = write(nets.network(nets.caffenet() | nets.captioner(feature=8)))
    with pytest.raises(CaffeFileError, match=reason):
        convert([weights], out, feature=feature)
    assert not out.exists()


def test_layers_above_the_feature_are_left_out_or_may_be_missing(nets, write, out):
    words = nets.captioner(feature=10)
    assert convert([write(nets.network(nets.caffenet() | words))], out).passed_over == ["data", "fc7", "fc8"]
    cut = {name: blobs for name, blobs in nets.caffenet().items() if name not in ("fc7", "fc8")}
    convert([write(nets.network(cut | words))], out.with_name("cut"))
    models = [AutoModel.from_pretrained(folder).state_dict() for folder in (out, out.with_name("cut"))]
    assert all(torch.equal(tensor, models[1][name]) for name, tensor in models[0].items())


def test_caffenet_alone_needs_all_its_layers(nets, write, out):
    cut = {name: blobs for name, blobs in nets.caffenet().items() if name != "fc8"}
    with pytest.raises(CaffeFileError, match="of CaffeNet, fc8 is missing: add a file that has it"):
        convert([write(nets.network(cut))], out)


# The folder


@pytest.fixture
def captioner(nets, write, out):
    """A converted captioner with its CNN and its vocabulary."""
    vocabulary = write("<unk>\na\nred\nsquare\n.\n,\nblue\n", "vocabulary.txt")
    convert([write(nets.network(nets.caffenet() | nets.captioner(words=8)))], out, vocabulary=vocabulary)
    return out


def test_words_have_the_authors_ids(captioner):
    tokenizer = AutoProcessor.from_pretrained(captioner).tokenizer
    assert tokenizer.convert_ids_to_tokens(range(8)) == ["<EOS>", "<unk>", "a", "red", "square", ".", ",", "blue"]
    assert tokenizer("A red hexagon.")["input_ids"] == [2, 3, 1, 0]


def test_pictures_are_prepared_as_by_the_authors(captioner):
    picture = np.random.default_rng(0).integers(0, 256, (120, 300, 3), np.uint8)
    pixels = AutoProcessor.from_pretrained(captioner)(Image.fromarray(picture))["pixel_values"][0]
    top, left = (int(side * (29 / 256 / 2) + 0.5) for side in picture.shape[:2])
    kept = torch.from_numpy(picture[top:-top, left:-left].astype(np.float64)).permute(2, 0, 1)
    sized = F.interpolate(kept[None], (227, 227), mode="bilinear", align_corners=False)[0]
    wanted = sized.flip(0) - torch.tensor([104, 117, 123])[:, None, None]
    assert (pixels - wanted).abs().max() < 0.01  # grey levels


def test_the_pipeline_captions_a_photo_with_the_words_of_the_model(captioner):
    model, processor = AutoModelForImageTextToText.from_pretrained(captioner), AutoProcessor.from_pretrained(captioner)
    photo = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 60, 3), np.uint8))
    ids = model.generate(processor(photo)["pixel_values"], max_new_tokens=5)
    caption = processor.batch_decode(ids, skip_special_tokens=True)[0]
    describe = pipeline("image-to-text", model=str(captioner))
    assert describe(photo, max_new_tokens=5) == [{"generated_text": caption}]


def test_without_a_cnn_a_photo_is_refused_and_what_to_do_is_said(files, out):
    warnings = convert([files / "caption_2f.caffemodel"], out).warnings
    assert "bvlc_reference_caffenet.caffemodel" in warnings[0]
    with pytest.raises(ValueError, match="no network that looks at pictures: give features"):
        pipeline("image-to-text", model=str(out))(Image.new("RGB", (50, 50)))


def test_without_a_vocabulary_words_are_called_by_their_ids(files, out):
    assert "ids" in convert([files / "caption_2f.caffemodel"], out).warnings[1]
    tokenizer = AutoProcessor.from_pretrained(out).tokenizer
    assert tokenizer.convert_ids_to_tokens([0, 1, 2, 22]) == ["<EOS>", "<unk>", "2", "22"]
    assert tokenizer("7 12")["input_ids"] == [7, 12, 0]
    assert len(tokenizer) == 23


@pytest.mark.parametrize("words", [6, 8])
def test_a_vocabulary_of_another_size_is_refused_with_both_numbers(words, nets, write, out):
    vocabulary = write("<unk>\n" + "".join(f"word{k}\n" for k in range(words)), "vocabulary.txt")
    with pytest.raises(CaffeFileError, match=rf"a vocabulary of {words + 2}, but the weights are for one of 9"):
        convert([write(nets.network(nets.captioner()))], out, vocabulary=vocabulary)
    assert not out.parent.exists()


def test_a_vocabulary_that_is_no_text_is_refused(nets, write, out):
    with pytest.raises(CaffeFileError, match=r"vocabulary.txt, byte 1: not UTF-8"):
        convert([write(nets.network(nets.captioner()))], out, vocabulary=write(b"a\xff", "vocabulary.txt"))


def test_caffenets_folder_has_its_preprocessing(nets, write, out):
    convert([write(nets.network(nets.caffenet()))], out)
    processor = AutoImageProcessor.from_pretrained(out)
    assert isinstance(processor, lrcn_hub.models.LrcnImageProcessor)
    assert processor(Image.new("RGB", (50, 40)), return_tensors="pt")["pixel_values"].shape == (1, 3, 227, 227)
    assert AutoModel.from_pretrained(out).config.fc_sizes == [10, 12, 7]


def test_the_folder_says_what_it_was_made_from(captioner):
    story = json.loads((captioner / "conversion.json").read_text())
    assert [file["name"] for file in story["files"]] == ["weights.caffemodel", "vocabulary.txt"]
    assert story["model"].startswith("captioner 2f, 8 words, 4 units")
    assert (captioner / "versions.json").is_file()


def test_the_same_weights_give_the_same_folder(nets, write, out):
    weights = write(nets.network(nets.captioner()))
    again = out.parent / "again" / out.name
    for folder in (out, again):
        convert([weights], folder)
    for file in out.iterdir():
        assert file.read_bytes() == again.joinpath(file.name).read_bytes(), file.name


# What leaves nothing behind


def test_a_folder_that_is_not_empty_is_left_as_it_is(nets, write, out):
    out.mkdir(parents=True)
    convert([write(nets.network(nets.captioner()))], out)  # an empty one will do
    before = {file: file.read_bytes() for file in out.iterdir()}
    with pytest.raises(ValueError, match="not an empty folder"):
        convert([write(nets.network(nets.captioner()))], out)
    assert {file: file.read_bytes() for file in out.iterdir()} == before


def test_a_write_that_fails_leaves_no_folder(nets, write, out, monkeypatch):
    weights = write(nets.network(nets.captioner()))

    def fail(*arguments, **options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("lrcn_hub.models.LrcnCaptioningProcessor.save_pretrained", fail)
    with pytest.raises(OSError, match="no room for"):
        convert([weights], out)
    assert list(out.parent.iterdir()) == []


def test_missing_files_are_named(out, files):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.caffemodel"):
        convert(["nowhere.caffemodel"], out)
    for option in ("prototxt", "vocabulary"):
        with pytest.raises(FileNotFoundError, match=r"nowhere\.txt"):
            convert([files / "caption_2f.caffemodel"], out, **{option: "nowhere.txt"})
    assert not out.parent.exists()


@settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(kind=st.sampled_from(["flip", "insert", "delete", "cut"]), where=st.floats(0, 1), bit=st.integers(0, 7))
def test_a_damaged_file_gives_a_whole_folder_or_none(kind, where, bit, files, write, tmp_path_factory):
    data = bytearray((files / "caption_1u.caffemodel").read_bytes())
    place = min(int(where * len(data)), len(data) - 1)
    if kind == "flip":
        data[place] ^= 1 << bit
    elif kind == "insert":
        data.insert(place, 1 << bit)
    elif kind == "delete":
        del data[place : place + 1 + bit]
    else:
        del data[place:]
    parent = tmp_path_factory.mktemp("out")
    try:
        convert([write(bytes(data))], parent / "model")
    except CaffeFileError:
        assert list(parent.iterdir()) == []
    else:
        model = AutoModel.from_pretrained(parent / "model")
        assert all(tensor.isfinite().all() for tensor in model.state_dict().values())
        assert [path.name for path in parent.iterdir()] == ["model"]
