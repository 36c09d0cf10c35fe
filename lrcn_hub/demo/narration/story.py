"""The demo's story on narrated videos: what nodes tell, what frames tell, and a long video narrated live."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from accelerate import Accelerator
from transformers import AutoModel, AutoProcessor

from lrcn_hub.data.moving_shapes import NARRATION_NODES, check_narration, node_quality
from lrcn_hub.data.videos import read_frames
from lrcn_hub.demo.narration.judging import FLOORS, FRAMES, SHUFFLED, VARIANTS, Scores, judge_events, judge_scenes
from lrcn_hub.demo.narration.live import Narrated, narrate_in_a_row
from lrcn_hub.demo.narration.shuffling import shuffled_frames
from lrcn_hub.demo.outcomes import last_step, read_answers, read_history
from lrcn_hub.demo.plans import Plan
from lrcn_hub.demo.reload import check_equal_in_a_new_process
from lrcn_hub.demo.stages import stage
from lrcn_hub.models.nodes_lrcn import Nodes
from lrcn_hub.models.processing_lrcn import as_written
from lrcn_hub.sentences.floors import nearest_sentences, template_sentences
from lrcn_hub.training.evaluation import evaluate_table
from lrcn_hub.training.run import run

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

TEMPLATE = "a {colour} {shape} {action}{ place}"
SHOWN = 10  # held-out scenes that are narrated in a new process and shown in the report: the first ones


@dataclass
class SceneExample:
    """A held-out scene and what was said about it."""

    file: Path
    frames: np.ndarray
    """uint8 RGB (frames, H, W, 3)."""
    sentence: str
    references: list[str]
    in_order: bool
    """Whether the sentence tells every event, and in their order."""


@dataclass
class NarrationPart:
    """What the demo found on narrated videos."""

    folder: Path
    events: dict[str, Scores]
    """Of sentences about single events, by variant and floor."""
    node_quality: dict[str, dict[str, float]]
    """Of the test events' nodes: accuracy of the likeliest label, calibration error."""
    scenes: dict[str, Scores]
    """Of sentences about whole scenes, from frames in their order and shuffled."""
    counts: dict[str, dict[str, int]]
    """Rows of each table, of events and of scenes."""
    parameters: dict[str, int]
    """Weights of each narrator."""
    steps: dict[str, int]
    history: list[dict[str, Any]]
    """What the trainer of the narrator of frames logged."""
    examples: list[SceneExample]
    narrated: Narrated
    seconds: dict[str, float]

    def figures(self) -> dict[str, Any]:
        """Give the numbers alone."""
        return {
            "events": self.events,
            "node_quality": self.node_quality,
            "scenes": self.scenes,
            "rows": self.counts,
            "parameters": self.parameters,
            "steps": self.steps,
            "sentences_equal_in_a_new_process": len(self.examples),
            "narrated_live": len(self.narrated.cues),
            "narrated_live_right": self.narrated.right,
            "seconds": {name: round(seconds, 1) for name, seconds in self.seconds.items()},
        }


