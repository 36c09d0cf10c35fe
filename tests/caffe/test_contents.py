"""What files hold, known by the names and shapes of their layers, and what is said of other files."""

import contextlib

import numpy as np
import pytest

from lrcn_hub.caffe.contents import recognise
from lrcn_hub.caffe.weights import read_layers
from lrcn_hub.caffe.wire import CaffeFileError, Source


@pytest.fixture
def recognised(write, nets):
    files = contextlib.ExitStack()

    def find(blobs, skip=(), extra=b"", **form):
        path = write(nets.network(blobs, **form) + extra)
        return recognise(read_layers(files.enter_context(Source(path))), skip)

    with files:
        yield find


@pytest.mark.parametrize(
    ("layers", "visual", "wiring"),
    [(1, 1, "1u"), (2, 1, "2u"), (2, 2, "2f"), (4, 2, "4f"), (3, 3, "3 layers, pictures enter layer 3")],
)
@pytest.mark.parametrize("form", ["shape", "legacy", "4-D shape"])
def test_a_captioners_wiring_and_sizes(layers, visual, wiring, form, nets, recognised):
    captioner = recognised(nets.captioner(layers, visual), form=form).captioner
    assert captioner.wiring == wiring
    assert (captioner.vocab_size, captioner.embedding_size, captioner.hidden_size) == (9, 5, 4)
    assert (captioner.feature_size, captioner.visual_layer, len(captioner.lstm)) == (7, visual, layers)


@pytest.mark.parametrize("form", ["shape", "legacy", "4-D shape"])
def test_caffenets_channels_and_sizes(form, nets, recognised):
    contents = recognised(nets.caffenet(), form=form)
    assert contents.captioner is None
    assert contents.cnn.channels == [4, 8, 6, 6, 4]
    assert contents.cnn.fc_sizes == {"fc6": 10, "fc7": 12, "fc8": 7}
    assert contents.passed_over == ["data"]


@pytest.mark.parametrize("form", ["shape", "legacy", "4-D shape"])
def test_a_recognisers_sizes_on_either_cnn(form, nets, recognised):
    for cnn, hybrid in ((nets.hybrid(), True), (nets.caffenet(), False)):
        contents = recognised(cnn | nets.recurrent(2), form=form)
        recogniser = contents.recogniser
        assert contents.captioner is None and contents.cnn.hybrid is hybrid
        assert (recogniser.num_labels, recogniser.hidden_size, recogniser.feature_size) == (3, 5, 10)
        assert [layer.name for layer in contents.used()][-3:] == ["lstm1", "lstm2", "fc8-final"]


def test_rnn_cells_are_refused_by_name(nets, proto, recognised):
    cells = proto.v2("lstm1", "RNN", [np.ones((5, 10)), np.ones(5), np.ones((5, 5)), np.ones((5, 5)), np.ones(5)])
    with pytest.raises(CaffeFileError, match="'lstm1' are RNN cells; only LSTM layers can be converted"):
        recognised(nets.recogniser(), extra=cells)


def test_more_than_nine_layers_are_taken_in_their_order(nets, recognised):
    captioner = recognised(dict(reversed(nets.captioner(11, 10).items()))).captioner
    assert [layer.name for layer in captioner.lstm] == [f"lstm{k}" for k in range(1, 12)]
    assert captioner.visual_layer == 10


def test_a_layer_of_the_same_name_replaces_the_one_before_unless_it_has_no_blobs(nets, proto, recognised):
    extra = proto.v2("predict", "InnerProduct", [np.zeros((9, 4)), np.arange(9.0)]) + proto.v2("predict", "Split")
    found = recognised(nets.captioner(), extra=extra)
    assert found.captioner.predict.blobs[1].read().tolist() == list(range(9))
    assert "predict" not in found.passed_over


def changed(blobs, **changes):
    """`blobs` with layers put in, left out (None) or altered by a function of their blobs."""
    result = dict(blobs)
    for name, change in changes.items():
        if change is None:
            del result[name]
        else:
            result[name] = change(result[name]) if callable(change) else change
    return result


