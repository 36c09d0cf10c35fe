"""``lrcn plugins``, ``lrcn tasks`` and ``lrcn env``, whatever the plugins do."""

import json
import subprocess
import sys

import pytest

from lrcn_cli import env


def test_plugins_are_listed_with_every_one_of_them_broken(lrcn, broken_plugins):
    answer = lrcn("plugins", "--json", **broken_plugins)
    assert answer.returncode == 0, answer.stderr
    records = {record["name"]: record for record in json.loads(answer.stdout)}
    states = {name: records[name]["state"] for name in broken_plugins["LRCN_PLUGINS"].split(",")}
    assert states == {"raises": "broken", "exits": "broken", "misspells": "broken", "newer": "incompatible"}
    assert all(record["state"] == "disabled" for name, record in records.items() if name not in states)
    assert records["raises"]["distribution"] == "lrcn-test-raises"
    assert records["raises"]["reason"] == "import fails: RuntimeError: out of order"
    assert "lrcn_test_raises.py" in records["raises"]["traceback"]
    assert "did you mean 'register_tasks'?" in records["misspells"]["reason"]


def test_plugins_are_listed_for_people_and_checked_on_demand(lrcn, broken_plugins):
    checked = lrcn("plugins", "--check", **broken_plugins)
    (line,) = [line for line in checked.stdout.splitlines() if "lrcn-test-exits" in line]
    assert line.split()[:2] == ["broken", "exits"]
    assert "SystemExit: 0" in line
    assert checked.returncode == 1
    assert "Traceback" in checked.stdout


def test_no_task_is_no_failure_and_says_where_to_look(lrcn, broken_plugins):
    answer = lrcn("tasks", "--json", **broken_plugins)
    assert (answer.returncode, json.loads(answer.stdout)) == (0, [])
    assert "no task can be used; `lrcn plugins` says why" in answer.stderr
    assert "out of order" in answer.stderr


def test_a_plugin_that_is_not_installed_is_named(lrcn):
    answer = lrcn("plugins", LRCN_PLUGINS="captionin")
    assert answer.returncode == 1
    assert "error: LRCN_PLUGINS='captionin': no plugin 'captionin'; installed are: " in answer.stderr


def test_training_an_unknown_task_says_which_plugin_failed(lrcn, broken_plugins):
    answer = lrcn("train", "--task", "captioning", **broken_plugins)
    assert answer.returncode == 1
    assert "lrcn train: error: no task 'captioning'" in answer.stderr
    assert "out of order" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_the_surroundings_are_shown_with_every_plugin_broken(lrcn, broken_plugins):
    answer = lrcn("env", "--json", **broken_plugins)
    assert answer.returncode == 0, answer.stderr
    facts = json.loads(answer.stdout)
    assert facts["python"] == ".".join(map(str, sys.version_info[:3]))
    assert facts["packages"]["torch"][0].isdigit()
    assert facts["devices"][0].startswith("cpu")
    assert {"raises", "exits"} <= {plugin["name"] for plugin in facts["plugins"]}


@pytest.mark.parametrize("missing", ["torch", "transformers", "pluggy"])
def test_the_surroundings_are_shown_without_what_is_missing(missing):
    script = f"import sys; sys.modules[{missing!r}] = None; import lrcn_cli; sys.exit(lrcn_cli.main(['env']))"
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "plugin           cannot be listed: " in answer.stdout
    assert ("unknown, torch cannot be imported" in answer.stdout) == (missing == "torch")


def test_a_package_that_is_not_there_is_said_to_be_so(monkeypatch, capsys):
    monkeypatch.setattr(env, "PACKAGES", ["no-such-package", "pluggy"])
    monkeypatch.setattr(env, "installed_plugins", list)
    monkeypatch.setenv("PATH", "")
    assert env.main([]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "no-such-package  not installed" in lines
    assert "ffmpeg           not found" in lines
