"""What the report shows of the pictures."""

from __future__ import annotations

from typing import Any

from lrcn_hub.data.moving_shapes import check_caption
from lrcn_hub.demo.captioning.judging import BASELINES, MODEL, bars, ratio
from lrcn_hub.demo.captioning.story import Example, Part
from lrcn_hub.demo.chart import curves
from lrcn_hub.demo.film import png_url

TITLES = {
    "pairs": (
        "Pictures: pairs never seen together",
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
CURVES = {"loss": "Training loss, per word", "eval_cider_d": "CIDEr-D of captions of validation pictures"}


def captioning_view(part: Part) -> dict[str, Any]:
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
        "charts": curves(part.history, CURVES),
        "cards": [_card(example) for example in part.examples],
        "part": part,
    }


def _card(example: Example) -> dict[str, Any]:
    check = check_caption(example.caption, example.scene)
    where = "relation" if len(example.scene.objects) == 2 else "place"
    return {
        "picture": png_url(example.file.read_bytes()),
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
