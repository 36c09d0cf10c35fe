"""A learning curve as the numbers of an SVG drawing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

WIDTH, HEIGHT = 360, 190
LEFT, RIGHT, TOP, BOTTOM = 34, 12, 10, 24  # room around the drawing, for the axes' numbers


@dataclass(frozen=True)
class Chart:
    """One curve from (0, 0) on, y upwards; positions are in units of an SVG of WIDTH x HEIGHT."""

    title: str
    line: str
    """The points of an SVG polyline."""
    points: list[tuple[float, float, str]]
    """Where each value is drawn, and what it is."""
    x_ticks: list[tuple[float, str]]
    y_ticks: list[tuple[float, str]]
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    bottom: int = HEIGHT - BOTTOM


def draw_chart(title: str, values: Sequence[tuple[float, float]], unit: str = "") -> Chart:
    """Lay out `values`, pairs (step, value) with value >= 0, between axes that begin at 0."""
    x_ticks = ticks(max((x for x, _ in values), default=1), 4)
    y_ticks = ticks(max((y for _, y in values), default=1), 4)
    x_end = max([x for x, _ in values] + [x_ticks[1]])

    def place(x: float, y: float) -> tuple[float, float]:
        across = LEFT + (WIDTH - LEFT - RIGHT) * x / x_end
        down = TOP + (HEIGHT - TOP - BOTTOM) * (1 - y / y_ticks[-1])
        return round(across, 1), round(down, 1)

    points = [(*place(x, y), f"step {x:g}: {y:.2f}{unit}") for x, y in values]
    return Chart(
        title=title,
        line=" ".join(f"{x},{y}" for x, y, _ in points),
        points=points,
        x_ticks=[(place(x, 0)[0], f"{x:,g}") for x in x_ticks if x <= x_end],
        y_ticks=[(place(0, y)[1], f"{y:g}") for y in y_ticks],
    )


def curves(history: Sequence[Mapping[str, Any]], titles: Mapping[str, str]) -> list[Chart]:
    """Draw what a trainer logged over its steps, one chart for each key of `titles`."""
    return [
        draw_chart(title, [(entry["step"], entry[key]) for entry in history if key in entry])
        for key, title in titles.items()
    ]


def ticks(maximum: float, count: int) -> list[float]:
    """Give about `count` round numbers at equal distances from 0 to at least `maximum`."""
    if maximum < 1e-6:
        return [0.0, 1.0]
    rough = maximum / count
    power = 10 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= rough * (1 - 1e-9))
    return [round(step * number, 10) for number in range(math.ceil(maximum / step - 1e-9) + 1)]
