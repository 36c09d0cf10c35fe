"""The demo's report: one HTML file that needs nothing beside it."""

from __future__ import annotations

import importlib.resources
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined

from lrcn_hub.demo.activity.story import ActivityPart
from lrcn_hub.demo.activity.view import activity_view
from lrcn_hub.demo.captioning.story import Part
from lrcn_hub.demo.captioning.view import captioning_view
from lrcn_hub.demo.narration.story import NarrationPart
from lrcn_hub.demo.narration.view import narration_view
from lrcn_hub.publishing.folders import write_text


def write_report(
    file: Path, parts: Sequence[Part], activity: ActivityPart, narration: NarrationPart, results: dict[str, Any]
) -> None:
    """Write what the demo found as `file`: `parts` of the pictures, in their order, and what results.json holds.

    Raises OSError where the disk is full; an older report is then untouched.
    """
    write_text(file, render(parts, activity, narration, results))


def render(parts: Sequence[Part], activity: ActivityPart, narration: NarrationPart, results: dict[str, Any]) -> str:
    """Fill the template; paths are shown as seen from the working directory."""
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        loader=FunctionLoader(_template),
    )
    environment.filters |= {"percent": percent, "times": times, "duration": duration, "stages": stages}
    return environment.get_template("report.html.jinja").render(
        parts=[captioning_view(part) for part in parts],
        activity=activity_view(activity),
        narration=narration_view(narration),
        results=results,
        captioner=parts[0].folder / "model",
        recogniser=activity.folder / "model",
        narrator=narration.folder / "model",
        picture=parts[0].examples[0].file,
    )


def _template(name: str) -> str:
    return importlib.resources.files(__package__).joinpath(name).read_text(encoding="utf-8")


def percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def times(factor: float) -> str:
    return "∞" if math.isinf(factor) else f"{factor:.1f}\u00d7"


def duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def stages(seconds: Mapping[str, float]) -> str:
    """Say how long each stage took."""
    return ", ".join(f"{name} {duration(value)}" for name, value in seconds.items())
