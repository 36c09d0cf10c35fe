"""The page itself: one HTML file that needs nothing beside it, no network and no script."""

from __future__ import annotations

import dataclasses
import importlib.resources
import math
from typing import TYPE_CHECKING, Any

import yaml
from jinja2 import Environment, StrictUndefined

from lrcn_hub.reporting.content import Card, Evaluation, ReportPage, ReportSection, Span
from lrcn_hub.reporting.drawing import LOSSLESS_SIDE, data_url, lay_out

if TYPE_CHECKING:
    from lrcn_hub.tasks import Task

REFERENCES = 5  # shown of each card
DRAWING_SIDE = 1600  # pixels of a drawing as wide as the page


def render_page(task: Task, evaluation: Evaluation, content: ReportPage) -> str:
    """Make ``report.html``: the table of metrics, then what the task has to say."""
    template = importlib.resources.files(__package__).joinpath("report.html.jinja").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters |= {"number": number, "span": span}
    return environment.from_string(template).render(
        task=task,
        evaluation=evaluation,
        rows=len(evaluation.table),
        metrics=_metric_rows(evaluation, content),
        sections=[_section(section) for section in content.sections],
        made=_made(evaluation),
    )


def number(value: float, *, signed: bool = False, whole: bool = True) -> str:
    """Write a metric with three decimals; without, where it is a whole number from 2 on and may be written so."""
    if not math.isfinite(value):
        return "\u2013"
    digits = 0 if whole and float(value).is_integer() and abs(value) >= 2 else 3
    rounded = round(value, digits) or 0.0  # no -0.000
    plus = "+" if signed and rounded > 0 else ""
    return plus + f"{rounded:,.{digits}f}".replace("-", "\u2212")


def span(ends: Span) -> str:
    """Write an interval."""
    return f"[{number(ends[0], whole=False)}, {number(ends[1], whole=False)}]"


def _metric_rows(evaluation: Evaluation, content: ReportPage) -> list[dict[str, Any]]:
    """Known measures in their usual order, then the others; the other run's beside them where it has them."""
    file = importlib.resources.files("lrcn_hub.model_cards").joinpath("measures.yaml")
    known: dict[str, dict[str, str]] = yaml.safe_load(file.read_text(encoding="utf-8"))
    theirs = evaluation.other.metrics if evaluation.other else {}
    keys = [key for key in known if key in evaluation.metrics] + [
        key for key in evaluation.metrics if key not in known
    ]
    rows = []
    for key in keys:
        value, other, sure = evaluation.metrics[key], theirs.get(key), content.differences.get(key)
        rows.append(
            {
                "key": key,
                "name": known.get(key, {}).get("name", key),
                "meaning": known.get(key, {}).get("how", ""),
                "value": value,
                "interval": content.intervals.get(key),
                "other": other,
                "difference": None if other is None else value - other,
                "sure": sure,
                "certain": sure is not None and (sure[0] > 0 or sure[1] < 0),
            }
        )
    return rows


def _section(section: ReportSection) -> dict[str, Any]:
    return {
        "title": section.title,
        "text": section.text,
        "figures": section.figures,
        "histograms": [lay_out(histogram) for histogram in section.histograms],
        "pictures": [
            (meaning, data_url(picture, DRAWING_SIDE, lossless=True)) for meaning, picture in section.pictures
        ],
        "cards": [_card(card) for card in section.cards],
    }


def _card(card: Card) -> dict[str, Any]:
    picture = card.picture
    return {
        "name": card.name,
        "answers": card.answers,
        "references": card.references[:REFERENCES],
        "more": max(0, len(card.references) - REFERENCES),
        "picture": None if picture is None else data_url(picture, 960 if picture.width > 2 * picture.height else 360),
        "wide": picture is not None and picture.width > 2 * picture.height,
        "small": picture is not None and min(picture.size) <= LOSSLESS_SIDE,
    }


def _made(evaluation: Evaluation) -> dict[str, str]:
    """What was judged and how, for the end of the page."""
    options = dataclasses.asdict(evaluation.options)
    shown = ", ".join(f"{name} {value}" for name, value in options.items() if value not in (None, "", {}, []))
    made = {"Model": evaluation.name, "Split": f"{evaluation.split}, {len(evaluation.table):,} rows"}
    made |= {"Evaluation": shown} if shown else {}
    return made | ({"Other run": evaluation.other.name} if evaluation.other else {})
