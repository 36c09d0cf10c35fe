"""What a narrator's model card says and shows of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from lrcn_hub.data.sources import describe_origin
from lrcn_hub.data.videos.segments import read_segment
from lrcn_hub.models.processing_lrcn import as_written
from lrcn_narration.data import DataReport
from lrcn_narration.options import NarrationDataOptions

if TYPE_CHECKING:
    from datasets import Dataset

SHOWN, FRAMES, LABELS = 4, 6, 3  # rows, frames of each, and labels of each node
SIDE, GAP, FONT_SIZE, BAR = 112, 8, 14, 60  # in pixels
INK, PALE = "black", "#9db8d6"


def describe_data(tables: Mapping[str, Dataset], options: NarrationDataOptions) -> dict[str, Any]:
    """Name the data, without the folders of this machine, and count what the reader has kept and left out."""
    report = DataReport.of(next(iter(tables.values())))
    more = {
        "level": report.level,
        "nodes": [f"{node} ({len(labels)})" for node, labels in report.nodes.items()],
    }
    return {
        "rows": report.rows,
        "sentences": report.sentences,
        **describe_origin(options, files=map(str.strip, options.node_file.split(","))),
        **{key: value for key, value in more.items() if value},
        **report.counts(),
    }


def draw_rows(table: Dataset, predictions: Sequence[str]) -> Image.Image:
    """Draw the first rows of `table`, a line for each: frames, or the likeliest labels of its nodes, over what was
    said and what somebody says; the image is RGB."""
    nodes = DataReport.of(table).nodes
    rows = table.select(range(min(SHOWN, len(table))))
    drawn = [_frames(row) if row["video"] else _labels(row, nodes) for row in rows]
    font = ImageFont.load_default(FONT_SIZE)
    text = 2 * (FONT_SIZE + 4)
    width = max([picture.width for picture in drawn] + [FRAMES * (SIDE + GAP)])
    image = Image.new(
        "RGB", (width + 2 * GAP, GAP + sum(picture.height + text + 2 * GAP for picture in drawn)), "white"
    )
    pen, top = ImageDraw.Draw(image), GAP
    for picture, row, said in zip(drawn, rows, predictions, strict=False):
        image.paste(picture, (GAP, top))
        top += picture.height
        for line in (f"said: {as_written(said)}", f"people: {row['sentences'][0]}"):
            pen.text((GAP, top), _cut(line, font, width), INK, font)
            top += FONT_SIZE + 4
        top += 2 * GAP
    return image


def _frames(row: Mapping[str, Any]) -> Image.Image:
    frames = read_segment(row["video"], row["start"], row["end"]).frames
    chosen = frames[np.linspace(0, len(frames) - 1, min(FRAMES, len(frames))).round().astype(int)]
    strip = Image.new("RGB", (FRAMES * (SIDE + GAP), SIDE), "white")
    for place, frame in enumerate(chosen):
        small = max(frame.shape) < SIDE
        method = Image.Resampling.NEAREST if small else Image.Resampling.BILINEAR
        strip.paste(ImageOps.contain(Image.fromarray(frame), (SIDE, SIDE), method), (place * (SIDE + GAP), 0))
    return strip


def _labels(row: Mapping[str, Any], nodes: Mapping[str, list[str]]) -> Image.Image:
    """Draw the likeliest labels of each node as bars of their probabilities, a column for each node."""
    font = ImageFont.load_default(FONT_SIZE)
    names = {
        node: sorted(zip(given, labels, strict=True), reverse=True)[:LABELS]
        for (node, labels), given in zip(nodes.items(), row["nodes"] or [], strict=False)
    }
    words = list(names) + [label for best in names.values() for _, label in best]
    column = BAR + 2 * GAP + round(max((font.getlength(word) for word in words), default=0))
    image = Image.new("RGB", (max(1, len(names)) * (column + GAP), (LABELS + 1) * (FONT_SIZE + 4)), "white")
    pen = ImageDraw.Draw(image)
    for place, (node, best) in enumerate(names.items()):
        left = place * (column + GAP)
        pen.text((left, 0), node, INK, font)
        for line, (probability, label) in enumerate(best, start=1):
            top = line * (FONT_SIZE + 4)
            pen.rectangle((left, top + 3, left + round(BAR * probability), top + FONT_SIZE), PALE)
            pen.text((left + BAR + GAP, top), label, INK, font)
    return image


def _cut(text: str, font: Any, width: int) -> str:
    """Shorten a text to a width, with dots."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text} ...") > width:
        text = text.rpartition(" ")[0]
    return f"{text} ..."
