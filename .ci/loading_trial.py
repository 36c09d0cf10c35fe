"""Whether a model's folder loads in this environment with lrcn-hub and without it, whichever saved it last.

``loading_trial.py PACKAGE``: PACKAGE is a folder with lrcn-hub in it, which this environment must not have itself.
"""

import importlib.util
import os
import platform
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "tests" / "loading"


def run(script: str, *arguments: str | Path, package: Path | None = None) -> None:
    """Run one of the scripts; it may say nothing, except when it is asked to trust."""
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
        "HF_HOME": str(Path("home")),
    }
    environment["PYTHONPATH"] = str(package) if package else ""
    command = [sys.executable, "-W", "error", str(SCRIPTS / script), *map(str, arguments)]
    said = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    if said.returncode or said.stderr or (package and said.stdout):
        sys.exit(f"{' '.join(command)}\n{said.stdout}\n{said.stderr}\nexit code {said.returncode}")


def main(package: str) -> None:
    assert importlib.util.find_spec("lrcn_hub") is None, "lrcn-hub is installed here"
    installed = Path(package).resolve()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        run("make_folders.py", "captioner", "caffenet", package=installed)
        run("load_folders.py", "installed", "caffenet", "again", "captioner", package=installed)
        run("load_folders.py", "remote", "caffenet", "without", "captioner", "again")
        run("load_folders.py", "installed", "caffenet", "thrice", "without", package=installed)
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("transformers", "torch"))
    print(f"Python {platform.python_version()}, {versions}: folders load with lrcn-hub and without it")


if __name__ == "__main__":
    main(*sys.argv[1:])
