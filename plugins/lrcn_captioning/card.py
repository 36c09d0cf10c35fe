"""What a captioner's model card says and shows of its data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from PIL import Image, ImageDraw, ImageFont, ImageOps

from lrcn_captioning.data import DataReport
from lrcn_captioning.options import CaptioningDataOptions
from lrcn_hub.data.images import image_source
from lrcn_hub.data.sources import describe_origin, is_on_hub
from lrcn_hub.models.images_lrcn import open_image
from lrcn_hub.models.processing_lrcn import as_written

if TYPE_CHECKING:
    from datasets import Dataset

SHOWN = 4  # pictures of the strip
SIDE, GAP, FONT_SIZE, LINES = 200, 12, 15, 5  # of the strip, in pixels; lines of a caption


def describe_data(tables: Mapping[str, Dataset], options: CaptioningDataOptions) -> dict[str, Any]:
    """Name the data, without the folders of this machine, and count what the reader has kept and left out."""
    report = DataReport.of(next(iter(tables.values())))
    revision = _revision(tables) if is_on_hub(options) else None
    return {
        "rows": report.images,
        "captions": report.captions,
        **describe_origin(options, ("seed", "split"), revision=revision),
        **report.counts(),
    }


def draw_strip(table: Dataset, captions: Sequence[str]) -> Image.Image:
    """Draw the first pictures of `table` side by side, each over its caption; the image is RGB."""
    font = ImageFont.load_default(FONT_SIZE)
    shown = min(SHOWN, len(table))
    texts = [_wrapped(as_written(caption), font) for caption in captions[:shown]]
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


def _revision(tables: Mapping[str, Dataset]) -> str | None:
    """The commit of a dataset on the Hub: `datasets` names the folder of its cache after it."""
    for table in tables.values():
        for file in table.cache_files:
            if found := re.fullmatch(r"[0-9a-f]{40}", Path(file["filename"]).parent.name):
                return found[0]
    return None
