"""What a run leaves beside its weights for the model card."""

import json

import pytest
from PIL import Image


def test_a_run_writes_down_what_the_task_says_of_the_data(train):
    folder = train("--max_steps", 1, "--rows", 9)[0].folder
    assert json.loads((folder / "data.json").read_text())["rows"] == {"train": 9, "validation": 7, "test": 5}


def test_answers_are_drawn_where_the_task_does_and_an_older_drawing_goes(train, toy_task, monkeypatch, tmp_path):
    def illustrate(task, table, predictions, options):
        assert len(table) == len(predictions)
        return Image.new("RGB", (len(table), 1)) if len(table) == 5 else None

    monkeypatch.setattr(type(toy_task), "illustrate", illustrate)
    old = tmp_path / "run/assets/validation.png"
    old.parent.mkdir(parents=True)
    old.write_bytes(b"old")
    folder = train("--max_steps", 1, "--overwrite_output_dir")[0].folder
    assert [file.name for file in (folder / "assets").iterdir()] == ["test.png"]
    with Image.open(folder / "assets/test.png") as picture:
        assert picture.size == (5, 1)


@pytest.mark.parametrize(("member", "what"), [("describe_data", "describing the data"), ("illustrate", "drawing")])
def test_a_trained_model_is_not_lost_for_its_card(train, toy_task, monkeypatch, caplog, member, what):
    def fail(*arguments):
        raise KeyError("colour")

    monkeypatch.setattr(type(toy_task), member, fail)
    folder = train("--max_steps", 1)[0].folder
    assert (folder / "metrics.json").is_file()
    assert what in caplog.text and "KeyError: 'colour'" in caplog.text


def test_nothing_of_a_deleted_run_is_left_for_the_next_one_s_card(train):
    folder = train("--max_steps", 1)[0].folder
    assert "test" in (folder / "README.md").read_text().partition("## Evaluation")[2].partition("##")[0]
    train("--max_steps", 2, "--final_splits", "validation", "--overwrite_output_dir")
    assert not (folder / "evaluation/test").exists()
    card = (folder / "README.md").read_text()
    assert "| validation |" in card and "| test |" not in card.partition("## Evaluation")[2]
