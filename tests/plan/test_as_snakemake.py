"""The plan of aia/plan is that of `snakemake -n`: jobs, their files, their commands."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from aia.plan import RULES, Job, resources
from aia.plan.rules import REPORT_FIGURES
from tests.conftest import REPOSITORY
from tests.workflow import ANNOTATED, TEST, overlay, project, write_ava

METHOD = "slowfast_tiny-serial-POM-amu"
TARGETS = [
    "results/small_val.csv",
    "results/small/table1e.csv",
    *(f"results/small/figures/{name}.png" for name in ("fig4", "fig5", "memory")),
    *(f"results/{name}/report.html" for name in ("playhouse", "small_ucf24", "small_epic")),
    *(f"results/playhouse/figures/{name}.png" for name in REPORT_FIGURES),
    f"results/small/metrics/{METHOD}-s0.val@98-flip.protocols.csv",
    "results/small/metrics/pair.val-multiscale.csv",
    "results/small_ucf24.csv",
    "results/small_epic.csv",
    "results/ava_val.csv",
    "results/ava_test.csv",
    "results/ava/films.csv",
    "results/detecting_val.csv",
]
PUBLISHED = {
    "person_boxes": {"train": None, "val": "val.json"},
    "object_boxes": {"train": "train_objects.json", "val": "val_objects.json"},
    "box_images": {"train": "list.txt", "val": "list.txt"},
    "test": TEST
    | {"person_boxes": "val.json", "object_boxes": "val_objects.json", "labels": "labels.pbtxt"},
    "seconds": "seconds.txt",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two data sets of its own: one with imported boxes, one without."""
    folder = tmp_path_factory.mktemp("planned")
    runs = ["slowfast_tiny-none", f"{METHOD} multiscale"]
    write_ava(
        folder,
        train=["a", "b"],
        val=["c", "b"],
        data=PUBLISHED,
        results={"seeds": [0, 1], "runs": runs},
        submissions={"seeds": [0], "paper_data": None, "runs": [METHOD, "pair"]},
        videos_per_job=1,
    )
    (folder / "films/b.mkv").unlink()  # it is written once for each split
    overlay(
        folder / "config/detecting.yaml",
        {"data": ANNOTATED | {"bad_films": "skip"}, "check": {"source_fps": 25}}
        | {"results": {"seeds": [0], "runs": [METHOD]}, "videos_per_job": 2},
    )
    pair = {"ensembles": {"pair": ["slowfast_tiny-none-s0", f"{METHOD}-s0"]}, "short_sides": [98]}
    overlay(folder / "more.yaml", {"fuse": pair})
    return folder


@pytest.fixture(scope="module")
def by_snakemake(folder: Path) -> list[dict[str, Any]]:
    """Its jobs, as workflow/jobs.py prints them."""
    planner = [sys.executable, str(REPOSITORY / "workflow/jobs.py")]
    done = subprocess.run(
        [*planner, "results/report.html", *TARGETS, "--configfile", "more.yaml", "--cores", "99"],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def by_plan(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Job, ...]:
    """Its jobs, as aia/plan has them."""
    monkeypatch.chdir(folder)
    plan = project("more.yaml").plan(["results/playhouse_val.csv", *TARGETS])
    assert plan.waits_for is None
    return plan.jobs


def test_snakemake_has_the_jobs_of_the_plan_with_their_files(
    by_snakemake: list[dict[str, Any]], by_plan: tuple[Job, ...]
) -> None:
    own = ("report_results",)  # of the configured data set, and of no other
    theirs = {
        (job["rule"], *sorted(job["wildcards"].items())): (
            sorted(set(job["input"])),
            sorted(job["output"]),
        )
        for job in by_snakemake
        if job["rule"] not in own
    }
    ours = {
        (job.rule, *sorted(job.wildcards.items())): (
            sorted({file for files in job.needs.values() for file in files}),
            sorted(job.makes),
        )
        for job in by_plan
    }
    assert ours.keys() == theirs.keys()
    for job, files in theirs.items():
        assert ours[job] == files, job
    assert len(ours) == len(by_plan)
    used = {job.rule for job in by_plan}
    assert {
        rule for rule in {*RULES} - used if not rule.startswith(("fetch_", "convert_"))
    } == set()


def test_each_command_of_snakemake_has_the_words_of_the_plan(
    by_snakemake: list[dict[str, Any]], by_plan: tuple[Job, ...]
) -> None:
    typed = {tuple(job["output"][:1]): job["command"].split() for job in by_snakemake}
    for job in (job for job in by_plan if job.command):
        words = job.command.split()
        theirs = typed[job.makes[:1]]
        named = 1 + next(n for n, word in enumerate([*words[1:], "-"]) if word.startswith("-"))
        assert theirs[:named] == words[:named] or words[1] in ("playhouse", "fuse", "submit"), job
        assert set(words) <= set(theirs), job
        if job.rule == "submit":
            assert " --labels labels.pbtxt " in " ".join(theirs)


def test_a_job_asks_for_the_threads_of_the_plan_and_for_time_by_its_videos(
    by_snakemake: list[dict[str, Any]], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    sets = project("more.yaml")
    minutes = {"store_frames": 60, "detect_boxes": 120, "extract_objects": 240}
    lengths = set()
    for job in by_snakemake:
        data = sets.data(job["wildcards"].get("dataset", "playhouse"))
        assert job["threads"] == resources.threads(job["rule"], data.settings), job
        if job["rule"] in minutes:
            videos = len(data.part(job["wildcards"]["part"]).videos)
            assert job["resources"]["runtime"] == minutes[job["rule"]] * videos
            lengths.add(videos)
    assert lengths >= {1, 2, 8}


def test_a_job_stands_after_those_that_it_needs(by_plan: tuple[Job, ...]) -> None:
    there: set[str] = set()
    made = {path for job in by_plan for path in job.makes}
    for job in by_plan:
        assert {file for files in job.needs.values() for file in files} & made <= there, job
        there.update(job.makes)
