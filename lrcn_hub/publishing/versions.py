"""What a run was made with: the versions that stand beside its weights."""

from __future__ import annotations

import platform
import subprocess
from importlib import metadata
from pathlib import Path
from typing import Any

PACKAGES = (
    "lrcn-hub",
    "accelerate",
    "datasets",
    "numpy",
    "pillow",
    "safetensors",
    "timm",
    "tokenizers",
    "torch",
    "torchvision",
    "transformers",
)


def collect_versions() -> dict[str, Any]:
    """Give the versions of Python, the libraries and the plugins in use, and the commit where this is a checkout."""
    from lrcn_hub.plugins import plugin_records

    plugins = {r.name: f"{r.distribution} {r.version}" for r in plugin_records() if r.state == "ok"}
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := _version(name))},
        "plugins": plugins,
        "commit": _commit(Path(__file__).parent),
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit(folder: Path) -> str | None:
    """Give the commit checked out around `folder`, with ``+`` if tracked files differ; none if it is not tracked."""
    if not _git(folder, "ls-files", "--", "."):
        return None
    commit = _git(folder, "rev-parse", "HEAD")
    return f"{commit}+" if commit and _git(folder, "status", "--porcelain", "--untracked-files=no") else commit


def _git(folder: Path, *words: str) -> str | None:
    try:
        answer = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=False)
    except OSError:  # no git here
        return None
    return answer.stdout.strip() or None if answer.returncode == 0 else None
