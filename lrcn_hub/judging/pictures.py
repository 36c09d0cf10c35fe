"""The pictures on a rating sheet: found by their ids, made small, and turned into text that a page can hold."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.data.annotation_files import file_in, read_rows, texts_of
from lrcn_hub.data.images import image_source
from lrcn_hub.models.images_lrcn import open_image

if TYPE_CHECKING:
    from datasets import Dataset

LONGEST_SIDE = 640  # pixels: enough for a page, and 50 pictures are some 5 MB
LOSSLESS_SIDE = 128  # JPEG smears drawings this small, and PNG has room for them


@dataclass(frozen=True)
class Pictures:
    """Pictures by their ids."""

    source: str
    """What errors call where they are from."""
    rows: dict[str, int]
    """Where each id is in `images` and `captions`, in that order."""
    images: Sequence[Any]
    """Files, or cells of an undecoded `datasets.Image` column."""
    captions: Sequence[Sequence[str]]
    """What people said about each; may be nothing."""

    def data_url(self, name: str) -> str:
        """Give the picture `name` as a data URL, no side longer than 640 pixels.

        Raises ValueError if there is no such picture, or it cannot be read.
        """
        if name not in self.rows:
            raise ValueError(f"{self.source} has no picture with the id {name!r}")
        picture = open_image(image_source(self.images[self.rows[name]]), name=f"{self.source}, picture {name}")
        picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        kind = "png" if max(picture.size) <= LOSSLESS_SIDE else "jpeg"
        encoded = io.BytesIO()
        picture.save(encoded, kind, **({} if kind == "png" else {"quality": 85}))
        return f"data:image/{kind};base64,{base64.b64encode(encoded.getvalue()).decode()}"

    def refuse_others(self, others: Pictures, names: Iterable[str]) -> None:
        """Raise a ValueError where one of the pictures `names` looks otherwise among `others`.

        Ids such as test-00001 mean something else in other data; captions of these would be judged by wrong pictures.
        """
        for name in names:
            if self.data_url(name) != others.data_url(name):
                raise ValueError(
                    f"picture {name} of {self.source} is another one in {others.source}: systems can be judged "
                    "together only on the same pictures"
                )


def pictures_in_table(table: Dataset, source: str) -> Pictures:
    """Take a table with the columns id and image, and captions if it has them. Raises ValueError if it lacks one."""
    import datasets

    if missing := [column for column in ("id", "image") if column not in table.column_names]:
        raise ValueError(f"{source} has no column {' and no '.join(missing)}: sheets are made of pictures only")
    captions = table["captions"][:] if "captions" in table.column_names else [()] * len(table)
    images = table.cast_column("image", datasets.Image(decode=False))["image"]
    return Pictures(source, {name: row for row, name in enumerate(table["id"][:])}, images, captions)


def pictures_in_file(file: str | Path) -> Pictures:
    """Read a JSONL or CSV file with the columns id and image, a file's path as seen from there; captions if wanted.

    Raises ValueError that names file and line, and OSError.
    """
    rows: dict[str, int] = {}
    images: list[Path] = []
    captions: list[list[str]] = []
    for place, row in read_rows(Path(file)):
        if not isinstance(row.get("id"), str | int) or not isinstance(row.get("image"), str):
            raise ValueError(f"{place}: not an id with the path of an image: {str(row)[:80]}")
        if str(row["id"]) in rows:
            raise ValueError(f"{place}: a second picture with the id {row['id']}")
        rows[str(row["id"])] = len(images)
        images.append(file_in(Path(file).parent, row["image"], source=place, kind="images"))
        captions.append(texts_of(row.get("captions")))
    return Pictures(str(file), rows, images, captions)


def pictures_in_folder(folder: str | Path) -> Pictures:
    """Take every file in a folder and those inside it; its id is its path from there, with or without its ending.

    An id that could be either of two files is neither's.
    """
    files = sorted(file for file in Path(folder).rglob("*") if file.is_file())
    rows: dict[str, int] = {}
    unclear = set()
    for row, file in enumerate(files):
        name = file.relative_to(folder)
        for form in {name.as_posix(), name.with_suffix("").as_posix()}:
            if form in rows:
                unclear.add(form)
            rows[form] = row
    rows = {name: row for name, row in rows.items() if name not in unclear}
    return Pictures(str(folder), rows, files, [()] * len(files))
