"""The promise of docs/loading.md, each time in a new process: folders load with lrcn_hub, and without it."""

from pathlib import Path

import pytest

LOAD = Path(__file__).parent / "load_folders.py"


@pytest.fixture(scope="session")
def saved_again_without(without_package, folders):
    """The captioner after loading and saving it where there is no lrcn_hub, and what that process said."""
    again = folders / "saved-again-without"
    said = without_package(LOAD, "remote", folders / "caffenet", again, folders / "captioner")
    assert said.returncode == 0, said.stderr
    return again, said


@pytest.mark.slow
def test_without_the_package_folders_load_by_their_own_code_and_only_with_the_flag(saved_again_without):
    _, said = saved_again_without
    assert said.stderr == ""


@pytest.mark.slow
def test_with_the_package_folders_load_without_a_question_or_a_word(process, folders, saved_again_without):
    captioners = (folders / "captioner", saved_again_without[0])
    said = process(LOAD, "installed", folders / "caffenet", folders / "saved-again", *captioners)
    assert (said.returncode, said.stdout, said.stderr) == (0, "", "")


@pytest.mark.slow
def test_what_the_package_saves_again_loads_without_it(process, without_package, folders, tmp_path):
    load = "import sys, lrcn_hub; from transformers import AutoModel, AutoProcessor\n"
    save = "for auto in (AutoModel, AutoProcessor): auto.from_pretrained(sys.argv[1]).save_pretrained(sys.argv[2])"
    said = process("-c", load + save, folders / "captioner", tmp_path / "again")
    assert said.returncode == 0, said.stderr
    said = without_package(LOAD, "remote", folders / "caffenet", tmp_path / "thrice", tmp_path / "again")
    assert said.returncode == 0, said.stderr
