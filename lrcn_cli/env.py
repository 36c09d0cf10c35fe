"""``lrcn env``: what a bug report should say. Whatever is missing is reported as missing."""

import dataclasses
import json
import platform
import shutil
import subprocess
from importlib import metadata
from typing import Any

from lrcn_cli.command import command_parser
from lrcn_cli.plugins import describe, installed_plugins

PACKAGES = [
    "lrcn-hub",
    "torch",
    "torchvision",
    "transformers",
    "accelerate",
    "datasets",
    "timm",
    "tokenizers",
    "safetensors",
    "huggingface-hub",
    "numpy",
    "pillow",
    "pluggy",
    "torchcodec",
    "av",
]  # the last two read video; av is PyAV

EXAMPLES = """
lrcn env
lrcn env --json
"""


def main(argv: list[str]) -> int:
    """Show the surroundings; never fails because something is missing."""
    parser = command_parser("env", examples=EXAMPLES)
    parser.add_argument("--json", action="store_true", help="print one object")
    arguments = parser.parse_args(argv)
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in PACKAGES},
        "ffmpeg": _ffmpeg(),
        "devices": _devices(),
    }
    try:
        records = installed_plugins()
        lines = [describe(record) for record in records]
        facts["plugins"] = [dataclasses.asdict(record) for record in records]
    except Exception as error:  # such as a broken transformers: to be reported, not to fail of
        lines = [f"cannot be listed: {type(error).__name__}: {error}"]
        facts["plugins"], facts["plugins_error"] = [], lines[0]
    if arguments.json:
        print(json.dumps(facts, indent=2))
    else:
        _show(facts, lines)
    return 0


def _show(facts: dict[str, Any], plugin_lines: list[str]) -> None:
    for name in ("python", "platform"):
        print(f"{name:<17}{facts[name]}")
    for name, version in facts["packages"].items():
        print(f"{name:<17}{version or 'not installed'}")
    print(f"{'ffmpeg':<17}{facts['ffmpeg'] or 'not found'}")
    for device in facts["devices"]:
        print(f"{'device':<17}{device}")
    for line in plugin_lines:
        print(f"{'plugin':<17}{line}")


def _version(distribution: str) -> str | None:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return None


def _ffmpeg() -> str | None:
    """The first line of ``ffmpeg -version``, such as ``ffmpeg version 7.1 Copyright ...``."""
    program = shutil.which("ffmpeg")
    if program is None:
        return None
    answer = subprocess.run([program, "-version"], capture_output=True, text=True, check=False)
    return answer.stdout.partition("\n")[0] or f"{program} does not run"


def _devices() -> list[str]:
    try:
        import torch
    except Exception as error:  # a torch that cannot load its libraries raises more than ImportError
        return [f"unknown, torch cannot be imported: {type(error).__name__}: {error}"]
    devices = [f"cpu ({torch.get_num_threads()} threads)"]
    devices += [f"cuda:{i} {torch.cuda.get_device_name(i)}" for i in range(torch.cuda.device_count())]
    if torch.backends.mps.is_available():
        devices.append("mps")
    return devices
