"""A small writer of Caffe's files and Caffe's equations in numpy, both written independently of the library."""

import itertools
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

FILES = Path(__file__).parent / "files"
GOLDENS = Path(__file__).parents[1] / "goldens"

CAFFENET_CHANNELS, CAFFENET_FC = (4, 8, 6, 6, 4), (10, 12, 7)


def varint(number):
    number &= 2**64 - 1  # as Protocol Buffers write negative numbers
    data = b""
    while number > 127:
        data, number = data + bytes([number & 127 | 128]), number >> 7
    return data + bytes([number])


def number(tag, value):
    return varint(tag << 3) + varint(value)


def text(tag, value):
    data = value.encode() if isinstance(value, str) else value
    return varint(tag << 3 | 2) + varint(len(data)) + data


def values(tag, array, *, double=False, packed=True):
    kind, width = ("<f8", 8) if double else ("<f4", 4)
    data = np.asarray(array).astype(kind).tobytes()
    if packed:
        return text(tag, data)
    key = varint(tag << 3 | (1 if double else 5))
    return b"".join(key + data[k : k + width] for k in range(0, len(data), width))


def blob(array, *, form="shape", double=False, packed=True, diff=False):
    """One BlobProto; form "shape", "unpacked shape", "4-D shape" or "legacy"."""
    array = np.asarray(array)
    sizes = (1,) * (4 - array.ndim) + array.shape if form in ("legacy", "4-D shape") else array.shape
    if form == "legacy":
        data = b"".join(number(tag, size) for tag, size in enumerate(sizes, start=1))
    elif form == "unpacked shape":
        data = text(7, b"".join(number(1, size) for size in sizes))
    else:
        data = text(7, text(1, b"".join(map(varint, sizes))))
    data += values(8 if double else 5, array, double=double, packed=packed)
    if diff:
        data += values(9 if double else 6, np.full(array.shape, np.nan), double=double, packed=packed)
    return data


def v2(name, kind, blobs=(), extra=b"", **form):
    return text(100, text(1, name) + text(2, kind) + b"".join(text(7, blob(b, **form)) for b in blobs) + extra)


def v1(name, kind, blobs=(), **form):
    numbers = {"Convolution": 4, "InnerProduct": 14, "Data": 5, "ReLU": 18, "LRN": 15, "Pooling": 17}
    data = text(2, "bottom") + text(3, "top") + text(4, name) + number(5, numbers.get(kind, 0))
    return text(2, data + b"".join(text(6, blob(b, **form)) for b in blobs))


def v0(name, kind, blobs=(), **form):
    words = {"Convolution": "conv", "InnerProduct": "innerproduct"}
    inner = text(1, name) + text(2, words.get(kind, kind.lower()))
    inner += b"".join(text(50, blob(b, **form)) for b in blobs)
    return text(2, text(1, inner) + text(2, "bottom") + text(3, "top"))


