"""``.caffemodel`` files: a binary NetParameter, of which names, types and blobs of the layers are read.

Nothing else in them can be trusted: forks of Caffe gave the same tags to different parameters. Both kinds of layers
are known, V2 (`layer`, 100) and V1 (`layers`, 2, which may wrap a V0 `layer`), blobs with a `shape` or with the old
num, channels, height and width, floats or doubles, packed or not. Field numbers: caffe.proto.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from lrcn_hub.caffe.wire import FIXED32, FIXED64, LENGTH, VARINT, Field, Message, Source

MAX_LAYERS = 10_000
MAX_BLOBS = 100
MAX_AXES = 32  # as in Caffe

V2_LAYER, V1_LAYER = 100, 2
_V0_LAYER = 1
_DATA, _SHAPE, _DOUBLE_DATA = 5, 7, 8
_LEGACY_SHAPE = (1, 2, 3, 4)  # num, channels, height, width
_CHUNK = 2**18

# V1's numbers for layer types, of which a few say something of the network; V0 has words of its own.
_V1_TYPES = {4: "convolution", 5: "data", 6: "dropout", 14: "innerproduct", 15: "lrn", 17: "pooling", 18: "relu"}
_V0_TYPES = {"conv": "convolution", "pool": "pooling"}


class _Tags(NamedTuple):
    """The field numbers of one kind of layer."""

    name: int
    type: int
    blobs: int


_V2, _V1, _V0 = _Tags(1, 2, 7), _Tags(4, 5, 6), _Tags(1, 2, 50)


def plain_type(name: str) -> str:
    """A layer type in one spelling: ``InnerProduct`` and ``INNER_PRODUCT`` are both ``innerproduct``."""
    name = name.replace("_", "").lower()
    return _V0_TYPES.get(name, name)


@dataclass
class Blob:
    """One array of a layer, still in its file."""

    message: Message
    shape: tuple[int, ...]
    double: bool

    @property
    def nbytes(self) -> int:
        """The bytes of its values in the file."""
        return math.prod(self.shape) * (8 if self.double else 4)

    def shape_as(self, axes: int) -> tuple[int, ...] | None:
        """The shape as one of so many `axes`; none if it is another.

        Ones in front count for nothing: old files give every blob four axes, a vector 1 x 1 x 1 x N.
        """
        spare = len(self.shape) - axes
        if spare < 0 or any(size != 1 for size in self.shape[:spare]):
            return None
        return self.shape[spare:]

    def read(self) -> Tensor:
        """Read the values as float32, in the blob's own shape.

        Raises CaffeFileError for values that are not finite, and if the file has changed since it was opened.
        """
        values = np.empty(math.prod(self.shape), np.float32)
        filled = 0
        wanted = _DOUBLE_DATA if self.double else _DATA
        for item in self.message:
            if item.number == wanted:
                for part in _parts(self.message, item, 8 if self.double else 4):
                    if filled + part.count > len(values):
                        self.message.fail(item.place, "the file has changed while it was read")
                    part.read_into(values[filled : filled + part.count])
                    filled += part.count
        if filled < len(values):
            self.message.fail(self.message.begin, "the file has changed while it was read")
        tensor = torch.from_numpy(values)
        low, high = tensor.aminmax()
        if not (math.isfinite(low) and math.isfinite(high)):
            self.message.fail(self.message.begin, "it holds values that are not finite numbers")
        return tensor.view(self.shape)


@dataclass
class Layer:
    """A layer's name, its type in `plain_type`'s spelling, and its blobs."""

    name: str
    type: str
    blobs: list[Blob]
    place: str = ""
    """Where it stands, for messages."""


@dataclass
class _Part:
    """Values that lie in one run: `count` of them, one every `step` bytes from byte `begin` on."""

    message: Message
    begin: int
    count: int
    width: int
    step: int

    def read_into(self, values: np.ndarray) -> None:
        kind = "<f4" if self.width == 4 else "<f8"
        if kind == "<f4" and self.step == self.width:  # as Caffe writes it: straight into its place
            self._read(self.begin, values)
            return
        for first in range(0, self.count, _CHUNK):
            part = values[first : first + _CHUNK]
            raw = np.zeros((len(part), self.step), np.uint8)
            begin = self.begin + first * self.step - (self.step - self.width)  # each value's tag included
            self._read(begin, raw)
            with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and is refused
                part[:] = np.ascontiguousarray(raw[:, self.step - self.width :]).view(kind)[:, 0]

    def _read(self, begin: int, array: np.ndarray) -> None:
        if not self.message.source.read_into(begin, array):
            self.message.fail(begin, "the file has become shorter while it was read")


def read_layers(source: Source) -> list[Layer]:
    """Find the layers of a ``.caffemodel``, in its order, without reading their values.

    Raises CaffeFileError, which names the byte and what was being read there.
    """
    if source.peek(0, 4) == b"\x89HDF":
        Message(source, 0, 0, "an HDF5 file").fail(0, "only .caffemodel files in Protocol Buffers' format can be read")
    layers: list[Layer] = []
    network = Message(source, 0, source.size, "the network")
    for item in network:
        if item.number in (V1_LAYER, V2_LAYER):
            if len(layers) == MAX_LAYERS:
                network.fail(item.place, f"more than {MAX_LAYERS} layers")
            message = network.inside(item, f"layer {len(layers) + 1}")
            layers.append(_read_layer(message, _V2 if item.number == V2_LAYER else _V1))
    if not layers:
        network.fail(0, f"no layers in {source.size} bytes: this is no .caffemodel")
    return layers


def _read_layer(message: Message, tags: _Tags) -> Layer:
    layer = Layer("", "", [], f"{message.source.path}, byte {message.begin}")
    for item in message:
        if item.number == tags.name:
            layer.name = message.text(item)
            message.what = f"layer {layer.name!r}"
        elif item.number == tags.type:
            layer.type = _type(message, item, tags)
        elif item.number == tags.blobs:
            if len(layer.blobs) == MAX_BLOBS:
                message.fail(item.place, f"more than {MAX_BLOBS} blobs")
            layer.blobs.append(_read_blob(message.inside(item, f"{message.what}, blob {len(layer.blobs)}")))
        elif tags is _V1 and item.number == _V0_LAYER:
            layer = _read_layer(message.inside(item, message.what), _V0)
            message.what = f"layer {layer.name!r}"
    return layer


def _type(message: Message, item: Field, tags: _Tags) -> str:
    if tags is _V1:
        message.expect(item, VARINT)
        return _V1_TYPES.get(item.value, f"V1 type {item.value}")
    return plain_type(message.text(item))


@dataclass
class _Sizes:
    """What a blob says of its size, gathered field by field."""

    shape: list[int] = field(default_factory=list)
    legacy: dict[int, int] = field(default_factory=dict)
    floats: int = 0
    doubles: int = 0


def _read_blob(message: Message) -> Blob:
    sizes = _Sizes()
    for item in message:
        if item.number == _DATA:
            sizes.floats += sum(part.count for part in _parts(message, item, 4))
        elif item.number == _DOUBLE_DATA:
            sizes.doubles += sum(part.count for part in _parts(message, item, 8))
        elif item.number == _SHAPE:
            _add_dimensions(sizes.shape, message.inside(item, f"{message.what}, shape"))
        elif item.number in _LEGACY_SHAPE:
            message.expect(item, VARINT)
            sizes.legacy[item.number] = _signed(item.value)
    shape = [sizes.legacy.get(number, 0) for number in _LEGACY_SHAPE] if sizes.legacy else sizes.shape
    if any(size < 1 for size in shape):
        message.fail(message.begin, f"its shape is {_times(shape)}; every size must be at least 1")
    count = sizes.doubles or sizes.floats
    if math.prod(shape) != count:
        message.fail(message.begin, f"its shape {_times(shape)} means {math.prod(shape)} values, but it holds {count}")
    return Blob(message, tuple(shape), sizes.doubles > 0)


def _parts(message: Message, item: Field, width: int) -> Iterator[_Part]:
    """Find the values of a repeated field of floats or doubles, packed or not."""
    message.expect(item, LENGTH, FIXED32 if width == 4 else FIXED64)
    if item.wire_type == LENGTH:
        count, rest = divmod(item.end - item.begin, width)
        if rest:
            message.fail(item.place, f"{item.end - item.begin} bytes of values of {width} bytes each")
        yield _Part(message, item.begin, count, width, width)
    else:
        # Two-byte tags come one by one; between the values of a run there is one byte each.
        yield _Part(message, item.begin, item.repeats, width, width if item.repeats == 1 else width + 1)


def _add_dimensions(sizes: list[int], shape: Message) -> None:
    for item in shape:
        if item.number != 1:
            continue
        shape.expect(item, VARINT, LENGTH)
        place = item.begin
        while place < item.end:
            value, place = shape.varint(place)
            sizes.append(_signed(value))
            if len(sizes) > MAX_AXES:
                shape.fail(item.place, f"more than {MAX_AXES} axes")


def _signed(value: int) -> int:
    return value - 2**64 if value >= 2**63 else value


def _times(shape: list[int]) -> str:
    return " x ".join(map(str, shape)) or "()"
