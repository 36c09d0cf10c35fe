"""``lrcn fuse``: what several recognisers said of the same videos, as one answer (late fusion, paper section 4)."""

import argparse
import json
from fractions import Fraction
from pathlib import Path
from typing import Any

from lrcn_cli.command import command_parser

DETAILS = """\
Each DIR is the folder of a trained recogniser that was judged on the split: its evaluation/SPLIT/predictions.jsonl is
read, the truth comes from the data of the first one's recipe. Prints the metrics of each and of the weighted mean of
their probabilities."""

EXAMPLES = """
lrcn fuse my-rgb-recogniser my-flow-recogniser
lrcn fuse my-rgb-recogniser my-flow-recogniser --weights 1/3 2/3 --output fused
"""


def main(argv: list[str]) -> int:
    """Fuse judged models; returns the exit code."""
    arguments = _arguments(argv)
    weights = arguments.weights or [Fraction(1, len(arguments.folders))] * len(arguments.folders)
    found = fuse_folders([Path(folder) for folder in arguments.folders], weights, arguments.split, arguments.output)
    if arguments.json:
        print(json.dumps(found, indent=2))
        return 0
    for one in [*found["models"], {"folder": "fused", **found["fused"]}]:
        metrics = ", ".join(f"{name} {value:.4g}" for name, value in one["metrics"].items())
        print(f"{one['folder']}{' x ' + one['weight'] if 'weight' in one else ''}: {metrics}")
    return 0


def _arguments(argv: list[str]) -> argparse.Namespace:
    parser = command_parser("fuse", details=DETAILS, examples=EXAMPLES)
    parser.add_argument("folders", nargs="+", metavar="DIR", help="folders of trained models, two or more")
    parser.add_argument("--weights", nargs="+", type=Fraction, metavar="W", help="of each; default: all alike")
    parser.add_argument("--split", default="test", metavar="NAME", help="default: test")
    parser.add_argument(
        "--output", type=Path, metavar="FOLDER", help="write metrics.json, predictions.jsonl, ... there"
    )
    parser.add_argument("--json", action="store_true", help="print one object")
    arguments = parser.parse_args(argv)
    if len(arguments.folders) < 2:
        parser.error("name two models or more")
    if arguments.weights and len(arguments.weights) != len(arguments.folders):
        parser.error(f"{len(arguments.weights)} weights for {len(arguments.folders)} models: give one for each")
    return arguments


def fuse_folders(folders: list[Path], weights: list[Fraction], split: str, output: Path | None) -> dict[str, Any]:
    """Judge the models in `folders` and their fusion by the answers they gave on `split`.

    Raises ValueError where they did not answer the same rows, OSError where there are no answers.
    """
    from lrcn_hub.plugins import get_task
    from lrcn_hub.reporting import Evaluation
    from lrcn_hub.training.command import recipe_from
    from lrcn_hub.training.evaluation import write_evaluation, write_report
    from lrcn_hub.training.recipe import read_recipe

    answers = [_read(folder, split) for folder in folders]
    source = str(folders[0] / "recipe.yaml")
    written = read_recipe(source)
    task = get_task(written["task"])
    options = recipe_from(task, written, [], source).options(task)
    table = task.load_tables(options.data).get(split)
    if table is None:
        raise ValueError(f"{source}: its data have no split {split!r}")
    ids, names = list(table["id"]), table.features["label"].names
    for folder, given in zip(folders, answers, strict=True):
        _check_rows(ids, given, f"{folder} on split {split}")
    each = [[given[row] for row in ids] for given in answers]
    fused = _fused(each, weights, names)
    metrics = [task.compute_metrics(predictions, table, options.evaluation) for predictions in [*each, fused]]
    if output is not None:
        write_evaluation(output, table, fused, metrics[-1])
        name = " + ".join(f"{weight} x {folder}" for weight, folder in zip(weights, folders, strict=True))
        write_report(task, Evaluation(name, split, {split: table}, fused, metrics[-1], options.evaluation, output))
    parts = zip(folders, weights, metrics, strict=False)
    return {
        "models": [{"folder": str(folder), "weight": str(weight), "metrics": own} for folder, weight, own in parts],
        "fused": {"metrics": metrics[-1]},
    }


def _read(folder: Path, split: str) -> dict[str, dict[str, Any]]:
    """Read the answers that were written for a split, by the rows' ids."""
    file = folder / "evaluation" / split / "predictions.jsonl"
    if not file.is_file():
        raise FileNotFoundError(f"{file} is not there: judge the model first (lrcn evaluate {folder} --split {split})")
    answers = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            row = json.loads(line)
            answers[row["id"]] = {name: row["prediction"][name] for name in ("label", "probabilities")}
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file}, line {number}: no answer with probabilities of classes") from error
    return answers


def _check_rows(ids: list[str], given: dict[str, Any], whose: str) -> None:
    known = set(ids)
    missing, strange = [row for row in ids if row not in given], [row for row in given if row not in known]
    if missing or strange:
        parts = [
            f"{len(rows)} {what} (the first is {rows[0]})"
            for rows, what in (
                (missing, "rows of the data without an answer"),
                (strange, "answers to rows that the data lack"),
            )
            if rows
        ]
        raise ValueError(f"{whose}: {' and '.join(parts)}; only answers to the same rows can be fused")


def _fused(each: list[list[dict[str, Any]]], weights: list[Fraction], names: list[str]) -> list[dict[str, Any]]:
    from lrcn_hub.scoring.recognition import fuse

    scores = fuse([[one["probabilities"] for one in predictions] for predictions in each], list(map(float, weights)))
    return [{"label": names[int(row.argmax())], "probabilities": row.tolist()} for row in scores]
