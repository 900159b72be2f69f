"""The workflow through a real scheduler: what it asks for, what it makes, how it goes on.

    ./run test -n 0 -m slurm tests/slurm

It needs Debian's packages slurmctld, slurmd, munge and slurm-client, root and the extra `cluster`,
and takes a quarter of an hour. Elsewhere it is skipped.
"""

import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.slurm import cluster
from tests.slurm.cluster import wait_until

PROFILE = REPOSITORY / "profiles" / "slurm" / "profile.v9+.yaml"
METHOD = "slowfast_tiny-serial-POM-amu"
RUNS = [f"{METHOD}-s{seed}" for seed in range(3)]
TARGET = "results/small_val.csv"
TABLES = (TARGET, "results/small_val.classes.csv")
STEPS = 7  # of each training; a checkpoint every two

pytestmark = [
    pytest.mark.slurm,
    pytest.mark.skipif(
        importlib.util.find_spec("snakemake_executor_plugin_slurm") is None,
        reason="the extra `cluster` (snakemake-executor-plugin-slurm) is not installed",
    ),
]


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm of one node."""
    reason = cluster.why_not()
    if reason:
        pytest.skip(reason)
    with cluster.started(tmp_path_factory.mktemp("slurm")):
        yield


def command(*arguments: str) -> list[str]:
    """As `.venv/bin/snakemake` called by its path."""
    snakefile = str(REPOSITORY / "Snakefile")
    options = ("--snakefile", snakefile, "--configfile", "less.yaml")
    return [sys.executable, "-m", "snakemake", TARGET, *options, *arguments]


def environment() -> dict[str, str]:
    """Without the environment's programs: jobs have to find their own."""
    return {**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin", "OMP_NUM_THREADS": "1"}


def profile(folder: Path, **changes: Any) -> tuple[str, str]:
    """The profile as it is, asked more often how jobs are: options that take it."""
    given = yaml.safe_load(PROFILE.read_text())
    given |= {"slurm-init-seconds-before-status-checks": 2, "latency-wait": 5} | changes
    place = folder / "profile"
    place.mkdir()
    (place / PROFILE.name).write_text(yaml.safe_dump(given))
    return "--workflow-profile", str(place)


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny Playhouse was run without a scheduler, three seeds."""
    folder = tmp_path_factory.mktemp("local")
    settings = yaml.safe_load((REPOSITORY / "config" / "small.yaml").read_text())
    settings["playhouse"] |= {"train_films": 2, "val_films": 2}
    settings["train"] |= {"init": "scratch", "steps": STEPS, "checkpoint_every": 2}
    settings["detector"] |= {"steps": 2}
    settings["results"] = {"seeds": [0, 1, 2], "runs": [METHOD]}
    (folder / "less.yaml").write_text(yaml.safe_dump(settings))
    done = subprocess.run(
        command("--cores", "2"), cwd=folder, env=environment(), text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return folder


def rules(submitted: list[dict[str, str]]) -> Counter[str]:
    """Jobs by their rule."""
    names = (re.match(r"rule_(\w+?)(?:_wildcards_.*)?$", job["Comment"]) for job in submitted)
    return Counter(name[1] for name in names if name)


@pytest.mark.usefixtures("slurm")
def test_the_table_is_that_of_a_run_without_a_scheduler(local: Path, tmp_path: Path) -> None:
    before = len(cluster.jobs())
    shutil.copy(local / "less.yaml", tmp_path)
    # That a rule asks for a GPU is its own affair (train.device); here is no real one.
    gpus = {rule: {"gpu": 1} for rule in ("train", "detect_boxes")}
    options = profile(tmp_path, **{"set-resources": gpus})
    done = subprocess.run(
        command(*options), cwd=tmp_path, env=environment(), text=True, capture_output=True
    )
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-9000:]
    for path in TABLES:
        assert (tmp_path / path).read_bytes() == (local / path).read_bytes(), path

    submitted = cluster.jobs()[before:]
    assert rules(submitted) == {
        **{"draw_playhouse": 1, "prepare_data": 1, "store_frames": 2, "detect_boxes": 1},
        **{"finetune_detector": 1, "evaluate": 6, "evaluate_persons": 1, "result_table": 1},
        **{"train": 3, "score_detected": 3, "score_groundtruth": 3},
    }
    asked = {next(iter(rules([job]))): job for job in submitted}
    assert asked["store_frames"]["NumCPUs"] == "1"
    assert asked["store_frames"]["TimeLimit"] == "02:00:00"  # two videos, one after the other
    assert asked["detect_boxes"]["TresPerJob"] == "gres:gpu:1"
    assert asked["detect_boxes"]["TimeLimit"] == "04:00:00"
    assert asked["train"]["TresPerJob"] == "gres:gpu:1"
    assert asked["train"]["TimeLimit"] == "2-00:00:00"
    assert asked["train"]["MinMemoryNode"] == "16000M"
    assert "TresPerJob" not in asked["evaluate"]


def trainers(folder: Path, run: str) -> list[int]:
    """Processes that train a run in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            line = (process / "cmdline").read_bytes()
            here = (process / "cwd").resolve() == folder.resolve()
            if here and b"\0train\0" in line and f"--run\0{run}\0".encode() in line:
                found.append(int(process.name))
        except OSError:  # it ended meanwhile
            continue
    return found


@pytest.mark.usefixtures("slurm")
def test_trainings_that_are_killed_cancelled_or_out_of_time_go_on_and_end_alike(
    local: Path, tmp_path: Path
) -> None:
    killed, cancelled, late = RUNS
    before = len(cluster.jobs())
    folder = tmp_path / "again"
    shutil.copytree(local, folder)
    small = folder / "results" / "small"
    for made in (
        small / "runs",
        small / "scores",
        small / "metrics",
        *map(folder.joinpath, TABLES),
    ):
        shutil.rmtree(made) if made.is_dir() else made.unlink()
    said = tmp_path / "said"
    with open(said, "wb") as file:
        workflow = subprocess.Popen(
            command(*profile(tmp_path)), cwd=folder, env=environment(), stdout=file, stderr=file
        )
    try:
        # Each is held where it has written a checkpoint, so that none ends before it is hit.
        frozen: dict[str, list[int]] = {}

        def hold() -> bool:
            for run in {*RUNS} - {*frozen}:
                if list((small / "runs" / run / "work").glob("step-*")):
                    frozen[run] = trainers(folder, run)
                    for process in frozen[run]:
                        os.kill(process, signal.SIGSTOP)
            assert workflow.poll() is None, said.read_text()[-6000:]
            return len(frozen) == len(RUNS)

        wait_until(hold, 300, "a checkpoint of each run")
        assert all(frozen.values()), "a training ended before it could be held"
        job = {
            run: job["JobId"]
            for job in cluster.jobs()[before:]
            for run in RUNS
            if run in job["Comment"]
        }
        for process in frozen[killed]:
            os.kill(process, signal.SIGKILL)
        cluster.ask("scancel", job[cancelled])
        cluster.ask("scontrol", "update", f"JobId={job[late]}", "TimeLimit=1")  # minute
        assert workflow.wait(timeout=900) == 0, said.read_text()[-9000:]
    finally:
        workflow.terminate()
        workflow.wait(60)
    for path in TABLES:
        assert (folder / path).read_bytes() == (local / path).read_bytes(), path
    history: dict[str, list[tuple[str, str]]] = {run: [] for run in RUNS}
    for done in cluster.jobs()[before:]:
        for run in RUNS:
            if done["Comment"].startswith("rule_train_") and run in done["Comment"]:
                history[run].append((done["JobState"], done["TimeLimit"]))
    again = ("COMPLETED", "2-00:00:00")
    assert history == {
        killed: [("FAILED", "2-00:00:00"), again],
        cancelled: [("CANCELLED", "2-00:00:00"), again],
        late: [("TIMEOUT", "00:01:00"), again],
    }
    for run in RUNS:
        log = (folder / "logs" / "small" / "train" / f"{run}.log").read_text()
        assert re.search(r"resuming after step [2-6]", log), log
