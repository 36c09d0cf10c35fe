"""How well a trained captioner finds captions by images and images by captions (paper section 5.1).

The data are those of the run's recipe. Each image is sought among the first images of the split, each caption among
all of theirs; beside it stands what random scores reach.

    python benchmarks/retrieval_results.py RUN [--split test] [--images 100] [--json]
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from lrcn_hub.plugins import get_task
from lrcn_hub.retrieval import judge_retrieval, judge_scores
from lrcn_hub.training.command import recipe_from
from lrcn_hub.training.recipe import read_recipe


def read_table(run: Path, split: str) -> Any:
    source = str(run / "recipe.yaml")
    written = read_recipe(source)
    task = get_task(written["task"])
    return task.load_tables(recipe_from(task, written, [], source).options(task).data)[split]


def chance(table: Any) -> dict[str, dict[str, float]]:
    rows = [row for row, captions in enumerate(table["captions"]) for _ in captions]
    return judge_scores(np.random.default_rng(0).random((len(table), len(rows))), rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--split", default="test")
    parser.add_argument("--images", type=int, default=100)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    table = read_table(options.run, options.split)
    table = table.select(range(min(options.images, len(table))))
    model = AutoModelForImageTextToText.from_pretrained(options.run)
    judged = judge_retrieval(model, AutoProcessor.from_pretrained(options.run), table)
    judged["chance"] = chance(table)
    if options.json:
        print(json.dumps(judged))
        return
    print(f"{judged['images']} images, {judged['captions']} captions")
    for name in ("image_to_caption", "image_to_caption_not_normalised", "caption_to_image"):
        for whose, scores in (("", judged[name]), ("by chance ", judged["chance"][name])):
            print(f"{whose}{name}: " + ", ".join(f"{key} {value:.3g}" for key, value in scores.items()))


if __name__ == "__main__":
    main()
