"""Runs in processes of their own: killed by SIGKILL at a batch and within a save, several at once, launched."""

import hashlib
import json
import signal
from pathlib import Path

import pytest

# Three updates an epoch: the second checkpoint lies within the second epoch, the third at the end of one.
WORDS = [
    *("--max_steps", 8, "--eval_steps", 2, "--save_steps", 2, "--gradient_accumulation_steps", 2),
    *("--training.learning_rate", 0.1, "--early_stopping_patience", 9, "--evaluation.sample", "--data.noise", 0.3),
]


def weights_hash(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def names(folder):
    return {path.name for path in folder.iterdir()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "words"),
    [(1, []), (2, ["--per_device_train_batch_size", 2])],
    ids=["one process", "two processes"],
)
def test_a_killed_run_goes_on_to_the_same_bits(toy_program, tmp_path, processes, words):
    def start(name, kill=""):
        folder = tmp_path / name
        return folder, toy_program("--output_dir", folder, *WORDS, *words, processes=processes, kill=kill)

    whole, process = start("whole")
    assert process.returncode == 0, process.stderr
    assert f"{processes} process" in process.stderr

    killed, process = start("killed", "batch:10")
    assert process.returncode == (-signal.SIGKILL if processes == 1 else 1)
    assert "checkpoint-4" in names(killed)
    assert "model.safetensors" not in names(killed)

    killed, process = start("killed", "save:1")  # the process dies within the save of step 6
    assert process.returncode != 0
    assert {"checkpoint-4", ".checkpoint-6.partial"} <= names(killed)
    assert "checkpoint-6" not in names(killed)

    killed, process = start("killed", "batch:2")
    assert ".checkpoint-6.partial was not finished" in process.stderr
    assert "resuming from" in process.stderr
    killed, process = start("killed")
    assert process.returncode == 0, process.stderr

    assert weights_hash(killed) == weights_hash(whole)
    assert json.loads((killed / "metrics.json").read_text()) == json.loads((whole / "metrics.json").read_text())


@pytest.mark.slow
@pytest.mark.parametrize("objective", ["likelihood", "in-parts"])
def test_two_processes_are_one_with_twice_the_batch(toy_program, train, tmp_path, objective):
    words = ["--optim", "sgd", "--max_grad_norm", 0, "--model.dropout", 0, "--rows", 24, "--validation_rows", 7]
    words += ["--max_steps", 8, "--training.learning_rate", 0.1, "--per_device_eval_batch_size", 3]
    words += ["--objective", objective]
    result, one = train(*words, "--per_device_train_batch_size", 8)
    words += ["--output_dir", tmp_path / "two", "--per_device_train_batch_size", 4]
    process = toy_program(*words, processes=2)
    assert process.returncode == 0, process.stderr

    from safetensors.torch import load_file

    two = load_file(tmp_path / "two" / "model.safetensors")
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 1e-6
    for split, rows in (("validation", 7), ("test", 5)):
        answers = [folder / "evaluation" / split / "predictions.jsonl" for folder in (result.folder, tmp_path / "two")]
        assert answers[0].read_text() == answers[1].read_text()
        assert len(answers[1].read_text().splitlines()) == rows


@pytest.mark.slow
def test_a_frozen_part_does_not_stop_two_processes(toy_program, tmp_path):
    process = toy_program("--output_dir", tmp_path / "run", "--frozen", processes=2)
    assert process.returncode == 0, process.stderr
    assert "find_unused_parameters" not in process.stderr


@pytest.mark.slow
def test_the_accelerate_configuration_starts_a_run_as_it_stands(toy_program, tmp_path):
    config = Path(__file__).parents[2] / "accelerate_config.yaml"
    launcher = ("-m", "accelerate.commands.launch", "--config_file", config)
    process = toy_program("--output_dir", tmp_path / "run", launcher=launcher)
    assert process.returncode == 0, process.stderr
    assert process.stderr.startswith("1 process, device ")
    assert (tmp_path / "run" / "model.safetensors").is_file()
