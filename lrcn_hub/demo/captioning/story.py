"""The demo's story on one split of the pictures: judge beside baselines, load the export in a new process."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from transformers import AutoModel, AutoProcessor

from lrcn_hub.data.moving_shapes import Scene, human_caption, oracle_caption
from lrcn_hub.demo.captioning.baselines import describe_pictures, nearest, picture_blind_caption
from lrcn_hub.demo.captioning.judging import MODEL, Scores, judge
from lrcn_hub.demo.outcomes import last_step, read_answers, read_history
from lrcn_hub.demo.reload import check_equal_in_a_new_process
from lrcn_hub.demo.stages import stage
from lrcn_hub.models.processing_lrcn import as_written
from lrcn_hub.tasks import Task
from lrcn_hub.training.recipe import Recipe
from lrcn_hub.training.run import run

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

SHOWN = 24  # held-out pictures that are captioned in a new process and shown in the report: the first ones


@dataclass
class Example:
    """A held-out picture and what was said about it."""

    file: Path
    caption: str
    """The captioner's, loaded in a new process."""
    references: list[str]
    nearest: str
    """A caption of the nearest training picture, by the captioner's own feature."""
    scene: Scene


@dataclass
class Part:
    """What the demo found on one split of the data."""

    split: str
    folder: Path
    scores: dict[str, Scores]
    """By system: the model, the baselines, ``human`` (one reference against the others), ``oracle``."""
    counts: dict[str, int]
    """Pictures of each table."""
    parameters: dict[str, int]
    """Weights of the captioner, and of them its backbone's."""
    history: list[dict[str, Any]]
    """What the trainer logged, one entry for each logging and each evaluation."""
    examples: list[Example]
    seconds: dict[str, float]
    """Of each stage after training, this time."""

    def figures(self) -> dict[str, Any]:
        """Give the numbers alone."""
        return {
            "scores": self.scores,
            "pictures": self.counts,
            "parameters": self.parameters,
            "steps": last_step(self.history),
            "captions_equal_in_a_new_process": len(self.examples),
            "seconds": {stage: round(seconds, 1) for stage, seconds in self.seconds.items()},
        }


def tell(task: Task, recipe: Recipe, split: str, folder: Path) -> Part:
    """Judge what was trained by `recipe`, and try the export in a new process.

    Raises ValueError if the exported model gives other captions there than after training.
    """
    seconds: dict[str, float] = {}
    with stage("data", f"The captioner of moving shapes, split {split!r}", seconds):
        result = run(task, recipe)
        tables = result.tables or task.load_tables(recipe.options(task).data)
    model, processor = AutoModel.from_pretrained(result.folder), AutoProcessor.from_pretrained(result.folder)
    test = tables["test"]
    captions = {MODEL: read_answers(result.folder)}
    with stage("baselines", f"Asking baselines about the same {len(test)} held-out pictures", seconds):
        captions |= _baseline_captions(model, processor, tables, recipe.sections["training"]["seed"])
        scores = _judge_all(captions, test)
    with stage("reload", "Loading the exported model in a new process, by pipeline('image-to-text')", seconds):
        examples = _examples(captions, test, folder / "pictures")
        said = {example.file: example.caption for example in examples}
        check_equal_in_a_new_process("image-to-text", "generated_text", result.folder, said)
        logger.info("its captions of %d pictures are those from after training", len(said))
    _log_scores(scores)
    return Part(
        split=split,
        folder=folder,
        scores=scores,
        counts={name: len(table) for name, table in tables.items()},
        parameters={
            "captioner": sum(p.numel() for p in model.parameters()),
            "backbone": sum(p.numel() for p in model.encoder.parameters()),
        },
        history=read_history(result.folder),
        examples=examples,
        seconds=seconds,
    )


def _baseline_captions(model: Any, processor: Any, tables: Mapping[str, Dataset], seed: int) -> dict[str, list[str]]:
    train, test = (describe_pictures(model, processor, tables[name]) for name in ("train", "test"))
    known = tables["train"]["captions"][:]
    captions = {
        f"nearest_by_{kind}": [known[row][0] for row in nearest(test[kind], train[kind])]
        for kind in ("feature", "pixels")
    }
    blind = picture_blind_caption(model.config, processor, [one for several in known for one in several], seed=seed)
    return {**captions, "picture_blind": [blind] * len(tables["test"])}


def _judge_all(captions: Mapping[str, list[str]], table: Dataset) -> dict[str, Scores]:
    """Judge every system's captions, and beside them a human reference and the perfect caption."""
    references = table["captions"][:]
    scenes = [Scene.from_json(text) for text in table["scene"]]
    scores = {name: judge(said, references, scenes) for name, said in captions.items()}
    people = [human_caption(several) for several in references]
    scores["human"] = judge([one for one, _ in people], [others for _, others in people], scenes)
    scores["oracle"] = judge([oracle_caption(scene) for scene in scenes], references, scenes)
    return scores


def _examples(captions: Mapping[str, list[str]], table: Dataset, folder: Path) -> list[Example]:
    """Write the first pictures of `table` as files, for anybody to try, with what was said of them."""
    folder.mkdir(parents=True, exist_ok=True)
    examples = []
    for number, row in enumerate(table.select(range(min(SHOWN, len(table))))):
        file = folder / f"{row['id']}.png"
        row["image"].save(file)
        said = as_written(captions[MODEL][number]), row["captions"], captions["nearest_by_feature"][number]
        examples.append(Example(file, *said, Scene.from_json(row["scene"])))
    return examples


def _log_scores(scores: Mapping[str, Scores]) -> None:
    logger.info("\n%-20s %14s %15s %9s", "held-out pictures", "objects right", "relation right", "CIDEr-D")
    for name, values in scores.items():
        shares = values["objects_right"], values["relation_right"]
        logger.info("%-20s %14.1f%% %14.1f%% %9.2f", name, *(100 * share for share in shares), values["cider_d"])
