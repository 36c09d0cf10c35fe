"""What a recogniser's model card says and shows of its data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw, ImageFont, ImageOps

from lrcn_activity.data import DataReport
from lrcn_activity.frames import frames_shown, read
from lrcn_activity.options import ActivityDataOptions, is_built_in

if TYPE_CHECKING:
    from datasets import Dataset

SHOWN, FRAMES = 4, 5  # videos, and frames of each
SIDE, GAP, FONT_SIZE = 112, 8, 14  # in pixels


def describe_data(tables: Mapping[str, Dataset], options: ActivityDataOptions) -> dict[str, Any]:
    """Name the data, without the folders of this machine, and count what the reader has kept and left out."""
    table = next(iter(tables.values()))
    report = DataReport.of(table)
    known = {
        "dataset": options.path if _is_on_hub(options) else None,
        "license": options.license or ("apache-2.0" if is_built_in(options) else None),
    }
    return {
        "rows": report.videos,
        "classes": len(table.features["label"].names),
        "source": _source(options),
        **{key: value for key, value in known.items() if value},
        "stream": report.stream,
        "leaks": len(report.leaks),
        "bad_samples": len(report.bad_samples),
        "outside_splits": report.outside_splits,
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


def _is_on_hub(options: ActivityDataOptions) -> bool:
    return options.reader == "datasets" and not Path(options.path).exists()


def _source(options: ActivityDataOptions) -> str:
    if is_built_in(options):
        chosen = ", ".join(f"{name} {value}" for name, value in options.moving_shapes.items() if name == "seed")
        return f"moving shapes, built in ({chosen})" if chosen else "moving shapes, built in"
    if options.reader == "ucf101" and not options.train_list:
        return f"UCF-101, split {options.split}"
    if _is_on_hub(options):
        return options.path if options.subset is None else f"{options.path}, {options.subset}"
    files = [options.path, options.train_file, options.validation_file, options.test_file]
    lists = [options.train_list, options.validation_list, options.test_list]
    names = ", ".join(Path(file).name for file in (*files, *lists) if file)
    return f"{names}, read as {options.reader}"
