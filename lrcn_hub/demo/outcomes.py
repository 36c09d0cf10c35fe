"""What a training leaves in its folder: answers to the test rows, and what its trainer logged."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lrcn_hub.training.run import HISTORY_FILE


def read_answers(folder: Path) -> list[Any]:
    """Read the answers to the test rows."""
    return [row["prediction"] for row in _read_lines(folder / "evaluation" / "test" / "predictions.jsonl")]


def read_history(folder: Path) -> list[dict[str, Any]]:
    """Read what the trainer logged, one entry for each logging and each evaluation."""
    return _read_lines(folder / HISTORY_FILE)


def last_step(history: Sequence[dict[str, Any]]) -> int:
    return max((entry["step"] for entry in history), default=0)


def _read_lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
