"""What files of weights hold: a CNN, a captioner, a recogniser, or one of these with its CNN."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from lrcn_hub.caffe.networks import (
    CAFFENET,
    CLASSIFIER,
    LSTM,
    CaptionerLayers,
    CnnLayers,
    RecogniserLayers,
    find_captioner,
    find_cnn,
    find_recogniser,
    quote,
)
from lrcn_hub.caffe.weights import Layer
from lrcn_hub.caffe.wire import CaffeFileError


@dataclass
class Contents:
    """What was found; `passed_over` are layers that are not needed, of the files or as asked for."""

    cnn: CnnLayers | None
    captioner: CaptionerLayers | None = None
    recogniser: RecogniserLayers | None = None
    passed_over: list[str] = field(default_factory=list)

    def used(self) -> list[Layer]:
        """The layers whose weights the model will have."""
        layers = [] if self.cnn is None else list(self.cnn.layers.values())
        if self.captioner is not None:
            layers += [self.captioner.embedding, *self.captioner.lstm, self.captioner.predict]
        if self.recogniser is not None:
            layers += [*self.recogniser.lstm, self.recogniser.classifier]
        return layers


def recognise(layers: Iterable[Layer], skip: Collection[str] = ()) -> Contents:
    """Place every layer that has blobs; of two with one name the later counts, as when Caffe loads several files.

    Layers without blobs, and those whose names match a pattern of `skip`, are passed over. Raises
    CaffeFileError naming a layer that cannot be placed, one that is missing, or one whose shape does not fit.
    """
    layers = list(layers)
    idle = [pattern for pattern in skip if not any(fnmatchcase(layer.name, pattern) for layer in layers)]
    if idle:
        raise CaffeFileError(f"to be skipped, but in none of the files: {quote(idle)}")
    by_name = {layer.name: layer for layer in layers if layer.blobs and not _matches(layer.name, skip)}
    lstm = [name for name in by_name if LSTM.fullmatch(name)]
    classifiers = [name for name in by_name if CLASSIFIER.fullmatch(name)]
    sentences = [name for name in ("embedding", "predict") if name in by_name]
    _refuse_other_networks(by_name)
    known = {*CAFFENET, *lstm, *classifiers, *sentences}
    unknown = [name for name in by_name if name not in known]
    if unknown:
        first = by_name[unknown[0]]
        raise CaffeFileError(
            f"{first.place}: no place for {quote(unknown)}: CaffeNet and the hybrid CNN have the layers conv1..conv5, "
            "fc6..fc8, captioners embedding, lstm1, lstm2, ..., predict, recognisers lstm1, lstm2, ..., fc8-final or "
            "fc8-ucf; what the model can do without can be skipped (--skip)"
        )
    _check_order(layers)
    if sentences and classifiers:
        raise CaffeFileError(f"{quote(sentences)} belong to a captioner, {quote(classifiers)} to a recogniser")
    found = Contents(find_cnn(by_name) if by_name.keys() & set(CAFFENET) else None)
    if classifiers or (lstm and found.cnn is not None and not sentences):
        found.recogniser = find_recogniser(by_name, lstm)
        if found.cnn is None:
            raise CaffeFileError("a recogniser without its CNN: add the file that has its conv1..conv5 and fc6")
    elif lstm or sentences:
        found.captioner = find_captioner(by_name, lstm)
    elif found.cnn is None:
        raise CaffeFileError("no layer with blobs: there are no weights in these files")
    found.passed_over = list(dict.fromkeys(layer.name for layer in layers if layer.name not in by_name))
    return found


def _refuse_other_networks(layers: Mapping[str, Layer]) -> None:
    """Say what well-known networks are that cannot be converted."""
    if "conv1_1" in layers and "conv5_3" in layers:
        raise CaffeFileError(
            "this holds VGG-16, and only CaffeNet and the hybrid CNN can be converted; to keep a captioner's words "
            "and recurrent layers, which then need features made elsewhere, skip the layers conv*,fc*"
        )
    recurrent = [name for name, layer in layers.items() if layer.type in ("lstm", "rnn", "recurrent")]
    if layers and len(recurrent) == len(layers):
        raise CaffeFileError(f"nothing but recurrent layers ({quote(recurrent)}): this is no whole model")
    cells = [name for name, layer in layers.items() if layer.type == "rnn"]
    if cells:
        raise CaffeFileError(
            f"{layers[cells[0]].place}: {quote(cells)} are RNN cells; only LSTM layers can be converted"
        )


def _check_order(layers: list[Layer]) -> None:
    """AlexNet has CaffeNet's names and shapes, but normalises before pooling; snapshots hold these layers, too."""
    order = [layer.name for layer in layers]
    if "norm1" in order and "pool1" in order and order.index("norm1") < order.index("pool1"):
        raise CaffeFileError(
            "norm1 comes before pool1: this is AlexNet; CaffeNet, which the authors used, pools first"
        )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)
