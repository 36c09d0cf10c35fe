"""Networks of activity recognition, converted: Caffe's values, its equations, and the authors' preprocessing."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from transformers import AutoModel, AutoModelForVideoClassification, AutoProcessor
from transformers.utils import logging

from lrcn_hub.caffe import CaffeFileError, convert
from lrcn_hub.models import CaffeNetConfig, LrcnForVideoClassification
from lrcn_hub.models.backbones_lrcn import build_backbone, load_backbone_weights

logging.disable_progress_bar()


@pytest.fixture
def out(tmp_path):
    return tmp_path / "made" / "model"


@pytest.fixture
def converted(out):
    def run(*weights, **options):
        convert(weights, out, **options)
        return AutoModelForVideoClassification.from_pretrained(out)

    return run


def close(ours, wanted):
    """Within 1e-5 of the array's maximum."""
    wanted = np.asarray(wanted)
    assert ours.shape == wanted.shape
    return np.abs(ours.detach().numpy() - wanted).max() <= 1e-5 * np.abs(wanted).max()


# Ground truth


@pytest.fixture
def narrow(golden):
    """The golden's frames (2, 4, 3, 227, 227), its restarts, and all its values."""
    values = golden("activity_narrow")
    frames = torch.from_numpy(values["in/data"]).float().unflatten(0, (4, 2)).transpose(0, 1)
    return frames, torch.from_numpy(values["in/cont"]).T, values


def check_narrow(model, narrow):
    frames, continues, values = narrow
    with torch.no_grad():
        answer = model(frames, continues=continues)
    assert close(answer.frame_logits.transpose(0, 1), values["out/fc8-final"])
    assert close(answer.frame_logits.softmax(-1).transpose(0, 1), values["out/probs"])
    assert close(answer.logits.softmax(-1), values["out/probs"].mean(0))


@pytest.mark.parametrize("with_prototxt", [False, True])
def test_a_recogniser_gives_caffes_scores_restarts_included(with_prototxt, files, narrow, converted):
    prototxt = files / "activity_narrow.prototxt" if with_prototxt else None
    model = converted(files / "activity_narrow.caffemodel", prototxt=prototxt)
    assert type(model) is LrcnForVideoClassification
    assert not torch.equal(narrow[1], torch.tensor([0, 1, 1, 1]).expand(2, 4))  # somebody restarts
    check_narrow(model, narrow)


@pytest.mark.parametrize("form", ["v2 shape", "v2 4-D shape", "v2 legacy", "v1 legacy"])
def test_the_same_weights_in_another_form_give_the_same(form, narrow, proto, nets, write, converted):
    blobs = {}
    for key, value in narrow[2].items():
        if key.startswith("param/"):
            blobs.setdefault(key.split("/")[1], []).append(value)
    layer, shape = form.split(maxsplit=1)
    check_narrow(converted(write(nets.network(blobs, getattr(proto, layer), form=shape))), narrow)


def test_the_golden_in_pieces_equals_the_golden_at_once(files, narrow, converted):
    model, (frames, continues, values) = converted(files / "activity_narrow.caffemodel"), narrow
    state, pieces = None, []
    with torch.no_grad():
        for t in range(4):
            answer = model(frames[:, t : t + 1], continues=continues[:, t : t + 1], state=state)
            pieces.append(answer.frame_logits)
            state = answer.state
    assert close(torch.cat(pieces, 1).transpose(0, 1), values["out/fc8-final"])


# Caffe's equations in double precision


def hybrid_features(blobs, pixels):
    """fc6, and fc7 where there is one, of the hybrid CNN; pooling rounds up (26 -> 13 in pool2)."""

    def layer(x, name, **options):
        return F.relu(F.conv2d(x, *tensors(blobs[name]), **options))

    def pool(x):
        short = [(side - 3) % 2 for side in (x.shape[-1], x.shape[-2])]
        return F.max_pool2d(F.pad(x, (0, short[0], 0, short[1]), value=-torch.inf), 3, 2)

    def norm(x):
        squares = F.pad(x**2, (0, 0, 0, 0, 2, 2))
        return x / (1 + 1e-4 / 5 * sum(squares[:, k : k + x.shape[1]] for k in range(5))) ** 0.75

    x = norm(pool(layer(pixels, "conv1", stride=2)))
    x = layer(x, "conv2", stride=2, groups=2)
    assert x.shape[-1] == 26
    x = norm(pool(x))
    assert x.shape[-1] == 13
    x = layer(layer(x, "conv3", padding=1), "conv4", padding=1, groups=2)
    x = pool(layer(x, "conv5", padding=1, groups=2)).flatten(1)
    features = {}
    for name in ("fc6", "fc7"):
        if name in blobs:
            x = F.relu(F.linear(x, *tensors(blobs[name])))
            features[name] = x
    return features


