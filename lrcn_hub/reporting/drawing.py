"""Pictures as text that a page can hold, and histograms as the numbers of an SVG drawing."""

from __future__ import annotations

import base64
import io
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lrcn_hub.reporting.content import Histogram

if TYPE_CHECKING:
    from PIL import Image

LONGEST_SIDE = 360  # pixels of a picture on a card: 50 of them are about 1 MB
LOSSLESS_SIDE = 128  # JPEG smears drawings this small, and PNG has room for them
WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 34, 8, 10, 24  # room around the bars, for the axes' numbers
LETTER = 6.6  # how wide one is, about
STEPS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25)  # between lines across, of which there are four or five


@dataclass(frozen=True)
class Bars:
    """A histogram laid out in units of an SVG of WIDTH x HEIGHT."""

    title: str
    bars: list[tuple[int, float, float, float, float, str]]
    """Which group it is of, x, y, width and height of each, and what it says."""
    groups: list[str]
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def lay_out(histogram: Histogram) -> Bars:
    """Give every group of a histogram a bar in each bin."""
    highest = max((share for shares in histogram.shares.values() for share in shares), default=0.0)
    step = next((step for step in STEPS if 5 * step >= highest), 0.25)
    lines = max(1, math.ceil(highest / step - 1e-9))
    room = (WIDTH - LEFT - RIGHT) / max(1, len(histogram.bins))
    thickness = 0.8 * room / max(1, len(histogram.shares))
    depth = (HEIGHT - TOP - BOTTOM) / (lines * step)
    bars = []
    for group, (name, shares) in enumerate(histogram.shares.items()):
        for place, (label, share) in enumerate(zip(histogram.bins, shares, strict=True)):
            x = LEFT + room * (place + 0.1) + group * thickness
            told = f"{name}, {label}: {share:.1%}"
            bars.append((group, x, HEIGHT - BOTTOM - depth * share, thickness, depth * share, told))
    longest = LETTER * (1 + max(map(len, histogram.bins), default=0))
    every = math.ceil(longest / room)
    return Bars(
        histogram.title,
        bars,
        list(histogram.shares),
        [(LEFT + room * (place + 0.5), label) for place, label in enumerate(histogram.bins) if place % every == 0],
        [(HEIGHT - BOTTOM - depth * step * line, f"{step * line:.0%}") for line in range(lines + 1)],
    )


def data_url(picture: Image.Image, longest_side: int = LONGEST_SIDE, *, lossless: bool = False) -> str:
    """Write a picture, no side longer than `longest_side` pixels, as a data URL."""
    small = picture.convert("RGB")
    small.thumbnail((longest_side, longest_side))
    kind = "png" if lossless or min(small.size) <= LOSSLESS_SIDE else "jpeg"
    encoded = io.BytesIO()
    small.save(encoded, kind, **({"optimize": True} if kind == "png" else {"quality": 85}))
    return f"data:image/{kind};base64,{base64.b64encode(encoded.getvalue()).decode()}"
