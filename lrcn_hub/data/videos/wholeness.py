"""Whether a file ends where its container says: decoders often read a file cut short without a complaint."""

from __future__ import annotations

import os
from typing import BinaryIO

_UNKNOWN_RIFF_SIZES = (0, 0xFFFFFFFF)  # of a recording that was never closed
_FIRST_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip")
_EBML, _SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"


def missing_bytes(path: str | os.PathLike[str]) -> int:
    """Count the bytes that lack at the end of an AVI, MP4, MOV, Matroska or WebM file, by the sizes written in it.

    0 for a whole file, for other containers, and where the size was never written, as in live recordings.
    """
    with open(path, "rb") as file:
        start = file.read(8)
        if start[:4] == b"RIFF":
            end = _end_of_riff(file)
        elif start[4:] in _FIRST_BOXES:
            end = _end_of_boxes(file)
        elif start[:4] == _EBML:
            end = _end_of_segment(file)
        else:
            return 0
        return max(0, end - _length(file))


def _length(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _end_of_riff(file: BinaryIO) -> int:
    """An AVI file above a gigabyte is several RIFF chunks after one another; what follows them does not count."""
    end = 0
    while True:
        file.seek(end + end % 2)
        name, size = file.read(4), int.from_bytes(file.read(4), "little")
        if name != b"RIFF" or size in _UNKNOWN_RIFF_SIZES:
            return end
        end = file.tell() + size


def _end_of_boxes(file: BinaryIO) -> int:
    """ISO/IEC 14496-12, 4.2: a box begins with its size and its type; 1 announces a 64-bit size, 0 the file's end."""
    end = 0
    while True:
        file.seek(end)
        size, kind = int.from_bytes(file.read(4), "big"), file.read(4)
        if size == 1:
            size = int.from_bytes(file.read(8), "big")
        if size < 8 or not kind.isalnum():
            return end
        end += size
        if end > _length(file):  # perhaps beyond where one can seek
            return end


def _end_of_segment(file: BinaryIO) -> int:
    """RFC 8794: the header element, then the segment, whose size has only ones while it is unknown."""
    file.seek(4)
    header = _element_size(file) or 0
    if file.tell() + header > _length(file):  # perhaps beyond where one can seek
        return 0
    file.seek(header, os.SEEK_CUR)
    if file.read(4) != _SEGMENT:
        return 0
    size = _element_size(file)
    return 0 if size is None else file.tell() + size


def _element_size(file: BinaryIO) -> int | None:
    first = file.read(1)
    if not first or not first[0]:
        return None
    length = 9 - first[0].bit_length()  # as many bytes as the first one has leading zeros, and itself
    bits = 7 * length
    size = int.from_bytes(first + file.read(length - 1), "big") & ((1 << bits) - 1)
    return None if size == (1 << bits) - 1 else size
