"""Looking at every picture before the work begins: an unreadable one is found now, not in the last hour of a run."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from PIL import Image
from tqdm import tqdm

from lrcn_hub.data.bad_samples import BadSample, OnBadSample, report_bad_samples
from lrcn_hub.models.images_lrcn import ImageSource, UnreadableImageError, open_image

Result = TypeVar("Result")

_CHUNK = 256  # images in the hands of the threads at a time: embedded bytes are read from the table as they are needed


def check_images(
    images: Sequence[Any],
    on_bad_sample: OnBadSample = "refuse",
    *,
    names: Sequence[str] | None = None,
) -> tuple[list[bool], list[BadSample]]:
    """Decode every picture completely; return which are good, one answer for each, and what is wrong with the others.

    An image is a path, the bytes of a file, a PIL image, or a cell of an undecoded `datasets.Image` column. Errors say
    its path or, where there is none, its name in `names`. With ``"refuse"`` a ValueError names the bad ones.
    """
    verdicts = image_faults(images)
    good = [fault is None for fault in verdicts]
    bad = [
        BadSample(_path(images[index]) or (names[index] if names else f"image {index}"), fault)
        for index, fault in enumerate(verdicts)
        if fault is not None
    ]
    report_bad_samples(bad, len(good), on_bad_sample)
    return good, bad


def image_faults(images: Sequence[Any]) -> list[str | None]:
    """Decode every picture completely; say of each what is wrong with it, or None; images as `check_images`."""
    return list(_in_threads(_fault, images, "Checking images"))


def content_digests(images: Sequence[Any]) -> list[str]:
    """Compute the SHA-256 of every picture's file, to find the same file under two names; images as `check_images`."""
    return list(_in_threads(_digest, images, "Comparing images"))


def image_source(cell: Any) -> ImageSource:
    """Give what `open_image` takes: from a cell of a `datasets.Image` column (decoded or not), a path or bytes."""
    if isinstance(cell, Mapping):
        return cell["bytes"] if cell["bytes"] is not None else cell["path"]
    return cell


def _in_threads(work: Callable[[ImageSource], Result], images: Sequence[Any], title: str) -> Iterator[Result]:
    with ThreadPoolExecutor(os.cpu_count()) as pool, tqdm(total=len(images), desc=title, unit="image") as progress:
        for start in range(0, len(images), _CHUNK):
            for result in pool.map(work, map(image_source, images[start : start + _CHUNK])):
                progress.update()
                yield result


def _fault(image: ImageSource) -> str | None:
    try:
        open_image(image)
    except UnreadableImageError as error:
        return error.reason
    return None


def _digest(image: ImageSource) -> str:
    if isinstance(image, Image.Image):
        content = f"{image.mode} {image.size} ".encode() + image.tobytes()
    else:
        content = image if isinstance(image, bytes) else Path(image).read_bytes()
    return hashlib.sha256(content).hexdigest()


def _path(cell: Any) -> str | None:
    path = cell.get("path") if isinstance(cell, Mapping) else cell
    return str(path) if isinstance(path, str | os.PathLike) else None
