"""The workflow as a user meets it: what stops it, what it makes, what a change makes anew.

Which jobs a target needs is looked at in tests/plan/, and there that Snakemake has the same ones.
"""

import csv
import itertools
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from packaging.requirements import Requirement

from aia.tables import read_scores
from tests.conftest import REPOSITORY
from tests.workflow import TEST, made, message, overlay, planned, snakemake

# --- what stops it -------------------------------------------------------------------------------


def test_a_misspelt_setting_stops_everything_and_is_told_its_likely_name(tmp_path: Path) -> None:
    wrong = overlay(tmp_path / "wrong.yaml", {"memory": {"reech": 5}})
    said = message(snakemake("-n", "--configfile", wrong, cwd=tmp_path))
    assert "memory.reech is not a setting, did you mean memory.reach?" in said
    assert "wrong.yaml" in said
    assert "Traceback" not in said


def test_a_target_that_cannot_be_made_stops_before_any_job(tmp_path: Path) -> None:
    target = "results/small/runs/slowfast_teeny-none-s0/model.safetensors"
    assert "did you mean slowfast_tiny?" in message(snakemake(target, "-n", cwd=tmp_path))


# --- what is made, and made anew -----------------------------------------------------------------

RUN = "slowfast_tiny-serial-POM-amu"
ROWS = [RUN, f"{RUN} multiscale", "alone multiscale"]
VIEWS = ("@98", "@98-flip")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny Playhouse was run from films to report."""
    folder = tmp_path_factory.mktemp("small")
    settings = yaml.safe_load((REPOSITORY / "config" / "small.yaml").read_text())
    settings["playhouse"] |= {"train_films": 2, "val_films": 1}
    settings["train"] |= {"init": "scratch", "steps": 6, "checkpoint_every": 2}
    settings["detector"] |= {"steps": 4}
    settings["results"] = {"seeds": [0], "runs": ROWS}
    settings["fuse"] = {"short_sides": [98], "ensembles": {"alone": [f"{RUN}-s0"]}}
    overlay(folder / "less.yaml", settings)
    made("all", "results/report.html", "--configfile", "less.yaml", cwd=folder)
    return folder


@pytest.mark.long
def test_every_part_of_table_1_and_its_figures_are_made(finished: Path, tmp_path: Path) -> None:
    """Every kind of network of Table 1, small; not all that differ in their blocks alone."""
    change = {
        "train": {"steps": 2, "validate_every": None},
        "ablations": {"seeds": [0]},
        "table1a": dict.fromkeys(("P O", "P M", "O M")),
        "table1b": {"3x{P,M,O}": None},
        "table1c": dict.fromkeys(("O>P>M", "P>M>O", "M>P>O", "O>M>P", "M>O>P")),
        "figure5": {"clips": 1, "reaches": [0, 2], "joint": [0, 1]},
    }
    top = tmp_path / "again"
    shutil.copytree(finished, top)
    overlay(top / "table1.yaml", change)
    folder = top / "results" / "small"
    rows = {"a": 2, "b": 2, "c": 1, "d": 3, "e": 5, "f": 3}
    tables = [f"results/small/table1{letter}.csv" for letter in rows]
    figures = [f"results/small/figures/fig{number}.png" for number in (4, 5, 6)]
    # What is finished stays, though it was trained for longer.
    options = ("--configfile", "less.yaml", "table1.yaml", "--rerun-triggers", "mtime")
    made(*tables, *figures, *options, "--cores", "2", cwd=top)
    for letter, count in rows.items():
        with open(folder / f"table1{letter}.csv", newline="") as file:
            table = list(csv.DictReader(file))
        found = [line for line in table if line["metric"] == "mAP@0.5 (annotated boxes)"]
        assert len({line["row"] for line in found}) == count
        assert all(0 <= float(line["ours"]) <= 100 for line in found)
        compared = [line for line in table if line["paper"] and line["metric"][:3] == "mAP"]
        assert [line["row"] for line in compared] == [line["row"] for line in found]
        assert all(not line["difference"] for line in compared)  # other data than the paper's
    costs = {line["row"]: line for line in read_table(folder / "table1e.csv", "params")}
    assert float(costs["Baseline"]["ours"]) == 1
    assert float(costs["IA (w/o AMU)"]["ours"]) > float(costs["IA (w/ AMU)"]["ours"]) > 1
    for figure in figures:
        assert (top / figure).stat().st_size > 1000


def read_table(path: Path, metric: str) -> list[dict[str, str]]:
    """The lines of a table about one metric."""
    with open(path, newline="") as file:
        return [line for line in csv.DictReader(file) if line["metric"].startswith(metric)]


def test_a_run_leaves_table_report_and_a_log_of_each_job(finished: Path) -> None:
    results = finished / "results"
    with open(results / "small_val.csv", newline="") as file:
        metrics = {row["metric"] for row in csv.DictReader(file)}
    assert {"mAP@0.5 (detected boxes)", "mAP@0.5 (annotated boxes)", "person AP@0.5"} <= metrics
    report = (results / "report.html").read_text()
    for name in ("curves", "fig6", "detections", "attention"):
        assert f"figures/{name}.png" in report
    page = (results / "small" / "report.html").read_text()
    assert page.count("data:image/png") == 3
    for part in (
        "mAP@0.5 (detected boxes)",
        "What aia doctor found",
        "Mistakes",
        "AP of each class",
    ):
        assert part in page
    run = results / "small" / "runs" / f"{RUN}-s0"
    assert {"model.safetensors", "metrics.jsonl", "config.yaml"} <= set(os.listdir(run))
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 6
    log = finished / "logs" / "small" / "train" / f"{RUN}-s0.log"
    assert "step" in log.read_text()


def test_views_are_fused_to_their_mean_and_evaluated(finished: Path) -> None:
    folder = finished / "results" / "small"
    tables = [read_scores(folder / f"scores/{RUN}-s0.val{view}.parquet") for view in VIEWS]
    fused = read_scores(folder / f"scores/{RUN}-s0.val-multiscale.parquet")
    expected = np.mean([table.scores for table in tables], axis=0)
    np.testing.assert_allclose(fused.scores, expected, rtol=1e-5)
    for table in tables:
        assert table.boxes.equals(fused.boxes)
    as_kept = read_scores(folder / f"scores/{RUN}-s0.val.parquet")
    for one, other in itertools.combinations([as_kept, *tables], 2):
        assert not np.array_equal(one.scores, other.scores)
    names = (f"{RUN}-s0", "alone")
    first, second = (folder / f"metrics/{name}.val-multiscale.csv" for name in names)
    assert first.read_bytes() == second.read_bytes()  # an ensemble of one


def test_a_table_has_multi_scale_rows_and_ensembles_beside_the_runs(finished: Path) -> None:
    for boxes in ("detected", "annotated"):
        table = read_table(finished / "results/small_val.csv", f"mAP@0.5 ({boxes} boxes)")
        assert [line["method"] for line in table] == ROWS
        assert {line["seeds"] for line in table} == {"1"}
        assert {line["backbone"] for line in table} == {"slowfast_tiny"}
        single, several, alone = (line["ours"] for line in table)
        assert several == alone != single


def test_the_list_of_a_part_is_one_for_sha256sum(finished: Path) -> None:
    parts = sorted((finished / "results/small/parts").iterdir())
    assert [path.name for path in parts] == ["train.000.frames", "val.000.boxes", "val.000.frames"]
    for part, files in zip(parts, (2, 2, 1), strict=True):
        said = subprocess.run(
            ["sha256sum", "-c", part], cwd=finished, capture_output=True, text=True, check=True
        )
        assert len(re.findall(": OK$", said.stdout, flags=re.MULTILINE)) == files


def test_the_settings_that_commands_read_keep_the_order_of_rows(finished: Path) -> None:
    written = yaml.safe_load((finished / "results/small/settings.yaml").read_text())
    assert written["results"]["runs"] == ROWS
    assert written["train"]["steps"] == 6
    base = yaml.safe_load((REPOSITORY / "config.yaml").read_text())
    assert list(written) == list(base)
    assert list(written["table1e"]) == list(base["table1e"])


def test_a_second_call_does_nothing_whatever_the_machine(finished: Path, tmp_path: Path) -> None:
    machine = {"checkpoint_every": 3, "workers": 1, "threads": 2}
    changed = overlay(tmp_path / "m.yaml", {"train": machine, "score": {"workers": 1}})
    # The report alone runs: it is made with the same files of settings.
    for more in ((), ("results/small_val.csv", changed)):
        target, files = more[:1], more[1:]
        result = snakemake(*target, "-n", "--configfile", "less.yaml", *files, cwd=finished)
        assert "Nothing to be done" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"memory": {"reach": 2}, "data": {"bad_films": "skip"}},
            {
                **{"train": 1, "score_detected": 3, "score_groundtruth": 3},
                **{"fuse_views": 2, "fuse_runs": 2, "evaluate": 6},
            },
        ),
        (
            {"detector": {"steps": 5}},
            {
                **{"finetune_detector": 1, "detect_boxes": 1, "evaluate_persons": 1},
                **{"score_detected": 3, "fuse_views": 1, "fuse_runs": 1, "evaluate": 3},
            },
        ),
    ],
    ids=["memory", "detector"],
)
def test_a_change_reruns_what_depends_on_it_alone(
    finished: Path, tmp_path: Path, change: Mapping[str, Any], expected: Mapping[str, int]
) -> None:
    """Which settings are in which recipe: tests/plan/test_recipes.py."""
    changed = overlay(tmp_path / "change.yaml", change)
    result = snakemake("-n", "--configfile", "less.yaml", changed, cwd=finished)
    jobs = planned(result)
    shown = (
        "result_table",
        "report_results",
        "report",
        "predict_sample",
        "diagnose",
        *(rule for rule in jobs if rule.startswith("draw_")),
    )
    assert {rule: count for rule, count in jobs.items() if rule not in shown} == expected


@pytest.mark.long
def test_imported_boxes_give_the_scores_of_the_same_detected_ones_and_a_submission(
    finished: Path, tmp_path: Path
) -> None:
    """What the detector found comes back as a published file of both kinds."""
    folder = tmp_path / "again"
    shutil.copytree(finished, folder)
    small = folder / "results" / "small"
    (film,) = sorted((small / "persons").iterdir())
    scores = small / "scores" / f"{RUN}-s0.val.parquet"
    detected = pd.read_parquet(scores)
    kinds = {"person_boxes": "persons", "object_boxes": "objects"}
    for kind in kinds.values():
        shutil.copy(small / kind / film.name, folder / f"{kind}.published")
    (folder / "films.txt").write_text(f"{film.stem}.mp4\n")
    (folder / "seconds.txt").write_text("0003\n0005\n")
    published = {name: f"{kind}.published" for name, kind in kinds.items()}
    test = TEST | published | {"films": "films.txt"}
    given = {name: {"train": None, "val": file} for name, file in published.items()}
    overlay(folder / "own.yaml", {"data": given})
    overlay(folder / "test.yaml", {"data": given | {"test": test, "seconds": "seconds.txt"}})

    target = f"results/small/scores/{RUN}-s0.val.parquet"
    (small / "persons" / film.name).unlink()
    made(target, "--configfile", "less.yaml", "own.yaml", cwd=folder)
    assert (small / "persons" / film.name).exists()
    pd.testing.assert_frame_equal(pd.read_parquet(scores), detected)

    submission = f"results/small/submission/{RUN}-s0.test.csv"
    made(submission, "--configfile", "less.yaml", "test.yaml", cwd=folder)
    lines = pd.read_csv(folder / submission, header=None)
    wanted = detected[detected["time_sec"].isin((3, 5))]
    assert len(lines) == len(wanted) * len(wanted["scores"].iloc[0])
    assert set(lines[1]) == {3, 5}


# --- what is killed ---


def trainer_of(folder: Path) -> list[int]:
    """Processes that train in a folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
            here = (process / "cwd").resolve() == folder.resolve()
            if here and b"\0train\0--settings\0" in command:
                found.append(int(process.name))
        except OSError:  # it ended meanwhile
            continue
    return found


