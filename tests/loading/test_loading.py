"""What docs/loading.md promises, each time in a new process: folders load with lrcn_hub, and without it."""

import re
import shutil
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from lrcn_cli import main

LOAD = Path(__file__).parent / "load_folders.py"
PAGE = Path(__file__).parents[2] / "docs" / "loading.md"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def saved_again(process, folders):
    """The captioner after loading and saving it with lrcn_hub."""
    said = process(LOAD, "installed", folders / "caffenet", folders / "again", folders / "captioner")
    return folders / "again", said


@pytest.fixture(scope="module")
def saved_again_without(without_package, folders, saved_again):
    """The captioner after loading and saving it where there is no lrcn_hub."""
    captioners = (folders / "captioner", saved_again[0])
    said = without_package(LOAD, "remote", folders / "caffenet", folders / "without", *captioners)
    return folders / "without", said


def test_with_the_package_folders_load_without_a_question_or_a_word(saved_again):
    _, said = saved_again
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_without_the_package_folders_load_by_their_own_code_and_only_with_the_flag(saved_again_without):
    _, said = saved_again_without
    assert (said.returncode, said.stderr) == (0, "")


def test_what_was_saved_without_the_package_loads_with_it(process, folders, saved_again_without):
    said = process(LOAD, "installed", folders / "caffenet", folders / "thrice", saved_again_without[0])
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


def test_the_pages_lines_do_what_they_say(process, without_package, folders, tmp_path, monkeypatch):
    shutil.copytree(folders / "captioner", tmp_path / "my-captioner")
    photo = load_file(folders / "answers.safetensors")["photos"][0]
    Image.fromarray(photo.permute(1, 2, 0).numpy()).save(tmp_path / "photo.png")
    with_package, without = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    said = process("-c", with_package, folder=tmp_path)
    assert (said.returncode, said.stderr) == (0, "")
    assert len(said.stdout.splitlines()) == 2
    said_without = without_package("-c", without, folder=tmp_path)
    assert (said_without.returncode, said_without.stdout) == (0, said.stdout), said_without.stderr
    monkeypatch.chdir(tmp_path)
    for line in re.findall(r"^lrcn (.*)$", PAGE.read_text(encoding="utf-8"), re.MULTILINE):
        assert main(line.split()) == 0
