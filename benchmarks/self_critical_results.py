"""What a further stage of training is worth to the demo's captioner, into docs/captioning_results.json.

For every seed the captioner of ``lrcn demo`` is the start; one that benchmarks/demo_results.py has trained is taken.
From it each way goes on for as many steps, with the same frozen backbone, batches, optimizer and schedule, by the
recipe captioning_demo_self_critical: self-critical with both baselines, label smoothing, scheduled sampling, and
likelihood, this also at a third of the learning rate. All are judged on the start's test pictures, whose pairs of
objects were never seen together. Ways are compared by a paired bootstrap over pictures and seeds: the difference, and
its 95% interval. Retrieval is judged of the starts, in both directions, on the same pictures.

    python benchmarks/self_critical_results.py [--seeds 0 1 2 3] [--output docs/captioning_results.json]
"""

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from demo_results import results_folder
from retrieval_results import chance
from transformers import AutoModelForImageTextToText, AutoProcessor

from lrcn_hub.data.moving_shapes import Scene, check_caption, load_captioning_tables
from lrcn_hub.demo.captioning.judging import judge
from lrcn_hub.demo.outcomes import read_answers
from lrcn_hub.demo.plans import TRAINING, captioning_plans
from lrcn_hub.demo.side_by_side import Job, run_side_by_side
from lrcn_hub.publishing.versions import collect_versions
from lrcn_hub.retrieval import judge_retrieval
from lrcn_hub.scoring import score_each_caption
from lrcn_hub.scoring.bootstrap import mean_of_rows, paired_bootstrap
from lrcn_hub.training.command import parse_command
from lrcn_hub.training.recipe import read_recipe
from lrcn_hub.training.run_folder import is_complete

RECIPE = "captioning_demo_self_critical"
START = "start"
WAYS = {
    "self-critical, greedy": ["--training.objective", "self-critical", "--objective.baseline", "greedy"],
    "self-critical, others": ["--training.objective", "self-critical", "--objective.baseline", "others"],
    "likelihood": ["--training.objective", "likelihood"],
    "likelihood, slower": ["--training.objective", "likelihood"],
    "label smoothing": ["--training.objective", "label-smoothing"],
    "scheduled sampling": ["--training.objective", "scheduled-sampling"],
}
SLOWER = "likelihood, slower"
METRICS = ("cider_d", "bleu_4", "objects_right", "relation_right", "size_stated", "size_right", "different")
PAIRED = ("cider_d", "objects_right")


def trained(seeds: Sequence[int], folder: Path) -> dict[int, dict[str, Path]]:
    """Train what is not there yet, starts first; gives the folders of each seed by way."""
    folders: dict[int, dict[str, Path]] = {}
    jobs = []
    for seed in seeds:
        plan = next(iter(captioning_plans(parse_command([], {}), folder / f"seed-{seed}", seed).values()))
        plan.name = f"{START} {seed}"
        jobs += [] if plan.is_done else [plan.job(folder / "logs")]
        folders[seed] = {START: plan.folder}
    rate = float(read_recipe(RECIPE)["training"]["learning_rate"])
    for seed, found in folders.items():
        for way, words in WAYS.items():
            found[way] = folder / f"seed-{seed}" / "further" / way.replace(", ", "-").replace(" ", "-")
            if not is_complete(found[way]):
                way_rate = rate / 3 if way == SLOWER else rate
                jobs.append(further(seed, way, words, way_rate, found[START], found[way], folder / "logs"))
    if jobs:
        run_side_by_side(jobs)
    return folders


def further(seed: int, way: str, words: Sequence[str], rate: float, start: Path, folder: Path, logs: Path) -> Job:
    training = read_recipe(RECIPE)["training"]
    arguments = ["--recipe", RECIPE, "--training.init_from", str(start), "--training.output_dir", str(folder)]
    arguments += ["--training.feature_folder", str(folder.parent / "features"), "--training.disable_tqdm", "true"]
    arguments += ["--data.moving_shapes.seed", str(seed), "--training.seed", str(seed)]
    arguments += ["--training.learning_rate", str(rate), *words]
    log = logs / f"{seed}-{folder.name}.log"
    steps, in_a_line = training["max_steps"], int(training["logging_steps"])
    return Job(f"{way} {seed}", TRAINING, arguments, log, steps, in_a_line, f"{START} {seed}")


