"""The networks that can be converted, found among layers by name and held to the shapes that belong together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from lrcn_hub.caffe.weights import Blob, Layer
from lrcn_hub.caffe.wire import CaffeFileError
from lrcn_hub.models.configuration_lrcn import WIRINGS

CAFFENET = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
FULLY_CONNECTED = CAFFENET[5:]
MAP_SIDE = 6  # of the last map of CaffeNet and of the hybrid, for pictures of 227 x 227 pixels
LSTM = re.compile(r"lstm([1-9][0-9]?)")
CLASSIFIER = re.compile(r"fc8-.+")  # fc8-final, fc8-ucf: what a recogniser's class scores are called


@dataclass
class CnnLayers:
    """The layers of CaffeNet, or of the authors' hybrid, by name, with their sizes; fc7 and fc8 may be missing."""

    layers: dict[str, Layer]
    channels: list[int]
    hybrid: bool
    fc_sizes: dict[str, int]

    @property
    def name(self) -> str:
        """What the network is called."""
        return "the hybrid CNN" if self.hybrid else "CaffeNet"

    def take_off(self, feature: str) -> list[str]:
        """Leave out the layers above `feature`; gives their names."""
        above = [name for name in self.layers if CAFFENET.index(name) > CAFFENET.index(feature)]
        for name in above:
            del self.layers[name]
        return above


@dataclass
class CaptionerLayers:
    """A captioner's layers, with their sizes; `visual_layer`, counted from 1, is the one with a static input."""

    embedding: Layer
    lstm: list[Layer]
    predict: Layer
    vocab_size: int
    embedding_size: int
    hidden_size: int
    feature_size: int
    visual_layer: int

    @property
    def wiring(self) -> str:
        """The paper's name of the wiring, or its two numbers."""
        numbers = (len(self.lstm), self.visual_layer)
        names = {layers: name for name, layers in WIRINGS.items()}
        return names.get(numbers, f"{numbers[0]} layers, pictures enter layer {numbers[1]}")


@dataclass
class RecogniserLayers:
    """A recogniser's layers, with their sizes; without recurrent layers it is one of single frames."""

    lstm: list[Layer]
    classifier: Layer
    num_labels: int
    hidden_size: int
    feature_size: int


