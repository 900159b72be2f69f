"""One run trained on several nodes that Slurm gave: `srun` starts the command once on each."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPOSITORY
from tests.slurm import cluster
from tests.slurm.test_slurm import environment

RUN = "slowfast_tiny-serial-POM-amu-s0"
MODEL = f"results/small/runs/{RUN}/model.safetensors"

pytestmark = pytest.mark.slurm


@pytest.fixture
def two_nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """A Slurm of two nodes."""
    reason = cluster.why_not()
    if reason:
        pytest.skip(reason)
    with cluster.started(tmp_path_factory.mktemp("slurm"), nodes=2):
        yield


def run(folder: Path, *command: str, path: str = "") -> str:
    """What a command says on standard output; it must succeed."""
    given = environment()
    given |= {"PATH": f"{path}:{given['PATH']}", "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run(command, cwd=folder, env=given, text=True, capture_output=True)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-6000:]
    return done.stdout


@pytest.mark.usefixtures("two_nodes")
def test_two_nodes_train_one_run_along_the_curve_of_one_process(tmp_path: Path) -> None:
    settings = yaml.safe_load((REPOSITORY / "config" / "small.yaml").read_text())
    settings["playhouse"] |= {"train_films": 2, "val_films": 1}
    settings["train"] |= {"init": "scratch", "steps": 5, "log_every": 1, "validate_every": None}
    (tmp_path / "less.yaml").write_text(yaml.safe_dump(settings))
    target = (MODEL, "--configfile", "less.yaml")
    plan = run(tmp_path, sys.executable, str(REPOSITORY / "workflow" / "jobs.py"), *target)
    (command,) = (
        job["command"] for job in map(json.loads, plan.splitlines()) if job["rule"] == "train"
    )
    snakemake = (sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile"))
    run(tmp_path, *snakemake, *target)

    # The same run again in a folder of its own, whose other files are those of the first.
    (tmp_path / "twice/results/small").mkdir(parents=True)
    for path in (tmp_path / "results/small").iterdir():
        if path.name != "runs":
            (tmp_path / "twice/results/small" / path.name).symlink_to(path)
    twice = f"cd twice && {command} --nodes 2 --processes 1"
    start = ("--ntasks-per-node=1", "--cpu-bind=none", "--kill-on-bad-exit=1")
    srun = ("srun", "--nodes=2", *start, "sh", "-c", twice)
    run(tmp_path, *srun, path=str(Path(sys.executable).parent))
    metrics = f"results/small/runs/{RUN}/metrics.jsonl"
    curves = [
        [json.loads(line)["loss"] for line in text.splitlines()]
        for text in ((folder / metrics).read_text() for folder in (tmp_path, tmp_path / "twice"))
    ]
    assert len(curves[0]) == 5
    assert curves[1] == pytest.approx(curves[0], rel=1e-3)
    log = (tmp_path / f"twice/logs/small/train/{RUN}.log").read_text()
    assert "2 processes on 2 nodes" in log
