"""What an evaluation writes beside its figures: sentences to read, and what a template gives."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.models.nodes_lrcn import Nodes
from lrcn_hub.scoring import score_captions
from lrcn_hub.sentences.floors import template_sentences
from lrcn_narration.data import DataReport
from lrcn_narration.options import NarrationEvaluationOptions

if TYPE_CHECKING:
    from datasets import Dataset

COPIED = ("id", "video", "start", "end", "level")


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
