"""What an evaluation leaves beside its metrics: what was taken for what, and how early answers are known."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.figure import Figure

from lrcn_hub.models.images_lrcn import open_image
from lrcn_hub.reporting import Evaluation, ReportPage, ReportSection
from lrcn_hub.scoring.bootstrap import bootstrap_interval, mean_of_rows, paired_bootstrap
from lrcn_hub.scoring.recognition import confusion_matrix, score_classes, score_early

if TYPE_CHECKING:
    from datasets import Dataset
    from matplotlib.axes import Axes

CONFUSION, EARLY = "confusion_matrix", "early_recognition"
COUNTED = 25  # classes up to which there is room for counts
COLOUR, OTHER, INK, SOFT, LINE = "#0f6f78", "#d9822b", "#22262b", "#646b73", "#e4e1d9"


def write_report(predictions: Sequence[Mapping[str, Any]], table: Dataset, folder: Path) -> None:
    """Write ``confusion_matrix.png`` and ``.csv`` to `folder`, and, if answers tell, ``early_recognition.png`` and
    ``.json``; what an earlier evaluation left there of these is removed.
    """
    names, labels = table.features["label"].names, table["label"][:]
    matrix = confusion_matrix([answer["probabilities"] for answer in predictions], labels)
    (folder / f"{CONFUSION}.csv").write_text(as_csv(matrix, names), encoding="utf-8")
    draw_confusion_matrix(matrix, names).savefig(folder / f"{CONFUSION}.png")
    for suffix in (".json", ".png"):
        (folder / f"{EARLY}{suffix}").unlink(missing_ok=True)
    if all("early" in answer for answer in predictions):
        figures = score_early([answer["early"] for answer in predictions], labels)
        (folder / f"{EARLY}.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
        draw_early_recognition(figures).savefig(folder / f"{EARLY}.png")


def report_page(evaluation: Evaluation) -> ReportPage:
    """Say how sure the accuracies are, and show the drawings that `write_report` left."""
    labels = evaluation.table["label"][:]
    ours = _hits(evaluation.predictions, labels)
    intervals = {name: bootstrap_interval([rows], mean_of_rows) for name, rows in ours.items()}
    differences = {}
    if evaluation.other:
        theirs = _hits(evaluation.other.predictions, labels)
        differences = {name: paired_bootstrap([rows], [theirs[name]], mean_of_rows) for name, rows in ours.items()}
    drawings = [
        ("What was taken for what", "Each row is a true class, each column an answer.", CONFUSION),
        ("How early videos are recognised", "What is known after a part of each video.", EARLY),
    ]
    sections = [
        ReportSection(title, pictures=[(meaning, open_image(evaluation.folder / f"{name}.png"))])
        for title, meaning, name in drawings
        if (evaluation.folder / f"{name}.png").is_file()
    ]
    return ReportPage(
        {name: (one.low, one.high) for name, one in intervals.items()},
        {name: (one.low, one.high) for name, one in differences.items()},
        sections,
    )


def _hits(predictions: Sequence[Mapping[str, Any]], labels: Sequence[int]) -> dict[str, np.ndarray]:
    """What `mean_of_rows` makes the two accuracies of, by the rules of `score_classes`; (videos, 2) each."""
    scores = [
        score_classes([answer["probabilities"]], [label]) for answer, label in zip(predictions, labels, strict=True)
    ]
    return {name: np.array([(one[name], 1.0) for one in scores]) for name in ("accuracy", "top_5_accuracy")}


def as_csv(matrix: np.ndarray, names: Sequence[str]) -> str:
    """Write counts as a table: a row for each true class, a column for each answer."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["true class", *names])
    writer.writerows([name, *row.tolist()] for name, row in zip(names, matrix, strict=True))
    return text.getvalue()


