"""What an evaluation writes beside its figures: sentences to read, and what a template gives."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from lrcn_hub.data.videos.information import probe
from lrcn_hub.data.videos.segments import read_segment
from lrcn_hub.models.nodes_lrcn import Nodes
from lrcn_hub.reporting import Evaluation, ReportPage
from lrcn_hub.scoring import score_captions
from lrcn_hub.sentences.floors import template_sentences
from lrcn_hub.sentences.report import sentence_page
from lrcn_narration.data import DataReport
from lrcn_narration.options import NarrationEvaluationOptions

if TYPE_CHECKING:
    from datasets import Dataset

COPIED = ("id", "video", "start", "end", "level")
FRAMES = 4
SHORT = 10.0  # seconds; frames of longer segments are far apart, and each costs decoding from its keyframe


def write_report(
    predictions: Sequence[str], table: Dataset, options: NarrationEvaluationOptions, folder: Path
) -> None:
    """Write ``sentences.jsonl``, a line for each row: what was said, what people say, and its nodes' likeliest labels.

    With a template, its sentence stands there too, and its scores in ``template.json``.
    """
    labels = DataReport.of(table).nodes
    nodes = Nodes(labels) if labels else None
    templates = template_sentences(table, options.template, nodes or Nodes({})) if options.template else None
    with (folder / "sentences.jsonl").open("w", encoding="utf-8") as file:
        for number, row in enumerate(table):
            line: dict[str, Any] = {name: row[name] for name in COPIED if row[name] not in (None, "")}
            line |= {"said": predictions[number], "people_say": row["sentences"]}
            if nodes and row["nodes"] is not None:
                line["likeliest"] = dict(zip(nodes.labels, nodes.likeliest(row["nodes"]), strict=True))
            if templates:
                line["template"] = templates[number]
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    if templates:
        scores = score_captions(templates, table["sentences"][:])
        (folder / "template.json").write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")


def report_page(evaluation: Evaluation) -> ReportPage:
    """Show sentences with frames of what they tell of, where there is a video."""
    return sentence_page(evaluation, "sentences", film)


def film(row: Mapping[str, Any]) -> Image.Image | None:
    """Lay frames of a row's segment side by side: four of a short one, the middle one of a long one; none of nodes."""
    if not row["video"]:
        return None
    start = row["start"] or 0.0
    length = (probe(row["video"]).duration if row["end"] is None else row["end"]) - start
    count = FRAMES if length <= SHORT else 1
    times = [start + length * (2 * place + 1) / (2 * count) for place in range(count)]
    frames = [read_segment(row["video"], time, max_frames=1).frames[0] for time in times]
    return Image.fromarray(np.concatenate(frames, axis=1))
