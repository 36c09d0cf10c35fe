"""What files of weights hold: CaffeNet, a captioner, or both, known by the names and shapes of their layers."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from lrcn_hub.caffe.weights import Blob, Layer
from lrcn_hub.caffe.wire import CaffeFileError
from lrcn_hub.models.configuration_lrcn import WIRINGS

CAFFENET = ("conv1", "conv2", "conv3", "conv4", "conv5", "fc6", "fc7", "fc8")
FULLY_CONNECTED = CAFFENET[5:]
REFERENCE_FILE = "bvlc_reference_caffenet.caffemodel"
MAP_SIDE = 6  # of CaffeNet's last map, for pictures of 227 x 227 pixels
_LSTM = re.compile(r"lstm([1-9][0-9]?)")


@dataclass
class CaffeNetLayers:
    """CaffeNet's layers by name, with their sizes; fc7 and fc8 may be missing."""

    layers: dict[str, Layer]
    channels: list[int]
    fc_sizes: dict[str, int]

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
class Contents:
    """What was found; `passed_over` are layers that are not needed, of the files or as asked for."""

    cnn: CaffeNetLayers | None
    captioner: CaptionerLayers | None
    passed_over: list[str] = field(default_factory=list)


def recognise(layers: Iterable[Layer], skip: Collection[str] = ()) -> Contents:
    """Place every layer that has blobs; of two with one name the later counts, as when Caffe loads several files.

    Layers without blobs, and those whose names match a pattern of `skip`, are passed over. Raises
    CaffeFileError naming a layer that cannot be placed, one that is missing, or one whose shape does not fit.
    """
    layers = list(layers)
    idle = [pattern for pattern in skip if not any(fnmatchcase(layer.name, pattern) for layer in layers)]
    if idle:
        raise CaffeFileError(f"to be skipped, but in none of the files: {_names(idle)}")
    by_name = {layer.name: layer for layer in layers if layer.blobs and not _matches(layer.name, skip)}
    lstm = [name for name in by_name if _LSTM.fullmatch(name)]
    language = {"embedding", "predict", *lstm}
    _refuse_other_networks(by_name)
    unknown = [name for name in by_name if name not in language and name not in CAFFENET]
    if unknown:
        first = by_name[unknown[0]]
        raise CaffeFileError(
            f"{first.place}: no place for {_names(unknown)}: CaffeNet has the layers conv1..conv5, fc6..fc8, "
            "captioners embedding, lstm1, lstm2, ..., predict; what the model can do without can be skipped (--skip)"
        )
    _check_order(layers)
    cnn = _caffenet(by_name) if by_name.keys() & set(CAFFENET) else None
    captioner = _captioner(by_name, lstm) if by_name.keys() & language else None
    if cnn is None and captioner is None:
        raise CaffeFileError("no layer with blobs: there are no weights in these files")
    passed_over = [layer.name for layer in layers if layer.name not in by_name]
    return Contents(cnn, captioner, list(dict.fromkeys(passed_over)))


def _refuse_other_networks(layers: Mapping[str, Layer]) -> None:
    """Say what well-known networks are that cannot be converted."""
    has_sentences = "embedding" in layers or "predict" in layers
    conv1 = layers.get("conv1")
    hybrid = conv1 is not None and conv1.blobs[0].shape[-2:] == (7, 7)
    if "fc8-final" in layers or "fc8-ucf" in layers or hybrid or ("lstm1" in layers and conv1 and not has_sentences):
        raise CaffeFileError("this is a network of the authors' activity recognition, which cannot be converted yet")
    if "conv1_1" in layers and "conv5_3" in layers:
        raise CaffeFileError(
            "this holds VGG-16, and only CaffeNet can be converted; to keep a captioner's words and recurrent layers, "
            "which then need features made elsewhere, skip the layers conv*,fc*"
        )
    recurrent = [name for name, layer in layers.items() if layer.type in ("lstm", "rnn", "recurrent")]
    if layers and len(recurrent) == len(layers):
        raise CaffeFileError(f"nothing but recurrent layers ({_names(recurrent)}): this is no whole model")


def _check_order(layers: list[Layer]) -> None:
    """AlexNet has CaffeNet's names and shapes, but normalises before pooling; snapshots hold these layers, too."""
    order = [layer.name for layer in layers]
    if "norm1" in order and "pool1" in order and order.index("norm1") < order.index("pool1"):
        raise CaffeFileError(
            "norm1 comes before pool1: this is AlexNet; CaffeNet, which the authors used, pools first"
        )


def _caffenet(layers: Mapping[str, Layer]) -> CaffeNetLayers:
    found = {name: layers[name] for name in CAFFENET if name in layers}
    missing = [name for name in CAFFENET[:6] if name not in found]
    if "fc7" not in found and "fc8" in found:
        missing.append("fc7")
    if missing:
        raise CaffeFileError(f"of CaffeNet, {_names(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    c = [_shape(found[f"conv{k}"], 0, 4)[0] for k in range(1, 6)]
    if any(channels % 2 for channels in c):
        raise CaffeFileError(f"conv1..conv5 have {c} channels; CaffeNet works on two groups of equal size")
    kernels = [(c[0], 3, 11, 11), (c[1], c[0] // 2, 5, 5), (c[2], c[1], 3, 3), (c[3], c[2] // 2, 3, 3)]
    kernels.append((c[4], c[3] // 2, 3, 3))
    for name, kernel in zip(CAFFENET, kernels, strict=False):
        _check(found[name], kernel, kernel[:1])
    sizes, inputs = {}, c[4] * MAP_SIDE**2
    for name in FULLY_CONNECTED:
        if name in found:
            sizes[name] = _shape(found[name], 0, 2)[0]
            _check(found[name], (sizes[name], inputs), (sizes[name],))
            inputs = sizes[name]
    return CaffeNetLayers(found, c, sizes)


def _captioner(layers: Mapping[str, Layer], names: list[str]) -> CaptionerLayers:
    lstm = [f"lstm{k + 1}" for k in range(len(names))]
    missing = [name for name in ("embedding", *(lstm or ["lstm1"]), "predict") if name not in layers]
    if missing:
        raise CaffeFileError(f"of the captioner, {_names(missing)} {'is' if len(missing) == 1 else 'are'} missing")
    embedding, predict, recurrent = layers["embedding"], layers["predict"], [layers[name] for name in lstm]
    vocab_size, embedding_size = _shape(embedding, 0, 2)
    hidden_size = _shape(predict, 0, 2)[1]
    _check(embedding, (vocab_size, embedding_size))
    _check(predict, (vocab_size, hidden_size), (vocab_size,))
    if vocab_size < 2:
        raise CaffeFileError("embedding knows one word; the first two are the sentence's end and the unknown word")
    visual = [k for k, layer in enumerate(recurrent, start=1) if len(layer.blobs) == 4]
    if len(visual) != 1:
        seeing = _names(f"lstm{k}" for k in visual) if visual else "none"
        raise CaffeFileError(
            f"a captioner has one recurrent layer with a static input (4 blobs) that sees the picture; here {seeing} "
            f"of {_names(lstm)} has"
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


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def _names(names: Iterable[str]) -> str:
    names = [repr(name) for name in names]
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
