"""The reader of `datasets`: any dataset of the Hub or of a folder, told which columns are pictures and captions."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lrcn_captioning.tables import SPLITS, features
from lrcn_hub.data.annotation_files import file_in, texts_of
from lrcn_hub.data.hub_datasets import load_splits

if TYPE_CHECKING:
    from datasets import Dataset

    from lrcn_captioning.data import CaptioningDataOptions, DataReport


def read_datasets(options: CaptioningDataOptions, report: DataReport) -> dict[str, Dataset]:
    """Any dataset of the `datasets` library: a name on the Hub, a folder it reads, or one written by save_to_disk."""
    from datasets import concatenate_datasets

    parts: dict[str, list[Dataset]] = {}
    for name, split, table in load_splits(options.path, options.subset, SPLITS):
        parts.setdefault("train" if split == "restval" else split, []).append(_name_columns(table, name, options))
    return {split: concatenate_datasets(tables) for split, tables in parts.items()}


def _name_columns(table: Dataset, split: str, options: CaptioningDataOptions) -> Dataset:
    from datasets import Dataset, concatenate_datasets

    wanted = [name.strip() for name in options.captions_column.split(",")]
    ids_column = [options.id_column] if options.id_column else []
    for name in [options.image_column, *wanted, *ids_column]:
        if name not in table.column_names:
            raise ValueError(
                f"{options.path}, split {split}: no column {name!r} among {', '.join(table.column_names)}; "
                "set image_column, captions_column or id_column"
            )
    texts = zip(*(table[name] for name in wanted), strict=True)
    captions = [[caption for cell in row for caption in texts_of(cell)] for row in texts]
    ids = map(str, table[options.id_column]) if options.id_column else (f"{split}/{n}" for n in range(len(table)))
    first_row: dict[str, int] = {}
    for row, name in enumerate(ids):  # a row for each caption: they are gathered in the picture's first
        first = first_row.setdefault(name, row)
        if first != row:
            captions[first] += captions[row]
    rows = list(first_row.values())
    images = _pictures(table, options).select(rows)
    named = Dataset.from_dict(
        {"captions": [captions[row] for row in rows], "id": list(first_row)}, features(image=False)
    )
    return concatenate_datasets([images, named], axis=1)


def _pictures(table: Dataset, options: CaptioningDataOptions) -> Dataset:
    """Take the image column alone; where it holds names of files, they lie in ``image_folder``."""
    from datasets import Dataset, Features, Image, Value

    if isinstance(table.features[options.image_column], Value):
        names, folder = table[options.image_column], options.image_folder
        if folder:
            files = [
                str(file_in(folder, name, source=f"{options.path}, row {n}", kind="images"))
                for n, name in enumerate(names)
            ]
        else:  # the user's own paths
            files = [str(Path(name)) for name in names]
        return Dataset.from_dict({"image": files}, Features({"image": Image()}))
    return table.select_columns([options.image_column]).rename_columns({options.image_column: "image"})
