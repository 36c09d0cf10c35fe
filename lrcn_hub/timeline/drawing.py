"""A timeline as a picture."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from lrcn_hub.timeline.points import Timeline

if TYPE_CHECKING:
    from matplotlib.axes import Axes

COLOURS = (
    "#0f6f78",
    "#d9822b",
    "#7b4fa3",
    "#b3362b",
    "#4f7d2a",
    "#3b6fb6",
    "#a0527a",
    "#7a6a3a",
    "#2fa4b0",
    "#5a5f66",
)  # told apart in grey
OTHERS = "#b9b6ae"
INK, SOFT, LINE = "#22262b", "#646b73", "#e4e1d9"
CLASSES = 6


def draw_timeline(timeline: Timeline, file: str | Path, *, heading: str | None = None, classes: int = CLASSES) -> None:
    """Write `timeline` as a PNG: pictures, the likeliest class at each time, and probabilities over seconds.

    At most `classes` get a line of their own; without a `heading` it says what was answered.
    """
    shown = timeline.leading(min(classes, len(COLOURS)))
    colours = dict(zip(shown, COLOURS, strict=False))
    figure = Figure(figsize=(11, 4.8), dpi=130, layout="constrained", facecolor="white")
    strip, ribbon, lines = figure.subplots(3, 1, height_ratios=(1.15, 0.16, 3), sharex=True)
    figure.suptitle(heading or title_of(timeline), x=0.012, ha="left", fontsize=12, color=INK, fontweight="bold")
    _draw_pictures(strip, timeline)
    for start, end, label in timeline.winners():
        ribbon.axvspan(start, end, color=colours.get(label, OTHERS), linewidth=0)
    _bare(ribbon)
    ribbon.set_ylabel("likeliest", rotation=0, ha="right", va="center", fontsize=8, color=SOFT)
    _draw_lines(lines, timeline, colours)
    figure.savefig(file, format="png")


def title_of(timeline: Timeline) -> str:
    """Say in a line what was answered."""
    (label, score), answer = timeline.answer.top(1)[0], timeline.answer
    seen = f", after {answer.frames_seen:,} of {answer.frames:,} frames" if answer.stopped_early else ""
    return f"{timeline.title}: {timeline.names[label]} ({score:.0%}{seen})"


def _draw_pictures(axes: Any, timeline: Timeline) -> None:
    """Lay the pictures side by side; each is from the middle of the time under it."""
    _bare(axes)
    axes.set_ylim(0, 1)
    room = timeline.end / max(len(timeline.pictures), 1)
    box = axes.get_window_extent()
    shape = box.width / max(len(timeline.pictures), 1) / box.height
    for place, (_, picture) in enumerate(timeline.pictures):
        inset = axes.inset_axes((place * room, 0, 0.96 * room, 1), transform=axes.transData)
        inset.imshow(_cut(picture, shape))
        inset.axis("off")


def _cut(picture: np.ndarray, shape: float) -> np.ndarray:
    """Cut the middle of a picture to at most `shape`, width by height."""
    height, width = picture.shape[:2]
    wide = min(width, max(1, round(shape * height)))
    left = (width - wide) // 2
    return picture[:, left : left + wide]


def _draw_lines(axes: Axes, timeline: Timeline, colours: dict[int, str]) -> None:
    times, probabilities = timeline.times, timeline.probabilities
    edges = np.append(times, timeline.end)
    for label, colour in colours.items():
        values = np.append(probabilities[:, label], probabilities[-1, label])
        name = f"{timeline.names[label]}  {timeline.answer.probabilities[label]:.0%}"
        axes.plot(edges, values, color=colour, linewidth=1.8, label=name, solid_joinstyle="round")
        axes.fill_between(edges, values, color=colour, alpha=0.08, linewidth=0)
    rest = 1 - probabilities[:, list(colours)].sum(axis=1)
    if len(timeline.names) > len(colours) and rest.max() >= 0.05:
        axes.plot(edges, np.append(rest, rest[-1]), color=OTHERS, linewidth=1.2, linestyle="--", label="all others")
    axes.set(xlim=(0, timeline.end), ylim=(0, 1.02), xlabel="seconds", ylabel="probability")
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=SOFT, labelsize=9)
    axes.legend(
        loc="upper left",
        bbox_to_anchor=(1.005, 1),
        frameon=False,
        fontsize=9,
        title=meaning_of(timeline),
        alignment="left",
    )
    axes.get_legend().get_title().set(fontsize=8, color=SOFT)


def meaning_of(timeline: Timeline) -> str:
    """Say what the classes' figures are."""
    return "mean over what was seen" if timeline.answer.stopped_early else "mean over the video"


def _bare(axes: Axes) -> None:
    axes.set_yticks([])
    axes.tick_params(bottom=False, labelbottom=False)
    for spine in axes.spines.values():
        spine.set_visible(False)
