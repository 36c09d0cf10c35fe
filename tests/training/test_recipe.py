import re

import pytest
import yaml

from lrcn_hub.training.command import help_text, parse_command, recipe_from
from lrcn_hub.training.recipe import read_recipe, resolve, shipped_recipes


def from_words(task, *words, written=None):
    return recipe_from(task, written or {}, parse_command(list(words), {}).options, "recipe r.yaml").sections


def write(tmp_path, text):
    file = tmp_path / "r.yaml"
    file.write_text(text)
    return str(file)


def test_a_recipe_file_is_completed_with_defaults(toy_task, tmp_path):
    name = write(tmp_path, "task: toy\ndata:\n  rows: 5\ntraining:\n  learning_rate: 1e-3\nmodel:\n")
    sections = resolve(toy_task, read_recipe(name), name).sections
    assert sections["data"]["rows"] == 5
    assert sections["data"]["noise"] == 0.1
    assert sections["training"]["learning_rate"] == 0.001
    assert sections["training"]["seed"] == 1701
    assert sections["training"]["output_dir"] == "outputs/toy"


def test_a_resolved_recipe_reads_back_as_itself(toy_task, make_recipe, tmp_path):
    recipe = make_recipe("--rows", 9, "--columns.image", "picture", "--lr_scheduler_kwargs.num_cycles", 2)
    recipe.write(tmp_path / "r.yaml")
    again = resolve(toy_task, read_recipe(str(tmp_path / "r.yaml")), "r.yaml")
    assert again.differences(recipe) == []
    assert again.plain() == recipe.plain()


def test_an_unknown_key_is_refused_with_the_nearest_and_the_section_s_keys(toy_task):
    with pytest.raises(ValueError, match=r"section data has no option 'row' \(did you mean 'rows'\?\).*noise, rows"):
        resolve(toy_task, {"data": {"row": 5}}, "recipe r")


def test_a_key_of_another_section_is_sent_there(toy_task):
    with pytest.raises(ValueError, match=r"'beams' .it belongs to section evaluation"):
        resolve(toy_task, {"model": {"beams": 5}}, "recipe r")


def test_a_wrong_type_is_refused_with_value_and_type(toy_task):
    with pytest.raises(ValueError, match=r"recipe r: data.rows: 'many' \(str\) is not int"):
        resolve(toy_task, {"data": {"rows": "many"}}, "recipe r")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("- a", "a recipe has the keys"),
        ("task: toy\ndta: {}", "no section 'dta' .did you mean 'data'"),
        ("data: 3", "section data must hold options"),
        ("data: [", "not YAML"),
    ],
)
def test_a_file_that_is_no_recipe_is_refused(tmp_path, text, complaint):
    with pytest.raises(ValueError, match=complaint):
        read_recipe(write(tmp_path, text))


def test_an_unknown_recipe_is_refused_with_the_shipped_ones(tmp_path):
    with pytest.raises(FileNotFoundError, match="recipe nowhere: no such file") as error:
        read_recipe("nowhere")
    assert all(name in str(error.value) for name in shipped_recipes())


@pytest.mark.parametrize(
    ("words", "section", "name", "value"),
    [
        (["--data.rows", "5"], "data", "rows", 5),
        (["--rows=5"], "data", "rows", 5),
        (["--allow-leak"], "data", "allow_leak", True),
        (["--allow_leak", "--rows", "5"], "data", "allow_leak", True),
        (["--data.allow-leak", "false"], "data", "allow_leak", False),
        (["--source", "123"], "data", "source", "123"),
        (["--source", "null"], "data", "source", None),
        (["--eval_strategy", "no"], "training", "eval_strategy", "no"),
        (["--learning-rate", "1e-3"], "training", "learning_rate", 0.001),
        (["--max_steps", "-1"], "training", "max_steps", -1),
        (
            ["--columns.image", "picture", "--columns.text", "words"],
            "data",
            "columns",
            {"image": "picture", "text": "words"},
        ),
        (["--columns", "{a: b}"], "data", "columns", {"a": "b"}),
        (["--final_splits", "test"], "training", "final_splits", ["test"]),
        (["--final_splits", "validation", "test"], "training", "final_splits", ["validation", "test"]),
        (["--final_splits", "[test]"], "training", "final_splits", ["test"]),
    ],
)
def test_the_command_line_sets_options(toy_task, words, section, name, value):
    assert from_words(toy_task, *words)[section][name] == value


