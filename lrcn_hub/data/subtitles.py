"""Subtitles as sentences come: WebVTT (the W3C's) and SRT (SubRip's) files, whole after every cue, and read back."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Literal, Self

SubtitleFormat = Literal["vtt", "srt"]
FORMATS: tuple[SubtitleFormat, ...] = ("vtt", "srt")
HEADER = "WEBVTT\n\n"

_TIME = r"(?:(\d+):)?(\d{1,2}):(\d{2})[.,](\d{3})"
_BLOCK = re.compile(r"NOTE(\s|$)|(STYLE|REGION)\s*$")  # what is no cue, up to the next blank line
_TIMES = re.compile(rf"\s*{_TIME}\s+-->\s+{_TIME}(?:\s.*)?")


@dataclass(frozen=True)
class Cue:
    """A text shown from `start` to `end`, in seconds; `line` is where its times stand in the file it was read from."""

    start: float
    end: float
    text: str
    line: int = 0


def subtitle_format(path: str | os.PathLike[str]) -> SubtitleFormat:
    """Tell the format by a file's name; raises ValueError for another name than *.vtt and *.srt."""
    for known in FORMATS:
        if Path(path).suffix.lower() == f".{known}":
            return known
    raise ValueError(f"{os.fspath(path)}: subtitles are written to a file whose name ends in .vtt or .srt")


class SubtitleWriter:
    """Writes cues one after another to `file`, a binary stream or a path; a context manager that closes a path's file.

    Each cue is written as a whole and flushed: a file whose writer was killed is complete up to its last cue. With
    `going_on`, a path's cues so far are kept and the next ones follow. Times have milliseconds, hours of two digits or
    more. Cues must not overlap and grow in time. In WebVTT ``&``, ``<`` and ``>`` are escaped, and with them ``-->``;
    SRT has no escapes, there ``-->`` becomes ``->``. A text's blank lines, which would end a cue, are left out.
    """

    def __init__(self, file: BinaryIO | str | os.PathLike[str], format: SubtitleFormat, *, going_on: bool = False):
        if format not in FORMATS:
            raise ValueError(f"the format of subtitles is {format!r}; it must be one of {', '.join(FORMATS)}")
        self.format, self.cues, self.end = format, 0, 0.0
        self._owned = isinstance(file, str | os.PathLike)
        there = isinstance(file, str | os.PathLike) and going_on and os.path.exists(file) and os.path.getsize(file)
        if there:
            for cue in read_cues(Path(file).read_text(encoding="utf-8"), format):  # type: ignore[arg-type]
                self.cues, self.end = self.cues + 1, max(self.end, cue.end)
        self._file: BinaryIO = open(file, "ab" if there else "wb", buffering=0) if self._owned else file  # type: ignore[arg-type,assignment]  # noqa: SIM115
        if format == "vtt" and not there:
            self._write(HEADER)

    def write(self, start: float, end: float, text: str) -> None:
        """Write one cue; one without words has nothing to show and is left out.

        Raises ValueError for one that is backwards or overlaps the last one.
        """
        first, last = round(1000 * start), round(1000 * end)
        if not 0 <= first < last:
            raise ValueError(f"a cue from {start:g} s to {end:g} s shows nothing; it must end a millisecond later")
        if first < round(1000 * self.end):
            raise ValueError(f"a cue at {start:g} s overlaps the last one, which ends at {self.end:g} s")
        lines = [" ".join(line.split()) for line in text.replace("\0", "").splitlines()]
        shown = "\n".join(self._escaped(line) for line in lines if line)
        if not shown:
            return
        number = "" if self.format == "vtt" else f"{self.cues + 1}\n"
        self._write(f"{number}{self._time(first)} --> {self._time(last)}\n{shown}\n\n")
        self.cues, self.end = self.cues + 1, last / 1000

    def _escaped(self, line: str) -> str:
        return html.escape(line, quote=False) if self.format == "vtt" else re.sub("-{2,}>", "->", line)

    def _time(self, milliseconds: int) -> str:
        seconds, rest = divmod(milliseconds, 1000)
        minutes, hours = seconds // 60 % 60, seconds // 3600
        return f"{hours:02}:{minutes:02}:{seconds % 60:02}{'.' if self.format == 'vtt' else ','}{rest:03}"

    def _write(self, text: str) -> None:
        self._file.write(text.encode("utf-8", "replace"))
        self._file.flush()

    def close(self) -> None:
        """Close the file, if it was opened here."""
        if self._owned:
            self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def read_cues(content: str, format: SubtitleFormat) -> Iterator[Cue]:
    """Read the cues of a subtitle file's `content`, in their order; what is no cue is passed over.

    Tags stay in the text as they are. Raises ValueError, with the line, for a WebVTT file without its header and for a
    line with an arrow that holds no times.
    """
    lines = content.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
    if format == "vtt" and not re.match(r"WEBVTT(\s|$)", lines[0]):
        raise ValueError("line 1: a WebVTT file begins with WEBVTT")
    number = 0
    while number < len(lines):
        line, number = lines[number], number + 1
        if format == "vtt" and _BLOCK.match(line):
            while number < len(lines) and lines[number].strip():
                number += 1
            continue
        if "-->" not in line:
            continue
        times = _TIMES.fullmatch(line)
        if times is None:
            raise ValueError(f"line {number}: {line.strip()!r} are no times such as 00:00:01.500 --> 00:00:04.000")
        begun, text = number, []
        while number < len(lines) and lines[number].strip():
            text.append(lines[number])
            number += 1
        shown = "\n".join(text)
        start, end = _seconds(times.groups()[:4]), _seconds(times.groups()[4:])
        yield Cue(start, end, html.unescape(shown) if format == "vtt" else shown, begun)


def _seconds(parts: tuple[str | None, ...]) -> float:
    hours, minutes, seconds, milliseconds = (int(part or 0) for part in parts)
    return (3_600_000 * hours + 60_000 * minutes + 1000 * seconds + milliseconds) / 1000


__all__ = ["FORMATS", "Cue", "SubtitleFormat", "SubtitleWriter", "read_cues", "subtitle_format"]
