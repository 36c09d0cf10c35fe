"""What the packages offer by name, and what pyproject.toml promises, is there."""

import importlib
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

import lrcn_hub

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES = [name for name in PROJECT["tool"]["setuptools"]["packages"] if name.startswith(("lrcn_hub", "lrcn_cli"))]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_names_a_package_offers_exist_and_are_sorted(package):
    module = importlib.import_module(package)
    names = getattr(module, "__all__", [])
    assert names == sorted(set(names))
    for name in names:
        assert getattr(module, name) is not None


def test_the_public_face_has_what_a_plugin_and_a_user_need():
    assert {"hookimpl", "Task", "LrcnCaptioningConfig", "LrcnForImageCaptioning"} <= set(lrcn_hub.__all__)


def test_the_version_is_the_installed_one():
    try:
        installed = metadata.version("lrcn-hub")
    except metadata.PackageNotFoundError:
        pytest.skip("lrcn-hub is not installed: `pip install -e .`")
    assert lrcn_hub.__version__ == installed == PROJECT["project"]["version"]


def test_scripts_and_entry_points_lead_to_what_is_really_there():
    promised = [("console_scripts", name, value) for name, value in PROJECT["project"]["scripts"].items()]
    plugins = PROJECT["project"]["entry-points"]["lrcn_hub"]
    promised += [("lrcn_hub", name, value) for name, value in plugins.items()]
    for group, name, value in promised:
        assert metadata.EntryPoint(name, value, group).load()


def test_every_package_with_code_is_shipped():
    folders = [*ROOT.glob("lrcn_*/**/"), *ROOT.glob("plugins/*/")]
    with_code = {folder for folder in folders if any(folder.glob("*.py"))}
    names = {".".join(folder.relative_to(ROOT).parts).removeprefix("plugins.") for folder in with_code}
    assert names <= set(PROJECT["tool"]["setuptools"]["packages"])


def test_every_package_that_is_shipped_has_an_init_file():
    folders = PROJECT["tool"]["setuptools"]["package-dir"]
    for package in PROJECT["tool"]["setuptools"]["packages"]:
        assert (ROOT / folders.get(package, package.replace(".", "/")) / "__init__.py").is_file(), package
