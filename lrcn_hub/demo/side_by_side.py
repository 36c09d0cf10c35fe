"""Trainings side by side, each in a process of its own: networks this small use two cores far better so than one."""

from __future__ import annotations

import logging
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

from tqdm import tqdm

logger = logging.getLogger(__name__)

LAST_LINES = 15  # of what a process said, that are shown when it fails


@dataclass(frozen=True)
class Job:
    """A training that ``python -m MODULE ARGUMENTS`` does."""

    name: str
    module: str
    arguments: Sequence[str]
    log: Path
    """The file that takes what it says."""
    steps: int
    steps_in_a_line: int
    """Steps from one line with a loss to the next."""
    after: str | None = None
    """The name of a job whose outcome it needs; one that is not among the jobs has been done."""


def run_side_by_side(jobs: Sequence[Job], processors: int | None = None) -> None:
    """Run all jobs, as many at a time as there are processors, which they share; in order, but for who has to wait.

    Raises ChildProcessError, with what was said last, if one fails; the others are then stopped.
    """
    processors = processors or os.cpu_count() or 1
    workers = max(1, min(processors, len(jobs)))
    environment = {**os.environ, "OMP_NUM_THREADS": str(max(1, processors // workers))}
    processes: list[subprocess.Popen] = []
    waiting = list(enumerate(jobs))
    running: dict[Future, str] = {}
    with ThreadPoolExecutor(workers) as pool:
        try:
            while waiting or running:
                unfinished = {*running.values(), *(job.name for _, job in waiting)}
                ready = [(place, job) for place, job in waiting if job.after not in unfinished]
                for place, job in ready[: workers - len(running)]:
                    running[pool.submit(_run, job, place, environment, processes)] = job.name
                    waiting.remove((place, job))
                for one in wait(running, return_when=FIRST_COMPLETED).done:
                    running.pop(one)
                    one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in processes:
                process.terminate()
            raise


def _run(job: Job, place: int, environment: dict[str, str], processes: list[subprocess.Popen]) -> None:
    job.log.parent.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-u", "-m", job.module, *job.arguments]
    last: deque[str] = deque(maxlen=LAST_LINES)
    done = 0
    bar = tqdm(total=job.steps, desc=job.name, unit="step", position=place, disable=None)
    with (
        bar,
        job.log.open("w", buffering=1, encoding="utf-8") as log,
        subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, encoding="utf-8"
        ) as process,
    ):
        processes.append(process)
        assert process.stdout is not None  # it is a pipe
        for line in process.stdout:
            log.write(line)
            last.append(line)
            steps = _steps_in(line, job)
            bar.update(steps)
            if bar.disable:
                _say_quarters(job, done, done + steps)
            done += steps
    if process.returncode:
        said = "".join(last).strip()
        raise ChildProcessError(f"training {job.name} failed; {job.log} has all it said, at last:\n{said}")


def _say_quarters(job: Job, before: int, now: int) -> None:
    """Say in a line that another quarter is done: the progress of output that is no terminal."""
    if 4 * now // job.steps > 4 * before // job.steps:
        logger.info("%s: %d of %d steps", job.name, now, job.steps)


def _steps_in(line: str, job: Job) -> int:
    """Read from a line of a training how much further it is."""
    if resumed := re.match(r"resuming from .*checkpoint-(\d+)", line):
        return int(resumed[1])
    return job.steps_in_a_line if line.startswith("{'loss'") else 0