def tensors(arrays):
    return [torch.from_numpy(array.astype(np.float32)).double() for array in arrays]


def recurrent_scores(blobs, x, continues, classifier="fc8-final"):
    """Class scores (T, N, C) of features x (T, N, F) by Caffe's equations, in double precision."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    for name in sorted(name for name in blobs if name.startswith("lstm")):
        weight, bias, recurrent = (array.astype(np.float32).astype(float) for array in blobs[name])
        h = c = np.zeros((x.shape[1], recurrent.shape[1]))
        steps = []
        for t in range(len(x)):
            cont = continues[t][:, None]
            i, f, o, g = np.split(x[t] @ weight.T + bias + (cont * h) @ recurrent.T, 4, axis=1)
            c = cont * sigmoid(f) * c + sigmoid(i) * np.tanh(g)
            h = sigmoid(o) * np.tanh(c)
            steps.append(h)
        x = np.stack(steps)
    weight, bias = blobs[classifier]
    return x @ weight.astype(np.float32).T + bias.astype(np.float32)


@pytest.mark.parametrize(
    ("layers", "fc", "feature", "layer"),
    [(1, (10,), "fc6", "v1"), (2, (12, 10), "fc7", "v2"), (1, (10, 8), "fc6", "v0")],
)
def test_a_recogniser_on_the_hybrid_cnn_follows_caffes_equations(
    layers, fc, feature, layer, proto, nets, write, converted
):
    blobs = nets.recogniser(layers, fc)
    model = converted(write(nets.network(blobs, getattr(proto, layer))))
    config = model.config
    assert (config.feature, config.num_layers, config.hidden_size, config.num_labels) == (feature, layers, 5, 3)
    pixels = torch.randn(6, 3, 227, 227, generator=torch.Generator().manual_seed(0)) * 50  # 3 frames of 2 videos
    continues = np.array([[0, 0], [1, 1], [1, 0]])
    features = hybrid_features(blobs, pixels.double())[feature].view(3, 2, -1).numpy()
    wanted = recurrent_scores(blobs, features, continues)
    assert np.abs(wanted[0] - wanted[2]).max() > 1e-2  # frames and states matter
    with torch.no_grad():
        given = pixels.unflatten(0, (3, 2)).transpose(0, 1)
        answer = model(given, continues=torch.from_numpy(continues).T)
    assert close(answer.frame_logits.transpose(0, 1), wanted)


@pytest.mark.parametrize(("fc", "feature"), [((9, 10), "fc7"), ((10, 10), "fc7"), ((10,), "fc6")])
def test_a_single_frame_network_scores_each_frame_by_itself(fc, feature, nets, write, converted):
    blobs = nets.recogniser(0, fc, name="fc8-ucf")
    model = converted(write(nets.network(blobs)))
    assert (model.config.num_layers, model.config.num_frames, model.config.feature) == (0, 1, feature)
    assert model.config.feature_dropout == 0.5
    pixels = torch.randn(1, 2, 3, 227, 227, generator=torch.Generator().manual_seed(0)) * 50
    features = hybrid_features(blobs, pixels[0].double())[feature].numpy()
    with torch.no_grad():
        found = model(pixels).frame_logits
    assert close(found[0], recurrent_scores(blobs, features, None, "fc8-ucf"))


# What is seen, and what is refused


def test_two_features_of_the_right_size_need_a_word(nets, write, out, converted):
    weights = write(nets.network(nets.recogniser(fc=(10, 10))))
    with pytest.raises(CaffeFileError, match=r"the recogniser sees 10 values, and fc6 has 10, fc7 has 10.*--feature"):
        convert([weights], out)
    assert converted(weights, feature="fc6").config.feature == "fc6"


def prototxt(files, feature="fc6"):
    """The narrow net's description with the hybrid's convolutions, fc7, and recurrent layers of other sizes."""
    text = (files / "activity_narrow.prototxt").read_text()
    fc7 = """
