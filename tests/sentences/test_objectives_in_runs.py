"""Objectives that draw sentences, in whole runs: killed, resumed, and on two processes."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

RECIPE = {
    "task": "captioning",
    "data": {
        "moving_shapes": {"train": 12, "validation": 4, "test": 4, "picture_size": 32},
        "max_length": 8,
        "augment": False,
    },
    "model": {
        "wiring": "1u",
        "embedding_size": 8,
        "hidden_size": 12,
        "backbone": "test_resnet",
        "feature": "grid",
        "image_size": 32,
        "min_count": 1,
        "train_backbone": "frozen",
        "initializer_range": 0.5,
    },
    "training": {
        "use_cpu": True,
        "disable_tqdm": True,
        "learning_rate": 0.1,
        "max_grad_norm": 0,
        "optim": "sgd",
        "max_steps": 6,
        "load_best_model_at_end": False,
        "eval_steps": 2,
        "save_steps": 2,
        "per_device_train_batch_size": 4,
    },
}
# A process that dies after its fourth step, between two checkpoints.
DYING = """
import os, signal, sys
from lrcn_hub.training.trainer import LrcnTrainer
step, steps = LrcnTrainer.training_step, []
def die(self, *args, **kwargs):
    steps.append(1)
    if len(steps) > 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return step(self, *args, **kwargs)
LrcnTrainer.training_step = die
from lrcn_hub.training import main
sys.exit(main())
"""


@pytest.fixture
def train(tmp_path):
    """Train by the recipe in processes of their own; gives the folder of the run."""

    def train(name, *words, processes=1, dies=False):
        recipe = tmp_path / "recipe.yaml"
        recipe.write_text(json.dumps(RECIPE), encoding="utf-8")
        program = ["-c", DYING] if dies else ["-m", "lrcn_hub.training"]
        if processes > 1:
            launcher = ["torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
            program = ["-m", *launcher, "-m", "lrcn_hub.training"]
        command = [sys.executable, *program, "--recipe", recipe, "--training.output_dir", tmp_path / name, *words]
        paths = os.pathsep.join([str(Path(__file__).parents[2]), *filter(None, [os.environ.get("PYTHONPATH")])])
        environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": paths}
        command = [str(word) for word in command]
        process = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=300)
        assert (process.returncode == 0) is not dies, process.stderr
        return tmp_path / name

    return train


def digest(folder):
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["--objective", "self-critical"], ["--objective", "scheduled-sampling", "--objective.own_words", "1"]],
    ids=lambda words: words[1],
)
def test_a_killed_run_goes_on_to_the_same_bits(train, words):
    whole = train("whole", *words)
    killed = train("killed", *words, dies=True)
    assert (killed / "checkpoint-2").is_dir() and not (killed / "model.safetensors").exists()
    assert digest(train("killed", *words)) == digest(whole)
    plain = train("plain", "--objective", "likelihood")
    assert digest(plain) != digest(whole)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        ["--objective", "self-critical", "--objective.likelihood_weight", "0.5"],
        ["--objective", "self-critical", "--objective.baseline", "greedy", "--train_backbone", "last-layer"],
        ["--objective", "scheduled-sampling", "--objective.own_words", "0.9"],
    ],
    ids=lambda words: words[1],
)
def test_two_processes_are_one_with_twice_the_batch(train, words):
    one = load_file(train("one", *words) / "model.safetensors")
    two = load_file(train("two", *words, "--per_device_train_batch_size", "2", processes=2) / "model.safetensors")
    assert max((one[name] - two[name]).abs().max().item() for name in one) < 1e-5