def caffenet_blobs(seed=0, channels=CAFFENET_CHANNELS, fc=CAFFENET_FC, first=11):
    """Random blobs of CaffeNet by layer name, scaled to keep activations alive; `first` is conv1's kernel."""
    random, (c1, c2, c3, c4, c5) = np.random.default_rng(seed), channels
    shapes = [(c1, 3, first, first), (c2, c1 // 2, 5, 5), (c3, c2, 3, 3), (c4, c3 // 2, 3, 3), (c5, c4 // 2, 3, 3)]
    shapes += [(above, below) for below, above in itertools.pairwise((c5 * 36, *fc))]
    names = [*(f"conv{k}" for k in range(1, 6)), "fc6", "fc7", "fc8"][: len(shapes)]
    return {
        name: [random.normal(0, np.prod(shape[1:]) ** -0.5, shape), random.normal(0, 0.1, shape[0])]
        for name, shape in zip(names, shapes, strict=True)
    }


def captioner_blobs(layers=2, visual=2, words=9, embedding=5, units=4, feature=7, seed=1):
    """Random blobs of a captioner by layer name, in Caffe's order and with its gate rows."""
    random = np.random.default_rng(seed)
    blobs = {"embedding": [random.normal(size=(words, embedding))]}
    inputs = embedding
    for k in range(1, layers + 1):
        static = [random.normal(size=(4 * units, feature))] if k == visual else []
        gates = [random.normal(size=(4 * units, inputs)), random.normal(size=4 * units)]
        blobs[f"lstm{k}"] = [*gates, *static, random.normal(size=(4 * units, units))]
        inputs = units
    blobs["predict"] = [random.normal(size=(words, units)), random.normal(size=words)]
    return blobs


def recurrent_blobs(layers=1, feature=10, units=5, classes=3, name="fc8-final", seed=2):
    """Random blobs of a recogniser from its first recurrent layer on; of class scores alone without such a layer."""
    random, blobs, inputs = np.random.default_rng(seed), {}, feature
    for k in range(1, layers + 1):
        shapes = [(4 * units, inputs), (4 * units,), (4 * units, units)]
        blobs[f"lstm{k}"] = [random.normal(size=shape) for shape in shapes]
        inputs = units
    return blobs | {name: [random.normal(size=(classes, inputs)), random.normal(size=classes)]}


def hybrid_blobs(seed=0, fc=(10,)):
    return caffenet_blobs(seed, fc=fc, first=7)


def recogniser_blobs(layers=1, fc=(10,), **options):
    """Random blobs of a recogniser with the hybrid CNN."""
    return hybrid_blobs(fc=fc) | recurrent_blobs(layers, **options)


def kind_of(name):
    return next(
        kind
        for start, kind in {
            "conv": "Convolution",
            "lstm": "LSTM",
            "embedding": "Embed",
            "": "InnerProduct",
        }.items()
        if name.startswith(start)
    )


def network(blobs, write=v2, **form):
    """A file's bytes: the layers of `blobs`, and some that have none."""
    data = text(1, "a network") + write("data", "Data")
    return data + b"".join(write(name, kind_of(name), own, **form) for name, own in blobs.items())


def caption_logits(blobs, features, sentences, visual):
    """Scores of next words (T, N, V) by Caffe's equations in double precision; `sentences` (T, N) start with 0."""

    def sigmoid(x):
        return 1 / (1 + np.exp(-x))

    layers = [blobs[name] for name in sorted(name for name in blobs if name.startswith("lstm"))]
    units = blobs["predict"][0].shape[1]
    h, c = (np.zeros((len(layers), sentences.shape[1], units)) for _ in range(2))
    scores = []
    for words in sentences:
        x = blobs["embedding"][0][words]
        for k, (weight, bias, *static, recurrent) in enumerate(layers):
            gates = x @ weight.T + bias + h[k] @ recurrent.T
            if k + 1 == visual:
                gates = gates + features @ static[0].T
            i, f, o, g = np.split(gates, 4, axis=1)
            c[k] = sigmoid(f) * c[k] + sigmoid(i) * np.tanh(g)
            h[k] = sigmoid(o) * np.tanh(c[k])
            x = h[k]
        scores.append(x @ blobs["predict"][0].T + blobs["predict"][1])
    return np.stack(scores)


@pytest.fixture
def proto():
    """What writes Caffe's files, byte by byte."""
    return SimpleNamespace(varint=varint, number=number, text=text, values=values, blob=blob, v2=v2, v1=v1, v0=v0)


@pytest.fixture
def nets():
    """Random networks as blobs by layer, as bytes, and what they give."""
    return SimpleNamespace(
        caffenet=caffenet_blobs,
        hybrid=hybrid_blobs,
        captioner=captioner_blobs,
        recurrent=recurrent_blobs,
        recogniser=recogniser_blobs,
        network=network,
        caption_logits=caption_logits,
    )


@pytest.fixture
def write(tmp_path):
    """Put bytes or text into a file; gives its path."""

    def put(content, name="weights.caffemodel"):
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


@pytest.fixture
def read(write):
    """Every blob of a file by layer, in its own shape, as our reader gives them."""
    from lrcn_hub.caffe.weights import read_layers
    from lrcn_hub.caffe.wire import Source

    def blobs(content):
        path = content if isinstance(content, Path) else write(content)
        with Source(path) as source:
            return {layer.name: [b.read().numpy() for b in layer.blobs] for layer in read_layers(source)}

    return blobs


@pytest.fixture
def files():
    return FILES


@pytest.fixture
def golden():
    def load(name):
        return dict(np.load(GOLDENS / f"{name}.npz").items())

    return load