def judged(seed: int, folders: dict[str, Path]) -> dict[str, Any]:
    """Score every way on the test pictures of one seed, whole and picture by picture; and the start's retrieval."""
    moving_shapes = read_recipe(str(folders[START] / "recipe.yaml"))["data"]["moving_shapes"]
    test = load_captioning_tables(**moving_shapes)["test"]
    references, scenes = test["captions"][:], [Scene.from_json(text) for text in test["scene"]]
    scores, rows = {}, {}
    for way, folder in folders.items():
        said = read_answers(folder)
        scores[way] = {**judge(said, references, scenes), "different": len(set(said)) / len(said)}
        right = [check_caption(one, scene).objects_right for one, scene in zip(said, scenes, strict=True)]
        each = {
            "cider_d": score_each_caption(said, references).each["cider_d"],
            "objects_right": np.array(right, float),
        }
        rows[way] = {name: np.stack([values, np.ones(len(values))], axis=1) for name, values in each.items()}
    start = folders[START]
    model, processor = AutoModelForImageTextToText.from_pretrained(start), AutoProcessor.from_pretrained(start)
    retrieval = judge_retrieval(model, processor, test)
    return {"scores": scores, "rows": rows, "retrieval": retrieval, "chance": chance(test)}


def gather(seeds: Sequence[int], runs: list[dict[str, Any]]) -> dict[str, Any]:
    versions, recipe = collect_versions(), read_recipe(RECIPE)
    ways = list(runs[0]["scores"])
    ours = [way for way in ways if "self-critical" in way]
    directions = ("image_to_caption", "image_to_caption_not_normalised", "caption_to_image")
    return {
        "commit": versions["commit"],
        "versions": {"python": versions["python"], **versions["packages"]},
        "seeds": list(seeds),
        "steps": recipe["training"]["max_steps"],
        "scores": {
            way: {name: figures([run["scores"][way][name] for run in runs]) for name in METRICS} for way in ways
        },
        "comparisons": {
            f"{first} over {second}": {name: compared(runs, first, second, name) for name in PAIRED}
            for first in ours
            for second in ways
            if second not in ours
        },
        "retrieval": {
            **{name: runs[0]["retrieval"][name] for name in ("images", "captions")},
            **{
                f"{whose}{direction}": {
                    name: figures([run[part][direction][name] for run in runs])
                    for name in ("r@1", "r@5", "r@10", "median_rank")
                }
                for part, whose in (("retrieval", ""), ("chance", "by_chance_"))
                for direction in directions
            },
        },
    }


def compared(runs: list[dict[str, Any]], first: str, second: str, metric: str) -> dict[str, float]:
    ours, theirs = ([run["rows"][way][metric] for run in runs] for way in (first, second))
    return {name: round(value, 4) for name, value in asdict(paired_bootstrap(ours, theirs, mean_of_rows)).items()}


def figures(values: Sequence[float]) -> dict[str, Any]:
    return {"mean": round(fmean(values), 4), "seeds": [round(value, 4) for value in values]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3])
    parser.add_argument("--output", type=Path, default=Path("docs/captioning_results.json"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    folders = trained(options.seeds, results_folder())
    results = gather(options.seeds, [judged(seed, found) for seed, found in folders.items()])
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for way, scores in results["scores"].items():
        print(f"{way:28}", "  ".join(f"{name} {value['mean']:.3f}" for name, value in scores.items()))
    for pair, found in results["comparisons"].items():
        values = (f"{m} {v['difference']:+.3f} [{v['low']:+.3f}, {v['high']:+.3f}]" for m, v in found.items())
        print(f"{pair:52}", "  ".join(values))
    for name, found in results["retrieval"].items():
        if isinstance(found, dict):
            print(f"{name:44}", "  ".join(f"{metric} {value['mean']:.3f}" for metric, value in found.items()))
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