def test_a_table_is_changed_entry_by_entry(toy_task):
    written = {"data": {"columns": {"image": "a", "text": "b"}}}
    changed = from_words(toy_task, "--columns.text", "c", written=written)
    assert changed["data"]["columns"] == {"image": "a", "text": "c"}
    assert written["data"]["columns"]["text"] == "b"


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (["--rowz", "3"], r"no option --rowz \(did you mean 'rows'\?\)"),
        (["--data.rowz", "3"], "--data.rowz: section data has no option 'rowz' .did you mean 'rows'"),
        (["--rows", "many"], "--rows: 'many' .str. is not int"),
        (["--rows"], "--rows needs a value: True"),
        (["--rows", "1", "2"], "--rows: .1, 2. .list. is not int"),
        (["--data", "3"], "data is a section"),
        (["--rows.x", "3"], "is not int"),
    ],
)
def test_a_wrong_option_is_refused_as_it_was_written(toy_task, words, complaint):
    with pytest.raises(ValueError, match=complaint):
        from_words(toy_task, *words)


def test_an_option_of_two_sections_must_say_which(toy_task, monkeypatch):
    monkeypatch.setattr(toy_task, "EvaluationOptions", toy_task.DataOptions, raising=False)
    with pytest.raises(ValueError, match=r"--rows could be --data.rows or --evaluation.rows"):
        from_words(toy_task, "--rows", "3")


def test_differences_name_keys_and_leave_out_what_has_no_effect(make_recipe):
    one = make_recipe("--rows", 9, "--output_dir", "a", "--logging_steps", 1)
    other = make_recipe("--rows", 8, "--output_dir", "b", "--logging_steps", 2, "--seed", 3)
    assert one.differences(other) == ["data.rows: 9 against 8", "training.seed: 1701 against 3"]


def test_help_lists_every_option_with_type_default_and_meaning(toy_task):
    text = help_text(toy_task)
    assert re.search(r"--data.rows \(int, default 22\)\n +Rows of the training table.", text)
    assert re.search(r"--data.validation_rows \(int, default 7\)\n +rows of the validation table", text)
    assert re.search(r"--training.learning_rate \(float, default 5e-05\)\n +The initial learning rate", text)
    assert re.search(r"--training.lr_step_size \(int . none, default None\)\n +Optimiser steps between", text)
    assert "--training.remove_unused_columns" not in text


def test_every_default_of_training_is_of_its_own_type(toy_task):
    recipe = resolve(toy_task, {}, "defaults")
    written = yaml.safe_load(yaml.safe_dump(recipe.plain()))
    assert resolve(toy_task, written, "defaults").plain() == recipe.plain()


def test_a_flag_takes_one_value():
    with pytest.raises(ValueError, match="--task takes one value"):
        parse_command(["--task"], {"task": True})
    assert parse_command(["DIR", "--json", "--split", "test"], {"json": False, "split": True}).flags == {
        "json": True,
        "split": "test",
    }


@pytest.mark.parametrize("nothing", ["none", "null", "~"])
def test_none_is_nothing_for_an_option_that_may_be_nothing_as_null_is_in_yaml(nothing, toy_task):
    training = from_words(toy_task, "--init_from", nothing, "--objective", nothing, "--eval_rows", nothing)["training"]
    assert (training["init_from"], training["objective"], training["eval_rows"]) == (None, None, None)
    assert resolve(toy_task, {"training": {"init_from": "none"}}, "r").sections["training"]["init_from"] is None
    # stock texts of that name stay texts, and a name that only contains it is a name
    assert from_words(toy_task, "--report_to", "none", "--init_from", "none.safetensors")["training"] == {
        **from_words(toy_task)["training"],
        "init_from": "none.safetensors",
    }
    assert from_words(toy_task)["training"]["report_to"] == "none"
