"""The repositories of the Hub's stand-in: blobs on the disk, commits that never change, branches and tags.

Nothing here knows of HTTP. What a request asks for and cannot have is a `Refused`, with the status and the words that
the Hub answers.
"""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

GITATTRIBUTES = b"*.safetensors filter=lfs diff=lfs merge=lfs -text\n"
LARGE = 10 * 2**20  # bytes from which any file is kept apart
LICENSES = {
    "apache-2.0",
    "mit",
    "bsd-2-clause",
    "bsd-3-clause",
    "cc-by-4.0",
    "cc0-1.0",
    "openrail",
    "other",
    "unknown",
}


class Refused(Exception):  # noqa: N818
    """A request that cannot be granted: status, the Hub's code of the error, a message, and facts that go with it."""

    def __init__(self, status: int, message: str, code: str = "", **facts: Any):
        super().__init__(message)
        self.status, self.message, self.code, self.facts = status, message, code, facts


@dataclass(frozen=True)
class Entry:
    """A file of a commit: its size, its git blob id, and its sha256 where it is kept as a large file."""

    size: int
    blob: str
    sha256: str | None = None

    @property
    def oid(self) -> str:
        return self.sha256 or self.blob


@dataclass(frozen=True)
class Commit:
    """All files by their path at one moment."""

    id: str
    parent: str | None
    title: str
    files: dict[str, Entry]


@dataclass
class Repository:
    """One repository; its blobs lie in `folder` by their ids."""

    name: str
    folder: Path
    private: bool = False
    commits: dict[str, Commit] = field(default_factory=dict)
    branches: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "blobs").mkdir(parents=True)
        (self.folder / "large").mkdir()
        self._add("main", "initial commit", {".gitattributes": self._keep(GITATTRIBUTES)})

    def commit_of(self, revision: str) -> Commit:
        """The commit that a branch, a tag or an id means."""
        revision = revision.removeprefix("refs/heads/")
        found = self.branches.get(revision) or self.tags.get(revision) or revision
        if found not in self.commits:
            raise Refused(404, f"Invalid rev id: {revision}", "RevisionNotFound")
        return self.commits[found]

    def content(self, entry: Entry) -> bytes:
        place = self.folder / "large" / entry.sha256 if entry.sha256 else self.folder / "blobs" / entry.blob
        return place.read_bytes()

    def is_large(self, path: str, size: int, sample: bytes) -> bool:
        """Whether a file is to be uploaded by the LFS protocol."""
        return path.endswith(".safetensors") or size > LARGE or b"\0" in sample

    def has_large(self, sha256: str, size: int) -> bool:
        place = self.folder / "large" / sha256
        return place.is_file() and place.stat().st_size == size

    def receive_large(self, sha256: str, size: int, content: bytes) -> None:
        """Keep an uploaded large file, if it is what was announced."""
        if len(content) != size:
            raise Refused(400, f"{len(content)} bytes came, {size} were announced", "SizeMismatch")
        if (found := hashlib.sha256(content).hexdigest()) != sha256:
            raise Refused(400, f"sha256 of what came is {found}, not {sha256}", "BadDigest")
        (self.folder / "large" / sha256).write_bytes(content)

    def make_commit(self, branch: str, lines: Iterable[bytes]) -> Commit:
        """Commit what the lines of a commit request say, all of it or nothing."""
        if branch not in self.branches:
            raise Refused(404, f"Invalid rev id: {branch}", "RevisionNotFound")
        operations = [_operation(line) for line in lines if line.strip()]
        if not operations or operations[0][0] != "header" or not operations[0][1].get("summary"):
            raise Refused(400, "a commit begins with a header that has a summary")
        if len(operations) == 1:
            raise Refused(400, "a commit has at least one operation")
        header, head = operations[0][1], self.commits[self.branches[branch]]
        if header.get("parentCommit") not in (None, head.id):
            raise Refused(412, "A commit has happened since. Please refresh and try again.")
        files = dict(head.files)
        for kind, value in operations[1:]:
            self._apply(kind, value, files)
        return self._add(branch, header["summary"], files)

    def _apply(self, kind: str, value: dict[str, Any], files: dict[str, Entry]) -> None:
        path = checked_path(value.get("path"))
        if kind == "file":
            content = _decoded(value)
            if path == "README.md":
                check_card(content.decode("utf-8", "replace"))
            files[path] = self._keep(content)
        elif kind == "lfsFile":
            sha256, size = str(value.get("oid")), value.get("size")
            if value.get("algo") != "sha256" or not isinstance(size, int) or not self.has_large(sha256, size):
                raise Refused(400, f"LFS pointer of {path} pointed to a file that does not exist: {sha256} {size}")
            pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{sha256}\nsize {size}\n"
            files[path] = Entry(size, git_blob_id(pointer.encode()), sha256)
        elif kind == "deletedFile":
            if files.pop(path, None) is None:
                raise Refused(404, f"A file with this name doesn't exist: {path}", "EntryNotFound")
        elif kind == "deletedFolder":
            for name in [name for name in files if name.startswith(f"{path.rstrip('/')}/")]:
                del files[name]
        else:
            raise Refused(400, f"no operation is called {kind!r}")

    def _keep(self, content: bytes) -> Entry:
        blob = git_blob_id(content)
        (self.folder / "blobs" / blob).write_bytes(content)
        return Entry(len(content), blob)

    def _add(self, branch: str, title: str, files: dict[str, Entry]) -> Commit:
        parent = self.branches.get(branch)
        listing = {path: (entry.size, entry.oid) for path, entry in sorted(files.items())}
        text = json.dumps([parent, title, len(self.commits), listing])
        commit = Commit(hashlib.sha1(text.encode()).hexdigest(), parent, title, files)
        self.commits[commit.id] = commit
        self.branches[branch] = commit.id
        return commit


