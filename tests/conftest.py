"""What tests of several folders need."""

import random
import sys
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import settings

# The same examples in every run; `pytest --hypothesis-profile default` goes looking for others.
settings.register_profile("repeated", derandomize=True)
settings.load_profile("repeated")


@pytest.fixture(scope="session")
def bare_python(tmp_path_factory):
    """An environment with everything that is installed here but this project."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=False)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    packages = folder / "lib" / version / "site-packages"
    for path in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for installed in Path(path).iterdir():
            if not installed.name.startswith(("lrcn_", "__editable__")) and installed.suffix != ".pth":
                (packages / installed.name).symlink_to(installed)
    return folder / "bin" / "python"


@pytest.fixture(autouse=True)
def _the_same_random_numbers():
    """What a test draws without a seed of its own is the same in every run."""
    random.seed(0)
    np.random.seed(0)
    torch.manual_seed(0)
