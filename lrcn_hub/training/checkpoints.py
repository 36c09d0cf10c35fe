"""Checkpoints that are either whole or known not to be.

A checkpoint is written to a folder of another name, sealed by a manifest of its files, and then renamed. What a killed
process leaves behind has the other name; what is damaged later no longer fits its manifest.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import pickle
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from lrcn_hub.publishing.folders import is_partial, partial_folder, remove, write_text

logger = logging.getLogger(__name__)

MANIFEST = "manifest.json"
STATE = "trainer_state.json"


def checkpoint_folder(run_folder: Path, step: int) -> Path:
    """Name the checkpoint after optimiser step `step`."""
    return run_folder / f"checkpoint-{step}"


def checkpoints(run_folder: Path) -> list[Path]:
    """List the checkpoints of a run, oldest first, sound or not."""
    found = {
        int(m[1]): path for path in run_folder.glob("checkpoint-*") if (m := re.fullmatch(r".*-(\d+)", path.name))
    }
    return [found[step] for step in sorted(found)]


def seal(partial: Path, folder: Path, processes: int) -> None:
    """Complete the checkpoint written in `partial` by `processes` processes and give it its name, `folder`."""
    files = {file.name: _fingerprint(file) for file in sorted(partial.iterdir())}
    write_text(partial / MANIFEST, json.dumps({"processes": processes, "files": files}, indent=2))
    remove(folder)
    os.replace(partial, folder)


def fault(folder: Path) -> str | None:
    """Say what is wrong with a checkpoint, or None where every file is as it was sealed."""
    try:
        files = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
    except (OSError, ValueError, KeyError):
        return "it has no readable manifest"
    for name, fingerprint in files.items():
        if not (folder / name).is_file():
            return f"{name} is missing"
        if _fingerprint(folder / name) != fingerprint:
            return f"{name} is not as it was written"
    return None


def newest_sound_checkpoint(run_folder: Path) -> Path | None:
    """Find the checkpoint to go on from; unfinished ones are deleted, torn ones set aside as ``torn-checkpoint-N``."""
    for path in run_folder.iterdir() if run_folder.is_dir() else ():
        if is_partial(path):
            logger.warning("%s was not finished when the run was cut off; deleted", path)
            remove(path)
    for folder in reversed(checkpoints(run_folder)):
        reason = fault(folder)
        if reason is None:
            return folder
        aside = folder.with_name(f"torn-{folder.name}")
        logger.warning("%s is torn: %s; set aside as %s", folder, reason, aside.name)
        remove(aside)
        os.replace(folder, aside)
    return None


def rotate(run_folder: Path, limit: int | None, best_step: int | None) -> None:
    """Delete the oldest checkpoints above `limit`, but neither the newest nor that of `best_step`."""
    present = checkpoints(run_folder)
    kept = {present[-1], checkpoint_folder(run_folder, best_step or -1)}
    expendable = [path for path in present if path not in kept]
    for folder in expendable[: max(0, len(present) - limit)] if limit else ():
        os.replace(folder, partial_folder(folder))  # cut off here, it is an unfinished one and not a torn one
        remove(partial_folder(folder))


def trainer_state(folder: Path) -> dict[str, Any]:
    """Read what the trainer kept of itself: steps done, metrics, callbacks."""
    state: dict[str, Any] = json.loads((folder / STATE).read_text(encoding="utf-8"))
    return state


def processes_of(folder: Path) -> int:
    """Tell by how many processes a sound checkpoint was written."""
    return int(json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["processes"])


@contextmanager
def only_numbers_read(folder: Path) -> Iterator[None]:
    """Raise a ValueError that says so where torch refuses a file of the checkpoint `folder` that could run code."""
    try:
        yield
    except pickle.UnpicklingError as error:
        raise ValueError(
            f"{folder} is no checkpoint of ours: it holds more than numbers, which could run code and so is not read; "
            f"delete it to go on from the one before"
        ) from error


def _fingerprint(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        return {"bytes": file.stat().st_size, "sha256": hashlib.file_digest(stream, "sha256").hexdigest()}
