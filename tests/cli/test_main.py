"""What every command has in common: help at once, exit codes that tell, errors of one line."""

import subprocess
import sys

import pytest

import lrcn_cli
from lrcn_cli import COMMANDS, main

HEAVY = ("torch", "transformers", "lrcn_hub", "datasets", "accelerate", "numpy", "PIL")


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *([command, "--help"] for command in COMMANDS)])
def test_help_and_version_import_nothing_heavy(arguments):
    script = f"""
import sys
from lrcn_cli import main
try:
    code = main({arguments!r})
except SystemExit as end:
    code = end.code
assert code in (0, None), code
print("imported:", sorted(set({HEAVY!r}) & set(sys.modules)))
"""
    answer = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "imported: []"


@pytest.mark.parametrize("arguments", [["--help"], ["caption", "--help"]])
def test_help_and_version_do_without_any_working_plugin(lrcn, broken_plugins, arguments):
    answer = lrcn(*arguments, **broken_plugins)
    assert (answer.returncode, answer.stderr) == (0, "")


def test_help_names_every_command_and_the_exit_codes(capsys):
    with pytest.raises(SystemExit) as end:
        main(["--help"])
    assert end.value.code == 0
    text = capsys.readouterr().out
    assert all(f"\n  {command} " in text for command in COMMANDS)
    assert "exit codes: 0 done, 1 failed, 2 wrong usage, 130 interrupted" in text


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_each_command_has_an_example(command, capsys):
    try:
        main([command, "--help"])
    except SystemExit as end:
        assert end.code == 0
    text = capsys.readouterr().out
    assert f"\nexamples:\n  lrcn {command}" in text


def test_the_version_is_that_of_the_distribution(capsys):
    with pytest.raises(SystemExit):
        main(["--version"])
    assert capsys.readouterr().out == f"lrcn-hub {lrcn_cli._version()}\n"


@pytest.mark.parametrize("arguments", [[], ["train"], ["evaluate"]])
def test_a_missing_command_or_argument_shows_how_to_use_it(arguments, capsys):
    assert main(arguments) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("usage: lrcn")


@pytest.mark.parametrize("arguments", [["trian"], ["caption"], ["caption", "photo.jpg"], ["tasks", "--jsno"]])
def test_wrong_usage_ends_with_2(arguments, capsys):
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert "usage: lrcn" in capsys.readouterr().err


@pytest.fixture
def failing(monkeypatch):
    """Make ``lrcn tasks`` end with an exception."""

    def fail_with(error):
        def run(argv):
            raise error

        monkeypatch.setattr("lrcn_cli.tasks.main", run)

    return fail_with


@pytest.mark.parametrize(
    "error", [ValueError("no task 'x'"), FileNotFoundError("no task 'x'"), ImportError("no task 'x'")]
)
def test_an_expected_failure_is_one_line_and_1(failing, error, capsys):
    failing(error)
    assert main(["tasks"]) == 1
    assert capsys.readouterr().err == "lrcn tasks: error: no task 'x'\n"


@pytest.mark.parametrize("arguments", [["--debug", "tasks"], ["tasks", "--debug"]])
def test_debug_shows_the_traceback_too(failing, arguments, capsys):
    failing(ValueError("no task 'x'"))
    assert main(arguments) == 1
    text = capsys.readouterr().err
    assert "Traceback" in text
    assert text.endswith("lrcn tasks: error: no task 'x'\n")


def test_a_fault_of_ours_keeps_its_traceback(failing):
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        main(["tasks"])


def test_an_interrupt_ends_with_130(failing, capsys):
    failing(KeyboardInterrupt())
    assert main(["tasks"]) == 130
    assert capsys.readouterr().err == "lrcn tasks: interrupted\n"


def test_a_reader_that_has_seen_enough_is_no_error():
    script = """
import lrcn_cli, lrcn_cli.tasks, sys
lrcn_cli.tasks.main = lambda argv: print("x" * 1_000_000) or 0
sys.exit(lrcn_cli.main(["tasks"]))
"""
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.read(10)
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait() == 1
