"""Features that a frozen backbone gives, computed once and kept on disk.

A cache is a folder of safetensors files, here called shards. Each holds the features of some pictures or videos, and
in its metadata what they depend on: the backbone's weights, preprocessing, sampling, each file's size and time of
change. Shards are memory-mapped: only what is sliced is read.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from tqdm import tqdm

logger = logging.getLogger(__name__)

FORMAT = 1  # of the shards; to be raised with any change of what stands in them
SHARD_BYTES = 32 * 2**20
SHARD_SECONDS = 60.0  # a killed run loses no more than this, or one entry that takes longer

Reference = dict[str, str]
"""Where features are: ``file``, the shard, and ``name``, that of the tensor in it."""


@dataclass(frozen=True)
class Source:
    """What features are computed of: a file, or the bytes of one that stand in a table."""

    name: str
    """For messages."""
    key: str
    """Tells it apart; the name of its tensor."""
    state: str = ""
    """What must not have changed since: size and time of change of a file."""

    @classmethod
    def of_file(cls, path: str | os.PathLike[str]) -> Source:
        """Know a file by its path, size and time of change. Raises OSError where there is none."""
        status = os.stat(path)
        state = f"{status.st_size} bytes, changed at {status.st_mtime_ns} ns"
        return cls(os.fspath(path), _digest(os.path.realpath(path).encode()), state)

    def part(self, which: str) -> Source:
        """Know a part of it, which `which` tells from others."""
        return Source(f"{self.name} {which}", _digest(f"{self.key} {which}".encode()), self.state)

    @classmethod
    def of_content(cls, content: bytes, name: str) -> Source:
        """Know the bytes of a file by their digest."""
        return cls(name, _digest(content))


class FeatureCache:
    """The features that belong to one `description`: everything but the files that they depend on, as plain values.

    Every description has a folder of its own in `folder`, so a change of weights or preprocessing never meets features
    of others. What is found there has been checked: a ValueError names a shard that is damaged or describes itself
    otherwise, and says what differs.
    """

    def __init__(self, folder: str | os.PathLike[str], description: Mapping[str, Any]) -> None:
        self.description = json.loads(json.dumps({"format": FORMAT, **description}))
        self.folder = Path(folder) / _digest(json.dumps(self.description, sort_keys=True).encode())[:16]
        self._kept: dict[str, tuple[Path, str]] = {}  # key -> its shard, and the state its file had
        for shard in sorted(self.folder.glob("*.safetensors")):
            self._take(shard)

    def _take(self, shard: Path) -> None:
        metadata = _metadata(shard)
        if differences := _differences(json.loads(metadata["description"]), self.description):
            raise ValueError(
                f"{shard}: features that do not belong here; they differ in {'; '.join(differences)} (there against "
                "now). Delete this file, and what is missing will be computed"
            )
        self._kept |= {key: (shard, state) for key, state in json.loads(metadata["states"]).items()}

    def __contains__(self, source: Source) -> bool:
        """Whether features of `source`, in whatever state, are kept."""
        return source.key in self._kept

    def fill(
        self,
        sources: Sequence[Source],
        compute: Callable[[list[int]], Iterable[Tensor]],
        *,
        at_once: int = 1,
        unit: str = "video",
    ) -> list[Reference]:
        """Give a reference for each of `sources`, after computing and keeping what is not there yet.

        `compute` is given the numbers of up to `at_once` sources and gives the features of each. The same call goes on
        where a killed one stopped: shards are written whole or not at all. Raises ValueError, naming it, for a file
        that is not as it was when its features were computed, and OSError where the disk is full.
        """
        missing: dict[str, int] = {}
        for number, source in enumerate(sources):
            if source.key not in self._kept:
                missing.setdefault(source.key, number)
            else:
                self._refuse_stale(source)
        if missing:
            self._compute(sources, list(missing.values()), compute, at_once, unit)
        return [{"file": str(self._kept[source.key][0]), "name": source.key} for source in sources]

    def _refuse_stale(self, source: Source) -> None:
        shard, state = self._kept[source.key]
        if state != source.state:
            raise ValueError(
                f"{source.name} is not the file whose features are kept: that had {state}, this has {source.state}. "
                f"Put it back, or delete {shard}, and what that held will be computed anew"
            )

    def _compute(
        self,
        sources: Sequence[Source],
        missing: list[int],
        compute: Callable[[list[int]], Iterable[Tensor]],
        at_once: int,
        unit: str,
    ) -> None:
        self._tell_of_others()
        distinct = len({source.key for source in sources})
        shard, begun = _Shard(), time.monotonic()
        with tqdm(total=distinct, initial=distinct - len(missing), desc="Caching features", unit=unit) as progress:
            for start in range(0, len(missing), at_once):
                numbers = missing[start : start + at_once]
                for number, features in zip(numbers, compute(numbers), strict=True):
                    shard.add(sources[number], features)
                if shard.bytes >= SHARD_BYTES or time.monotonic() - begun >= SHARD_SECONDS:
                    self._write(shard)
                    shard, begun = _Shard(), time.monotonic()
                progress.update(len(numbers))
        if shard.tensors:
            self._write(shard)

    def _write(self, shard: _Shard) -> None:
        file = self.folder / f"{uuid4().hex}.safetensors"  # never a name again that a process may have open
        metadata = {"description": json.dumps(self.description), "states": json.dumps(shard.states)}
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        try:
            unfinished.write_bytes(save(shard.tensors, metadata))
            os.replace(unfinished, file)
        except OSError as error:
            raise OSError(
                error.errno,
                f"{self.folder}: {shard.bytes:,} bytes of features cannot be written ({error.strerror}); make room or "
                "choose another folder, and the same command goes on",
            ) from error
        finally:
            unfinished.unlink(missing_ok=True)
        self._kept |= {key: (file, state) for key, state in shard.states.items()}

    def _tell_of_others(self) -> None:
        """Say where an earlier cache lies beside this one, and why it does not do."""
        if self._kept or not self.folder.parent.is_dir():
            return
        for folder in sorted(self.folder.parent.iterdir()):
            if (shard := next(folder.glob("*.safetensors"), None)) is not None:
                there = json.loads(_metadata(shard)["description"])
                differences = "; ".join(_differences(there, self.description))
                logger.info("%s does not fit: it differs in %s (there against now)", folder, differences)


def stored(reference: Reference) -> Any:
    """Open features without reading them: ``[...]`` reads a slice as a tensor, ``get_shape()`` tells their shape.

    Raises ValueError where they are no longer there.
    """
    try:
        return _open(reference["file"]).get_slice(reference["name"])
    except (OSError, SafetensorError) as error:
        raise ValueError(
            f"{reference['file']}: features are gone or damaged ({error}); run the same command again, and what is "
            "missing will be computed"
        ) from error


@functools.lru_cache(maxsize=256)
def _open(file: str) -> Any:
    return safe_open(file, framework="pt")


class _Shard:
    """Features that are to be written together."""

    def __init__(self) -> None:
        self.tensors: dict[str, Tensor] = {}
        self.states: dict[str, str] = {}
        self.bytes = 0

    def add(self, source: Source, features: Tensor) -> None:
        if not torch.isfinite(features).all():
            raise ValueError(f"{source.name}: the backbone gives values for it that are not finite")
        self.tensors[source.key] = features.detach().cpu().clone(memory_format=torch.contiguous_format)
        self.states[source.key] = source.state
        self.bytes += features.nbytes


def _metadata(shard: Path) -> dict[str, str]:
    try:
        with safe_open(shard, framework="pt") as opened:
            metadata: dict[str, str] = opened.metadata() or {}
    except SafetensorError as error:
        raise ValueError(f"{shard}: damaged ({error}); delete it, and what it held will be computed anew") from error
    if not {"description", "states"} <= metadata.keys():
        raise ValueError(f"{shard}: no features of ours; remove it from this folder")
    return metadata


def _differences(there: Mapping[str, Any], here: Mapping[str, Any], prefix: str = "") -> list[str]:
    found = []
    for name in {**there, **here}:
        theirs, ours = there.get(name), here.get(name)
        if isinstance(theirs, dict) and isinstance(ours, dict):
            found += _differences(theirs, ours, f"{prefix}{name}.")
        elif theirs != ours:
            found.append(f"{prefix}{name}: {json.dumps(theirs)} against {json.dumps(ours)}")
    return found


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
