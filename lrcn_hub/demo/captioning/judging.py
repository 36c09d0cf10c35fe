"""How good captions of moving shapes are, and what the demo asks of its captioner."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrcn_hub.data.moving_shapes import Scene, check_captions
from lrcn_hub.scoring import score_captions

Scores = dict[str, float]

MODEL = "model"
BASELINES = ("nearest_by_feature", "nearest_by_pixels", "picture_blind")


def judge(captions: Sequence[str], references: Sequence[Sequence[str]], scenes: Sequence[Scene]) -> Scores:
    """Score captions, each with its picture's references and truth: BLEU, CIDEr-D, and shares of what is true."""
    return {**score_captions(captions, references), **check_captions(captions, scenes)}


@dataclass(frozen=True)
class Bar:
    """One thing asked of the captioner on unseen pairs of objects, and what was found."""

    name: str
    found: float
    wanted: float

    @property
    def reached(self) -> bool:
        return self.found >= self.wanted


def bars(scores: Mapping[str, Scores]) -> list[Bar]:
    """Hold the captioner's scores against what is asked, from the scores of all systems by name."""
    model = scores[MODEL]
    return [
        Bar("share of captions with every object right", model["objects_right"], 0.6),
        Bar("times the better baseline's share", ratio(scores, "objects_right"), 3.0),
        Bar("share with the relation right, where it is stated", model["relation_right"], 0.75),
        Bar("times the better baseline's CIDEr-D", ratio(scores, "cider_d"), 1.2),
    ]


def ratio(scores: Mapping[str, Scores], metric: str) -> float:
    """Divide the captioner's score by the best baseline's; against a baseline of 0, anything is infinitely more."""
    found, best = scores[MODEL][metric], max(scores[name][metric] for name in BASELINES)
    if not best:
        return float("inf") if found else 0.0
    return found / best
