import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def lrcn():
    """Run ``lrcn`` as a user does, in a process of its own."""

    def run(*arguments, **variables):
        environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **variables}
        path = [variables.get("PYTHONPATH", ""), str(ROOT), os.environ.get("PYTHONPATH", "")]
        environment["PYTHONPATH"] = os.pathsep.join(filter(None, path))
        command = [sys.executable, "-m", "lrcn_cli", *map(str, arguments)]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    return run


@pytest.fixture
def broken_plugins(tmp_path):
    """Distributions that do what a plugin must not, and the variables under which they are all there is."""
    sources = {
        "raises": "raise RuntimeError('out of order')",
        "exits": "import sys\nprint('goodbye')\nsys.exit(0)",
        "misspells": "from lrcn_hub import hookimpl\n@hookimpl\ndef register_task(register): ...",
        "newer": "from lrcn_hub import hookimpl\nLRCN_HUB_CONTRACT = '>=7'\n@hookimpl\ndef evaluated(): ...",
    }
    for name, source in sources.items():
        (tmp_path / f"lrcn_test_{name}.py").write_text(source, encoding="utf-8")
        info = tmp_path / f"lrcn_test_{name}-3.1.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: lrcn-test-{name}\nVersion: 3.1\n")
        (info / "entry_points.txt").write_text(f"[lrcn_hub]\n{name} = lrcn_test_{name}\n")
    return {"PYTHONPATH": str(tmp_path), "LRCN_PLUGINS": ",".join(sources)}
