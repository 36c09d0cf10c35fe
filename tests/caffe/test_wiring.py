"""Networks described in prototxt files against the weights that they are given with."""

import pytest

from lrcn_hub.caffe.contents import recognise
from lrcn_hub.caffe.weights import read_layers
from lrcn_hub.caffe.wire import CaffeFileError, Source
from lrcn_hub.caffe.wiring import check_wiring

# A net in the form of the authors' lrcn.prototxt: all wirings in one file, chosen by stages.
CNN = """
layer { name: "data" type: "ImageData" top: "data" top: "label" include { phase: TRAIN stage: "factored" } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" include { stage: "freeze-convnet" }
        convolution_param { num_output: 4 kernel_size: 11 stride: 4 } }
layer { name: "conv1" type: "Convolution" bottom: "data" top: "conv1" exclude { stage: "freeze-convnet" }
        convolution_param { num_output: 4 kernel_size: 11 stride: 4 } }
layer { name: "relu1" type: "ReLU" bottom: "conv1" top: "conv1" }
layer { name: "pool1" type: "Pooling" bottom: "conv1" top: "pool1"
        pooling_param { pool: MAX kernel_size: 3 stride: 2 } }
layer { name: "norm1" type: "LRN" bottom: "pool1" top: "norm1" lrn_param { local_size: 5 alpha: 0.0001 beta: 0.75 } }
layer { name: "conv2" type: "Convolution" bottom: "norm1" top: "conv2" convolution_param { pad: 2 group: 2 } }
layer { name: "relu2" type: "ReLU" bottom: "conv2" top: "conv2" }
layer { name: "pool2" type: "Pooling" bottom: "conv2" top: "pool2" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "norm2" type: "LRN" bottom: "pool2" top: "norm2" lrn_param { alpha: 1e-4 } }
layer { name: "conv3" type: "Convolution" bottom: "norm2" top: "conv3" convolution_param { pad: 1 } }
layer { name: "relu3" type: "ReLU" bottom: "conv3" top: "conv3" }
layer { name: "conv4" type: "Convolution" bottom: "conv3" top: "conv4" convolution_param { pad: 1 group: 2 } }
layer { name: "relu4" type: "ReLU" bottom: "conv4" top: "conv4" }
layer { name: "conv5" type: "Convolution" bottom: "conv4" top: "conv5" convolution_param { pad: 1 group: 2 } }
layer { name: "relu5" type: "ReLU" bottom: "conv5" top: "conv5" }
layer { name: "pool5" type: "Pooling" bottom: "conv5" top: "pool5" pooling_param { kernel_size: 3 stride: 2 } }
layer { name: "fc6" type: "InnerProduct" bottom: "pool5" top: "fc6" }
layer { name: "relu6" type: "ReLU" bottom: "fc6" top: "fc6" }
layer { name: "drop6" type: "Dropout" bottom: "fc6" top: "fc6" }
layer { name: "fc7" type: "InnerProduct" bottom: "fc6" top: "fc7" }
layer { name: "relu7" type: "ReLU" bottom: "fc7" top: "fc7" }
layer { name: "drop7" type: "Dropout" bottom: "fc7" top: "fc7" }
layer { name: "fc8" type: "InnerProduct" bottom: "fc7" top: "fc8" }
"""
WORDS = """
layer { name: "embedding" type: "Embed" bottom: "input_sentence" top: "embedded" embed_param: { bias_term: false } }
layer { name: "lstm1" type: "LSTM" bottom: "embedded" bottom: "cont" bottom: "fc8" top: "lstm1"
        include: { stage: "unfactored" } recurrent_param { num_output: 4 } }
layer { name: "lstm1" type: "LSTM" bottom: "embedded" bottom: "cont" top: "lstm1"
        include: { stage: "factored" } recurrent_param { num_output: 4 } }
layer { name: "lstm2" type: "LSTM" bottom: "lstm1" bottom: "cont" top: "lstm2"
        include { stage: "unfactored" stage: "2-layer" } }
layer { name: "lstm2" type: "LSTM" bottom: "lstm1" bottom: "cont" bottom: "fc8" top: "lstm2"
        include { stage: "factored" stage: "2-layer" } }
layer { name: "predict" type: "InnerProduct" bottom: "lstm1" top: "predict" include { stage: "1-layer" } }
layer { name: "predict" type: "InnerProduct" bottom: "lstm2" top: "predict" include { stage: "2-layer" } }
layer { name: "loss" type: "SoftmaxWithLoss" bottom: "predict" bottom: "target_sentence" }
"""


@pytest.fixture
def check(write, nets):
    def run(prototxt, layers=2, visual=2, cnn=True, words=True):
        blobs = (nets.caffenet() if cnn else {}) | (nets.captioner(layers, visual) if words else {})
        with Source(write(nets.network(blobs))) as source:
            contents = recognise(read_layers(source))
        return check_wiring(str(write(prototxt, "net.prototxt")), contents)

    return run


@pytest.mark.parametrize(("layers", "visual"), [(1, 1), (2, 1), (2, 2)])
def test_the_stages_follow_the_weights(layers, visual, check):
    assert check(CNN + WORDS, layers, visual) == "fc8"


@pytest.mark.parametrize("feature", ["fc6", "fc7"])
def test_the_feature_is_what_the_prototxt_says(feature, check):
    assert check(CNN + WORDS.replace('"fc8"', f'"{feature}"')) == feature


