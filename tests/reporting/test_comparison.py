"""The other run of a comparison: what is read, in which order, and what is refused."""

import json
from types import SimpleNamespace

import pytest
from datasets import Dataset

from lrcn_hub.reporting.comparison import read_other_run

TABLE = Dataset.from_dict({"id": ["a", "b", "c"], "length": [1, 2, 3]})


def compute_metrics(predictions, table, options):
    """How many answers are as long as the table says, and one measure that an older version may lack."""
    right = [len(one) == length for one, length in zip(predictions, table["length"], strict=True)]
    return {"accuracy": sum(right) / len(right), "unheard_of": 1.0}


TASK = SimpleNamespace(name="measuring", compute_metrics=compute_metrics)
ANSWERS = {"c": "ccc", "a": "a", "b": "b"}


@pytest.fixture
def run(tmp_path):
    """A run that was judged on the test split, its answers in another order than the table's rows."""

    def write(answers=ANSWERS, metrics=None, split="test"):
        folder = tmp_path / "run" / "evaluation" / split
        folder.mkdir(parents=True, exist_ok=True)
        lines = [json.dumps({"id": name, "prediction": answer}) + "\n" for name, answer in answers.items()]
        (folder / "predictions.jsonl").write_text("".join(lines))
        (folder / "metrics.json").write_text(json.dumps({"accuracy": 2 / 3} if metrics is None else metrics))
        return tmp_path / "run"

    return write


def read(place, split="test"):
    return read_other_run(place, split, TASK, TABLE, None)


def test_answers_come_in_the_order_of_the_table_with_the_metrics_of_their_file(run):
    place = run(metrics={"accuracy": 2 / 3, "answers": 3})
    other = read(place)
    assert other.predictions == ["a", "b", "ccc"]
    assert other.metrics == {"accuracy": 2 / 3, "answers": 3} and other.name == str(place)


def test_the_folder_of_an_evaluation_does_as_well(run):
    folder = run(split="elsewhere") / "evaluation" / "elsewhere"
    assert read(folder).predictions == ["a", "b", "ccc"]


def test_answers_with_line_separators_in_them_are_read(run):
    place = run()
    file = place / "evaluation" / "test" / "predictions.jsonl"
    lines = [
        json.dumps({"id": name, "prediction": "\u2028" * n}, ensure_ascii=False)
        for name, n in zip("abc", (1, 1, 3), strict=True)
    ]
    file.write_text("\n".join(lines), encoding="utf-8")
    assert read(place).predictions == ["\u2028", "\u2028", "\u2028" * 3]


def test_another_split_is_refused_and_those_that_were_judged_are_named(run):
    with pytest.raises(
        FileNotFoundError, match=r"to split 'validation'; it has answers to test: judge it first \(lrcn"
    ):
        read(run(), "validation")


def test_folders_that_are_not_there_or_lack_a_file_are_refused(run, tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing: no such folder"):
        read(tmp_path / "nothing")
    with pytest.raises(FileNotFoundError, match="no answers to split 'test': judge it first"):
        read(tmp_path)
    (run() / "evaluation" / "test" / "metrics.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"predictions.jsonl but no metrics.json: judge that run again"):
        read(tmp_path / "run")


def test_answers_to_other_rows_are_refused(run):
    with pytest.raises(
        ValueError, match=r"1 of 3 rows have no answer there \(as b\) and it answers 2 rows .*\(as x\)"
    ):
        read(run({"a": "a", "c": "ccc", "y": "", "x": ""}))


def test_the_same_ids_in_other_data_are_refused(run):
    """The answers fit the ids, but they do not score here what they scored there."""
    with pytest.raises(ValueError, match=r"accuracy 0.666667 on these rows, but metrics.json says 0.9: .*other data"):
        read(run(metrics={"accuracy": 0.9}))


def test_answers_and_metrics_of_another_task_are_refused(run):
    with pytest.raises(ValueError, match="cannot be judged as those of task measuring: TypeError"):
        read(run(dict.fromkeys("abc", 1)))
    with pytest.raises(ValueError, match="has no metric of task measuring: bleu_4"):
        read(run(metrics={"bleu_4": 0.3}))


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("no json", "line 4: not an id with a prediction"),
        ('{"id": "d"}', "line 4: not an id with a prediction"),
        ('{"id": ["d"], "prediction": 1}', "line 4: not an id with a prediction"),
        ('{"id": "a", "prediction": "a"}', "line 4: a second answer to a"),
    ],
)
def test_a_faulty_line_is_named(run, line, fault):
    place = run()
    file = place / "evaluation" / "test" / "predictions.jsonl"
    file.write_text(file.read_text() + line + "\n")
    with pytest.raises(ValueError, match=fault):
        read(place)


@pytest.mark.parametrize("text", ["[1]", '{"accuracy": "high"}', "{"])
def test_metrics_that_are_none_are_refused(run, text):
    place = run()
    (place / "evaluation" / "test" / "metrics.json").write_text(text)
    with pytest.raises(ValueError, match=r"metrics.json: not metrics by name"):
        read(place)
