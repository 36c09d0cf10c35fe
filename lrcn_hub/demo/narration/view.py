"""What the report shows of narrated videos."""

from __future__ import annotations

from typing import Any

from lrcn_hub.demo.chart import curves
from lrcn_hub.demo.film import film
from lrcn_hub.demo.narration.judging import FLOORS, FRAMES, SHUFFLED, findings
from lrcn_hub.demo.narration.live import SaidCue
from lrcn_hub.demo.narration.story import NarrationPart, SceneExample

SYSTEMS = {
    "decoder-prob": ("Distributions of all labels", "the variant decoder-prob: what the labeller is unsure of counts"),
    "decoder-max": ("The likeliest labels", "decoder-max: one label for each node, seen at every word"),
    "encoder-decoder": ("The likeliest labels, as words", "encoder-decoder: read one by one, then told"),
    "template": ("A fixed sentence", "no training: the likeliest labels filled in"),
    "nearest": ("The nearest event's sentence", "no training: what was said of the most similar one"),
}
CURVES = {"loss": "Training loss, per word", "eval_cider_d": "CIDEr-D of narrated validation scenes"}
FILM = 12  # frames shown of each scene


def narration_view(part: NarrationPart) -> dict[str, Any]:
    """Arrange the findings for the template."""
    return {
        "best": part.events["decoder-prob"],
        "floor": max((part.events[name] for name in FLOORS), key=lambda scores: scores["cider_d"]),
        "frames": part.scenes[FRAMES],
        "shuffled": part.scenes[SHUFFLED],
        "rows": [(*SYSTEMS[name], name, part.events[name]) for name in SYSTEMS if name in part.events],
        "findings": findings(part.events, part.scenes),
        "cues": [_cue(cue) for cue in part.narrated.cues],
        "charts": curves(part.history, CURVES),
        "cards": [_card(example) for example in part.examples],
        "part": part,
    }


def _cue(cue: SaidCue) -> dict[str, Any]:
    return {
        "time": f"{cue.start:04.1f} to {cue.end:04.1f} s",
        "text": cue.text,
        "right": cue.right,
        "frames": film(cue.frames, FILM),
    }


def _card(example: SceneExample) -> dict[str, Any]:
    return {
        "file": example.file,
        "frames": film(example.frames, FILM),
        "sentence": example.sentence,
        "reference": example.references[0],
        "right": example.in_order,
    }
