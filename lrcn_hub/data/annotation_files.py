"""Files that say what pictures and videos show: text, JSON, JSONL and CSV, with errors that name file and line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePath
from typing import Any, Protocol


def read_text(file: Path) -> str:
    """Read a text file in UTF-8, with or without a byte order mark. Raises ValueError that names it if it is not."""
    try:
        return file.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{file}: not text in UTF-8: {error}") from error


def read_json(file: Path) -> Any:
    """Read a JSON file. Raises ValueError that names it, and the place, if it is none."""
    try:
        return json.loads(read_text(file))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ValueError(f"{file}: not JSON: {error}") from error


def read_rows(file: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """Give the rows of a CSV file with a header, or of a JSONL file, each with the words that name its place."""
    text = read_text(file)
    if file.suffix == ".csv":
        reader = csv.DictReader(io.StringIO(text, newline=""))
        try:
            for row in reader:
                yield f"{file}, line {reader.line_num}", row
        except csv.Error as error:
            raise ValueError(f"{file}, line {reader.line_num}: not CSV: {error}") from error
        return
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise ValueError(f"{file}, line {number}: not JSON: {error}") from error
            if not isinstance(row, dict):
                raise ValueError(f"{file}, line {number}: not a JSON object with columns by name")
            yield f"{file}, line {number}", row


def file_in(folder: str | Path, *names: Any, source: str, kind: str) -> Path:
    """Give the path that `names`, told by somebody's file, mean in the folder of things of this `kind`.

    Raises ValueError that begins with `source` where it would leave the folder.
    """
    path = PurePath(*map(str, names))
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"{source}: {str(path)!r} is not in the {kind}' folder {folder or '.'}")
    return Path(folder, path)


class Told(Protocol):
    """An example that some place in a file tells of."""

    id: str
    source: str


def refuse_repeated_ids(examples: Iterable[Told]) -> None:
    """Raise ValueError for two examples of one id, with the places that tell of them."""
    seen: dict[str, Told] = {}
    for example in examples:
        if example.id in seen:
            raise ValueError(f"{example.source}: {example.id} is there already ({seen[example.id].source})")
        seen[example.id] = example


def texts_of(cell: str | Sequence[str] | None) -> list[str]:
    """Read one text or several; blank ones are none."""
    texts = [cell] if isinstance(cell, str) else list(cell or ())
    return [text for text in texts if text.strip()]
