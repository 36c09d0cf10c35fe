"""Whether a prototxt describes the network that the weights are for, and which feature the captioner sees."""

from __future__ import annotations

from lrcn_hub.caffe.contents import CAFFENET, FULLY_CONNECTED, CaptionerLayers, Contents
from lrcn_hub.caffe.prototxt import NetLayer, network_layers, parameters, read_prototxt
from lrcn_hub.caffe.wire import CaffeFileError

WITH_WEIGHTS = {"convolution", "innerproduct", "embed", "lstm", "rnn"}
NO_MATTER = {"dropout", "split", "reshape", "flatten"}  # on the way from one layer to the next, in the test phase

# What lies between CaffeNet's layers, from the later one back to the earlier one; lrcn.prototxt.
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
"""Stride, padding and groups."""


def check_wiring(path: str, contents: Contents) -> str | None:
    """Hold the network of a prototxt, in the test phase, to what the weights say; give the feature, if it tells it.

    The stages of the authors' prototxt (factored, 2-layer, ...) are set as the weights are wired. Raises
    CaffeFileError naming the first layer that is connected otherwise or has other parameters.
    """
    network = _Network(path, network_layers(read_prototxt(path), _stages(contents.captioner)))
    if not network.by_name.keys() & {*CAFFENET, "embedding", "lstm1", "predict"}:
        raise CaffeFileError(f"{path}: it has none of the weights' layers; its layers are {list(network.by_name)[:5]}")
    if contents.cnn is not None:
        network.check_caffenet()
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

    def check_caffenet(self) -> None:
        for name, (before, between) in CAFFENET_CHAINS.items():
            if name in self.by_name:
                self.expect_chain(name, before, between)
        for name, expected in CONVOLUTIONS.items():
            if name in self.by_name:
                value = parameters(self.by_name[name], "convolution_param")
                given = (value("stride", 1), value("pad", 0), value("group", 1))
                if given != expected:
                    self.fail(f"{name} has stride, pad and group {given}; CaffeNet's are {expected}")
        for layer in self.layers:
            self.check_pooling(layer)

    def check_pooling(self, layer: NetLayer) -> None:
        if layer.name in ("pool1", "pool2", "pool5"):
            value = parameters(layer, "pooling_param")
            given = (value("pool", "MAX"), value("kernel_size", 0), value("stride", 1))
            if given not in (("MAX", 3, 2), (0, 3, 2)):
                self.fail(f"{layer.name} has pool, kernel_size and stride {given}; CaffeNet's are ('MAX', 3, 2)")
        if layer.name in ("norm1", "norm2"):
            value = parameters(layer, "lrn_param")
            given = (value("local_size", 5), value("alpha", 1.0), value("beta", 0.75))
            if given != (5, 0.0001, 0.75):
                self.fail(f"{layer.name} has local_size, alpha and beta {given}; CaffeNet's are (5, 0.0001, 0.75)")

    def check_captioner(self, captioner: CaptionerLayers) -> str | None:
        lstm = [layer.name for layer in self.layers if layer.type == "lstm"]
        if not lstm:
            return None
        expected = [layer.name for layer in captioner.lstm]
        if sorted(set(lstm)) != sorted(expected):
            self.fail(f"it has the LSTM layers {lstm}, but the weights {expected}")
        for before, name in zip(["embedding", *expected], [*expected, "predict"], strict=True):
            self.expect_chain(name, before, [])
        for k, name in enumerate(expected, start=1):
            if self.has_static_input(name) != (k == captioner.visual_layer):
                self.fail(
                    f"{name} has {'a' if k != captioner.visual_layer else 'no'} static input; its weights disagree"
                )
            units = parameters(self.by_name[name], "recurrent_param")("num_output", captioner.hidden_size)
            if units != captioner.hidden_size:
                self.fail(f"{name} has num_output {units}, but its weights are for {captioner.hidden_size} units")
        return self.feature(expected[captioner.visual_layer - 1])

    def has_static_input(self, name: str) -> bool:
        layer = self.by_name[name]
        exposed = 2 if parameters(layer, "recurrent_param")("expose_hidden", False) is True else 0  # h_0 and c_0
        return len(layer.bottoms) - exposed == 3  # x, cont, x_static

    def feature(self, name: str) -> str | None:
        """CaffeNet's layer that `name` sees as its static input; none if that is given from outside."""
        before, between = self.chain(name, bottom=2)
        if before is None or before.name not in CAFFENET:
            return None
        if before.name not in FULLY_CONNECTED:
            self.fail(f"{name} sees {before.name}; captioners can see {', '.join(FULLY_CONNECTED)}")
        if between != ([] if before.name == "fc8" else ["relu"]):
            self.fail(f"{name} sees {before.name} through {between}; our {before.name} is {_taken(before.name)}")
        return before.name

    def expect_chain(self, name: str, before: str, between: list[str]) -> None:
        """Raise CaffeFileError unless the layer's input comes from layer `before` through layers of these types."""
        if name not in self.by_name:
            self.fail(f"it has no layer {name!r}")
        layer, found = self.chain(name)
        if layer is None or layer.name != before or found != between:
            source = "an input" if layer is None else layer.name
            way = f" through {', '.join(found)}" if found else ""
            wanted = f" through {', '.join(between)}" if between else ""
            self.fail(f"{name} reads {source}{way}; it should read {before}{wanted}")

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

    def fail(self, reason: str) -> None:
        raise CaffeFileError(f"{self.path}: {reason}")


def _taken(name: str) -> str:
    return "taken raw" if name == "fc8" else "taken after ReLU"
