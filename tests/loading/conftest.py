import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def process(tmp_path_factory):
    """Run a Python in a folder of its own, with its own cache of the Hub and no network; warnings are errors."""

    def run(*arguments, python=sys.executable, folder=None, **variables):
        home = tmp_path_factory.mktemp("home")
        environment = {**os.environ, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **variables}
        environment["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
        command = [python, "-W", "error", *map(str, arguments)]
        streams = {"stdin": subprocess.DEVNULL, "capture_output": True}
        return subprocess.run(command, env=environment, cwd=folder or home, text=True, check=False, **streams)

    return run


@pytest.fixture(scope="session")
def folders(process, tmp_path_factory):
    """A captioner and a CaffeNet as they are exported, with what they answer beside them."""
    folder = tmp_path_factory.mktemp("models")
    made = process(HERE / "make_folders.py", folder / "captioner", folder / "caffenet")
    assert made.returncode == 0, made.stderr
    return folder


@pytest.fixture(scope="session")
def without_package(process, bare_python):
    """Run a Python that has no lrcn_hub."""
    path = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    others = [entry for entry in path if not (Path(entry) / "lrcn_hub").exists()]

    def run(*arguments, folder=None):
        return process(*arguments, python=bare_python, folder=folder, PYTHONPATH=os.pathsep.join(others))

    return run
