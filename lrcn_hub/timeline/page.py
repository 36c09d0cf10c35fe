"""A timeline as a page: one HTML file that needs nothing beside it, with the values under the pointer."""

from __future__ import annotations

import base64
import importlib.resources
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from jinja2 import Environment, StrictUndefined

from lrcn_hub.timeline.drawing import CLASSES, COLOURS, OTHERS, meaning_of, title_of
from lrcn_hub.timeline.points import Timeline

WIDTH, HEIGHT = 1000, 300  # of the drawing, in its own units


def write_page(timeline: Timeline, file: str | Path) -> None:
    """Write `timeline` as an HTML page."""
    Path(file).write_text(render_page(timeline), encoding="utf-8")


def render_page(timeline: Timeline) -> str:
    """Fill the template."""
    template = importlib.resources.files(__package__).joinpath("timeline.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    curves = _curves(timeline)
    colours = {curve["label"]: curve["colour"] for curve in curves}
    values = {"times": [round(float(time), 3) for time in timeline.times], "end": round(timeline.end, 3)}
    values["curves"] = [[round(float(value), 4) for value in curve["values"]] for curve in curves]
    return environment.from_string(template).render(
        title=title_of(timeline),
        meaning=meaning_of(timeline),
        timeline=timeline,
        curves=curves,
        ribbon=[
            {
                "x": WIDTH * start / timeline.end,
                "width": WIDTH * (end - start) / timeline.end,
                "colour": colours.get(label, OTHERS),
                "name": timeline.names[label],
                "seconds": f"{start:.1f} to {end:.1f} s",
            }
            for start, end, label in timeline.winners()
        ],
        ticks=[(WIDTH * time / timeline.end, f"{time:g}") for time in _round_times(timeline.end)],
        pictures=[(f"{time:.1f} s", _data_url(picture)) for time, picture in timeline.pictures],
        values=json.dumps(values, separators=(",", ":")),
        width=WIDTH,
        height=HEIGHT,
    )


def _curves(timeline: Timeline) -> list[dict[str, Any]]:
    """The classes shown, and the sum of the others where it ever counts."""
    shown = timeline.leading(CLASSES)
    curves: list[dict[str, Any]] = [
        {
            "label": label,
            "name": timeline.names[label],
            "mean": f"{timeline.answer.probabilities[label]:.1%}",
            "colour": colour,
            "values": timeline.probabilities[:, label],
        }
        for label, colour in zip(shown, COLOURS, strict=False)
    ]
    rest = 1 - timeline.probabilities[:, shown].sum(axis=1)
    if len(timeline.names) > len(shown) and rest.max() >= 0.05:
        mean = 1 - timeline.answer.probabilities[shown].sum()
        curves.append({"label": None, "name": "all others", "mean": f"{mean:.1%}", "colour": OTHERS, "values": rest})
    for curve in curves:
        curve["line"] = _line(timeline, curve["values"])
    return curves


def _line(timeline: Timeline, values: np.ndarray) -> str:
    """The points of an SVG polyline."""
    times = np.append(timeline.times, timeline.end) / timeline.end * WIDTH
    heights = HEIGHT * (1 - np.append(values, values[-1]))
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(times, heights, strict=True))


def _round_times(end: float) -> list[float]:
    """About eight round times from 0 to `end`, in seconds."""
    power = 10.0 ** np.floor(np.log10(end / 8))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= end / 8 * (1 - 1e-9))
    return [round(float(step * number), 6) for number in range(int(end / step + 1e-9) + 1)]


def _data_url(picture: np.ndarray) -> str:
    encoded = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
