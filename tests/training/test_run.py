import json
import logging
import os
import shutil
import sys
from importlib import metadata

import pytest
import torch
import yaml
from safetensors.torch import load_file

from lrcn_hub.training import checkpoints
from lrcn_hub.training import run as run_module
from lrcn_hub.training.run import launch_command, main, run


@pytest.fixture
def known_task(toy_task, monkeypatch):
    monkeypatch.setattr(run_module, "get_task", {"toy": toy_task}.__getitem__)
    return toy_task


def unfinish(folder):
    """Make a finished run look as if it had been cut off before its export."""
    (folder / "metrics.json").unlink()
    (folder / "model.safetensors").unlink()


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_main_trains_judges_and_exports(known_task, tmp_path, caplog):
    recipe = tmp_path / "small.yaml"
    recipe.write_text("task: toy\ndata: {rows: 9}\ntraining: {max_steps: 2, use_cpu: true, disable_tqdm: true}\n")
    with caplog.at_level(logging.INFO, logger="lrcn_hub"):
        assert main(["--recipe", str(recipe), "--output_dir", str(tmp_path / "run"), "--noise", "0.2"]) == 0
    assert caplog.messages[0] == "1 process, device cpu, precision fp32"
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert files >= {"model.safetensors", "config.json", "preprocessor_config.json", "recipe.yaml", "versions.json"}
    assert files >= {"metrics.json", "history.jsonl", "evaluation"}
    written = yaml.safe_load((tmp_path / "run" / "recipe.yaml").read_text())
    assert (written["task"], written["data"]["rows"], written["data"]["noise"]) == ("toy", 9, 0.2)
    versions = json.loads((tmp_path / "run" / "versions.json").read_text())
    assert versions["packages"]["torch"] == metadata.version("torch")
    assert versions["python"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "say what to train"),
        (["toy"], "unexpected argument 'toy'"),
        (["--task", "toy", "--rowz", "3"], "no option --rowz"),
        (["--task", "toy", "--rows", "0", "--use_cpu"], "no rows in split 'train'; found train .0 rows."),
        (["--task", "toy", "--init_from", "nowhere", "--use_cpu"], r"init_from nowhere: no model.safetensors"),
        (["--task", "toy", "--save_total_limit", "1"], "section training: save_total_limit is 1"),
    ],
)
def test_what_cannot_be_run_is_refused_in_one_sentence(known_task, tmp_path, monkeypatch, words, complaint):
    monkeypatch.chdir(tmp_path)
    with pytest.raises((ValueError, OSError), match=complaint):
        main(words)


def test_a_recipe_for_another_task_is_refused(known_task, tmp_path):
    (tmp_path / "r.yaml").write_text("task: other")
    with pytest.raises(ValueError, match="is for task 'other', not 'toy'"):
        main(["--task", "toy", "--recipe", str(tmp_path / "r.yaml")])


def test_help_is_written_with_and_without_a_task(known_task, capsys):
    assert main(["--help"]) == 0
    assert "--data.rows" not in capsys.readouterr().out
    assert main(["--task", "toy", "--help"]) == 0
    assert "--data.rows" in capsys.readouterr().out


def test_a_finished_run_is_not_run_again(train, caplog):
    result, _ = train()
    before = {path: os.stat(path).st_mtime_ns for path in result.folder.rglob("*")}
    with caplog.at_level(logging.INFO):
        again, _ = train()
    assert "is complete" in caplog.text
    assert again.metrics == result.metrics
    assert {path: os.stat(path).st_mtime_ns for path in result.folder.rglob("*")} == before


def test_a_run_cut_off_before_its_export_takes_no_further_step(train):
    words = ["--max_steps", 8, "--training.learning_rate", 0.3]
    result, weights = train(*words)
    unfinish(result.folder)
    again, same_weights = train(*words)
    assert same(weights, same_weights)
    assert again.metrics == result.metrics


def test_a_run_that_had_stopped_early_takes_no_further_step(train):
    words = ["--training.learning_rate", 0, "--max_steps", 30, "--eval_steps", 2, "--save_steps", 2]
    words += ["--early_stopping_patience", 2, "--load_best_model_at_end"]
    result, _ = train(*words)
    unfinish(result.folder)
    train(*words)
    assert max(int(path.name.split("-")[1]) for path in result.folder.glob("checkpoint-*")) == 6


@pytest.mark.parametrize("steps", [4, 6, 8])
def test_a_torn_checkpoint_makes_the_run_go_on_from_the_one_before(train, caplog, steps):
    words = ["--max_steps", 8, "--eval_steps", 2, "--save_steps", 2, "--save_total_limit", 9]
    words += ["--load_best_model_at_end", "false", "--gradient_accumulation_steps", 2]
    result, weights = train(*words)
    unfinish(result.folder)
    for step in range(steps, 9, 2):
        file = checkpoints.checkpoint_folder(result.folder, step) / "model.safetensors"
        file.write_bytes(file.read_bytes()[:-7])
    caplog.clear()
    _, resumed = train(*words)
    assert f"checkpoint-{steps} is torn" in caplog.text
    assert same(weights, resumed)


