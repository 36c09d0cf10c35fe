"""The demo's story on videos: judge the recogniser beside its baselines, load it again, watch an endless video."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate import Accelerator
from transformers import AutoModel, AutoProcessor

from lrcn_hub.data.videos import read_frames
from lrcn_hub.demo.activity.baselines import Shuffled, with_weights_of
from lrcn_hub.demo.activity.watching import Watched, watch_in_a_row
from lrcn_hub.demo.outcomes import last_step, read_answers, read_history
from lrcn_hub.demo.reload import check_equal_in_a_new_process
from lrcn_hub.demo.stages import stage
from lrcn_hub.scoring.recognition import score_classes
from lrcn_hub.tasks import Task
from lrcn_hub.training.evaluation import evaluate_table
from lrcn_hub.training.recipe import Recipe, RunOptions
from lrcn_hub.training.run import run

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

MODEL, BASELINES = "model", ("single_frame", "mean_pooled", "shuffled")
SHOWN = 10  # held-out videos that are classified in a new process and shown in the report: the first ones

Scores = dict[str, float]


@dataclass
class VideoExample:
    """A held-out video and what was said about it."""

    file: Path
    frames: np.ndarray
    """uint8 RGB (frames, H, W, 3)."""
    label: str
    answer: str
    score: float


@dataclass
class ActivityPart:
    """What the demo found on videos."""

    folder: Path
    scores: dict[str, Scores]
    """By system: the model and the baselines."""
    counts: dict[str, int]
    """Videos of each table."""
    classes: list[str]
    parameters: dict[str, int]
    state_numbers: int
    """How many numbers the recogniser remembers of what it has seen."""
    history: list[dict[str, Any]]
    examples: list[VideoExample]
    watched: Watched
    seconds: dict[str, float]

    def figures(self) -> dict[str, Any]:
        """Give the numbers alone."""
        return {
            "scores": self.scores,
            "videos": self.counts,
            "parameters": self.parameters,
            "steps": last_step(self.history),
            "answers_equal_in_a_new_process": len(self.examples),
            "watched_frames": self.watched.frames,
            "watched_right": self.watched.right,
            "seconds": {name: round(seconds, 1) for name, seconds in self.seconds.items()},
        }


def tell_activity(task: Task, recipe: Recipe, folders: Mapping[str, Path]) -> ActivityPart:
    """Judge the recogniser that was trained by `recipe`, and what was trained beside it, each in its own of `folders`.

    Raises ValueError if the exported model gives other answers in a new process than after training.
    """
    seconds: dict[str, float] = {}
    result = run(task, recipe)
    folder = result.folder.parent
    options = recipe.options(task)
    tables = result.tables or task.load_tables(options.data)
    model, processor = AutoModel.from_pretrained(result.folder), AutoProcessor.from_pretrained(result.folder)
    test = tables["test"]
    answers = {name: read_answers(place) for name, place in folders.items()}
    with stage("shuffled frames", f"Showing the recogniser the frames of {len(test)} videos in any order", seconds):
        answers["shuffled"] = _shuffled_answers(task, model, processor, test, options)
        scores = {name: score_answers(given, test) for name, given in answers.items()}
    with stage("reload", "Loading the recogniser in a new process, by pipeline('video-classification')", seconds):
        examples = _examples(answers[MODEL], test)
        said = {example.file: example.answer for example in examples}
        check_equal_in_a_new_process("video-classification", "label", result.folder, said)
        logger.info("its answers to %d videos are those from after training", len(said))
    with stage("watch", "Watching ten videos in a row, with an answer at every frame", seconds):
        watched = watch_in_a_row(model, processor, test, folder)
    _log_scores(scores)
    return ActivityPart(
        folder=folder,
        scores=scores,
        counts={name: len(table) for name, table in tables.items()},
        classes=test.features["label"].names,
        parameters={
            "recogniser": sum(p.numel() for p in model.parameters()),
            "backbone": sum(p.numel() for p in model.encoder.parameters()),
        },
        state_numbers=2 * model.config.num_layers * model.config.hidden_size,
        history=read_history(result.folder),
        examples=examples,
        watched=watched,
        seconds=seconds,
    )


def score_answers(answers: list[dict[str, Any]], table: Dataset) -> Scores:
    """Score answers: the share that is right, and of twin videos, each the other backwards, that with both right.

    Whoever does not know the order of frames says the same of both, and so has at most one of them right.
    """
    labels = table["label"][:]
    right = np.array([int(np.argmax(one["probabilities"])) for one in answers]) == labels
    groups: dict[str, list[bool]] = {}
    for group, is_right in zip(table["group"], right, strict=True):
        groups.setdefault(group, []).append(bool(is_right))
    twins = [all(both) for both in groups.values() if len(both) == 2]
    scores = score_classes([one["probabilities"] for one in answers], labels)
    return {**scores, "both_twins_right": float(np.mean(twins)) if twins else 0.0}


def _shuffled_answers(
    task: Task, model: Any, processor: Any, table: Dataset, options: RunOptions
) -> list[dict[str, Any]]:
    accelerator = Accelerator(cpu=options.training.use_cpu)
    shuffled = with_weights_of(model, Shuffled).to(accelerator.device)
    return evaluate_table(task, shuffled, processor, table, options, accelerator)[0]


def _examples(answers: list[dict[str, Any]], table: Dataset) -> list[VideoExample]:
    rows = table.select(range(min(SHOWN, len(table))))
    return [
        VideoExample(
            file=Path(row["video"]),
            frames=read_frames(row["video"]),
            label=table.features["label"].int2str(row["label"]),
            answer=answer["label"],
            score=max(answer["probabilities"]),
        )
        for row, answer in zip(rows, answers, strict=False)
    ]


def _log_scores(scores: Mapping[str, Scores]) -> None:
    logger.info("\n%-20s %10s %17s", "held-out videos", "right", "both twins right")
    for name, values in scores.items():
        logger.info("%-20s %9.1f%% %16.1f%%", name, 100 * values["accuracy"], 100 * values["both_twins_right"])