REFUSED = {
    "unknown layer": (lambda n: changed(n.captioner(), fc9=[np.ones(3)]), r"byte \d+: no place for 'fc9'"),
    "gap in the layers": (
        lambda n: changed(n.captioner(4), lstm2=None),
        "'lstm4' is missing|no place|'lstm2' is missing",
    ),
    "no embedding": (lambda n: changed(n.captioner(), embedding=None), "'embedding' is missing"),
    "no predict": (lambda n: changed(n.captioner(), predict=None), "'predict' is missing"),
    "no lstm": (lambda n: changed(n.captioner(), lstm1=None, lstm2=None), "'lstm1' is missing"),
    "language model": (lambda n: n.captioner(2, 0), "that sees the picture; here none of 'lstm1', 'lstm2' has"),
    "two entries": (
        lambda n: changed(n.captioner(2, 2), lstm1=n.captioner(2, 1)["lstm1"]),
        "here 'lstm1', 'lstm2' of 'lstm1', 'lstm2' has",
    ),
    "a bias too many": (
        lambda n: changed(n.captioner(), embedding=lambda b: [*b, np.ones(5)]),
        "2 blobs instead of 1",
    ),
    "no bias": (lambda n: changed(n.captioner(), predict=lambda b: b[:1]), "'predict' has 1 blobs instead of 2"),
    "two vocabularies": (
        lambda n: changed(n.captioner(), predict=[np.ones((8, 4)), np.ones(8)]),
        "'predict', blob 0 is 8 x 4; those around it want 9 x 4",
    ),
    "another number of units": (
        lambda n: changed(n.captioner(), lstm2=n.captioner(units=5)["lstm2"]),
        "'lstm2', blob 0 is 20 x 5; those around it want 16 x 4",
    ),
    "a word": (lambda n: n.captioner(words=1), "embedding knows one word"),
    "a cube": (lambda n: changed(n.captioner(), embedding=[np.ones((2, 9, 5))]), "is 2 x 9 x 5; those .* want 2 axes"),
    "a recogniser of nothing": (
        lambda n: changed(n.recogniser(), conv3=None),
        "of the hybrid CNN, 'conv3' is missing",
    ),
    "a recogniser without its CNN": (
        lambda n: {name: n.recogniser()[name] for name in ("lstm1", "fc8-final")},
        "without its CNN: add the file that has its conv1..conv5 and fc6",
    ),
    "no class scores": (lambda n: changed(n.recogniser(), **{"fc8-final": None}), "'fc8-final' is missing"),
    "two layers of class scores": (
        lambda n: changed(n.recogniser(), **{"fc8-ucf": [np.ones((3, 5)), np.ones(3)]}),
        "'fc8-final', 'fc8-ucf' are class scores of different networks",
    ),
    "one class": (
        lambda n: changed(n.recogniser(), **{"fc8-final": [np.ones((1, 5)), np.ones(1)]}),
        "'fc8-final' knows one class",
    ),
    "class scores of other units": (
        lambda n: changed(n.recogniser(), **{"fc8-final": [np.ones((3, 6)), np.ones(3)]}),
        "'lstm1', blob 0 is 20 x 10; those around it want 24 x 10",
    ),
    "a recogniser's static input": (
        lambda n: changed(n.recogniser(), lstm1=lambda b: [*b, b[0]]),
        "'lstm1' has 4 blobs instead of 3",
    ),
    "a gap in a recogniser": (lambda n: changed(n.recogniser(3), lstm2=None), "of the recogniser, 'lstm2' is missing"),
    "words and classes": (
        lambda n: n.captioner() | {"fc8-final": [np.ones((3, 4)), np.ones(3)]},
        "'embedding', 'predict' belong to a captioner, 'fc8-final' to a recogniser",
    ),
    "CaffeNet's first layer in the hybrid": (
        lambda n: changed(n.recogniser(), conv1=lambda b: [np.ones((4, 3, 9, 9)), b[1]]),
        "'conv1', blob 0 is 4 x 3 x 9 x 9; those around it want 4 x 3 x 11 x 11",
    ),
    "ungrouped hybrid": (
        lambda n: changed(n.recogniser(), conv2=[np.ones((8, 4, 5, 5)), np.ones(8)]),
        "'conv2', blob 0 is 8 x 4 x 5 x 5; those around it want 8 x 2 x 5 x 5",
    ),
    "VGG": (lambda n: {"conv1_1": [np.ones((4, 3, 3, 3))], "conv5_3": [np.ones(3)]}, "this holds VGG-16"),
    "lone recurrent layer": (lambda n: {"lstm": n.captioner()["lstm1"]}, r"nothing but recurrent layers \('lstm'\)"),
    "no blobs": (lambda n: {}, "no layer with blobs"),
    "half a CaffeNet": (lambda n: changed(n.caffenet(), conv3=None, fc6=None), "'conv3', 'fc6' are missing"),
    "no fc7": (lambda n: changed(n.caffenet(), fc7=None), "'fc7' is missing"),
    "ungrouped": (
        lambda n: changed(n.caffenet(), conv2=[np.ones((8, 4, 5, 5)), np.ones(8)]),
        "'conv2', blob 0 is 8 x 4 x 5 x 5; those around it want 8 x 2 x 5 x 5",
    ),
    "odd channels": (lambda n: n.caffenet(channels=(4, 8, 6, 6, 5)), "two groups of equal size"),
    "another picture size": (
        lambda n: changed(n.caffenet(), fc6=[np.ones((10, 64)), np.ones(10)]),
        "'fc6', blob 0 is 10 x 64; those around it want 10 x 144",
    ),
    "bias of another size": (
        lambda n: changed(n.caffenet(), conv1=lambda b: [b[0], np.ones(5)]),
        "'conv1', blob 1 is 5; those around it want 4",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_does_not_fit_is_named(case, nets, recognised):
    blobs, reason = REFUSED[case]
    with pytest.raises(CaffeFileError, match=reason):
        recognised(blobs(nets))


def test_files_of_lone_layers_are_no_model(files):
    for name in ("lstm_static", "lstm_nostatic"):
        with (
            Source(files / f"{name}.caffemodel") as source,
            pytest.raises(CaffeFileError, match="nothing but recurrent layers"),
        ):
            recognise(read_layers(source))


def test_alexnet_is_told_from_caffenet_by_the_order_of_its_layers(nets, proto, recognised):
    pool, norm = proto.v2("pool1", "Pooling"), proto.v2("norm1", "LRN")
    assert recognised(nets.caffenet(), extra=pool + norm).cnn
    with pytest.raises(CaffeFileError, match="this is AlexNet"):
        recognised(nets.caffenet(), extra=norm + pool)


def test_layers_are_skipped_by_name_or_pattern(nets, recognised):
    blobs = changed(nets.captioner(), fc9=[np.ones(3)], conv1_1=[np.ones(3)], conv5_3=[np.ones(3)])
    contents = recognised(blobs, skip=["fc9", "conv*"])
    assert contents.cnn is None
    assert contents.passed_over == ["data", "fc9", "conv1_1", "conv5_3"]
    with pytest.raises(CaffeFileError, match="in none of the files: 'fc10'"):
        recognised(blobs, skip=["fc10", "fc9"])
