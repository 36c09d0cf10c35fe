"""Names of classes, as the lists of labelled videos give them."""

from __future__ import annotations

from pathlib import Path

from lrcn_hub.data.annotation_files import read_text


def read_classes(file: Path) -> list[str]:
    """Read names of classes, one a line, in the order of their numbers; UCF-101 writes the number, from 1, before it.

    Raises ValueError naming the line for a number out of order or a name that is there twice.
    """
    lines = [line.strip() for line in read_text(file).splitlines() if line.strip()]
    pairs = [line.split(maxsplit=1) for line in lines]
    if all(len(pair) == 2 and pair[0].isdecimal() for pair in pairs):
        for line, (number, _) in enumerate(pairs, 1):
            if int(number) != line:
                raise ValueError(f"{file}, line {line}: the class has the number {number}; it must be {line}")
        lines = [name for _, name in pairs]
    if not lines or len(set(lines)) < len(lines):
        twice = next((name for name in lines if lines.count(name) > 1), None)
        raise ValueError(f"{file}: class {twice!r} is there twice" if twice else f"{file}: it names no class")
    return lines
