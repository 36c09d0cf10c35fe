"""What a recogniser's model card says and shows of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from lrcn_activity.data import DataReport
from lrcn_activity.frames import frames_shown, read
from lrcn_activity.options import ActivityDataOptions
from lrcn_hub.data.sources import describe_origin

if TYPE_CHECKING:
    from datasets import Dataset

SHOWN, FRAMES = 4, 5  # videos, and frames of each
SIDE, GAP, FONT_SIZE = 112, 8, 14  # in pixels


def describe_data(tables: Mapping[str, Dataset], options: ActivityDataOptions) -> dict[str, Any]:
    """Name the data, without the folders of this machine, and count what the reader has kept and left out."""
    table = next(iter(tables.values()))
    report = DataReport.of(table)
    origin = describe_origin(options)
    if options.reader == "ucf101" and not options.train_list:
        origin["source"] = f"UCF-101, split {options.split}"
    return {
        "rows": report.videos,
        "classes": len(table.features["label"].names),
        **origin,
        "stream": report.stream,
        **report.counts(),
    }


def draw_strips(table: Dataset, predictions: Sequence[dict[str, Any]], options: ActivityDataOptions) -> Image.Image:
    """Draw frames of the first videos of `table`, a line for each, with truth and answer; the image is RGB."""
    font = ImageFont.load_default(FONT_SIZE)
    rows = table.select(range(min(SHOWN, len(table))))
    line = SIDE + FONT_SIZE + 2 * GAP
    strip = Image.new("RGB", (GAP + FRAMES * (SIDE + GAP), GAP + len(rows) * line), "white")
    pen = ImageDraw.Draw(strip)
    for number, row in enumerate(rows):
        top = GAP + number * line
        for place, frame in enumerate(_some_frames(row, options)):
            picture = ImageOps.contain(Image.fromarray(frame), (SIDE, SIDE), Image.Resampling.BILINEAR)
            strip.paste(picture, (GAP + place * (SIDE + GAP), top))
        truth, answer = table.features["label"].int2str(row["label"]), predictions[number]
        share = max(answer["probabilities"])
        pen.text((GAP, top + SIDE), f"{truth}: taken for {answer['label']} ({share:.0%})", "black", font)
    return strip


def _some_frames(row: dict[str, Any], options: ActivityDataOptions) -> np.ndarray:
    shown = frames_shown(row, options)
    return read(row, shown[np.linspace(0, len(shown) - 1, min(FRAMES, len(shown))).round().astype(int)], options)
