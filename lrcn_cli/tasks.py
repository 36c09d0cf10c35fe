"""``lrcn tasks``: what can be trained, and which plugin offers it."""

import contextlib
import dataclasses
import json
import sys
from typing import Any

from lrcn_cli.command import command_parser

EXAMPLES = """
lrcn tasks
lrcn tasks --json
"""


def main(argv: list[str]) -> int:
    """List the tasks; plugins that do not work are named on standard error."""
    parser = command_parser("tasks", examples=EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print a list with all that each task declares")
    arguments = parser.parse_args(argv)
    tasks = _tasks()
    if not tasks:
        print("no task can be used; `lrcn plugins` says why", file=sys.stderr)
    if arguments.json:
        print(json.dumps(tasks, indent=2))
        return 0
    for task in tasks:
        print(f"{task['name']:<17}{task['summary']}  ({task['distribution']} {task['version']})")
    return 0


def _tasks() -> list[dict[str, Any]]:
    with contextlib.redirect_stdout(sys.stderr):  # what a plugin prints when imported is no part of the answer
        from lrcn_hub.plugins import get_task, plugin_records, task_names

        source = {name: record for record in plugin_records() for name in record.tasks}
        return [_declaration(get_task(name), source[name]) for name in task_names()]


def _declaration(task: Any, record: Any) -> dict[str, Any]:
    options = {
        section: [option.name for option in dataclasses.fields(kind)]
        for section, kind in [
            ("data", task.DataOptions),
            ("model", task.ModelOptions),
            ("evaluation", task.EvaluationOptions),
        ]
    }
    return {
        "name": task.name,
        "summary": task.summary,
        "pipeline_tag": task.pipeline_tag,
        "columns": dict(task.columns),
        "objectives": list(task.objectives),
        "best_metric": task.best_metric,
        "greater_is_better": task.greater_is_better,
        "options": options,
        "plugin": record.name,
        "distribution": record.distribution,
        "version": record.version,
    }