layer { name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7" }
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }
"""
    for before, after in (
        ("num_output: 12 kernel_size: 11 stride: 4", "num_output: 4 kernel_size: 7 stride: 2"),
        ("num_output: 32 kernel_size: 5 pad: 2 group: 2", "num_output: 8 kernel_size: 5 stride: 2 group: 2"),
        ('layer {\n  name: "reshape-data"', fc7 + 'layer {\n  name: "reshape-data"'),
        ('bottom: "fc6"\n  top: "fc6-reshape"', f'bottom: "{feature}"\n  top: "fc6-reshape"'),
        ("recurrent_param { num_output: 16 }", "recurrent_param { num_output: 5 }"),
    ):
        assert before in text
        text = text.replace(before, after)
    return text


@pytest.mark.parametrize("feature", ["fc6", "fc7"])
def test_the_prototxt_says_which_feature(feature, files, nets, write, converted):
    weights = write(nets.network(nets.recogniser(fc=(10, 10))))
    description = write(prototxt(files, feature), "deploy_lstm.prototxt")
    assert converted(weights, prototxt=description).config.feature == feature


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        ("stride: 2 group: 2", "stride: 1 group: 2", "conv2 has stride, pad and group .* the hybrid CNN's are"),
        ("num_output: 5 }", "num_output: 6 }", "lstm1 has num_output 6, but its weights are for 5 units"),
        ('bottom: "lstm1-drop"', 'bottom: "fc6-reshape"', "fc8-final reads fc6 through relu; it should read lstm1"),
        ('bottom: "fc6"\n  top: "fc6-reshape"', 'bottom: "pool5"\n  top: "fc6-reshape"', "lstm1 sees conv5"),
        ('bottom: "reshape-cm"\n', 'bottom: "reshape-cm"\n bottom: "fc7"\n', "lstm1 has a static input"),
        ('type: "LSTM"', 'type: "RNN"', r"it has the LSTM layers \[\], but the weights \['lstm1'\]"),
    ],
)
def test_a_network_that_is_connected_otherwise_is_refused(before, after, reason, files, nets, write, out):
    weights = write(nets.network(nets.recogniser(fc=(10, 10))))
    text = prototxt(files)
    assert before in text
    with pytest.raises(CaffeFileError, match=rf"net.prototxt: {reason}"):
        convert([weights], out, prototxt=write(text.replace(before, after), "net.prototxt"))
    assert not out.parent.exists()


# The folder


def test_the_folder_has_the_authors_preprocessing_and_the_classes(nets, write, out):
    classes = write("1 Archery\n2 Biking\n3 YoYo\n", "classInd.txt")
    made = convert([write(nets.network(nets.recogniser()))], out, class_file=classes, stream="rgb")
    assert made.model == "recogniser of rgb, 3 classes, 5 units, which sees the hybrid CNN's fc6 (10 values)"
    assert made.warnings == []
    assert AutoModel.from_pretrained(out).config.id2label == {0: "Archery", 1: "Biking", 2: "YoYo"}
    processor = AutoProcessor.from_pretrained(out)
    assert processor.class_names == ["Archery", "Biking", "YoYo"]
    assert processor.video_processor.num_frames == 16
    frames = np.random.default_rng(0).integers(0, 256, (2, 240, 320, 3), np.uint8)
    pixels = processor(frames)["pixel_values"][0]
    cut = torch.from_numpy(frames[:, 6:233, 46:273].astype(np.float32)).permute(0, 3, 1, 2)  # LRCN_evaluate's offset
    wanted = cut.flip(1) - torch.tensor([103.939, 116.779, 128.68])[:, None, None]
    assert (pixels - wanted).abs().max() < 1e-3
    story = json.loads((out / "conversion.json").read_text())
    assert [file["name"] for file in story["files"]] == ["weights.caffemodel", "classInd.txt"]
    assert "recogniser of rgb" in (out / "README.md").read_text()


def means(out):
    processor = AutoProcessor.from_pretrained(out).video_processor
    return processor.stream, list(processor.image_mean), processor.num_frames


def test_streams_and_stages_have_means_of_their_own(nets, write, out):
    slip, right = [128.68, 116.779, 103.939], [123.68, 116.779, 103.939]
    lstm, single = nets.network(nets.recogniser()), nets.network(nets.recogniser(0, name="fc8-ucf"))
    for k, (data, stream, wanted) in enumerate(
        [
            (lstm, "rgb", ("rgb", slip, 16)),
            (lstm, "flow", ("flow", [128.0] * 3, 16)),
            (single, "rgb", ("rgb", right, 1)),
            (single, "flow", ("flow", [128.0] * 3, 1)),
        ]
    ):
        convert([write(data)], out / str(k), stream=stream)
        assert means(out / str(k)) == wanted


@pytest.mark.parametrize(("name", "stream"), [("flow_lstm_model_iter_50000", "flow"), ("weights", "rgb")])
def test_the_stream_follows_the_name_of_a_file_and_that_is_said(name, stream, nets, write, out):
    made = convert([write(nets.network(nets.recogniser()), f"{name}.caffemodel")], out)
    assert means(out)[0] == stream
    assert any(f"was taken to be {stream}, by the names of the files" in warning for warning in made.warnings)
    assert any("called by their numbers" in warning for warning in made.warnings)
    assert AutoModel.from_pretrained(out).config.id2label == {0: "0", 1: "1", 2: "2"}


@pytest.mark.parametrize(
    ("classes", "reason"),
    [
        ("1 Archery\n2 Biking\n", "classInd.txt: 2 classes, but the weights are for 3"),
        ("1 Archery\n3 Biking\n2 YoYo\n", "classInd.txt, line 2: the class has the number 3"),
        ("Archery\nBiking\nArchery\n", "class 'Archery' is there twice"),
    ],
)
def test_classes_that_do_not_fit_are_refused(classes, reason, nets, write, out):
    with pytest.raises(ValueError, match=reason):
        convert([write(nets.network(nets.recogniser()))], out, class_file=write(classes, "classInd.txt"))
    assert not out.parent.exists()


@pytest.mark.parametrize(("fc", "last"), [((10, 12, 7), "fc8"), ((10, 12), "fc7"), ((10,), "fc6")])
def test_the_hybrid_alone_is_a_backbone(fc, last, nets, write, out):
    blobs = nets.hybrid(fc=fc)
    assert convert([write(nets.network(blobs))], out).model == f"the hybrid CNN up to {last}"
    model = AutoModel.from_pretrained(out)
    assert (model.config.kernel_sizes, model.config.strides) == ([7, 5, 3, 3, 3], [2, 2, 1, 1, 1])
    assert model.config.groups == list(CaffeNetConfig.hybrid().groups)
    pixels = torch.randn(2, 3, 227, 227, generator=torch.Generator().manual_seed(0)) * 50
    with torch.no_grad():
        features = model(pixels)
    wanted = hybrid_features(blobs, pixels.double())
    wanted["fc8"] = F.linear(wanted["fc7"], *tensors(blobs["fc8"])) if last == "fc8" else None
    assert close(features, wanted[last])
    backbone = build_backbone(CaffeNetConfig.hybrid(channels=model.config.channels, fc_sizes=fc[:1]), "fc6").eval()
    load_backbone_weights(backbone, load_file(out / "model.safetensors"))  # as a recipe's backbone_weights
    with torch.no_grad():
        assert close(backbone(pixels), wanted["fc6"])


def test_a_single_frame_networks_cnn_can_be_had_alone(nets, write, out):
    weights = write(nets.network(nets.recogniser(0, (9, 10), name="fc8-ucf")))
    assert convert([weights], out, skip=["fc8-ucf"]).model == "the hybrid CNN up to fc7"


def test_a_recogniser_knows_no_words(nets, write, out):
    made = convert([write(nets.network(nets.recogniser()))], out, vocabulary=write("<unk>\n", "vocabulary.txt"))
    assert any("knows no words" in warning for warning in made.warnings)
