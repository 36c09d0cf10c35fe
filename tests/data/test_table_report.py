"""The report that tables carry."""

from dataclasses import dataclass, field

from datasets import Dataset

from lrcn_hub.data.bad_samples import BadSample
from lrcn_hub.data.table_report import TableReport


@dataclass
class SongReport(TableReport):
    songs: dict[str, int] = field(default_factory=dict)


def test_a_report_is_read_back_from_any_of_the_tables_with_a_tasks_own_counts():
    report = SongReport("folder", {"train": 2}, leaks=["a in train and in test"], outside_splits=3)
    report.bad_samples.append(BadSample("b.ogg", "it is silent"))
    tables = {split: Dataset.from_dict({"id": [split]}) for split in ("train", "test")}
    report.write_to(tables)
    assert SongReport.of(tables["train"]) == SongReport.of(tables["test"]) == report
    assert report.counts() == {"leaks": 1, "bad_samples": 1, "outside_splits": 3}