def tell_narration(plans: Mapping[str, Plan]) -> NarrationPart:
    """Judge the narrators that were trained by `plans`: one for each variant of nodes, and one of frames.

    Raises ValueError if the exported narrator says something else in a new process than after training.
    """
    seconds: dict[str, float] = {}
    with stage("nodes", "Narrators of nodes, beside two sentences that need no training", seconds):
        events, quality, event_rows = _judge_nodes(plans)
    plan = plans[FRAMES]
    result = run(plan.task, plan.recipe)
    options = plan.recipe.options(plan.task)
    tables = result.tables or plan.task.load_tables(options.data)
    model, processor = AutoModel.from_pretrained(result.folder), AutoProcessor.from_pretrained(result.folder)
    test = tables["test"]
    with stage("shuffled frames", f"Showing the narrator the frames of {len(test)} scenes in any order", seconds):
        said = {FRAMES: read_answers(plan.folder)}
        accelerator = Accelerator(cpu=options.training.use_cpu)
        model.to(accelerator.device)
        with shuffled_frames(model):
            said[SHUFFLED] = evaluate_table(plan.task, model, processor, test, options, accelerator)[0]
        scenes = {
            name: judge_scenes(sentences, test["sentences"][:], test["true_nodes"][:])
            for name, sentences in said.items()
        }
    with stage("reload", "Loading the narrator in a new process, by pipeline('video-to-text')", seconds):
        examples = _examples(said[FRAMES], test)
        shown = {example.file: example.sentence for example in examples}
        check_equal_in_a_new_process("video-to-text", "generated_text", result.folder, shown)
        logger.info("its sentences about %d scenes are those from after training", len(shown))
    with stage("narrate", "Narrating scenes in a row, live, with subtitles", seconds):
        narrated = narrate_in_a_row(model, processor, test, plan.folder.parent)
    _log_scores(events, scenes)
    return NarrationPart(
        folder=plan.folder.parent,
        events=events,
        node_quality=quality,
        scenes=scenes,
        counts={"events": event_rows, "scenes": {name: len(table) for name, table in tables.items()}},
        parameters=_parameters(plans),
        steps={name: last_step(read_history(plan.folder)) for name, plan in plans.items()},
        history=read_history(plan.folder),
        examples=examples,
        narrated=narrated,
        seconds=seconds,
    )


def _judge_nodes(plans: Mapping[str, Plan]) -> tuple[dict[str, Scores], dict[str, dict[str, float]], dict[str, int]]:
    """Score every variant and both floors on the same test events."""
    plan = plans[VARIANTS[0]]
    tables = plan.task.load_tables(plan.recipe.options(plan.task).data)
    test = tables["test"]
    said = {name: read_answers(plans[name].folder) for name in VARIANTS if name in plans}
    said |= floor_sentences(tables["train"], test)
    scores = {
        name: judge_events(sentences, test["sentences"][:], test["true_nodes"][:]) for name, sentences in said.items()
    }
    quality = node_quality(test["nodes"][:], test["true_nodes"][:])
    return scores, quality, {name: len(table) for name, table in tables.items()}


def floor_sentences(train: Dataset, test: Dataset) -> dict[str, list[str]]:
    """What needs no training: the nearest training event's sentence, and the likeliest labels in a fixed sentence."""
    filled = template_sentences(test, TEMPLATE, Nodes(NARRATION_NODES))
    return dict(zip(FLOORS, (nearest_sentences(train, test), filled), strict=True))


def _examples(sentences: list[str], table: Dataset) -> list[SceneExample]:
    rows = table.select(range(min(SHOWN, len(table))))
    return [
        SceneExample(
            file=Path(row["video"]),
            frames=read_frames(row["video"]),
            sentence=as_written(sentence),
            references=row["sentences"],
            in_order=check_narration(sentence, row["true_nodes"]).order_right,
        )
        for row, sentence in zip(rows, sentences, strict=False)
    ]


def _parameters(plans: Mapping[str, Plan]) -> dict[str, int]:
    return {
        name: sum(weights.numel() for weights in AutoModel.from_pretrained(plan.folder).parameters())
        for name, plan in plans.items()
    }


def _log_scores(events: Mapping[str, Scores], scenes: Mapping[str, Scores]) -> None:
    logger.info("\n%-20s %13s %9s %8s", "held-out events", "events right", "CIDEr-D", "BLEU-4")
    for name, values in events.items():
        logger.info(
            "%-20s %12.1f%% %9.2f %8.2f", name, 100 * values["events_right"], values["cider_d"], values["bleu_4"]
        )
    logger.info("\n%-20s %13s %18s", "held-out scenes", "events right", "and in their order")
    for name, values in scenes.items():
        logger.info(
            "%-20s %12.1f%% %17.1f%%", name, 100 * values["events_right"], 100 * values["event_order_accuracy"]
        )
