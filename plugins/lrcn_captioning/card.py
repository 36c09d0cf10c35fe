"""What a captioner's model card says and shows of its data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from lrcn_captioning.data import DataReport
from lrcn_captioning.options import CaptioningDataOptions, is_built_in
from lrcn_hub.data.images import image_source
from lrcn_hub.models.images_lrcn import open_image

if TYPE_CHECKING:
    from datasets import Dataset

SHOWN = 4  # pictures of the strip
SIDE, GAP, FONT_SIZE, LINES = 200, 12, 15, 5  # of the strip, in pixels; lines of a caption


def describe_data(tables: Mapping[str, Dataset], options: CaptioningDataOptions) -> dict[str, Any]:
    """Name the data, without the folders of this machine, and count what the reader has kept and left out."""
    report = DataReport.of(next(iter(tables.values())))
    name = options.path if _is_on_hub(options) else None
    known = {
        "dataset": name,
        "revision": _revision(tables) if name else None,
        "license": options.license or ("apache-2.0" if is_built_in(options) else None),
    }
    return {
        "rows": report.images,
        "captions": report.captions,
        "source": _source(options),
        **{key: value for key, value in known.items() if value},
        "leaks": len(report.leaks),
        "bad_samples": len(report.bad_samples),
        "outside_splits": report.outside_splits,
    }


def draw_strip(table: Dataset, captions: Sequence[str]) -> Image.Image:
    """Draw the first pictures of `table` side by side, each over its caption; the image is RGB."""
    font = ImageFont.load_default(FONT_SIZE)
    shown = min(SHOWN, len(table))
    texts = [_wrapped(caption, font) for caption in captions[:shown]]
    height = SIDE + 3 * GAP + max(len(text) for text in texts) * (FONT_SIZE + 4)
    strip = Image.new("RGB", (GAP + shown * (SIDE + GAP), height), "white")
    pen = ImageDraw.Draw(strip)
    for number, (row, text) in enumerate(zip(table.select(range(shown)), texts, strict=True)):
        left = GAP + number * (SIDE + GAP)
        picture = open_image(image_source(row["image"]), name=f"image {row['id']}").convert("RGB")
        small = max(picture.size) < SIDE
        picture = ImageOps.contain(picture, (SIDE, SIDE), Image.Resampling.NEAREST if small else Image.Resampling.BOX)
        strip.paste(picture, (left + (SIDE - picture.width) // 2, GAP + (SIDE - picture.height) // 2))
        pen.multiline_text((left, SIDE + 2 * GAP), "\n".join(text), "black", font)
    return strip


def _wrapped(text: str, font: Any) -> list[str]:
    """Break `text` into lines as wide as a picture; what is beyond the last one is cut off with dots."""
    lines = [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if lines[-1] and font.getlength(longer) > SIDE:
            lines.append(word)
        else:
            lines[-1] = longer
    return lines if len(lines) <= LINES else [*lines[: LINES - 1], f"{lines[LINES - 1]} ..."]


def _is_on_hub(options: CaptioningDataOptions) -> bool:
    return options.reader == "datasets" and not Path(options.path).exists()


def _source(options: CaptioningDataOptions) -> str:
    if is_built_in(options):
        chosen = ", ".join(
            f"{name} {value}" for name, value in options.moving_shapes.items() if name in ("seed", "split")
        )
        return f"moving shapes, built in ({chosen})" if chosen else "moving shapes, built in"
    if _is_on_hub(options):
        return options.path if options.subset is None else f"{options.path}, {options.subset}"
    files = [options.path, options.train_file, options.validation_file, options.test_file]
    lists = [options.train_list, options.validation_list, options.test_list]
    names = ", ".join(Path(file).name for file in (*files, *lists) if file)
    return f"{names}, read as {options.reader}"


def _revision(tables: Mapping[str, Dataset]) -> str | None:
    """The commit of a dataset on the Hub: `datasets` names the folder of its cache after it."""
    for table in tables.values():
        for file in table.cache_files:
            if found := re.fullmatch(r"[0-9a-f]{40}", Path(file["filename"]).parent.name):
                return found[0]
    return None
