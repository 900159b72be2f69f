"""The workflow in a folder of its own, as Snakemake runs it and as aia/plan plans it."""

import csv
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from aia.config import overlay as laid_over
from aia.config import read_yaml
from aia.plan import Plan, Project
from tests.conftest import REPOSITORY


def snakemake(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the workflow in another folder, as `.venv/bin/snakemake` called by its path would."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    # another Python must not be found first, nor another `aia`
    environment = {**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *arguments], cwd=cwd, env=environment, text=True, capture_output=True
    )


def made(*arguments: str, cwd: Path) -> None:
    """Run the workflow; it must end well."""
    result = snakemake(*arguments, cwd=cwd)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]


def planned(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Count the jobs of each rule in a dry run."""
    assert result.returncode == 0, result.stdout + result.stderr
    counts = re.findall(r"^(\w+) +(\d+)$", result.stdout + result.stderr, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in counts if rule not in ("all", "total")}


def message(result: subprocess.CompletedProcess[str]) -> str:
    """Return what a failed call says."""
    assert result.returncode != 0
    return result.stdout + result.stderr


def project(*overlays: str | Path) -> Project:
    """Return the data sets of the working folder, with --configfile's overlays."""
    settings: dict[str, Any] = {}
    for path in overlays:
        settings = laid_over(settings, read_yaml(path))
    return Project((Path("."), REPOSITORY), overlays=settings)


def jobs(*targets: str, overlays: tuple[str, ...] = ()) -> Counter[str]:
    """Count the jobs of each rule that the plan has for targets in the working folder."""
    return counted(project(*overlays).plan(targets))


def counted(plan: Plan) -> Counter[str]:
    """Count the jobs of each rule."""
    return Counter(job.rule for job in plan.jobs)


def overlay(path: Path, settings: Mapping[str, Any]) -> str:
    """Write settings as YAML."""
    path.write_text(yaml.safe_dump(dict(settings), sort_keys=False))
    return str(path)


ANNOTATED = {
    "films": "films/{video}.*",
    "labels": "labels.pbtxt",
    "annotations": {"train": "train.csv", "val": "val.csv"},
    "excluded": {"train": None, "val": None},
    "objects": {"train": None, "val": None},
}
TEST = {"films": "test.txt", "excluded": None, "labels": None, "box_images": None,
        "person_boxes": None, "object_boxes": None}  # fmt: skip


def write_ava(
    folder: Path, *, train: list[str], val: list[str], data: Any = None, **settings: Any
) -> None:
    """Write videos (empty files), annotations and config/ava.yaml of somebody's own data set."""
    (folder / "films").mkdir()
    for number, video in enumerate([*train, *val]):
        (folder / "films" / f"{video}.{('mp4', 'mkv', 'webm')[number % 3]}").touch()
    for split, videos in (("train", train), ("val", val)):
        with open(folder / f"{split}.csv", "w", newline="") as file:
            csv.writer(file).writerows(
                (video, t, 0.1, 0.1, 0.5, 0.9, 1, 0) for video in videos for t in range(902, 905)
            )
    (folder / "labels.pbtxt").write_text('label { name: "stand" label_id: 1 }\n')
    # Boxes that others published; a plan looks at no more than their names.
    for name in ("val.json", "train_objects.json", "val_objects.json", "list.txt"):
        (folder / name).touch()
    (folder / "test.txt").write_text("x.mp4\ny.mp4\n")
    (folder / "seconds.txt").write_text("902\n903\n")
    for video in "xy":
        (folder / "films" / f"{video}.mp4").touch()
    (folder / "config").mkdir()
    overlay(folder / "config/ava.yaml", {"data": ANNOTATED | (data or {}), **settings})
