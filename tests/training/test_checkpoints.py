import logging

import pytest

from lrcn_hub.publishing.folders import partial_folder
from lrcn_hub.training.checkpoints import (
    checkpoint_folder,
    checkpoints,
    fault,
    newest_sound_checkpoint,
    processes_of,
    rotate,
    seal,
)


def make_checkpoint(run, step, content="weights"):
    folder = checkpoint_folder(run, step)
    partial = partial_folder(folder)
    partial.mkdir()
    (partial / "model.safetensors").write_text(content)
    (partial / "trainer_state.json").write_text("{}")
    seal(partial, folder, processes=2)
    return folder


def test_a_sealed_checkpoint_is_sound(tmp_path):
    folder = make_checkpoint(tmp_path, 5)
    assert fault(folder) is None
    assert processes_of(folder) == 2
    assert newest_sound_checkpoint(tmp_path) == folder
    assert [path.name for path in tmp_path.iterdir()] == ["checkpoint-5"]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda f: (f / "model.safetensors").write_text("weight"), "model.safetensors is not as it was written"),
        (lambda f: (f / "model.safetensors").write_text("weighty"), "model.safetensors is not as it was written"),
        (lambda f: (f / "trainer_state.json").unlink(), "trainer_state.json is missing"),
        (lambda f: (f / "manifest.json").unlink(), "no readable manifest"),
        (lambda f: (f / "manifest.json").write_text('{"files"'), "no readable manifest"),
    ],
)
def test_a_torn_checkpoint_is_set_aside_by_name_and_the_one_before_it_used(tmp_path, caplog, damage, reason):
    before, torn = make_checkpoint(tmp_path, 9), make_checkpoint(tmp_path, 10)
    damage(torn)
    with caplog.at_level(logging.WARNING):
        assert newest_sound_checkpoint(tmp_path) == before
    assert f"{torn} is torn: {reason}" in caplog.text or (reason in caplog.text and str(torn) in caplog.text)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-9", "torn-checkpoint-10"]


def test_what_a_killed_save_left_is_deleted_by_name(tmp_path, caplog):
    sound = make_checkpoint(tmp_path, 3)
    left = partial_folder(checkpoint_folder(tmp_path, 4))
    left.mkdir()
    (left / "model.safetensors").write_text("half")
    with caplog.at_level(logging.WARNING):
        assert newest_sound_checkpoint(tmp_path) == sound
    assert str(left) in caplog.text
    assert not left.exists()


def test_there_is_none_in_a_new_folder(tmp_path):
    assert newest_sound_checkpoint(tmp_path) is None
    assert newest_sound_checkpoint(tmp_path / "new") is None


def test_rotation_keeps_the_newest_and_the_best(tmp_path):
    for step in (2, 4, 6, 8, 10):
        make_checkpoint(tmp_path, step)
    (tmp_path / "checkpoint-notes").mkdir()
    rotate(tmp_path, None, best_step=None)
    assert len(checkpoints(tmp_path)) == 5
    rotate(tmp_path, 2, best_step=4)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-4", "checkpoint-10"]
    rotate(tmp_path, 2, best_step=10)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-4", "checkpoint-10"]
    make_checkpoint(tmp_path, 12)
    rotate(tmp_path, 2, best_step=12)
    assert [path.name for path in checkpoints(tmp_path)] == ["checkpoint-10", "checkpoint-12"]
