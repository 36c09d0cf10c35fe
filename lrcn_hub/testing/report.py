"""Checks of what a task adds to an evaluation."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lrcn_hub.reporting import Evaluation, OtherRun, ReportPage
from lrcn_hub.reporting.page import render_page
from lrcn_hub.testing.trials import calling

if TYPE_CHECKING:
    from datasets import Dataset

    from lrcn_hub.tasks import Task


def check_report(
    task: Task,
    predictions: list[Any],
    metrics: dict[str, float],
    table: Dataset,
    tables: Mapping[str, Dataset],
    options: Any,
    folder: Path,
) -> None:
    """`write_report` leaves its files in `folder`, and what `report_page` says can be drawn, also beside another run.

    The other run's answers are `predictions` as JSON gives them back. In training both only warn where they fail.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with calling("write_report"):
        task.write_report(predictions, table, options, folder)
    again = json.loads(json.dumps(predictions, default=str))
    for other in (None, OtherRun("another run", again, metrics)):
        beside = " beside another run" if other else ""
        known = {**tables, "test": table}
        evaluation = Evaluation("a model", "test", known, predictions, metrics, options, folder, other)
        with calling(f"report_page{beside}"):
            page = task.report_page(evaluation)
        assert isinstance(page, ReportPage), f"report_page gives {type(page).__name__}; it must be a ReportPage"
        with calling(f"drawing what report_page gives{beside}"):
            render_page(task, evaluation, page)
