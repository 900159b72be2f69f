"""What training and scoring ask for: CPUs, memory and GPUs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.conftest import REPOSITORY
from tests.test_workflow import overlay

RUN = "slowfast_tiny-none-s0"
TARGET = f"results/small/scores/{RUN}.val.parquet"


def asked(folder: Path, *options: str, **settings: Any) -> dict[str, dict[str, Any]]:
    """The planned jobs, one of each rule, as workflow/jobs.py prints them; with what was said."""
    train = {"init": "scratch", "validate_every": None} | settings.pop("train", {})
    change = overlay(folder / "change.yaml", {"train": train, **settings})
    planner = (sys.executable, str(REPOSITORY / "workflow" / "jobs.py"))
    done = subprocess.run(
        [*planner, TARGET, "--configfile", change, *options],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    jobs = {job["rule"]: job for job in map(json.loads, done.stdout.splitlines())}
    return jobs | {"said": done.stderr}


def computing(job: dict[str, Any]) -> int:
    """Threads that a job's command computes in."""
    (found,) = re.findall(r" --threads (\d+) ", job["command"])
    return int(found)


# --- CPUs ----------------------------------------------------------------------------------------


def test_a_training_without_workers_asks_for_the_threads_that_compute(tmp_path: Path) -> None:
    jobs = asked(tmp_path, "--cores", "16", train={"threads": 3})
    assert [jobs[rule]["threads"] for rule in ("train", "score_detected")] == [3, 3]
    assert [computing(jobs[rule]) for rule in ("train", "score_detected")] == [3, 3]


def test_workers_have_cpus_of_their_own_and_the_arithmetic_stays_as_it_was(tmp_path: Path) -> None:
    several = {"threads": 2, "workers": 5, "processes": 3, "device": "cpu"}
    jobs = asked(tmp_path, "--cores", "99", train=several, score={"workers": 7})
    assert jobs["train"]["threads"] == 3 + 3 * 5  # a thread for each process at least
    assert computing(jobs["train"]) == 3
    assert jobs["score_detected"]["threads"] == 2 + 7
    assert computing(jobs["score_detected"]) == 2


def test_a_machine_with_fewer_cores_computes_in_as_many_threads_as_without_workers(
    tmp_path: Path,
) -> None:
    jobs = asked(tmp_path, "--cores", "2", train={"threads": 3, "workers": 5})
    assert jobs["train"]["threads"] == computing(jobs["train"]) == 2
    jobs = asked(tmp_path, "--cores", "4", train={"threads": 3, "workers": 5})
    assert (jobs["train"]["threads"], computing(jobs["train"])) == (4, 3)
