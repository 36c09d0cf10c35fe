"""The key of a rating sheet: whose captions its raters see where. It stays with whoever made the sheet."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from lrcn_hub.data.annotation_files import read_json

CRITERIA = ("correctness", "grammar", "relevance")
"""What captions are ranked by, as in the paper (its table of human rankings), each by itself."""
FORM, VERSION = "lrcn-judge-key", 1


@dataclass(frozen=True)
class Ballot:
    """A picture and the different captions that it got, in the order in which raters see them."""

    id: str
    captions: list[str]
    systems: list[list[str]]
    """For each caption the names of those who gave it."""


@dataclass(frozen=True)
class Key:
    """Everything about a sheet but its pictures."""

    systems: list[str]
    seed: int
    ballots: list[Ballot]
    alike: list[str]
    """Ids of pictures that were drawn and passed over: all systems say the same about them."""

    @property
    def id(self) -> str:
        """Name the sheet: 16 hexadecimal digits that any change to the key would change."""
        content = json.dumps(asdict(self), sort_keys=True)
        return hashlib.sha256(content.encode()).hexdigest()[:16]

    def text(self) -> str:
        """Give the key as JSON."""
        content = {"form": FORM, "version": VERSION, "id": self.id, **asdict(self)}
        return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def read_key(file: str | Path) -> Key:
    """Read a key. Raises ValueError that names the file if it is none, or was changed, and OSError."""
    content = read_json(Path(file))
    if not isinstance(content, dict) or content.get("form") != FORM:
        raise ValueError(f"{file}: not the key of a rating sheet, which `lrcn judge export` writes as key.json")
    if content.get("version") != VERSION:
        raise ValueError(f"{file}: a key of version {content.get('version')!r}, but {VERSION} is what is read here")
    try:
        ballots = [Ballot(**ballot) for ballot in content["ballots"]]
        key = Key(content["systems"], content["seed"], ballots, content["alike"])
        unchanged = key.id == content["id"]
    except (KeyError, TypeError) as error:
        raise ValueError(f"{file}: not a whole key: {error}") from error
    if not unchanged:
        raise ValueError(f"{file}: the key was changed since it was written: its content is not that of its id")
    return key
