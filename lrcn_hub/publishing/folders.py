"""Writing folders so that a half-written one is never taken for a whole one, and a full disk is called by its name."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

DISK_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
DISK_FULL_WORDS = (
    *("no space left", "file too large", "quota exceeded"),
    *("(os error 28)", "(os error 122)", "(os error 27)"),  # safetensors
    *("pytorchstreamwriter failed", "inline_container", "iostream error"),  # torch.save, whatever kept it from writing
)


def partial_folder(folder: Path) -> Path:
    """Name the folder beside `folder` in which it is written before it takes its name."""
    return folder.with_name(f".{folder.name}.partial")


def is_partial(path: Path) -> bool:
    """Whether `path` is what an interrupted write left behind."""
    return path.name.startswith(".") and path.name.endswith(".partial")


def remove(path: Path) -> None:
    """Delete a file or a folder that may not be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def write_text(file: Path, text: str) -> None:
    """Write a text file that is either whole or as it was before."""
    partial = partial_folder(file)
    with full_disk_named(file.parent, len(text.encode())):
        partial.write_text(text, encoding="utf-8")
        os.replace(partial, file)


@contextmanager
def full_disk_named(folder: Path, needed: int, remedy: str = "make room and try again") -> Iterator[None]:
    """Raise an OSError that says so where the disk has no room for about `needed` bytes under `folder`.

    That is before anything is written, if it can be told then. Libraries report a full disk in words of their own:
    OSError, SafetensorError, or torch's RuntimeError without the cause.
    """
    message = f"no room for {folder}: about {needed:,} bytes are needed, %s are free; {remedy}"
    if (free := _free_bytes(folder)) < needed:
        raise OSError(errno.ENOSPC, message % f"{free:,}")
    try:
        yield
    except Exception as error:
        if not _tells_of_full_disk(error):
            raise
        raise OSError(errno.ENOSPC, message % f"{_free_bytes(folder):,}") from error


@contextmanager
def without_progress_bars() -> Iterator[None]:
    """Keep transformers from showing a bar for each file it saves."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _tells_of_full_disk(error: Exception) -> bool:
    if isinstance(error, OSError) and error.errno in DISK_FULL:
        return True
    return any(words in str(error).lower() for words in DISK_FULL_WORDS)


def _free_bytes(folder: Path) -> int:
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    return shutil.disk_usage(existing).free