def find_cnn(layers: Mapping[str, Layer]) -> CnnLayers:
    """Find CaffeNet or the hybrid, which differ in conv1's kernel, its stride and the padding after it."""
    found = {name: layers[name] for name in CAFFENET if name in layers}
    hybrid = "conv1" in found and _shape(found["conv1"], 0, 4)[2:] == (7, 7)
    whose = "the hybrid CNN" if hybrid else "CaffeNet"
    missing = [name for name in CAFFENET[:6] if name not in found]
    if "fc7" not in found and "fc8" in found:
        missing.append("fc7")
    _refuse_missing(whose, missing)
    c = [_shape(found[f"conv{k}"], 0, 4)[0] for k in range(1, 6)]
    if any(channels % 2 for channels in c):
        raise CaffeFileError(f"conv1..conv5 have {c} channels; {whose} works on two groups of equal size")
    first = 7 if hybrid else 11
    kernels = [(c[0], 3, first, first), (c[1], c[0] // 2, 5, 5), (c[2], c[1], 3, 3), (c[3], c[2] // 2, 3, 3)]
    kernels.append((c[4], c[3] // 2, 3, 3))
    for name, kernel in zip(CAFFENET, kernels, strict=False):
        _check(found[name], kernel, kernel[:1])
    sizes, inputs = {}, c[4] * MAP_SIDE**2
    for name in FULLY_CONNECTED:
        if name in found:
            sizes[name] = _shape(found[name], 0, 2)[0]
            _check(found[name], (sizes[name], inputs), (sizes[name],))
            inputs = sizes[name]
    return CnnLayers(found, c, hybrid, sizes)


def find_captioner(layers: Mapping[str, Layer], names: Sequence[str]) -> CaptionerLayers:
    """Find a captioner with the LSTM layers `names`."""
    lstm = [f"lstm{k + 1}" for k in range(len(names))]
    missing = [name for name in ("embedding", *(lstm or ["lstm1"]), "predict") if name not in layers]
    _refuse_missing("the captioner", missing)
    embedding, predict, recurrent = layers["embedding"], layers["predict"], [layers[name] for name in lstm]
    vocab_size, embedding_size = _shape(embedding, 0, 2)
    hidden_size = _shape(predict, 0, 2)[1]
    _check(embedding, (vocab_size, embedding_size))
    _check(predict, (vocab_size, hidden_size), (vocab_size,))
    if vocab_size < 2:
        raise CaffeFileError("embedding knows one word; the first two are the sentence's end and the unknown word")
    visual = [k for k, layer in enumerate(recurrent, start=1) if len(layer.blobs) == 4]
    if len(visual) != 1:
        seeing = quote(f"lstm{k}" for k in visual) if visual else "none"
        raise CaffeFileError(
            f"a captioner has one recurrent layer with a static input (4 blobs) that sees the picture; here {seeing} "
            f"of {quote(lstm)} has"
        )
    feature_size = _shape(recurrent[visual[0] - 1], 2, 2)[1]
    gates, inputs = 4 * hidden_size, embedding_size
    for k, layer in enumerate(recurrent, start=1):
        static = [(gates, feature_size)] if k == visual[0] else []
        _check(layer, (gates, inputs), (gates,), *static, (gates, hidden_size))
        inputs = hidden_size
    return CaptionerLayers(
        embedding, recurrent, predict, vocab_size, embedding_size, hidden_size, feature_size, visual[0]
    )


def find_recogniser(layers: Mapping[str, Layer], names: Sequence[str]) -> RecogniserLayers:
    """Find a recogniser, from its first recurrent layer on, with the LSTM layers `names`."""
    lstm = [f"lstm{k + 1}" for k in range(len(names))]
    classifiers = [name for name in layers if CLASSIFIER.fullmatch(name)]
    _refuse_missing("the recogniser", [name for name in lstm if name not in layers])
    if not classifiers:
        _refuse_missing("the recogniser", ["fc8-final"])
    if len(classifiers) > 1:
        raise CaffeFileError(f"{quote(classifiers)} are class scores of different networks; skip all but one (--skip)")
    classifier = layers[classifiers[0]]
    num_labels, inputs = _shape(classifier, 0, 2)
    _check(classifier, (num_labels, inputs), (num_labels,))
    if num_labels < 2:
        raise CaffeFileError(f"{classifier.place}: layer {classifier.name!r} knows one class; two are the fewest")
    feature_size, hidden_size = inputs, inputs
    for k, name in enumerate(lstm):
        below = _shape(layers[name], 0, 2)[1] if k == 0 else hidden_size
        feature_size = below if k == 0 else feature_size
        _check(layers[name], (4 * hidden_size, below), (4 * hidden_size,), (4 * hidden_size, hidden_size))
    return RecogniserLayers([layers[name] for name in lstm], classifier, num_labels, hidden_size, feature_size)


def _refuse_missing(whose: str, missing: Sequence[str]) -> None:
    if missing:
        raise CaffeFileError(f"of {whose}, {quote(missing)} {'is' if len(missing) == 1 else 'are'} missing")


def _check(layer: Layer, *shapes: tuple[int, ...]) -> None:
    """Raise CaffeFileError unless `layer` has blobs of these shapes."""
    if len(layer.blobs) != len(shapes):
        raise CaffeFileError(
            f"{layer.place}: layer {layer.name!r} has {len(layer.blobs)} blobs instead of {len(shapes)}"
        )
    for index, (blob, shape) in enumerate(zip(layer.blobs, shapes, strict=True)):
        if blob.shape_as(len(shape)) != shape:
            raise _misshapen(layer, index, blob, _times(shape))


def _shape(layer: Layer, index: int, axes: int) -> tuple[int, ...]:
    """The shape of one of the layer's blobs, as one of so many axes."""
    if index >= len(layer.blobs):
        raise CaffeFileError(f"{layer.place}: layer {layer.name!r} has only {len(layer.blobs)} blobs")
    blob = layer.blobs[index]
    shape = blob.shape_as(axes)
    if shape is None:
        raise _misshapen(layer, index, blob, f"{axes} axes")
    return shape


def _misshapen(layer: Layer, index: int, blob: Blob, wanted: str) -> CaffeFileError:
    return CaffeFileError(
        f"{layer.place}: layer {layer.name!r}, blob {index} is {_times(blob.shape)}; those around it want {wanted}"
    )


def _times(shape: tuple[int, ...]) -> str:
    return " x ".join(map(str, shape)) or "a single number"


def quote(names: Iterable[str]) -> str:
    """Name layers in a message, the first five of many."""
    names = [repr(name) for name in names]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
