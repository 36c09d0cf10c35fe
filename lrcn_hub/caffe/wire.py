"""Protocol Buffers' wire format: the fields of a message in a file, found without reading what they hold.

Knows no message types. It recurses into nothing: whoever knows a field to be a message walks over it in turn.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, NoReturn

import numpy as np

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
WIDTHS = {FIXED32: 4, FIXED64: 8}
MAX_FIELDS = 250_000
"""Fields walked over in one file, an unpacked list counting once; models have thousands, hostile files millions."""

_WINDOW = 2**16


class CaffeFileError(ValueError):
    """A file that is damaged, or holds something else than it should; the message says where and what."""


class Field(NamedTuple):
    """A field of a message: its tag begins at byte `place`, what it holds lies in bytes `begin`..`end`.

    `value` is the number of a VARINT. `repeats` tells how many equal tags of fixed width follow one another, an
    unpacked list; `begin`..`end` then includes the tags between.
    """

    number: int
    wire_type: int
    place: int
    begin: int
    end: int
    value: int = 0
    repeats: int = 1


class Source:
    """A file open for reading, of which a small window is kept. Raises OSError where it cannot be opened."""

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._file = open(self.path, "rb")  # noqa: SIM115 - closed by __exit__
        self.size = self._file.seek(0, 2)
        self._window, self._window_begin = b"", 0
        self._fields = 0

    def __enter__(self) -> Source:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._file.close()

    def peek(self, begin: int, end: int) -> bytes:
        """Give bytes `begin`..`end`, at most a window; fewer where the file has become shorter."""
        if begin < self._window_begin or end > self._window_begin + len(self._window):
            self._file.seek(begin)
            self._window, self._window_begin = self._file.read(_WINDOW), begin
        return self._window[begin - self._window_begin : end - self._window_begin]

    def read_into(self, begin: int, array: np.ndarray) -> bool:
        """Fill `array` from byte `begin` on, without a copy in between; says whether the file had enough bytes."""
        self._file.seek(begin)
        return self._file.readinto(array.data.cast("B")) == array.nbytes

    def count_field(self, place: int) -> None:
        self._fields += 1
        if self._fields > MAX_FIELDS:
            raise CaffeFileError(
                f"{self.path}, byte {place}: more than {MAX_FIELDS} fields; this is no network's file"
            )


class Message:
    """The bytes `begin`..`end` of a source as a message; `what` names it in errors. Iterating gives its fields."""

    def __init__(self, source: Source, begin: int, end: int, what: str) -> None:
        self.source, self.begin, self.end, self.what = source, begin, end, what

    def __iter__(self) -> Iterator[Field]:
        place = self.begin
        while place < self.end:
            field = self._field(place)
            yield field
            place = field.end

    def fail(self, place: int, reason: str) -> NoReturn:
        """Raise CaffeFileError for what stands at byte `place`."""
        raise CaffeFileError(f"{self.source.path}, byte {place}: {self.what}: {reason}")

    def expect(self, field: Field, *wire_types: int) -> None:
        """Raise CaffeFileError unless `field` is of one of `wire_types`."""
        if field.wire_type not in wire_types:
            wanted = " or ".join(map(str, wire_types))
            self.fail(field.place, f"field {field.number} has wire type {field.wire_type} instead of {wanted}")

    def inside(self, field: Field, what: str) -> Message:
        """The message that `field` holds."""
        self.expect(field, LENGTH)
        return Message(self.source, field.begin, field.end, what)

    def text(self, field: Field, longest: int = 1024) -> str:
        """The string that `field` holds."""
        self.expect(field, LENGTH)
        if field.end - field.begin > longest:
            self.fail(field.place, f"a string of {field.end - field.begin} bytes; at most {longest} are expected")
        try:
            return self.source.peek(field.begin, field.end).decode("utf-8")
        except UnicodeDecodeError:
            self.fail(field.place, "a string that is not UTF-8")

    def varint(self, place: int) -> tuple[int, int]:
        """Read a number of variable length; gives it, as 64 bits without a sign, and the byte after it."""
        value = 0
        for index, byte in enumerate(self.source.peek(place, min(place + 10, self.end))):
            value |= (byte & 0x7F) << (7 * index)
            if byte < 0x80:
                return value & 0xFFFF_FFFF_FFFF_FFFF, place + index + 1
        self.fail(place, "a number of more than 10 bytes" if self.end - place >= 10 else "it ends inside a number")

    def _field(self, place: int) -> Field:
        self.source.count_field(place)
        tag, begin = self.varint(place)
        number, wire_type = tag >> 3, tag & 7
        if not 0 < number < 2**29:
            self.fail(place, f"field {number}, which cannot be")
        if wire_type == VARINT:
            value, end = self.varint(begin)
            return Field(number, wire_type, place, begin, end, value)
        if wire_type == LENGTH:
            length, begin = self.varint(begin)
            self._check_room(place, number, length, begin)
            return Field(number, wire_type, place, begin, begin + length)
        if wire_type in WIDTHS:
            width = WIDTHS[wire_type]
            self._check_room(place, number, width, begin)
            repeats = self._run(place, 1 + width) if begin == place + 1 else 1
            return Field(number, wire_type, place, begin, begin + width + (repeats - 1) * (1 + width), repeats=repeats)
        self.fail(place, f"field {number} has wire type {wire_type}, which Caffe's files do not use")

    def _check_room(self, place: int, number: int, length: int, begin: int) -> None:
        if length > self.end - begin:
            whose = "of the file" if self.end == self.source.size else "there"
            self.fail(place, f"field {number} claims {length} bytes, but only {self.end - begin} {whose} are left")

    def _run(self, place: int, step: int) -> int:
        """Count the fields of `step` bytes that follow one another from `place` on, all with the same one-byte tag."""
        tag = self.source.peek(place, place + 1)[0]
        count, look = 1, 16
        while (records := min((self.end - place) // step - count, look)) > 0:
            begin = place + count * step
            tags = np.frombuffer(self.source.peek(begin, begin + records * step), np.uint8)[::step]
            others = np.flatnonzero(tags != tag)
            if len(others) or len(tags) < records:
                return count + int(others[0] if len(others) else len(tags))
            count, look = count + records, min(2 * look, _WINDOW // step)
        return count
