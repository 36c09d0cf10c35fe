"""Files that say which parts of a video to look at: JSON, JSONL, CSV, WebVTT or SRT."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from lrcn_hub.data.annotation_files import read_json, read_rows, read_text
from lrcn_hub.data.subtitles import read_cues
from lrcn_hub.data.videos.segments import check_segment

KINDS = (".json", ".jsonl", ".csv", ".vtt", ".srt")
_CLOCK = re.compile(r"(?:(\d+):)?(\d{1,2}):(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True)
class GivenSegment:
    """A part of a video from `start` up to, but not, `end`, in seconds; `source` is where that was said."""

    start: float
    end: float
    source: str


def read_segments(file: Path) -> list[GivenSegment]:
    """Read start and end of segments, in the file's order: seconds, or clock times such as 01:02:03.5.

    JSON is a list of objects with start and end, or of pairs, or an object that has such a list as segments; JSONL and
    CSV have columns start and end; of subtitles, the times of the cues are taken. Raises ValueError that names file,
    place and values for a segment that is none, is backwards or empty, and for a file without any.
    """
    if file.suffix not in KINDS:
        raise ValueError(f"{file}: segments are read from files whose names end in {', '.join(KINDS)}")
    found = [_segment(start, end, source) for source, start, end in _given(file)]
    if not found:
        raise ValueError(f"{file}: it has no segments; leave it out to narrate the whole video")
    return found


def refuse_overlaps(segments: list[GivenSegment]) -> list[GivenSegment]:
    """Put segments in order of time. Raises ValueError, naming both, if two of them overlap."""
    ordered = sorted(segments, key=lambda one: (one.start, one.end))
    for one, after in pairwise(ordered):
        if after.start < one.end:
            raise ValueError(
                f"{after.source}: the segment from {after.start:g} s to {after.end:g} s overlaps that from "
                f"{one.start:g} s to {one.end:g} s ({one.source}); cues follow one another: correct it, or write text "
                "or json, which may overlap"
            )
    return ordered


def _given(file: Path) -> Iterator[tuple[str, Any, Any]]:
    """The place, start and end of each segment, as they stand in `file`."""
    if file.suffix in (".vtt", ".srt"):
        try:
            for cue in read_cues(read_text(file), "vtt" if file.suffix == ".vtt" else "srt"):
                yield f"{file}, line {cue.line}", cue.start, cue.end
        except ValueError as error:
            raise ValueError(f"{file}, {error}" if str(error).startswith("line") else str(error)) from error
    elif file.suffix == ".json":
        content = read_json(file)
        segments = content.get("segments") if isinstance(content, dict) else content
        if not isinstance(segments, list):
            raise ValueError(f"{file}: there is no list of segments, such as [[0, 2.5], [2.5, 4]]")
        for number, one in enumerate(segments, 1):
            yield from _start_and_end(f"{file}, segment {number}", one)
    else:
        for source, row in read_rows(file):
            yield from _start_and_end(source, row)


def _start_and_end(source: str, one: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(one, list) and len(one) == 2:
        one = {"start": one[0], "end": one[1]}
    if not isinstance(one, dict) or one.get("start") is None or one.get("end") is None:
        raise ValueError(f"{source}: {str(one)[:80]} is no segment; give its start and end in seconds")
    yield source, one["start"], one["end"]


def _segment(start: Any, end: Any, source: str) -> GivenSegment:
    found = GivenSegment(_seconds(start, source), _seconds(end, source), source)
    check_segment(source, found.start, found.end)
    return found


def _seconds(given: Any, source: str) -> float:
    """A number of seconds, or a clock time."""
    clock = _CLOCK.fullmatch(given.strip()) if isinstance(given, str) else None
    if clock:
        hours, minutes, seconds = (float(part or 0) for part in clock.groups())
        return 3600 * hours + 60 * minutes + seconds
    try:
        if isinstance(given, bool):
            raise ValueError
        found = float(given)
        if not math.isfinite(found):
            raise ValueError
    except (TypeError, ValueError) as error:
        raise ValueError(f"{source}: {given!r} is no time; give seconds, or a clock time such as 01:02.5") from error
    return found


__all__ = ["KINDS", "GivenSegment", "read_segments", "refuse_overlaps"]