def test_another_recipe_in_the_same_folder_is_refused_and_loses_nothing(train):
    result, weights = train()
    with pytest.raises(ValueError, match=r"differs in data.rows: 22 against 21.*--overwrite_output_dir"):
        train("--rows", 21)
    assert same(load_file(result.folder / "model.safetensors"), weights)
    _, other = train("--rows", 21, "--overwrite_output_dir")
    assert not same(other, weights)
    assert yaml.safe_load((result.folder / "recipe.yaml").read_text())["data"]["rows"] == 21


def test_a_folder_that_holds_no_run_is_refused_and_left_alone(train, tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "thesis.txt").write_text("years of work")
    with pytest.raises(ValueError, match=r"not empty and holds no run .it has thesis.txt."):
        train()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["thesis.txt"]
    train("--overwrite_output_dir")
    assert (tmp_path / "run" / "thesis.txt").read_text() == "years of work"


def test_a_file_in_the_place_of_the_folder_is_refused(train, tmp_path):
    (tmp_path / "run").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        train()


def test_other_versions_are_pointed_out_when_a_run_goes_on(train, caplog):
    result, _ = train()
    unfinish(result.folder)
    versions = json.loads((result.folder / "versions.json").read_text())
    versions["packages"]["torch"] = "1.0"
    (result.folder / "versions.json").write_text(json.dumps(versions))
    train()
    assert "versions changed since this run began: torch 1.0 to" in caplog.text


def test_a_second_stage_begins_with_the_weights_of_the_first(train, caplog):
    first, weights = train()
    words = ["--init_from", first.folder, "--training.learning_rate", 0]
    with caplog.at_level(logging.INFO):
        _, second = train(*words, folder="second")
    assert same(second, weights)
    assert "4 weights loaded, 0 skipped, 0 mismatched" in caplog.text


def test_bf16_trains_after_fp32_in_one_process(train, caplog):
    with caplog.at_level(logging.INFO):
        _, weights = train("--bf16", folder="bf16")
    assert "precision bf16" in caplog.text
    assert all(tensor.dtype == torch.float32 for tensor in weights.values())
    train(folder="fp32")


def test_several_gpus_get_a_process_each(make_recipe, monkeypatch):
    started = []
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(os, "execv", lambda path, command: started.append(command))
    monkeypatch.delenv("RANK", raising=False)
    recipe = make_recipe("--use_cpu", "false")
    run_module.start_a_process_for_each_gpu(recipe, ["--task", "toy"])
    assert started == [launch_command(3, ["--task", "toy"])]
    assert started[0][-5:] == ["3", "-m", "lrcn_hub.training", "--task", "toy"]
    run_module.start_a_process_for_each_gpu(make_recipe("--use_cpu"), [])
    monkeypatch.setenv("RANK", "0")
    run_module.start_a_process_for_each_gpu(recipe, [])
    assert len(started) == 1


def test_run_gives_folder_and_metrics(toy_task, make_recipe, tmp_path):
    result = run(toy_task, make_recipe("--output_dir", tmp_path / "r", "--final_splits", "test"))
    assert result.folder == tmp_path / "r"
    assert result.metrics.keys() == {"test"}
    assert result.metrics["test"]["answers"] == 5


def test_an_output_folder_that_cannot_be_made_is_noticed_before_the_data_are_read(known_task, tmp_path, monkeypatch):
    monkeypatch.setattr(type(known_task), "load_tables", lambda *_: pytest.fail("the data were read"))
    (tmp_path / "letter").write_text("Dear aunt,")
    words = ["--task", "toy", "--use_cpu", "--output_dir"]
    with pytest.raises(NotADirectoryError, match=f"{tmp_path}/letter is a file; choose another --output_dir"):
        main([*words, str(tmp_path / "letter/model/first")])
    rights = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path and rights(path, mode))  # root may write all
    with pytest.raises(PermissionError, match=f"no right to write in {tmp_path}; choose another"):
        main([*words, str(tmp_path / "models/first")])
    assert [path.name for path in tmp_path.iterdir()] == ["letter"]


class Trap:
    """Makes a folder when it is unpickled."""

    def __init__(self, folder):
        self.folder = str(folder)

    def __reduce__(self):
        return os.mkdir, (self.folder,)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth"])
def test_a_checkpoint_that_holds_code_is_refused_and_not_run(name, train, tmp_path):
    words = ["--max_steps", "4", "--save_steps", "2", "--eval_steps", "2"]
    result, _ = train(*words)
    unfinish(result.folder)
    shutil.rmtree(result.folder / "checkpoint-4")
    folder = result.folder / "checkpoint-2"
    torch.save({"state": Trap(tmp_path / "sprung")}, folder / name)
    os.replace(folder, partial := result.folder / "partial")
    (partial / checkpoints.MANIFEST).unlink()
    checkpoints.seal(partial, folder, processes=1)
    with pytest.raises(ValueError, match="checkpoint-2 is no checkpoint of ours: it holds more than numbers"):
        train(*words)
    assert not (tmp_path / "sprung").exists()
