"""Examples that cannot be used: refused by name, or left out and counted."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

logger = logging.getLogger(__name__)

OnBadSample = Literal["refuse", "skip"]


@dataclass(frozen=True)
class BadSample:
    """An example that cannot be used."""

    name: str
    """The file's name, or the id of an example that has none."""
    reason: str


def report_bad_samples(bad: Sequence[BadSample], total: int, on_bad_sample: OnBadSample, kind: str = "images") -> None:
    """Raise a ValueError that names `bad`, out of `total`, or with ``"skip"`` log how many they are."""
    if on_bad_sample not in ("refuse", "skip"):
        raise ValueError(f"on_bad_sample={on_bad_sample!r}: choose refuse or skip")
    if not bad:
        return
    listed = "".join(f"\n  {sample.name}: {sample.reason}" for sample in bad[:10])
    more = f"\n  and {len(bad) - 10} more" if len(bad) > 10 else ""
    message = f"{len(bad)} of {total} {kind} cannot be used:{listed}{more}"
    if on_bad_sample == "refuse":
        raise ValueError(f"{message}\nRepair or remove them, or leave them out with --on_bad_sample skip")
    logger.warning("%s\nThey are left out", message)
