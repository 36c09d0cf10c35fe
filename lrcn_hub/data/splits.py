"""Splits: what they are called, how validation is split off, and what must not be in two of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import TypeVar

logger = logging.getLogger(__name__)

Example = TypeVar("Example")

SPLIT_NAMES = ("train", "validation", "test")

SPLITS = {
    "train": "train",
    "training": "train",
    "validation": "validation",
    "valid": "validation",
    "val": "validation",
    "validate": "validation",
    "dev": "validation",
    "test": "test",
    "testing": "test",
}
"""What others call a split -> our name."""


def check_validation_share(share: float) -> None:
    """Raise ValueError for what is no share of training examples that could be split off."""
    if not 0 <= share < 1:
        raise ValueError(f"validation_share is {share}; it must be at least 0 and below 1")


def chosen_for_validation(total: int, share: float) -> set[int]:
    """Choose this share of `total` things, at least one, evenly over them and always the same ones."""
    count = max(1, round(share * total))
    return {index * total // count for index in range(count)}


def split_off_validation(
    examples: Sequence[Example], groups: Sequence[str], share: float, kind: str
) -> dict[str, list[Example]]:
    """Take every so manieth of the groups for validation, with all its examples; `groups` tells that of each example.

    Raises ValueError where there is only one of them, which are of this `kind`.
    """
    names = list(dict.fromkeys(groups))
    chosen = {names[index] for index in chosen_for_validation(len(names), share)}
    if len(chosen) == len(names):
        raise ValueError(f"validation_share is {share}, but there is only one {kind}: {names[0]}")
    pairs = list(zip(groups, examples, strict=True))
    return {
        "train": [example for group, example in pairs if group not in chosen],
        "validation": [example for group, example in pairs if group in chosen],
    }


def refuse_leaks(leaks: Sequence[str], allow_leak: bool, kind: str) -> list[str]:
    """Raise ValueError for things of this `kind` that are in more than one split, or with `allow_leak` warn of them.

    `leaks` say of each what it is and where. A score on what was seen in training says nothing.
    """
    if not leaks:
        return []
    listed = "; ".join(leaks[:5]) + ("; ..." if len(leaks) > 5 else "")
    message = f"{len(leaks)} {kind} are in more than one split: {listed}"
    if not allow_leak:
        raise ValueError(f"{message}. Repair the splits, or go on with --allow_leak, which the model card will say")
    logger.warning("%s. Scores on them are too good", message)
    return list(leaks)
