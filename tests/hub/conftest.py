"""The Hub's stand-in, and clients of it: in this process, or in one of their own as a user has it."""

import os
import subprocess
import sys
from pathlib import Path

import huggingface_hub
import pytest
import torch
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))  # the stand-in's modules lie beside this file

from stand_in import Hub

ROOT = Path(__file__).parents[2]


@pytest.fixture
def hub(tmp_path):
    hub = Hub(tmp_path / "hub")
    yield hub
    hub.close()


@pytest.fixture
def client(hub, tmp_path, monkeypatch):
    """Make huggingface_hub talk to the stand-in in this process, as a user who may write.

    It waits for nothing between its attempts; gives the seconds that it would have waited.
    """
    for name, value in {
        "ENDPOINT": hub.url,
        "HUGGINGFACE_CO_URL_TEMPLATE": hub.url + "/{repo_id}/resolve/{revision}/{filename}",
        "HF_HUB_CACHE": str(tmp_path / "cache"),
        "HF_HUB_OFFLINE": False,
        "HF_HUB_DISABLE_XET": True,
        "HF_TOKEN_PATH": str(tmp_path / "no-token"),
    }.items():
        monkeypatch.setattr(huggingface_hub.constants, name, value)
    monkeypatch.setenv("HF_TOKEN", "hf_writer")
    waited: list[float] = []
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", waited.append)
    yield waited
    huggingface_hub.utils.close_session()


@pytest.fixture
def environment(hub, tmp_path):
    """The variables under which a process of its own talks to the stand-in, with an empty cache."""
    ours = {
        "HF_ENDPOINT": hub.url,
        "HF_TOKEN": "hf_writer",
        "HF_HOME": str(tmp_path / "home"),
        "HF_HUB_DISABLE_XET": "1",
        "HF_HUB_OFFLINE": "0",
        "TRANSFORMERS_OFFLINE": "0",
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")])),
    }
    return {**os.environ, **ours}


@pytest.fixture
def run(environment, tmp_path):
    """Run a Python program, or ``lrcn`` with arguments, in a process of its own and another folder."""

    def run(*words, program: str = "", python: str | Path = sys.executable, **variables):
        command = ["-c", program] if program else ["-m", "lrcn_cli"]
        return subprocess.run(
            [python, *command, *map(str, words)],
            cwd=tmp_path,
            env={**environment, **variables},
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )

    return run


@pytest.fixture
def make_model(tmp_path):
    """Write a folder that a push takes for a model; `seed` decides about its weights."""

    def make(seed: int = 0, name: str = "model", **texts: str) -> Path:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        weights = torch.randn(200, generator=torch.Generator().manual_seed(seed))
        save_file({"weights": weights}, folder / "model.safetensors", metadata={"format": "pt"})
        (folder / "config.json").write_text(f'{{"seed": {seed}}}')
        (folder / "README.md").write_text(f"---\nlicense: apache-2.0\ntags: [seed-{seed}]\n---\n# Model {seed}\n")
        for file, text in texts.items():
            (folder / file).write_text(text)
        return folder

    return make
