"""``.prototxt`` files: Protocol Buffers' text format, and the network that one of them describes.

Fields are known by their names alone, so that those of Caffe's forks do no harm.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from lrcn_hub.caffe.weights import plain_type
from lrcn_hub.caffe.wire import CaffeFileError

Fields = dict[str, list[Any]]
"""A message: the values of each of its fields, in order; a value is a number, a bool, a string or a message."""

MAX_BYTES = 4 * 2**20

_TOKEN = re.compile(
    r"""(?P<blank>\s+|\#[^\n]*)
      | (?P<string>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
      | (?P<word>[-+.\w]+)
      | (?P<mark>[{}<>\[\]:,;])""",
    re.VERBOSE,
)
_NUMBER = re.compile(r"[-+]?(?:0[xX][0-9a-fA-F]{1,16}|(?:[0-9]{1,40}(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?f?)")
_ESCAPE = re.compile(r"\\(?:([0-7]{1,3})|x([0-9a-fA-F]{1,2})|(.))")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}
_CLOSING = {"{": "}", "<": ">"}


@dataclass(eq=False)
class NetLayer:
    """A layer as a prototxt describes it; `type` is in the spelling of `plain_type`."""

    name: str
    type: str
    bottoms: list[str]
    tops: list[str]
    fields: Fields


def read_prototxt(path: str | Path) -> Fields:
    """Read a prototxt. Raises CaffeFileError, which names the line, and OSError where there is no such file."""
    path = Path(path)
    if path.stat().st_size > MAX_BYTES:
        raise CaffeFileError(f"{path}: {path.stat().st_size} bytes are too many for a prototxt")
    try:
        return parse_prototxt(path.read_text(encoding="utf-8"), str(path))
    except UnicodeDecodeError as error:
        raise CaffeFileError(f"{path}, byte {error.start}: not text, so no prototxt") from error


def parse_prototxt(text: str, name: str = "prototxt") -> Fields:
    """Read Protocol Buffers' text format. Raises CaffeFileError, which names the line."""
    return _Parser(text, name).parse()


class _Parser:
    """Walks over the tokens with a stack of its own: nesting, however deep, needs no recursion."""

    def __init__(self, text: str, name: str) -> None:
        self.text, self.name = text, name
        self.place = 0
        self.kind, self.token = "", ""
        self.advance()

    def parse(self) -> Fields:
        root: Fields = {}
        open_messages: list[tuple[Fields, str]] = [(root, "")]
        while self.kind or len(open_messages) > 1:
            message, closing = open_messages[-1]
            if self.token == closing and self.kind == "mark":
                open_messages.pop()
                self.advance()
                self.skip_separator()
                continue
            values = message.setdefault(self.key(), [])
            colon = self.accept(":")
            if self.kind == "mark" and self.token in _CLOSING:
                values.append({})
                open_messages.append((values[-1], _CLOSING[self.token]))
                self.advance()
            elif not colon:
                self.fail("expected ':' or '{'")
            else:
                values.extend(self.scalars())
                self.skip_separator()
        return root

    def key(self) -> str:
        if self.kind != "word" or not re.fullmatch(r"[A-Za-z_]\w*", self.token):
            self.fail("expected the name of a field")
        return self.take()

    def scalars(self) -> Iterator[Any]:
        """One value, or a list of them in brackets."""
        if not self.accept("["):
            yield self.scalar()
        elif not self.accept("]"):
            yield self.scalar()
            while self.accept(","):
                yield self.scalar()
            if not self.accept("]"):
                self.fail("expected ',' or ']'")

    def scalar(self) -> Any:
        if self.kind == "string":
            pieces = []
            while self.kind == "string":
                pieces.append(_ESCAPE.sub(_unescape, self.take()[1:-1]))
            return "".join(pieces)
        if self.kind != "word":
            self.fail("expected a value")
        return _scalar(self.take())

    def accept(self, mark: str) -> bool:
        found = self.kind == "mark" and self.token == mark
        if found:
            self.advance()
        return found

    def skip_separator(self) -> None:
        if not self.accept(","):
            self.accept(";")

    def take(self) -> str:
        token = self.token
        self.advance()
        return token

    def advance(self) -> None:
        """Go to the next token; at the end its kind is empty."""
        self.place += len(self.token)
        self.kind, self.token = "", ""
        while self.place < len(self.text):
            found = _TOKEN.match(self.text, self.place)
            if found is None:
                self.token = self.text[self.place]
                self.fail("cannot be read")
            if found.lastgroup != "blank":
                self.kind, self.token = str(found.lastgroup), found.group()
                return
            self.place = found.end()

    def fail(self, reason: str) -> NoReturn:
        line = self.text.count("\n", 0, self.place) + 1
        where = f"at {self.token[:40]!r}" if self.token else "at the end of the text"
        raise CaffeFileError(f"{self.name}, line {line}: {where}: {reason}")


def _scalar(word: str) -> Any:
    if word in ("true", "false"):
        return word == "true"
    if not _NUMBER.fullmatch(word):
        return word  # the name of an enum's value
    try:
        return int(word, 16 if "x" in word.lower() else 10)
    except ValueError:
        return float(word.rstrip("f"))


def _unescape(escape: re.Match[str]) -> str:
    octal, hexadecimal, letter = escape.groups()
    if octal or hexadecimal:
        return chr(int(octal, 8) if octal else int(hexadecimal, 16))
    return _ESCAPED.get(letter, letter)


def network_layers(network: Fields, stages: Collection[str], phase: str = "TEST") -> list[NetLayer]:
    """The layers that are there in a phase and with `stages` set, in the file's order; of V2, V1 and V0 networks."""
    layers = []
    for message in _messages(network, "layer") + _messages(network, "layers"):
        inner = _messages(message, "layer")[:1]
        if is_included(message, stages, phase):
            layers.append(_net_layer(message, inner[0] if inner else message))
    return layers


def _net_layer(message: Fields, described: Fields) -> NetLayer:
    return NetLayer(
        name=str(last(described, "name", "")),
        type=plain_type(str(last(described, "type", ""))),
        bottoms=[str(name) for name in message.get("bottom", [])],
        tops=[str(name) for name in message.get("top", [])],
        fields=described,
    )


def is_included(layer: Fields, stages: Collection[str], phase: str = "TEST", level: int = 0) -> bool:
    """Caffe's rule: with `include` rules one of them must be met, otherwise none of the `exclude` rules."""

    def met(rule: Fields) -> bool:
        return (
            last(rule, "phase", phase) in (phase, {"TRAIN": 0, "TEST": 1}.get(phase))
            and _bound(rule, "min_level", level) <= level <= _bound(rule, "max_level", level)
            and all(str(stage) in stages for stage in rule.get("stage", []))
            and not any(str(stage) in stages for stage in rule.get("not_stage", []))
        )

    includes = _messages(layer, "include")
    return any(map(met, includes)) if includes else not any(map(met, _messages(layer, "exclude")))


def last(message: Fields, name: str, default: Any) -> Any:
    """The last value of a field, as Protocol Buffers take repeated ones; `default` where there is none."""
    return message[name][-1] if message.get(name) else default


def parameters(layer: NetLayer, name: str) -> Callable[[str, Any], Any]:
    """A look-up of values in the layer's message `name`, such as convolution_param, with their defaults."""
    messages = _messages(layer.fields, name) or [{}]
    return lambda field, default: last(messages[-1], field, default)


def _messages(message: Fields, name: str) -> list[Fields]:
    return [value for value in message.get(name, []) if isinstance(value, dict)]


def _bound(rule: Fields, name: str, default: int) -> float:
    value = last(rule, name, default)
    return value if isinstance(value, int | float) else default
