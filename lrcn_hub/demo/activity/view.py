"""What the report shows of the videos."""

from __future__ import annotations

from typing import Any

from lrcn_hub.demo.activity.story import BASELINES, MODEL, ActivityPart, VideoExample
from lrcn_hub.demo.chart import curves
from lrcn_hub.demo.film import film, png_url

SYSTEMS = {
    MODEL: ("The recogniser", "a recurrent layer over the frames' features"),
    "single_frame": ("Single frames", "baseline: says what each frame alone tells, averaged over all"),
    "mean_pooled": ("The mean of all frames", "baseline: the same network, shown the mean feature at every step"),
    "shuffled": ("The recogniser, frames shuffled", "the same weights, the order of frames taken away"),
}
CURVES = {"loss": "Training loss, per frame", "eval_accuracy": "Validation videos told rightly"}
FILM = 8  # frames shown of each video


def activity_view(part: ActivityPart) -> dict[str, Any]:
    """Arrange the findings for the template."""
    watched = zip(part.watched.labels, part.watched.decisions, strict=True)
    return {
        "model": part.scores[MODEL],
        "better": max(
            (part.scores[name] for name in BASELINES if name in part.scores), key=lambda scores: scores["accuracy"]
        ),
        "rows": [(*SYSTEMS[name], name, part.scores[name]) for name in SYSTEMS if name in part.scores],
        "timeline": png_url(part.watched.picture.read_bytes()),
        "watched": [(label, [one == label for one in said]) for label, said in watched],
        "state_numbers": part.state_numbers,
        "charts": curves(part.history, CURVES),
        "cards": [_card(example) for example in part.examples],
        "part": part,
    }


def _card(example: VideoExample) -> dict[str, Any]:
    return {
        "file": example.file,
        "frames": film(example.frames, FILM),
        "label": example.label,
        "answer": example.answer,
        "score": example.score,
        "right": example.answer == example.label,
    }
