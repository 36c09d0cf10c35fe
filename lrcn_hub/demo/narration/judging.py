"""How good narrations of moving shapes are, and what the demo asks of its narrators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from lrcn_hub.data.moving_shapes import check_narrations
from lrcn_hub.scoring import score_captions

Scores = dict[str, float]

VARIANTS = ("decoder-prob", "decoder-max", "encoder-decoder")
FLOORS = ("nearest", "template")
FRAMES, SHUFFLED = "frames", "shuffled"
METRICS = ("cider_d", "bleu_4")
IN_ORDER, BY_CHANCE = 0.9, 0.5  # what is asked of the order of events; shuffled: at most this share of what was found


def judge_events(sentences: Sequence[str], references: Sequence[Sequence[str]], true_nodes: Sequence) -> Scores:
    """Score sentences about single events, each with its true labels."""
    checked = check_narrations(sentences, [[labels] for labels in true_nodes])
    return {**score_captions(sentences, references), "events_right": checked["events_right"]}


def judge_scenes(sentences: Sequence[str], references: Sequence[Sequence[str]], true_nodes: Sequence) -> Scores:
    """Score sentences about scenes, each with the true labels of its events in turn."""
    return {**score_captions(sentences, references), **check_narrations(sentences, true_nodes)}


@dataclass(frozen=True)
class Finding:
    """One thing asked of the narrators, and whether it was found."""

    name: str
    holds: bool


def findings(events: Mapping[str, Scores], scenes: Mapping[str, Scores]) -> list[Finding]:
    """Hold the scores against what is asked, from those of events and of scenes by system."""
    order, shuffled = (scenes[name]["event_order_accuracy"] for name in (FRAMES, SHUFFLED))
    best, others = events["decoder-prob"], [events[name] for name in VARIANTS[1:] if name in events]
    found = [
        Finding(
            "distributions say more than both sentences that need no training, by CIDEr-D and BLEU-4",
            all(best[metric] > events[name][metric] for name in FLOORS for metric in METRICS),
        )
    ]
    if others:
        better = all(best[metric] > other[metric] for other in others for metric in METRICS)
        found.append(Finding("and more than narrators that are told the likeliest labels", better))
    return [
        *found,
        Finding(
            f"from frames, all events told in their order in {order:.0%} of scenes (asked: {IN_ORDER:.0%})",
            order >= IN_ORDER,
        ),
        Finding(
            f"with frames shuffled in {shuffled:.0%} (asked: at most half as many)", shuffled <= BY_CHANCE * order
        ),
    ]
