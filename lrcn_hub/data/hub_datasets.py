"""Any dataset of the `datasets` library: loaded, its splits told apart, the videos it holds unpacked to files."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.data.annotation_files import file_in
from lrcn_hub.data.splits import SPLITS

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)


def load_splits(
    path: str, subset: str | None = None, names: Mapping[str, str] = SPLITS
) -> Iterator[tuple[str, str, Dataset]]:
    """Load a dataset: a name on the Hub, a folder that `datasets` reads, or one written by save_to_disk.

    Gives each of its splits as its own name, our name and the table; those not in `names` are left out with a warning.
    Raises ValueError where it cannot be loaded.
    """
    from datasets import Dataset

    if not path:
        raise ValueError("the datasets reader needs path: a dataset's name on the Hub, or a folder")
    loaded = _load(path, subset)
    for name, table in ({"train": loaded} if isinstance(loaded, Dataset) else loaded).items():
        split = names.get(name.lower())
        if split is None:
            logger.warning("%s: split %s is left out; known are %s", path, name, ", ".join(names))
            continue
        yield name, split, table


def _load(path: str, subset: str | None) -> Any:
    from datasets import load_dataset, load_from_disk

    written = any((Path(path) / name).is_file() for name in ("dataset_dict.json", "state.json"))
    try:
        return load_from_disk(path) if written else load_dataset(path, subset)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"dataset {path} cannot be loaded (a missing name or folder, or no network): {error}"
        ) from error


def check_columns(table: Dataset, place: str, named: Iterable[tuple[str, str]]) -> None:
    """Raise ValueError for a column that an option names but `table`, found at `place`, has not."""
    for option, name in named:
        if name and name not in table.column_names:
            raise ValueError(f"{place}: no column {name!r} among {', '.join(table.column_names)}; set {option}")


def undecoded_videos(table: Dataset, column: str) -> Dataset:
    """Give the table with the videos of this column as paths and bytes, or as the names that stand there."""
    from datasets import Value, Video

    if isinstance(table.features[column], Value):
        return table
    return table.cast_column(column, Video(decode=False))


def video_file(cell: Any, column: str, folder: str, source: str) -> Path:
    """Find the file of a video that a cell of `column` names, in `folder` if there is one, or holds."""
    if isinstance(cell, str):  # without a folder these are the user's own paths
        return file_in(folder, cell, source=source, kind="videos") if folder else Path(cell)
    if not isinstance(cell, dict) or (cell.get("path") is None and cell.get("bytes") is None):
        raise ValueError(f"{source}: nothing in column {column!r}")
    return Path(cell["path"]) if cell.get("bytes") is None else _unpacked(cell)


def _unpacked(cell: dict[str, Any]) -> Path:
    """Write the bytes of a video into the cache of `datasets`, under a name that follows from them."""
    import datasets

    ending = Path(cell.get("path") or "").suffix
    file = Path(datasets.config.HF_DATASETS_CACHE, "videos", hashlib.sha256(cell["bytes"]).hexdigest() + ending)
    if not file.is_file():
        file.parent.mkdir(parents=True, exist_ok=True)
        unfinished = file.with_suffix(".unfinished")
        unfinished.write_bytes(cell["bytes"])
        unfinished.replace(file)
    return file
