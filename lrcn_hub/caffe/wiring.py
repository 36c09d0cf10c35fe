"""Whether a prototxt describes the network that the weights are for, and which feature its later part sees."""

from __future__ import annotations

import itertools
from typing import NoReturn

from lrcn_hub.caffe.contents import Contents
from lrcn_hub.caffe.networks import CAFFENET, FULLY_CONNECTED, CaptionerLayers, CnnLayers, RecogniserLayers
from lrcn_hub.caffe.prototxt import NetLayer, network_layers, parameters, read_prototxt
from lrcn_hub.caffe.wire import CaffeFileError

WITH_WEIGHTS = {"convolution", "innerproduct", "embed", "lstm", "rnn"}
NO_MATTER = {"dropout", "split", "reshape", "flatten"}  # on the way from one layer to the next, in the test phase

# What lies between the layers of CaffeNet and the hybrid, from the later back to the earlier one; lrcn.prototxt,
# train_test_lstm_RGB.prototxt.
CAFFENET_CHAINS = {
    "conv2": ("conv1", ["lrn", "pooling", "relu"]),
    "conv3": ("conv2", ["lrn", "pooling", "relu"]),
    "conv4": ("conv3", ["relu"]),
    "conv5": ("conv4", ["relu"]),
    "fc6": ("conv5", ["pooling", "relu"]),
    "fc7": ("fc6", ["relu"]),
    "fc8": ("fc7", ["relu"]),
}
CONVOLUTIONS = {"conv1": (4, 0, 1), "conv2": (1, 2, 2), "conv3": (1, 1, 1), "conv4": (1, 1, 2), "conv5": (1, 1, 2)}
"""CaffeNet's stride, padding and groups."""
HYBRID_CONVOLUTIONS = {**CONVOLUTIONS, "conv1": (2, 0, 1), "conv2": (2, 0, 2)}


def check_wiring(path: str, contents: Contents) -> str | None:
    """Hold the network of a prototxt, in the test phase, to what the weights say; give the feature, if it tells it.

    The stages of the authors' prototxt (factored, 2-layer, ...) are set as the weights are wired. Raises
    CaffeFileError naming the first layer that is connected otherwise or has other parameters.
    """
    network = _Network(path, network_layers(read_prototxt(path), _stages(contents.captioner)))
    if not network.by_name.keys() & {layer.name for layer in contents.used()}:
        raise CaffeFileError(f"{path}: it has none of the weights' layers; its layers are {list(network.by_name)[:5]}")
    if contents.cnn is not None:
        network.check_cnn(contents.cnn)
    if contents.recogniser is not None:
        return network.check_recogniser(contents.recogniser)
    return network.check_captioner(contents.captioner) if contents.captioner is not None else None


def _stages(captioner: CaptionerLayers | None) -> set[str]:
    if captioner is None:
        return set()
    return {"factored" if captioner.visual_layer > 1 else "unfactored", f"{len(captioner.lstm)}-layer"}


