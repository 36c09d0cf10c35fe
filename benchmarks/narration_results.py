"""The narrators of nodes over several seeds, beside both floors, into docs/narration_results.json.

For every seed each variant is trained by its recipe, as many at a time as there are processors, in
outputs/results/COMMIT/narration/seed-N; what is found finished there is taken as it is. A seed draws events, their
noise and the initial weights. Two systems are compared by a paired bootstrap over rows and seeds: the difference of
their scores, its 95% interval, and the share of draws in which the first is not better.

    python benchmarks/narration_results.py [--seeds 0 1 2 3 4] [--output docs/narration_results.json]
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

from lrcn_hub.data.moving_shapes import load_narration_tables, node_quality
from lrcn_hub.demo.narration.judging import FLOORS, VARIANTS, judge_events
from lrcn_hub.demo.narration.story import floor_sentences
from lrcn_hub.demo.outcomes import read_answers
from lrcn_hub.demo.plans import Plan, narration_plans
from lrcn_hub.demo.side_by_side import run_side_by_side
from lrcn_hub.publishing.versions import collect_versions
from lrcn_hub.scoring import cider_d_scores, ptb_tokenize
from lrcn_hub.scoring.bleu import bleu_counts, bleu_from_counts
from lrcn_hub.scoring.bootstrap import mean_of_rows, paired_bootstrap
from lrcn_hub.training.command import parse_command

METRICS = ("bleu_4", "cider_d", "events_right")
PAIRS = (
    ("decoder-prob", "decoder-max"),
    ("decoder-prob", "encoder-decoder"),
    ("decoder-prob", "template"),
    ("decoder-prob", "nearest"),
    ("decoder-max", "encoder-decoder"),
    ("decoder-max", "nearest"),
    ("encoder-decoder", "nearest"),
)


def trained(seeds: Sequence[int], folder: Path) -> dict[int, dict[str, Plan]]:
    """Train what is not there yet; gives the plans of each seed by variant."""
    plans = {}
    for seed in seeds:
        of_seed = narration_plans(parse_command(["--thorough"], {"thorough": False}), folder / f"seed-{seed}", seed)
        plans[seed] = {variant: of_seed[variant] for variant in VARIANTS}
    jobs = [
        plan.job(folder / f"seed-{seed}" / "logs")
        for seed, variants in plans.items()
        for plan in variants.values()
        if not plan.is_done
    ]
    if jobs:
        run_side_by_side(jobs)
    return plans


def judged(plans: dict[str, Plan]) -> dict[str, Any]:
    """Score every system on the test events of one seed, whole and row by row."""
    tables = load_narration_tables(**plans[VARIANTS[0]].recipe.sections["data"]["moving_shapes"])
    test = tables["test"]
    said = {variant: read_answers(plan.folder) for variant, plan in plans.items()}
    said |= floor_sentences(tables["train"], test)
    references, true_nodes = test["sentences"][:], test["true_nodes"][:]
    return {
        "quality": node_quality(test["nodes"][:], true_nodes),
        "scores": {name: judge_events(sentences, references, true_nodes) for name, sentences in said.items()},
        "rows": {name: per_row(sentences, references) for name, sentences in said.items()},
    }


def per_row(sentences: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, np.ndarray]:
    """What corpus scores are made of: BLEU's counts (rows, 10), and CIDEr-D beside ones (rows, 2)."""
    tokens = [ptb_tokenize(sentence) for sentence in sentences]
    known = [[ptb_tokenize(one) for one in several] for several in references]
    counts = np.array([bleu_counts(*pair) for pair in zip(tokens, known, strict=True)], dtype=np.float64)
    _, cider = cider_d_scores(tokens, known)
    return {"bleu_4": counts, "cider_d": np.stack([np.array(cider), np.ones(len(cider))], axis=1)}


def bleu_4(sums: np.ndarray) -> np.ndarray:
    return np.asarray(bleu_from_counts(sums)[..., 3])


def gather(seeds: Sequence[int], runs: list[dict[str, Any]], plans: dict[str, Plan]) -> dict[str, Any]:
    versions = collect_versions()
    of_score = {"bleu_4": bleu_4, "cider_d": mean_of_rows}
    return {
        "commit": versions["commit"],
        "versions": {"python": versions["python"], **versions["packages"]},
        "seeds": list(seeds),
        "training": {name: _training(plan) for name, plan in plans.items()},
        "node_quality": {
            node: {kind: round(fmean(run["quality"][node][kind] for run in runs), 4) for kind in first}
            for node, first in runs[0]["quality"].items()
        },
        "scores": {
            name: {metric: _figures([run["scores"][name][metric] for run in runs]) for metric in METRICS}
            for name in (*VARIANTS, *FLOORS)
        },
        "comparisons": {
            f"{first} over {second}": {
                metric: {
                    key: round(value, 4)
                    for key, value in asdict(
                        paired_bootstrap(
                            [run["rows"][first][metric] for run in runs],
                            [run["rows"][second][metric] for run in runs],
                            of_score[metric],
                        )
                    ).items()
                }
                for metric in of_score
            }
            for first, second in PAIRS
        },
    }


def _training(plan: Plan) -> dict[str, Any]:
    training = plan.recipe.sections["training"]
    return {name: training[name] for name in ("max_steps", "learning_rate", "per_device_train_batch_size")}


def _figures(values: list[float]) -> dict[str, Any]:
    return {"mean": round(fmean(values), 4), "seeds": [round(value, 4) for value in values]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    parser.add_argument("--output", type=Path, default=Path("docs/narration_results.json"))
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    plans = trained(options.seeds, results_folder() / "narration")
    results = gather(options.seeds, [judged(plans[seed]) for seed in options.seeds], plans[options.seeds[0]])
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    for name, scores in results["scores"].items():
        print(f"{name:16}", "  ".join(f"{metric} {scores[metric]['mean']:.3f}" for metric in METRICS))
    for name, found in results["comparisons"].items():
        values = "  ".join(f"{m} {v['difference']:+.3f} [{v['low']:+.3f}, {v['high']:+.3f}]" for m, v in found.items())
        print(f"{name:32}", values)
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
