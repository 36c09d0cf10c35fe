"""The demo's report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import base64
import importlib.resources
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined

from lrcn_hub.data.moving_shapes import check_caption
from lrcn_hub.demo.chart import Chart, draw_chart
from lrcn_hub.demo.judging import BASELINES, MODEL, bars, ratio
from lrcn_hub.demo.story import Example, Part
from lrcn_hub.publishing.folders import write_text

TITLES = {
    "pairs": (
        "Pairs never seen together",
        "Every test picture shows two objects that were never in one training picture, though each was in others.",
    ),
    "combinations": (
        "The harder split: colours on new shapes",
        "Every test picture shows an object whose colour and shape were never on one object in training, though both "
        "were there apart.",
    ),
}
SYSTEMS = {
    MODEL: ("The captioner", "sees the picture"),
    "nearest_by_feature": ("Nearest picture, by feature", "baseline: repeats what was said of it"),
    "nearest_by_pixels": ("Nearest picture, by pixels", "baseline: repeats what was said of it"),
    "picture_blind": ("Language alone", "baseline: the likeliest caption, without looking"),
    "human": ("A human-like reference", "one of five captions against the other four"),
    "oracle": ("The perfect caption", "all objects, sizes and the relation, in plain words"),
}


def write_report(file: Path, parts: Sequence[Part], results: dict[str, Any]) -> None:
    """Write what the demo found, `parts` in their order, as `file`; `results` is what results.json holds.

    Raises OSError where the disk is full; an older report is then untouched.
    """
    write_text(file, render(parts, results, file.parent))


def render(parts: Sequence[Part], results: dict[str, Any], folder: Path) -> str:
    """Fill the template; paths are shown as seen from the working directory, the report's folder being `folder`."""
    template = importlib.resources.files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"percent": percent, "times": times, "duration": duration}
    return environment.from_string(template).render(
        parts=[_view(part) for part in parts],
        results=results,
        model=folder / "model",
        picture=parts[0].examples[0].file,
    )


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def times(factor: float) -> str:
    return "∞" if math.isinf(factor) else f"{factor:.1f}\u00d7"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _view(part: Part) -> dict[str, Any]:
    """Arrange one split's findings for the template."""
    title, meaning = TITLES[part.split]
    return {
        "title": title,
        "meaning": meaning,
        "model": part.scores[MODEL],
        "better": max((part.scores[name] for name in BASELINES), key=lambda scores: scores["cider_d"]),
        "times_cider": ratio(part.scores, "cider_d"),
        "bars": bars(part.scores) if part.split == "pairs" else [],
        "rows": [(*SYSTEMS[name], name, scores) for name, scores in part.scores.items()],
        "charts": _charts(part),
        "cards": [_card(example) for example in part.examples],
        "part": part,
    }


def _charts(part: Part) -> list[Chart]:
    curves = {"loss": "Training loss, per word", "eval_cider_d": "CIDEr-D of captions of validation pictures"}
    return [
        draw_chart(title, [(entry["step"], entry[key]) for entry in part.history if key in entry])
        for key, title in curves.items()
    ]


def _card(example: Example) -> dict[str, Any]:
    check = check_caption(example.caption, example.scene)
    where = "relation" if len(example.scene.objects) == 2 else "place"
    return {
        "picture": f"data:image/png;base64,{base64.b64encode(example.file.read_bytes()).decode()}",
        "name": example.file.name,
        "caption": example.caption,
        "marks": [
            ("objects", "right" if check.objects_right else "wrong"),
            (where, _mark(check.relation_stated, check.relation_right)),
            ("size", _mark(check.size_stated, check.size_right)),
        ],
        "references": example.references,
        "nearest": example.nearest,
    }


def _mark(stated: bool, right: bool) -> str:
    return ("right" if right else "wrong") if stated else "unsaid"
