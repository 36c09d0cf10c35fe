"""What was read into tables and what was left out, which the tables themselves carry."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Self

from lrcn_hub.data.bad_samples import BadSample

if TYPE_CHECKING:
    from datasets import Dataset


@dataclass
class TableReport:
    """What every reader reports, for the model card; a task adds its own counts."""

    reader: str
    outside_splits: int = field(default=0, kw_only=True)
    """Examples that are in no split."""
    bad_samples: list[BadSample] = field(default_factory=list, kw_only=True)
    """Examples that were skipped."""
    leaks: list[str] = field(default_factory=list, kw_only=True)
    """What is in more than one split, if that was allowed."""

    @classmethod
    def of(cls, table: Dataset) -> Self:
        """Read the report that `write_to` left in a table's description."""
        content = json.loads(table.info.description)
        return cls(**{**content, "bad_samples": [BadSample(**sample) for sample in content["bad_samples"]]})

    def write_to(self, tables: Mapping[str, Dataset]) -> None:
        """Leave this report as JSON in each table's ``info.description``."""
        for table in tables.values():
            table.info.description = json.dumps(asdict(self))

    def counts(self) -> dict[str, int]:
        """Count what `Task.describe_data` is to say of it."""
        return {
            "leaks": len(self.leaks),
            "bad_samples": len(self.bad_samples),
            "outside_splits": self.outside_splits,
        }
