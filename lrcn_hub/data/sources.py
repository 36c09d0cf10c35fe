"""Where data come from, as the data options of a task name it: built in, a dataset on the Hub, or files."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from lrcn_hub.data.splits import SPLIT_NAMES

MOVING_SHAPES = "moving-shapes"


class Source(Protocol):
    """What all data options have that can say where data come from: these, and train_file, train_list and so on."""

    reader: str
    path: str
    subset: str | None
    moving_shapes: dict[str, Any]
    license: str


def is_built_in(options: Source) -> bool:
    """Whether the data are our own moving shapes, which anybody may copy."""
    return options.reader == MOVING_SHAPES


def is_on_hub(options: Source) -> bool:
    return options.reader == "datasets" and not Path(options.path).exists()


def needed_path(options: Source, what: str) -> Path:
    """Give ``path``. Raises ValueError that says `what` it must be where it is not set."""
    if not options.path:
        raise ValueError(f"the {options.reader} reader needs path: {what}")
    return Path(options.path)


def split_files(options: Source, kind: str) -> dict[str, Path]:
    """Collect the options train_KIND, validation_KIND and test_KIND that are set."""
    named = {split: getattr(options, f"{split}_{kind}") for split in SPLIT_NAMES}
    return {split: Path(file) for split, file in named.items() if file}


def describe_origin(
    options: Source, shapes: Iterable[str] = ("seed",), files: Iterable[str] = (), revision: str | None = None
) -> dict[str, str]:
    """Say what `Task.describe_data` is to say of where the data come from: source, dataset, revision and license.

    What is not known is left out, and so are the folders of this machine. `shapes` are the options of moving shapes
    that are told; `files` are further ones that were read.
    """
    known = {
        "source": _source(options, shapes, files),
        "dataset": options.path if is_on_hub(options) else None,
        "revision": revision,
        "license": options.license or ("apache-2.0" if is_built_in(options) else None),
    }
    return {key: value for key, value in known.items() if value}


def _source(options: Source, shapes: Iterable[str], files: Iterable[str]) -> str:
    if is_built_in(options):
        chosen = ", ".join(f"{name} {value}" for name, value in options.moving_shapes.items() if name in shapes)
        return f"moving shapes, built in ({chosen})" if chosen else "moving shapes, built in"
    if is_on_hub(options):
        return options.path if options.subset is None else f"{options.path}, {options.subset}"
    listed = [*split_files(options, "file").values(), *split_files(options, "list").values()]
    named: list[str | Path] = [options.path, *listed, *files]
    return f"{', '.join(Path(file).name for file in named if file)}, read as {options.reader}"
