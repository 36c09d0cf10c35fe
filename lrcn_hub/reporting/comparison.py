"""The other run of a comparison: found, read, and refused unless it answered the same rows and was judged alike."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.reporting.content import OtherRun

if TYPE_CHECKING:
    from datasets import Dataset

    from lrcn_hub.tasks import Task

METRICS_FILE, ANSWERS_FILE = "metrics.json", "predictions.jsonl"


def read_other_run(place: Path, split: str, task: Task, table: Dataset, options: Any) -> OtherRun:
    """Read what a run answered to `table`: `place` is its folder, or one that an evaluation wrote.

    Its answers are judged anew by the evaluation `options`: ids such as test-00001 may mean something else in other
    data, and then they do not score here what they scored there.

    Raises ValueError for answers to other rows, and for answers that were judged otherwise; FileNotFoundError where
    there are none.
    """
    folder = _evaluation_folder(place, split)
    answers = _read_answers(folder / ANSWERS_FILE)
    predictions = _in_order(answers, list(table["id"]), folder, split)
    metrics = _read_metrics(folder / METRICS_FILE)
    _refuse_other_judgement(folder, metrics, predictions, task, table, options)
    return OtherRun(str(place), predictions, metrics)


def _evaluation_folder(place: Path, split: str) -> Path:
    for folder in (place, place / "evaluation" / split):
        if (folder / ANSWERS_FILE).is_file():
            if not (folder / METRICS_FILE).is_file():
                raise FileNotFoundError(f"{folder} has {ANSWERS_FILE} but no {METRICS_FILE}: judge that run again")
            return folder
    if not place.is_dir():
        raise FileNotFoundError(f"{place}: no such folder; name a run's, or one that an evaluation wrote")
    judged = sorted(file.parent.name for file in place.glob(f"evaluation/*/{ANSWERS_FILE}"))
    found = f"; it has answers to {', '.join(judged)}" if judged else ""
    raise FileNotFoundError(
        f"{place} has no answers to split {split!r}{found}: judge it first (lrcn evaluate {place} --split {split})"
    )


def _read_answers(file: Path) -> dict[Any, Any]:
    answers: dict[Any, Any] = {}
    for number, line in enumerate(file.read_text(encoding="utf-8").split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            name, answer = row["id"], row["prediction"]
            twice = name in answers
        except (ValueError, KeyError, TypeError) as error:
            raise ValueError(f"{file}, line {number}: not an id with a prediction: {line[:80]}") from error
        if twice:
            raise ValueError(f"{file}, line {number}: a second answer to {name}")
        answers[name] = answer
    return answers


def _in_order(answers: dict[Any, Any], ids: list[Any], folder: Path, split: str) -> list[Any]:
    missing = [name for name in ids if name not in answers]
    strange = list(answers.keys() - set(ids))
    if missing or strange:
        parts = [f"{len(missing)} of {len(ids)} rows have no answer there (as {missing[0]})"] if missing else []
        parts += [f"it answers {len(strange)} rows that are not here (as {min(strange, key=str)})"] if strange else []
        raise ValueError(
            f"{folder}: {' and '.join(parts)}: only answers to the same rows can be compared; judge both on the "
            f"same data and split (here {split!r})"
        )
    return [answers[name] for name in ids]


def _read_metrics(file: Path) -> dict[str, float]:
    text = file.read_text(encoding="utf-8")
    try:
        metrics = json.loads(text)
    except ValueError:
        metrics = None
    if not isinstance(metrics, dict) or not all(isinstance(value, int | float) for value in metrics.values()):
        raise ValueError(f"{file}: not metrics by name: {text[:80]}; judge that run again")
    return metrics


def _refuse_other_judgement(
    folder: Path, metrics: dict[str, float], predictions: list[Any], task: Task, table: Dataset, options: Any
) -> None:
    try:
        here = task.compute_metrics(predictions, table, options)
    except Exception as error:
        raise ValueError(
            f"{folder / ANSWERS_FILE}: these answers cannot be judged as those of task {task.name}: "
            f"{type(error).__name__}: {error}; compare runs of one task, whose answers JSON keeps"
        ) from error
    for name in here.keys() & metrics.keys():
        if not math.isclose(here[name], metrics[name], rel_tol=1e-5, abs_tol=1e-7) and here[name] == here[name]:
            raise ValueError(
                f"{folder}: its answers have {name} {here[name]:.6g} on these rows, but {METRICS_FILE} says "
                f"{metrics[name]:.6g}: it was judged on other data or in another way; judge that run again on these"
            )
    if not here.keys() & metrics.keys():
        raise ValueError(f"{folder / METRICS_FILE} has no metric of task {task.name}: {', '.join(metrics)}")