class _Network:
    """The layers of a prototxt, and the way back from one to another."""

    def __init__(self, path: str, layers: list[NetLayer]) -> None:
        self.path, self.layers = path, layers
        self.by_name = {layer.name: layer for layer in layers}

    def check_cnn(self, cnn: CnnLayers) -> None:
        for name, (before, between) in CAFFENET_CHAINS.items():
            if name in self.by_name:
                self.expect_chain(name, before, between)
        for name, expected in (HYBRID_CONVOLUTIONS if cnn.hybrid else CONVOLUTIONS).items():
            if name in self.by_name:
                value = parameters(self.by_name[name], "convolution_param")
                given = (value("stride", 1), value("pad", 0), value("group", 1))
                if given != expected:
                    self.fail(f"{name} has stride, pad and group {given}; {cnn.name}'s are {expected}")
        for layer in self.layers:
            self.check_pooling(layer, cnn.name)

    def check_pooling(self, layer: NetLayer, cnn: str) -> None:
        if layer.name in ("pool1", "pool2", "pool5"):
            value = parameters(layer, "pooling_param")
            given = (value("pool", "MAX"), value("kernel_size", 0), value("stride", 1))
            if given not in (("MAX", 3, 2), (0, 3, 2)):
                self.fail(f"{layer.name} has pool, kernel_size and stride {given}; {cnn}'s are ('MAX', 3, 2)")
        if layer.name in ("norm1", "norm2"):
            value = parameters(layer, "lrn_param")
            given = (value("local_size", 5), value("alpha", 1.0), value("beta", 0.75))
            if given != (5, 0.0001, 0.75):
                self.fail(f"{layer.name} has local_size, alpha and beta {given}; {cnn}'s are (5, 0.0001, 0.75)")

    def check_recogniser(self, recogniser: RecogniserLayers) -> str:
        """The feature is what the first of the recurrent layers reads, or without them the class scores."""
        expected = [layer.name for layer in recogniser.lstm]
        self.expect_lstm([layer.name for layer in self.layers if layer.type == "lstm"], expected)
        chain = [*expected, recogniser.classifier.name]
        for before, name in itertools.pairwise(chain):
            self.expect_chain(name, before, [])
        for name in expected:
            if self.has_static_input(name):
                self.fail(f"{name} has a static input; its weights disagree")
            self.expect_units(name, recogniser.hidden_size)
        self.expect_layer(chain[0])
        feature = self.feature(chain[0], bottom=0)
        if feature is None:
            self.fail(f"{chain[0]} reads none of {', '.join(FULLY_CONNECTED)}")
        return feature

    def check_captioner(self, captioner: CaptionerLayers) -> str | None:
        lstm = [layer.name for layer in self.layers if layer.type == "lstm"]
        if not lstm:
            return None
        expected = [layer.name for layer in captioner.lstm]
        self.expect_lstm(lstm, expected)
        for before, name in zip(["embedding", *expected], [*expected, "predict"], strict=True):
            self.expect_chain(name, before, [])
        for k, name in enumerate(expected, start=1):
            if self.has_static_input(name) != (k == captioner.visual_layer):
                self.fail(
                    f"{name} has {'a' if k != captioner.visual_layer else 'no'} static input; its weights disagree"
                )
            self.expect_units(name, captioner.hidden_size)
        return self.feature(expected[captioner.visual_layer - 1], bottom=2)

    def expect_lstm(self, found: list[str], expected: list[str]) -> None:
        if sorted(set(found)) != sorted(expected):
            self.fail(f"it has the LSTM layers {found}, but the weights {expected}")

    def expect_units(self, name: str, hidden_size: int) -> None:
        units = parameters(self.by_name[name], "recurrent_param")("num_output", hidden_size)
        if units != hidden_size:
            self.fail(f"{name} has num_output {units}, but its weights are for {hidden_size} units")

    def has_static_input(self, name: str) -> bool:
        layer = self.by_name[name]
        exposed = 2 if parameters(layer, "recurrent_param")("expose_hidden", False) is True else 0  # h_0 and c_0
        return len(layer.bottoms) - exposed == 3  # x, cont, x_static

    def feature(self, name: str, bottom: int) -> str | None:
        """The CNN's layer that `name` sees as one of its inputs; none if that is given from outside."""
        before, between = self.chain(name, bottom)
        if before is None or before.name not in CAFFENET:
            return None
        if before.name not in FULLY_CONNECTED:
            self.fail(f"{name} sees {before.name}; what can be seen is {', '.join(FULLY_CONNECTED)}")
        if between != ([] if before.name == "fc8" else ["relu"]):
            self.fail(f"{name} sees {before.name} through {between}; our {before.name} is {_taken(before.name)}")
        return before.name

    def expect_chain(self, name: str, before: str, between: list[str]) -> None:
        """Raise CaffeFileError unless the layer's input comes from layer `before` through layers of these types."""
        self.expect_layer(name)
        layer, found = self.chain(name)
        if layer is None or layer.name != before or found != between:
            source = "an input" if layer is None else layer.name
            way = f" through {', '.join(found)}" if found else ""
            wanted = f" through {', '.join(between)}" if between else ""
            self.fail(f"{name} reads {source}{way}; it should read {before}{wanted}")

    def expect_layer(self, name: str) -> None:
        if name not in self.by_name:
            self.fail(f"it has no layer {name!r}")

    def chain(self, name: str, bottom: int = 0) -> tuple[NetLayer | None, list[str]]:
        """Go back from an input of layer `name` to the layer with weights that it comes from.

        Gives that layer, none where a network's input is reached, and the types of layers passed, but for those that
        change no value. A layer that reads and writes one blob in its place comes after the blob's maker.
        """
        position = self.layers.index(self.by_name[name])
        bottoms = self.layers[position].bottoms
        if bottom >= len(bottoms):
            self.fail(f"{name} has {len(bottoms)} inputs")
        blob = bottoms[bottom]
        passed: list[str] = []
        for layer in reversed(self.layers[:position]):
            if blob not in layer.tops:
                continue
            if layer.type in WITH_WEIGHTS or len(layer.bottoms) != 1:
                return (layer if layer.bottoms else None), passed
            if layer.type not in NO_MATTER:
                passed.append(layer.type)
            blob = layer.bottoms[0]
        return None, passed

    def fail(self, reason: str) -> NoReturn:
        raise CaffeFileError(f"{self.path}: {reason}")


def _taken(name: str) -> str:
    return "taken raw" if name == "fc8" else "taken after ReLU"