def draw_confusion_matrix(matrix: np.ndarray, names: Sequence[str]) -> Figure:
    """Draw counts (classes, classes) as shares of each true class; with few classes the counts stand in the cells."""
    count, room = len(names), 0.11 * max(map(len, names)) + 0.6  # inches for a name, across and down
    cell = min(float(np.clip(9 / count, 0.115, 0.62)), 16 / count)  # inches; beyond 139 classes names are left out
    side = room + cell * count
    figure = Figure(figsize=(max(side + 1.1, 6), max(side + 0.6, 5)), dpi=150, layout="constrained", facecolor="white")
    axes = figure.subplots()
    shares = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    size = min(10.0, 0.62 * 72 * cell)  # points
    step = max(1, int(np.ceil(4.5 / size)))
    places = np.arange(0, count, step)
    shown = [names[int(place)] for place in places]
    axes.set_xticks(places, shown, rotation=90, fontsize=max(size, 4.5))
    axes.set_yticks(places, shown, fontsize=max(size, 4.5))
    axes.tick_params(length=0 if step == 1 else 2)
    axes.set_xlabel("answer", color=SOFT)
    axes.set_ylabel("true class", color=SOFT)
    axes.set_title(f"{np.trace(matrix):,} of {matrix.sum():,} videos right", color=INK, fontsize=11, loc="left")
    axes.set_xticks(np.arange(count + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(count + 1) - 0.5, minor=True)
    axes.grid(which="minor", color="white", linewidth=min(1.0, 3 * cell))
    axes.tick_params(which="minor", length=0)
    axes.spines[:].set_visible(False)
    if count <= COUNTED:
        for (row, column), number in np.ndenumerate(matrix):
            if number:
                ink = "white" if shares[row, column] > 0.55 else INK
                axes.text(column, row, f"{number:,}", ha="center", va="center", color=ink, fontsize=min(size, 9))
    bar = figure.colorbar(image, ax=axes, shrink=0.5, aspect=25, format=lambda share, _: f"{share:.0%}")
    bar.set_label("of the true class's videos", color=SOFT)
    bar.outline.set_visible(False)
    return figure


def draw_early_recognition(figures: Mapping[str, Sequence[Mapping[str, float]]]) -> Figure:
    """Draw what `score_early` gives: accuracy over the share seen, and over the frames saved by stopping when sure."""
    figure = Figure(figsize=(10, 3.8), dpi=130, layout="constrained", facecolor="white")
    left, right = figure.subplots(1, 2)
    early, exits = figures["early_recognition"], figures["early_exit"]
    seen, accuracies = [one["share_seen"] for one in early], [one["accuracy"] for one in early]
    left.plot(seen, accuracies, color=COLOUR, marker="o", markersize=4)
    _style(left, "Answer after a share of each video", "share of the video seen")
    saved, kept = [one["frames_saved"] for one in exits], [one["accuracy"] for one in exits]
    right.plot(saved, kept, color=OTHER, marker="o", markersize=4)
    named: list[float] = []
    for one in exits:
        place = (one["frames_saved"], one["accuracy"])
        if any(abs(place[0] - other) < 0.05 for other in named):
            continue  # no room
        named.append(place[0])
        right.annotate(f"{one['confidence']:g}", place, (0, 6), textcoords="offset points", ha="center", fontsize=8)
    right.axhline(accuracies[-1], color=SOFT, linewidth=1, linestyle="--")
    right.annotate("all frames", (1, accuracies[-1]), (0, 3), textcoords="offset points", ha="right", fontsize=8)
    _style(right, "Stopping once a class has this probability", "share of the frames saved")
    return figure


def _style(axes: Axes, title: str, across: str) -> None:
    axes.set_title(title, color=INK, fontsize=11, loc="left")
    axes.set(xlim=(0, 1.03), ylim=(0, 1.06), xlabel=across, ylabel="accuracy")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(lambda share, _: f"{share:.0%}")
    axes.grid(color=LINE, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=SOFT, labelsize=9)