def git_blob_id(content: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def checked_path(path: Any) -> str:
    """A path that stays inside the repository."""
    parts = PurePosixPath(path).parts if isinstance(path, str) else ()
    if not parts or path.startswith("/") or "\\" in path or {"..", ".git"} & set(path.split("/")):
        raise Refused(400, f"path {path!r} is not inside the repository")
    return path


def check_card(text: str) -> list[str]:
    """Refuse a model card whose metadata are wrong; gives warnings where there are none."""
    match = re.match(r"\A---[ ]*\n(.*?)^---[ ]*$", text, re.DOTALL | re.MULTILINE)
    try:
        metadata = yaml.safe_load(match[1]) if match else None
    except yaml.YAMLError as error:
        raise Refused(400, f"YAML cannot be read: {error}") from None
    if metadata is None:
        return ["empty or missing yaml metadata in repo card"]
    if not isinstance(metadata, dict):
        raise Refused(400, "metadata must be a mapping")
    if errors := _card_errors(metadata):
        raise Refused(400, "; ".join(errors), errors=[{"message": one} for one in errors])
    return []


def _card_errors(metadata: dict[str, Any]) -> list[str]:
    errors = []
    for key in ("library_name", "pipeline_tag"):
        if key in metadata and not isinstance(metadata[key], str):
            errors.append(f'"{key}" must be a string')
    if "license" in metadata and metadata["license"] not in LICENSES:
        errors.append(f'"license" must be one of [{", ".join(sorted(LICENSES))}]')
    for key in ("tags", "datasets", "metrics", "language", "base_model"):
        values = metadata.get(key, [])
        values = [values] if isinstance(values, str) else values
        if not isinstance(values, list) or not all(isinstance(value, str) and value for value in values):
            errors.append(f'"{key}" must be a string or a list of strings')
        elif key in ("datasets", "base_model") and not all(re.fullmatch(r"[\w.-]+(/[\w.-]+)?", v) for v in values):
            errors.append(f'"{key}" must hold names of repositories')
    return errors + _model_index_errors(metadata.get("model-index", []))


def _model_index_errors(models: Any) -> list[str]:
    """model-index is a list of models with a name and results, each with a task, a dataset and metrics."""
    try:
        for model in models:
            assert model["name"] and isinstance(model["name"], str)
            for result in model["results"]:
                needed = [result["task"]["type"], result["dataset"]["type"], result["dataset"]["name"]]
                needed += [metric["type"] for metric in result["metrics"]]
                assert result["metrics"] and all(isinstance(text, str) and text for text in needed)
                assert all(isinstance(metric["value"], (int, float, str, dict)) for metric in result["metrics"])
    except (AssertionError, KeyError, TypeError) as error:
        return [f'"model-index" is not of its form: {type(error).__name__} {error}']
    return []


def _operation(line: bytes) -> tuple[str, dict[str, Any]]:
    try:
        operation = json.loads(line)
        key, value = operation["key"], operation["value"]
    except (ValueError, KeyError, TypeError):
        raise Refused(400, f"not an operation: {line[:80]!r}") from None
    if not isinstance(key, str) or not isinstance(value, dict):
        raise Refused(400, f"not an operation: {line[:80]!r}")
    return key, value


def _decoded(value: dict[str, Any]) -> bytes:
    try:
        return base64.b64decode(value["content"], validate=True)
    except (KeyError, TypeError, binascii.Error):
        raise Refused(400, f"content of {value.get('path')} is not base64") from None