def test_a_feature_behind_dropout_and_reshape_is_found(check):
    between = """
    layer { name: "drop" type: "Dropout" bottom: "fc8" top: "dropped" }
    layer { name: "flat" type: "Reshape" bottom: "dropped" top: "flat" }
    """
    assert check(CNN + between + WORDS.replace('"fc8"', '"flat"')) == "fc8"


def test_a_feature_given_from_outside_says_nothing(check, files):
    outside = 'layer { name: "image_features" type: "Input" top: "fc8" }'
    assert check(outside + WORDS, cnn=False) is None
    assert check(WORDS) is None
    assert check(CNN) is None
    assert check(CNN, words=False) is None


@pytest.mark.parametrize("name", ["caffenet_narrow", "caffenet_narrow_v1"])
def test_caffes_own_descriptions_of_caffenet_agree(name, check, files):
    assert check((files / f"{name}.prototxt").read_text(), words=False) is None


@pytest.mark.parametrize("exposed", [False, True])
def test_an_exposed_state_is_no_static_input(exposed, check):
    words = WORDS.replace(
        'top: "lstm1"', 'bottom: "h_0" bottom: "c_0" top: "lstm1" recurrent_param { expose_hidden: true }'
    )
    assert check(CNN + (words if exposed else WORDS)) == "fc8"


WRONG = {
    "AlexNet's order": (
        ('bottom: "conv1" top: "pool1"', 'bottom: "norm1" top: "pool1"'),
        ('bottom: "pool1" top: "norm1"', 'bottom: "conv1" top: "norm1"'),
        "conv2 reads conv1 through lrn, relu; it should read conv1 through lrn, pooling, relu",
    ),
    "no ReLU": (
        ('name: "relu3" type: "ReLU"', 'name: "relu3" type: "Dropout"'),
        "conv4 reads conv3; it should read conv3 through relu",
    ),
    "stride": (("stride: 4", "stride: 2"), r"conv1 has stride, pad and group \(2, 0, 1\); CaffeNet's are \(4, 0, 1\)"),
    "groups": (("pad: 2 group: 2", "pad: 2"), "conv2 has stride, pad and group"),
    "average pooling": (("pool: MAX", "pool: AVE"), "pool1 has pool, kernel_size and stride"),
    "normalisation": (("alpha: 1e-4", ""), "norm2 has local_size, alpha and beta"),
    "feature after ReLU": (
        ('bottom: "fc7" top: "fc8" }', 'bottom: "fc7" top: "fc8" } layer { type: "ReLU" bottom: "fc8" top: "fc8" }'),
        r"lstm2 sees fc8 through \['relu'\]; our fc8 is taken raw",
    ),
    "convolutional feature": (
        ('bottom: "cont" bottom: "fc8"', 'bottom: "cont" bottom: "conv5"'),
        "lstm2 sees conv5; what can be seen is fc6, fc7, fc8",
    ),
    "another wiring": (
        ('bottom: "cont" bottom: "fc8"', 'bottom: "cont"'),
        "lstm2 has no static input; its weights disagree",
    ),
    "a second entry": (
        ('bottom: "embedded" bottom: "cont" top', 'bottom: "embedded" bottom: "cont" bottom: "fc8" top'),
        "lstm1 has a static input; its weights disagree",
    ),
    "another number of units": (
        ("num_output: 4 } }", "num_output: 1000 } }"),
        "lstm1 has num_output 1000, but its weights are for 4",
    ),
    "skipped layer": (
        ('bottom: "lstm2" top: "predict"', 'bottom: "lstm1" top: "predict"'),
        "predict reads lstm1; it should read lstm2",
    ),
    "word class": (
        ('name: "embedding" type: "Embed"', 'name: "one_hot" type: "InnerProduct"'),
        "lstm1 reads one_hot; it should read embedding",
    ),
    "concatenation": (
        (WORDS, 'layer { name: "both" type: "Concat" bottom: "a" bottom: "b" top: "both" }' + WORDS),
        ('bottom: "lstm1" bottom: "cont"', 'bottom: "both" bottom: "cont"'),
        "lstm2 reads both; it should read lstm1",
    ),
    "fewer layers": (('stage: "2-layer"', 'stage: "1-layer"'), r"it has the LSTM layers \['lstm1'\], but the weights"),
    "no predict": (('name: "predict"', 'name: "scores"'), "it has no layer 'predict'"),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_network_that_is_connected_otherwise_is_refused(case, check):
    *changes, reason = WRONG[case]
    text = CNN + WORDS
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    with pytest.raises(CaffeFileError, match=rf"net.prototxt: ({reason})"):
        check(text)


def test_a_prototxt_of_something_else_is_refused(check):
    with pytest.raises(CaffeFileError, match="none of the weights' layers"):
        check('layer { name: "res2a" type: "Convolution" bottom: "data" top: "res2a" }')


def test_a_network_that_feeds_itself_ends(check):
    loop = 'layer { name: "pool1" type: "Pooling" bottom: "pool1" top: "pool1" }' * 50
    with pytest.raises(CaffeFileError, match="conv2 reads"):
        check(CNN.replace('layer { name: "norm1"', loop + 'layer { name: "norm1"'))
