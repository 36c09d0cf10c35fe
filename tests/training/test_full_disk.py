"""A disk that fills up in a save: a clear error, nothing lost, and the same command succeeds once there is room."""

import errno
import resource
import subprocess

import pytest
import torch

from lrcn_hub.publishing import folders

WORDS = ["--hidden_size", 20_000, "--load_best_model_at_end", "false"]


@pytest.fixture
def small_disk(tmp_path):
    """A file system of its own with room for two checkpoints of the model (about 4.1 MB each) and half a third."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=10M", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except FileNotFoundError:
        mounted = False
    if not mounted:
        pytest.skip("mounting a small file system is not allowed here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_named_and_the_run_goes_on_once_there_is_room(small_disk, train, monkeypatch):
    words = [*WORDS, "--save_steps", 2, "--eval_steps", 2, "--output_dir", small_disk / "run", "--save_total_limit", 3]
    with pytest.raises(OSError, match=r"no room for .*checkpoint-6: about [\d,]+ bytes are needed") as error:
        train(*words)
    assert error.value.errno == errno.ENOSPC
    present = sorted(path.name for path in (small_disk / "run").iterdir())
    assert present == ["checkpoint-2", "checkpoint-4", "recipe.yaml", "versions.json"]
    subprocess.run(["mount", "-o", "remount,size=64M", str(small_disk)], check=True)
    _, resumed = train(*words)
    _, whole = train(*words, "--output_dir", small_disk.parent / "whole")
    assert all(torch.equal(resumed[name], whole[name]) for name in whole)


def test_the_disk_may_fill_while_a_checkpoint_is_written(small_disk, train, monkeypatch):
    """Room seems to be enough beforehand: the libraries' own errors are what is met."""
    real = folders._free_bytes
    answers = iter([10**12] * 4)  # text files and checkpoints, each looked at before it is written
    monkeypatch.setattr(folders, "_free_bytes", lambda folder: next(answers, real(folder)))
    words = [*WORDS, "--save_steps", 2, "--eval_steps", 2, "--output_dir", small_disk / "run", "--save_total_limit", 3]
    with pytest.raises(OSError, match="no room for") as error:
        train(*words)
    assert error.value.errno == errno.ENOSPC
    assert not [path for path in (small_disk / "run").iterdir() if folders.is_partial(path)]


@pytest.mark.parametrize("limit", [1_000, 8_000, 700_000, 1_800_000])
def test_a_file_that_cannot_grow_is_a_full_disk_too(train, tmp_path, limit):
    train("--hidden_size", 20_000, "--max_steps", 1, folder="warm")  # what is imported meanwhile is written elsewhere
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        with pytest.raises(OSError, match="no room for"):
            train(*WORDS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    train(*WORDS)