@pytest.mark.slow
def test_a_workflow_that_was_killed_ends_with_the_same_table(
    finished: Path, tmp_path: Path
) -> None:
    """Snakemake and the trainer that it leaves behind are killed, then a trainer alone."""
    shutil.copy(finished / "less.yaml", tmp_path)
    target = ("results/small_val.csv", "--configfile", "less.yaml")
    model = f"results/small/runs/{RUN}-s0/model.safetensors"
    work = (tmp_path / model).parent / "work"
    for victim in ("snakemake", "trainer"):
        command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
        process = subprocess.Popen(
            [*command, *target], cwd=tmp_path, stderr=subprocess.DEVNULL, start_new_session=True
        )
        known = set(work.glob("step-*"))
        deadline = time.monotonic() + 300
        while not set(work.glob("step-*")) - known and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        if victim == "snakemake":
            process.kill()
        for trainer in trainer_of(tmp_path):
            os.kill(trainer, signal.SIGKILL)
        assert process.wait(timeout=120) != 0
        assert not (tmp_path / model).exists()
        if victim == "snakemake":  # it could not put its lock away
            assert snakemake(*target, "--unlock", cwd=tmp_path).returncode == 0
    last = snakemake(*target, cwd=tmp_path)
    assert last.returncode == 0, last.stdout + last.stderr
    for path in (model, "results/small_val.csv", "results/small_val.classes.csv"):
        assert (tmp_path / path).read_bytes() == (finished / path).read_bytes(), path


# --- the environment -----------------------------------------------------------------------------


def test_the_conda_environment_has_the_locked_versions() -> None:
    """Those of its Python: the lock has some packages at two versions."""
    environment = yaml.safe_load((REPOSITORY / "envs" / "aia.yaml").read_text())
    pip = next(part["pip"] for part in environment["dependencies"] if isinstance(part, dict))
    (python,) = (
        part.partition("=")[2]
        for part in environment["dependencies"]
        if isinstance(part, str) and part.startswith("python ")
    )
    machine = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_machine": "x86_64",
    }
    lines = (REPOSITORY / "requirements.lock").read_text().splitlines()
    packages = [Requirement(line) for line in lines if line and not line.startswith((" ", "#"))]
    locked = {
        package.name: str(package.specifier)
        for package in packages
        if package.marker is None or package.marker.evaluate(machine)
    }
    pinned = {package.name: str(package.specifier) for package in map(Requirement, pip)}
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    needed = {Requirement(line).name for line in project["dependencies"]}
    assert pinned == {name: locked[name] for name in needed}
