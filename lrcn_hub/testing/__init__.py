"""The contract test kit: a task plugin calls `check_task` in its own tests to know that the platform can drive it."""

from lrcn_hub.testing.contract import (
    check_batches,
    check_declaration,
    check_metrics,
    check_parameter_groups,
    check_predictions,
    check_save_and_load,
    check_tables,
    check_task,
)
from lrcn_hub.testing.objectives import check_built_objectives, check_objectives
from lrcn_hub.testing.report import check_report

__all__ = [
    "check_batches",
    "check_built_objectives",
    "check_declaration",
    "check_metrics",
    "check_objectives",
    "check_parameter_groups",
    "check_predictions",
    "check_report",
    "check_save_and_load",
    "check_tables",
    "check_task",
]
