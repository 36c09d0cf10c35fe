import dataclasses
import logging
import os

import pytest

from lrcn_hub.demo.side_by_side import Job, run_side_by_side

MODULE = """
import os, pathlib, sys, time
name, steps, code = sys.argv[1:]
pathlib.Path(name + ".began").touch()
print("threads", os.environ["OMP_NUM_THREADS"])
for step in range(int(steps)):
    print({"loss": "1.0", "step": step}, flush=True)
if code == "wait":
    while True:
        time.sleep(0.05)
if code == "other":  # ends only when another process is there
    while not pathlib.Path("two.began").exists():
        time.sleep(0.05)
if code == "needs three":
    while not pathlib.Path("three.began").exists():
        time.sleep(0.05)
pathlib.Path(name + ".ended").touch()
if code == "fail":
    sys.exit("what went wrong")
"""


@pytest.fixture
def job(tmp_path, monkeypatch):
    (tmp_path / "a_training.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))

    def make(name, code="end", steps=3):
        return Job(name, "a_training", [name, str(steps), code], tmp_path / "logs" / f"{name}.log", steps, 1)

    return make


def test_what_each_says_is_in_its_log(job, tmp_path):
    run_side_by_side([job("one"), job("two"), job("three")], processors=2)
    for name in ("one", "two", "three"):
        lines = (tmp_path / "logs" / f"{name}.log").read_text().splitlines()
        assert lines[0] == "threads 1"
        assert len(lines) == 4


def test_where_there_is_no_terminal_each_quarter_is_a_line(job, caplog):
    caplog.set_level(logging.INFO)
    run_side_by_side([job("one", steps=10)], processors=1)
    assert [record.message for record in caplog.records] == [f"one: {done} of 10 steps" for done in (3, 5, 8, 10)]


def test_they_run_at_the_same_time_and_share_the_processors(job, tmp_path):
    run_side_by_side([job("one", "other"), job("two")], processors=4)
    assert (tmp_path / "logs" / "one.log").read_text().startswith("threads 2")


def test_one_processor_does_one_after_the_other(job, tmp_path):
    run_side_by_side([job("one"), job("two", "other")], processors=1)
    assert os.stat("one.began").st_mtime_ns <= os.stat("two.began").st_mtime_ns


def test_one_that_needs_another_begins_when_that_has_ended_and_lets_others_pass(job, tmp_path):
    second = dataclasses.replace(job("two"), after="one")
    run_side_by_side([job("one", "needs three"), second, job("three")], processors=2)
    ended, began = (os.stat(name).st_mtime_ns for name in ("one.ended", "two.began"))
    assert ended <= began
    run_side_by_side([second], processors=2)  # what it needs was done before


def test_one_that_fails_is_named_with_what_it_said_and_stops_the_others(job):
    with pytest.raises(ChildProcessError, match=r"(?s)training two failed; .*two\.log .*what went wrong"):
        run_side_by_side([job("one", "wait"), job("two", "fail"), job("three")], processors=2)
