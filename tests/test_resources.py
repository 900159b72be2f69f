"""What training and scoring ask for: CPUs, memory and GPUs."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from aia.plan import resources
from tests.conftest import REPOSITORY
from tests.workflow import overlay, planned, project, snakemake

RUN = "slowfast_tiny-none-s0"
TARGET = f"results/small/scores/{RUN}.val.parquet"


def settings(**changes: Any) -> Any:
    """Return the settings of the small data set, with some changed."""
    found = project()
    found.overlays.update(changes)
    return found.data("small").settings


def asked(folder: Path, *options: str, **settings: Any) -> dict[str, dict[str, Any]]:
    """The planned jobs, one of each rule, as workflow/jobs.py prints them."""
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
    return {job["rule"]: job for job in map(json.loads, done.stdout.splitlines())}


def computing(job: dict[str, Any]) -> int:
    """Threads that a job's command computes in."""
    (found,) = re.findall(r" --threads (\d+) ", job["command"])
    return int(found)


# --- CPUs ----------------------------------------------------------------------------------------


def test_a_training_without_workers_asks_for_the_threads_that_compute() -> None:
    chosen = settings(train={"threads": 3}, score={"workers": 0})
    found = [resources.training_threads(chosen), resources.scoring_threads(chosen)]
    assert found == [3, 3] == [resources.arithmetic_threads(chosen), chosen.train.threads]


def test_workers_have_cpus_of_their_own_and_the_arithmetic_stays_as_it_was(tmp_path: Path) -> None:
    several = {"threads": 2, "workers": 5, "processes": 3, "device": "cpu"}
    jobs = asked(tmp_path, "--cores", "99", train=several, score={"workers": 7})
    assert jobs["train"]["threads"] == 3 + 3 * 5  # a thread for each process at least
    assert computing(jobs["train"]) == 3
    assert jobs["score_detected"]["threads"] == 2 + 7
    assert computing(jobs["score_detected"]) == 2
    assert jobs["train"]["resources"]["mem_mb"] == 16000 + 2 * 3000 + 3 * 5 * 500


def test_a_machine_with_fewer_cores_computes_in_as_many_threads_as_without_workers(
    tmp_path: Path,
) -> None:
    jobs = asked(tmp_path, "--cores", "2", train={"threads": 3, "workers": 5})
    assert jobs["train"]["threads"] == computing(jobs["train"]) == 2
    jobs = asked(tmp_path, "--cores", "4", train={"threads": 3, "workers": 5})
    assert (jobs["train"]["threads"], computing(jobs["train"])) == (4, 3)


# --- memory --------------------------------------------------------------------------------------


def test_the_memory_of_a_training_grows_with_its_processes_and_their_workers() -> None:
    assert resources.training_memory_mb(settings(), 1) == 16000
    several = settings(train={"processes": 3, "workers": 5, "device": "cpu"})
    assert resources.training_memory_mb(several, 1) == 16000 + 2 * 3000 + 3 * 5 * 500


def test_a_retry_gets_half_more_memory_and_never_more_than_twice() -> None:
    found = [resources.training_memory_mb(settings(), attempt) for attempt in (1, 2, 3, 4)]
    assert found == [16000, 24000, 32000, 32000]


# --- GPUs ----------------------------------------------------------------------------------------


def test_a_training_starts_as_many_processes_on_a_node_as_it_is_given_gpus(tmp_path: Path) -> None:
    several = {"processes": 4, "nodes": 2, "device": "cuda", "batch": 8}
    jobs = asked(tmp_path, "--resources", "gpu=8", "downloads=4", train=several)
    assert jobs["train"]["resources"]["gpu"] == 8
    assert " --processes 4 --nodes 2 " in jobs["train"]["command"]
    start = "srun --ntasks=2 --ntasks-per-node=1 --cpu-bind=none --kill-on-bad-exit=1 aia train "
    assert jobs["train"]["command"].startswith(start)
    assert resources.started_processes(settings(train=several), 1) == 1  # of the default profile


def test_fewer_gpus_than_a_training_has_processes_are_spoken_of_once(tmp_path: Path) -> None:
    train = {"init": "scratch", "processes": 4, "device": "cuda"}
    change = overlay(tmp_path / "change.yaml", {"train": train})
    runs = [f"results/small/runs/slowfast_tiny-none-s{seed}/model.safetensors" for seed in (0, 1)]
    line = "small: train.processes and train.nodes are for 4 GPUs at once, but gpu=1 is all"
    for options, times in (
        ([], 1),
        (["--resources", "gpu=4", "downloads=4"], 0),
        (["--workflow-profile", "none", "--cores", "1"], 0),  # nobody said how many there are
    ):
        result = snakemake(*runs, "-n", "--configfile", change, *options, cwd=tmp_path)
        assert planned(result)["train"] == 2
        assert (result.stdout + result.stderr).count(line) == times, options
