import errno
import shutil
from collections import namedtuple

import pytest
from safetensors import SafetensorError

from lrcn_hub.publishing.folders import full_disk_named, is_partial, partial_folder, remove, write_text

Usage = namedtuple("Usage", "total used free")


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOSPC, "No space left on device"),
        OSError(errno.EDQUOT, "Disk quota exceeded"),
        SafetensorError("Error while serializing: I/O error: No space left on device (os error 28)"),
        RuntimeError("[enforce fail at inline_container.cc:671] . unexpected pos 962240 vs 962128"),
    ],
)
def test_whatever_reports_a_full_disk_becomes_one_clear_error(tmp_path, error):
    message = r"no room for .*model: about 1,234 bytes are needed, [\d,]+ are free"
    with pytest.raises(OSError, match=message) as raised, full_disk_named(tmp_path / "model", 1234):
        raise error
    assert raised.value.errno == errno.ENOSPC
    assert raised.value.__cause__ is error


@pytest.mark.parametrize("error", [ValueError("shape"), OSError(errno.EACCES, "denied"), RuntimeError("CUDA")])
def test_other_errors_pass_unchanged(tmp_path, error):
    with pytest.raises(type(error)) as raised, full_disk_named(tmp_path, 1):
        raise error
    assert raised.value is error


def test_too_little_room_is_told_before_anything_is_written(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100, 95, 5))
    message = "about 6 bytes are needed, 5 are free; make room and try again"
    with pytest.raises(OSError, match=message), full_disk_named(tmp_path / "not" / "yet" / "there", 6):
        pytest.fail("it was tried nevertheless")
    with full_disk_named(tmp_path, 5):
        pass


def test_a_text_file_is_whole_or_as_it_was(tmp_path, monkeypatch):
    file = tmp_path / "a.txt"
    write_text(file, "ü1")
    write_text(file, "ü2")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: Usage(100, 100, 0))
    with pytest.raises(OSError, match="no room"):
        write_text(file, "ü3")
    assert file.read_text(encoding="utf-8") == "ü2"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_a_partial_folder_is_known_by_its_name(tmp_path):
    partial = partial_folder(tmp_path / "checkpoint-4")
    assert partial.parent == tmp_path
    assert is_partial(partial)
    assert not is_partial(tmp_path / "checkpoint-4")
    (partial / "deep").mkdir(parents=True)
    remove(partial)
    remove(partial)
    assert not partial.exists()
