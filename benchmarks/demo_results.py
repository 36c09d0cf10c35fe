"""The demo's figures over several seeds, on both splits of the pictures and on videos, into docs/results.json.

For every seed ``lrcn demo --thorough`` runs in a process of its own, in outputs/results/COMMIT/seed-N. What is found
finished there is taken as it is, unless tracked files differ from the commit (which is then written with a +). Each
figure is given for every seed, with mean and smallest.

    python benchmarks/demo_results.py [--seeds 0 1 2] [--output docs/results.json]
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from lrcn_hub.publishing.versions import collect_versions

SYSTEMS = ("model", "nearest_by_feature", "nearest_by_pixels", "picture_blind", "human", "oracle")
ACTIVITY_SYSTEMS, ACTIVITY_METRICS = (
    ("model", "single_frame", "mean_pooled", "shuffled"),
    ("accuracy", "both_twins_right"),
)
NARRATION_SYSTEMS, NARRATION_METRICS = (
    ("frames", "shuffled"),
    ("event_order_accuracy", "actor_order_accuracy", "events_right", "bleu_4", "cider_d"),
)
METRICS = ("objects_right", "relation_stated", "relation_right", "size_stated", "size_right", "bleu_4", "cider_d")


def results_folder() -> Path:
    """Give the folder for the runs of this commit; where tracked files differ from it, an empty one."""
    commit = collect_versions()["commit"] or "+"
    if not commit.endswith("+"):
        return Path("outputs/results", commit[:12])
    folder = Path("outputs/results/uncommitted")
    shutil.rmtree(folder, ignore_errors=True)
    return folder


def run_demo(seed: int, folder: Path) -> dict[str, Any]:
    """Run the demo for one seed, its output shown as it comes; gives its results.json."""
    file = folder / "results.json"
    if not file.is_file():
        command = [sys.executable, "-m", "lrcn_cli", "demo", "--thorough", "--seed", str(seed)]
        subprocess.run([*command, "--output_dir", str(folder)], check=True)
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return results


def gather(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """Put the figures of several runs side by side: by split, system and metric, one value for each run.

    Raises ValueError if the runs were made by different versions; what other plugins are installed does not count.
    """
    versions = runs[0]["versions"]
    if any(run["versions"][part] != versions[part] for run in runs for part in ("commit", "python", "packages")):
        raise ValueError("these runs were made by different versions; delete outputs/results and run again")
    return {
        "commit": versions["commit"],
        "versions": {"python": versions["python"], **versions["packages"]},
        "machine": runs[0]["machine"],
        "seeds": [run["seed"] for run in runs],
        "seconds": [run["seconds"] for run in runs],
        "splits": {
            split: {
                "pictures": first["pictures"],
                "steps": first["steps"],
                "parameters": first["parameters"],
                "scores": {
                    system: _figures([run["splits"][split]["scores"][system] for run in runs], METRICS)
                    for system in SYSTEMS
                },
            }
            for split, first in runs[0]["splits"].items()
        },
        "narration": {
            **{key: runs[0]["narration"][key] for key in ("rows", "steps", "parameters")},
            "narrated_live_right_of_6": [run["narration"]["narrated_live_right"] for run in runs],
            "scores": {
                system: _figures([run["narration"]["scenes"][system] for run in runs], NARRATION_METRICS)
                for system in NARRATION_SYSTEMS
            },
        },
        "activity": {
            **{key: runs[0]["activity"][key] for key in ("videos", "steps", "parameters")},
            "watched_right_of_10": [run["activity"]["watched_right"] for run in runs],
            "scores": {
                system: _figures([run["activity"]["scores"][system] for run in runs], ACTIVITY_METRICS)
                for system in ACTIVITY_SYSTEMS
            },
        },
    }


def _figures(scores: list[dict[str, float]], metrics: Sequence[str]) -> dict[str, dict[str, Any]]:
    figures = {}
    for metric in metrics:
        values = [one[metric] for one in scores]
        figures[metric] = {
            "mean": round(fmean(values), 4),
            "min": round(min(values), 4),
            "seeds": [round(value, 4) for value in values],
        }
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--output", type=Path, default=Path("docs/results.json"))
    options = parser.parse_args()
    folder = results_folder()
    runs = [run_demo(seed, folder / f"seed-{seed}") for seed in options.seeds]
    results = gather(runs)
    options.output.parent.mkdir(parents=True, exist_ok=True)
    options.output.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")
    parts = [*results["splits"].values(), results["activity"], results["narration"]]
    for name, part in zip([*results["splits"], "activity", "narration"], parts, strict=True):
        model = part["scores"]["frames" if name == "narration" else "model"]
        figures = {metric: f"{value['mean']:.3f} ({value['min']:.3f})" for metric, value in model.items()}
        print(f"{name}: mean (smallest)", "  ".join(f"{metric} {value}" for metric, value in figures.items()))
    print(f"written to {options.output}")


if __name__ == "__main__":
    main()
