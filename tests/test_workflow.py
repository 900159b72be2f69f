"""The workflow as a user meets it: what is planned, what stops it, what a change makes anew."""

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

REPOSITORY = Path(__file__).resolve().parents[1]


def snakemake(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the workflow in another folder, as `.venv/bin/snakemake` called by its path would."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", str(REPOSITORY / "Snakefile")]
    # another Python must not be found first, nor another `aia`
    environment = {**os.environ, "PATH": "/usr/local/bin:/usr/bin:/bin", "OMP_NUM_THREADS": "1"}
    return subprocess.run(
        [*command, *arguments], cwd=cwd, env=environment, text=True, capture_output=True
    )


def planned(result: subprocess.CompletedProcess[str]) -> dict[str, int]:
    """Jobs of each rule that a dry run counts."""
    assert result.returncode == 0, result.stdout + result.stderr
    counts = re.findall(r"^(\w+) +(\d+)$", result.stdout + result.stderr, flags=re.MULTILINE)
    return {rule: int(count) for rule, count in counts if rule not in ("all", "total")}


def message(result: subprocess.CompletedProcess[str]) -> str:
    """What a failed call says."""
    assert result.returncode != 0
    return result.stdout + result.stderr


def overlay(path: Path, settings: Mapping[str, Any]) -> str:
    path.write_text(yaml.safe_dump(dict(settings)))
    return str(path)


# --- what is planned -----------------------------------------------------------------------------


def test_nothing_but_the_table_is_made_for_the_table(tmp_path: Path) -> None:
    jobs = planned(snakemake("results/playhouse_val.csv", "-n", cwd=tmp_path))
    assert jobs == {
        "draw_playhouse": 1,
        "store_frames": 120,
        "finetune_detector": 1,
        "detect_boxes": 24,  # of validation films alone: training has annotated objects
        "train": 3,  # two methods, and the backbone that both begin with
        "score_detected": 2,
        "score_groundtruth": 2,
        "evaluate": 4,
        "evaluate_persons": 1,
        "result_table": 1,
    }


def test_without_a_target_the_figures_and_the_report_are_made_too(tmp_path: Path) -> None:
    jobs = planned(snakemake("-n", cwd=tmp_path))
    drawn = {rule for rule in jobs if rule.startswith("draw_")} - {"draw_playhouse"}
    assert drawn == {
        "draw_curves", "draw_per_class", "draw_detections", "draw_keyframes", "draw_attention",
    }  # fmt: skip
    assert jobs["report_results"] == 1


def test_another_data_set_needs_no_option_but_its_name(tmp_path: Path) -> None:
    jobs = planned(snakemake("results/small_val.csv", "-n", cwd=tmp_path))
    assert (jobs["store_frames"], jobs["detect_boxes"]) == (5, 2)


def test_an_ablation_has_each_row_with_each_seed(tmp_path: Path) -> None:
    jobs = planned(snakemake("results/small/table1a.csv", "-n", cwd=tmp_path))
    assert jobs["train"] == 5 * 3 + 3
    assert jobs["score_detected"] == jobs["score_groundtruth"] == 15
    assert jobs["evaluate"] == 30  # on annotated and on detected persons


def test_all_parts_of_table_1_share_their_runs(tmp_path: Path) -> None:
    one = overlay(tmp_path / "one.yaml", {"ablations": {"seeds": [3]}})
    tables = [f"results/small/table1{letter}.csv" for letter in "abcdef"]
    figures = [f"results/small/figures/fig{number}.png" for number in (4, 5, 6)]
    jobs = planned(snakemake(*tables, *figures, "-n", "--configfile", one, cwd=tmp_path))
    assert jobs["ablation_table"] == 6
    # 25 rows of 19 networks, the backbone that they begin with, and the two runs of Fig. 6
    assert jobs["train"] == 19 + 1 + 2 + 1
    assert jobs["measure_cost"] == 5  # Table 1e
    assert jobs["measure_reach"] == jobs["draw_structures"] == jobs["draw_per_class"] == 1


def test_a_row_of_an_ablation_may_be_left_out_and_all_may_have_a_variant(tmp_path: Path) -> None:
    change = {
        "ablations": {"seeds": [0], "variant": "wide"},
        "variants": {"wide": {"network": {"width": 128}}},
        "table1a": {"P O": None, "P M": None, "O M": None},
    }
    less = overlay(tmp_path / "less.yaml", change)
    options = ("-n", "--configfile", less)
    jobs = planned(snakemake("results/small/table1a.csv", *options, cwd=tmp_path))
    assert jobs["train"] == 2 + 1
    wide = "results/small/metrics/slowfast_tiny-serial-POM-amu-s0-wide.val.csv"
    table = snakemake("results/small/table1a.csv", wide, *options, cwd=tmp_path)
    assert planned(table) == jobs  # it is one of the table's files
    none = overlay(
        tmp_path / "none.yaml", {"table1d": dict.fromkeys(("Parallel", "Serial", "Dense Serial"))}
    )
    refused = snakemake("results/small/table1d.csv", "-n", "--configfile", none, cwd=tmp_path)
    assert "table1d: all of its rows are null in the settings of small" in message(refused)


def test_the_baselines_of_the_papers_tables_are_runs_like_others(tmp_path: Path) -> None:
    runs = ("nl", "lfb-MM-frozen", "lfb-MM-amu", "serial-POMPOM-frozen")
    targets = [f"results/small/metrics/slowfast_tiny-{run}-s0.val-gt.csv" for run in runs]
    jobs = planned(snakemake(*targets, "-n", cwd=tmp_path))
    assert jobs["train"] == len(runs) + 1  # and the backbone that all begin with
    assert jobs["score_groundtruth"] == jobs["evaluate"] == len(runs)


def test_an_ensemble_in_multi_scale_is_scored_in_each_view_and_fused_twice(tmp_path: Path) -> None:
    runs = [f"slowfast_tiny-{run}" for run in ("serial-POM-amu-s0", "none-s0", "none-s1")]
    three = overlay(tmp_path / "three.yaml", {"fuse": {"ensembles": {"three": runs}}})
    options = ("-n", "--configfile", three)
    ours = f"results/small/metrics/{runs[0]}.val"
    assert planned(snakemake(f"{ours}-multiscale.csv", *options, cwd=tmp_path)) == {
        **{"draw_playhouse": 1, "store_frames": 5, "finetune_detector": 1, "detect_boxes": 2},
        **{"train": 2, "score_detected": 6, "fuse_views": 1, "evaluate": 1},
    }
    # the network in the size as kept is scored but once, for whomever
    both = snakemake(f"{ours}-multiscale.csv", f"{ours}.csv", *options, cwd=tmp_path)
    assert planned(both)["score_detected"] == 6
    jobs = planned(snakemake("results/small/metrics/three.val-gt.csv", *options, cwd=tmp_path))
    assert (jobs["score_groundtruth"], jobs["fuse_runs"], jobs["evaluate"]) == (3, 1, 1)
    metrics = ("results/small/metrics/three.val-multiscale.csv", f"{ours}@98-flip.protocols.csv")
    jobs = planned(snakemake(*metrics, *options, cwd=tmp_path))
    assert (jobs["score_detected"], jobs["fuse_views"], jobs["fuse_runs"]) == (18, 3, 1)
    assert (jobs["evaluate"], jobs["evaluate_protocols"]) == (1, 1)


def test_rows_of_a_table_share_their_runs_with_its_multi_scale_rows_and_ensembles(
    tmp_path: Path,
) -> None:
    run = "slowfast_tiny-serial-POM-amu"
    pair = [f"{run}-s0", "slowfast_tiny-none-s1"]
    rows = ["slowfast_tiny-none", run, f"{run} multiscale", "pair", "pair multiscale"]
    results = {"results": {"seeds": [0, 1], "runs": rows}, "fuse": {"ensembles": {"pair": pair}}}
    options = ("-n", "--configfile", overlay(tmp_path / "rows.yaml", results))
    jobs = planned(snakemake("results/small_val.csv", *options, cwd=tmp_path))
    assert jobs["train"] == 4 + 2  # two networks, two seeds, and the backbones they begin with
    # of all as kept; five further views of the multi-scale row's two, and of the ensemble's other
    assert jobs["score_detected"] == jobs["score_groundtruth"] == 4 + 5 * 3
    assert jobs["fuse_views"] == 2 * 3
    assert jobs["fuse_runs"] == 2 * 2
    assert jobs["evaluate"] == 2 * (2 + 2 + 2 + 1 + 1)
    figures = [f"results/small/figures/{name}.png" for name in ("curves", "fig6", "keyframes")]
    result = snakemake(*figures, "--printshellcmds", "--quiet", "host", *options, cwd=tmp_path)
    assert planned(result)["train"] == 4 + 2
    assert planned(result)["evaluate"] == planned(result)["score_detected"] == 4
    said = result.stdout + result.stderr
    curves = re.search(r"aia figure curves --progress (.*?) --metrics (.*?) --output", said)
    assert curves
    named = [[word.split("=")[0] for word in part.split()] for part in curves.groups()]
    networks = [f"{name}-s{seed}" for name in rows[:2] for seed in (0, 1)]
    assert named[1] == networks
    assert sorted(named[0]) == sorted(
        [*networks, *(f"{rows[0]}-s{seed}-pretrain" for seed in (0, 1))]
    )


def test_a_data_set_of_avas_size_is_planned_with_ids_as_avas_are(tmp_path: Path) -> None:
    ids = [f"{'-_aZ'[i % 4]}{i:03d}-_x{i % 7}B_" for i in range(299)]
    write_ava(tmp_path, train=ids[:235], val=ids[235:])
    target = ("results/ava_val.csv", "-n", "--configfile", "ava.yaml")
    jobs = planned(snakemake(*target, cwd=tmp_path))
    assert jobs["store_frames"] == 299
    assert jobs["detect_boxes"] == 299  # nobody annotated objects
    assert jobs["train"] == 3
    assert "draw_playhouse" not in jobs


def import_settings(folder: Path, **data: Any) -> str:
    """An overlay with boxes that others published; a dry run looks at no more than their names."""
    for name in ("val.json", "train_objects.json", "val_objects.json", "list.txt"):
        (folder / name).touch()
    (folder / "test.txt").write_text("x.mp4\ny.mp4\n")
    (folder / "seconds.txt").write_text("902\n903\n")
    return overlay(folder / "published.yaml", {"data": data})


RUNS = {"results": {"seeds": [0], "runs": ["slowfast_tiny-none", "slowfast_tiny-serial-POM-amu"]}}
TEST = {"films": "test.txt", "excluded": None, "labels": None, "box_images": None,
        "person_boxes": None, "object_boxes": None}  # fmt: skip


def test_imported_persons_are_not_detected_and_objects_beside_them_are(tmp_path: Path) -> None:
    write_ava(tmp_path, train=["a", "b"], val=["c", "d", "e"], **RUNS)
    published = import_settings(tmp_path, person_boxes={"val": "val.json"})
    options = ("-n", "--configfile", "ava.yaml", published)
    scores = "results/ava/scores/slowfast_tiny-none-s0.val.parquet"
    jobs = planned(snakemake(scores, "results/ava/metrics/persons.csv", *options, cwd=tmp_path))
    assert jobs["import_boxes"] == 1
    assert "detect_boxes" not in jobs
    assert "finetune_detector" not in jobs
    mixed = planned(snakemake("results/ava_val.csv", *options, cwd=tmp_path))
    assert mixed["import_boxes"] == 1
    assert mixed["detect_boxes"] == 5  # objects of both splits


def test_with_persons_and_objects_imported_no_detector_is_needed(tmp_path: Path) -> None:
    write_ava(tmp_path, train=["a", "b"], val=["c", "d", "e"], **RUNS)
    published = import_settings(
        tmp_path,
        person_boxes={"val": "val.json"},
        object_boxes={"train": "train_objects.json", "val": "val_objects.json"},
        box_images={"train": "list.txt", "val": "list.txt"},
    )
    options = ("-n", "--printshellcmds", "--quiet", "host", "--configfile", "ava.yaml", published)
    result = snakemake("results/ava_val.csv", *options, cwd=tmp_path)
    jobs = planned(result)
    assert jobs["import_boxes"] == 3
    assert "detect_boxes" not in jobs
    assert "--images list.txt" in result.stdout + result.stderr
    figure = snakemake("results/ava/figures/detections.png", *options, cwd=tmp_path)
    assert "detect_boxes" not in planned(figure)


def test_boxes_that_were_not_given_cannot_be_imported(tmp_path: Path) -> None:
    said = message(snakemake("results/small/imported/val/persons", "-n", cwd=tmp_path))
    assert "data.person_boxes: says of val in the settings of small" in said


def test_films_without_labels_are_scored_for_a_submission(tmp_path: Path) -> None:
    write_ava(tmp_path, train=["a"], val=["b"])
    for video in "xy":
        (tmp_path / "films" / f"{video}.mp4").touch()
    listed = import_settings(tmp_path, test=TEST, seconds="seconds.txt")
    options = ("-n", "--printshellcmds", "--quiet", "host", "--configfile", "ava.yaml", listed)
    target = "results/ava/submission/slowfast_tiny-none-s0.test.csv"
    result = snakemake(target, *options, cwd=tmp_path)
    jobs = planned(result)
    assert (jobs["submit"], jobs["score_test"], jobs["detect_boxes"]) == (1, 1, 2)
    assert "--films test.txt --seconds seconds.txt" in result.stdout + result.stderr
    # all that is to be submitted, listed
    both = {"fuse": {"short_sides": [98], "flip": False, "ensembles": {"alone": [f"{RUN}-s0"]}}}
    both |= {"submissions": {"seeds": [0, 1], "paper_data": None, "runs": [
        "slowfast_tiny-none", "alone multiscale"]}}  # fmt: skip
    rows = overlay(tmp_path / "rows.yaml", both)
    every = snakemake("results/ava_test.csv", *options, rows, cwd=tmp_path)
    jobs = planned(every)
    assert (jobs["submission_list"], jobs["submit"], jobs["score_test"]) == (1, 3, 3)
    assert (jobs["fuse_views"], jobs["fuse_runs"]) == (1, 1)
    said = message(snakemake("results/ava_test.csv", *options, cwd=tmp_path))
    assert "submissions: is null in the settings of ava" in said
    without = import_settings(tmp_path, test=TEST)
    options = ("-n", "--configfile", "ava.yaml", without)
    said = message(snakemake(target, *options, cwd=tmp_path))
    assert "test.films: needs seconds" in said
    said = message(snakemake(target, "-n", "--configfile", "ava.yaml", cwd=tmp_path))
    assert "data.test.films: is null in the settings of ava" in said


def write_ava(folder: Path, *, train: list[str], val: list[str], **settings: Any) -> None:
    """Films (empty files), annotations and settings of a data set that is brought along."""
    (folder / "films").mkdir()
    for number, video in enumerate([*train, *val]):
        (folder / "films" / f"{video}.{('mp4', 'mkv', 'webm')[number % 3]}").touch()
    for split, videos in (("train", train), ("val", val)):
        with open(folder / f"{split}.csv", "w", newline="") as file:
            csv.writer(file).writerows(
                (video, t, 0.1, 0.1, 0.5, 0.9, 1, 0) for video in videos for t in range(902, 905)
            )
    (folder / "labels.pbtxt").write_text('label { name: "stand" label_id: 1 }\n')
    data = {
        "films": "films/{video}.*",
        "labels": "labels.pbtxt",
        "annotations": {"train": "train.csv", "val": "val.csv"},
        "excluded": {"train": None, "val": None},
        "objects": {"train": None, "val": None},
    }
    overlay(folder / "ava.yaml", {"dataset": "ava", "data": data, **settings})


# --- what stops it -------------------------------------------------------------------------------


def test_a_misspelt_setting_stops_everything_and_is_told_its_likely_name(tmp_path: Path) -> None:
    wrong = overlay(tmp_path / "wrong.yaml", {"memory": {"reech": 5}})
    said = message(snakemake("-n", "--configfile", wrong, cwd=tmp_path))
    assert "memory.reech is not a setting, did you mean memory.reach?" in said
    assert "wrong.yaml" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("results/plyhouse_val.csv", "'plyhouse' has no settings"),
        (
            "results/small/runs/slowfast_tiny-serial-POM-none-s0/model.safetensors",
            "an M-Block needs a memory",
        ),
        ("results/small/metrics/trio.val.csv", "'trio' is neither a run nor one of fuse.ensembles"),
        (
            "results/small/runs/slowfast_teeny-none-s0/model.safetensors",
            "did you mean slowfast_tiny?",
        ),
        (
            "results/small/runs/slowfast_tiny-none-s0-pretrian/model.safetensors",
            "did you mean pretrain?",
        ),
    ],
)
def test_a_target_that_cannot_be_made_says_why(tmp_path: Path, target: str, expected: str) -> None:
    assert expected in message(snakemake(target, "-n", cwd=tmp_path))


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda folder: (folder / "val.csv").unlink(), "data.annotations.val: val.csv cannot be"),
        (
            lambda folder: (folder / "val.csv").write_text("films/a.mp4,1,0,0,1,1,1,0\n"),
            "val.csv, line 1: 'films/a.mp4' is not a film's id",
        ),
        (
            lambda folder: (folder / "val.csv").write_text(f"{'a' * 200},1,0,0,1,1,7,0\n"),
            "no . in front, at most 180 characters)",
        ),
        (
            lambda folder: (folder / "films" / "b.mkv").unlink(),
            "expected one video films/b.*, found 0",
        ),
        (lambda folder: (folder / "films" / "b.mp4").touch(), "found 2: b.mkv, b.mp4"),
    ],
    ids=["no annotations", "a path for an id", "a long id", "no film", "two films"],
)
def test_data_that_do_not_fit_stop_before_any_job(
    tmp_path: Path, damage: Any, expected: str
) -> None:
    write_ava(tmp_path, train=["a"], val=["b"])
    damage(tmp_path)
    target = ("results/ava_val.csv", "-n", "--configfile", "ava.yaml")
    assert expected in message(snakemake(*target, cwd=tmp_path))


def test_a_pretraining_that_would_wait_for_itself_is_refused(tmp_path: Path) -> None:
    circular = {"variants": {"pretrain": {"train": {"init": "pretrain"}}}}
    wrong = overlay(tmp_path / "wrong.yaml", circular)
    target = ("results/small_val.csv", "-n", "--configfile", wrong)
    assert "it would wait for itself" in message(snakemake(*target, cwd=tmp_path))


# --- what is made, and made anew -----------------------------------------------------------------

RUN = "slowfast_tiny-serial-POM-amu"
TRAINED = {"train": 1, "score_detected": 1, "score_groundtruth": 1, "evaluate": 2}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny Playhouse was run from films to report."""
    folder = tmp_path_factory.mktemp("small")
    settings = yaml.safe_load((REPOSITORY / "config" / "small.yaml").read_text())
    settings["playhouse"] |= {"train_films": 2, "val_films": 1}
    settings["train"] |= {"init": "scratch", "steps": 6, "checkpoint_every": 2}
    settings["detector"] |= {"steps": 4}
    settings["results"] = {"seeds": [0], "runs": [RUN]}
    settings["fuse"] = {"short_sides": [98, 112], "ensembles": {"alone": [f"{RUN}-s0"]}}
    overlay(folder / "less.yaml", settings)
    result = snakemake("--configfile", "less.yaml", cwd=folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    return folder


@pytest.mark.long
def test_every_part_of_table_1_and_its_figures_are_made(tmp_path: Path) -> None:
    """Every kind of network of Table 1, small; not all that differ in their blocks alone."""
    change = {
        "playhouse": {"train_films": 2, "val_films": 1, "seconds": 10},
        "train": {"init": "scratch", "steps": 2, "validate_every": None},
        "detector": {"steps": 2},
        "ablations": {"seeds": [0]},
        "table1a": dict.fromkeys(("P O", "P M", "O M")),
        "table1b": {"3x{P,M,O}": None},
        "table1c": dict.fromkeys(("O>P>M", "P>M>O", "M>P>O", "O>M>P")),
        "figure5": {"clips": 1, "reaches": [0, 2], "joint": [0, 1]},
    }
    less = overlay(tmp_path / "less.yaml", change)
    folder = tmp_path / "results" / "small"
    rows = {"a": 2, "b": 2, "c": 2, "d": 3, "e": 5, "f": 3}
    tables = [f"results/small/table1{letter}.csv" for letter in rows]
    figures = [f"results/small/figures/fig{number}.png" for number in (4, 5, 6)]
    result = snakemake(*tables, *figures, "--configfile", less, "--cores", "2", cwd=tmp_path)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
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
        assert (tmp_path / figure).stat().st_size > 1000


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
    for name in ("curves", "fig6", "detections", "keyframes", "attention"):
        assert f"figures/{name}.png" in report
    run = results / "small" / "runs" / f"{RUN}-s0"
    assert {"model.safetensors", "metrics.jsonl", "config.yaml"} <= set(os.listdir(run))
    lines = (run / "metrics.jsonl").read_text().splitlines()
    assert json.loads(lines[-1])["step"] == 6
    log = finished / "logs" / "small" / "train" / f"{RUN}-s0.log"
    assert "step" in log.read_text()


def test_views_are_fused_to_their_mean_and_evaluated(finished: Path) -> None:
    metrics = [
        f"results/small/metrics/{name}.val-multiscale.csv" for name in (f"{RUN}-s0", "alone")
    ]
    result = snakemake(*metrics, "--configfile", "less.yaml", cwd=finished)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    folder = finished / "results" / "small" / "scores"
    views = ("@98", "@98-flip", "", "@112-flip")
    tables = [read_scores(folder / f"{RUN}-s0.val{view}.parquet") for view in views]
    fused = read_scores(folder / f"{RUN}-s0.val-multiscale.parquet")
    expected = np.mean([table.scores for table in tables], axis=0)
    np.testing.assert_allclose(fused.scores, expected, rtol=1e-5)
    for table in tables:
        assert table.boxes.equals(fused.boxes)
    for one, other in itertools.combinations(tables, 2):
        assert not np.array_equal(one.scores, other.scores)
    first, second = ((finished / path).read_bytes() for path in metrics)
    assert first == second  # an ensemble of one


def test_a_table_has_multi_scale_rows_and_ensembles_beside_the_runs(
    finished: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "again"
    shutil.copytree(finished, folder)
    rows = [RUN, f"{RUN} multiscale", "alone multiscale"]
    overlay(folder / "rows.yaml", {"results": {"runs": rows}, "fuse": {"flip": False}})
    target = ("results/small_val.csv", "--configfile", "less.yaml", "rows.yaml")
    result = snakemake(*target, cwd=folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    for boxes in ("detected", "annotated"):
        table = read_table(folder / "results" / "small_val.csv", f"mAP@0.5 ({boxes} boxes)")
        assert [line["method"] for line in table] == rows
        assert {line["seeds"] for line in table} == {"1"}
        assert {line["backbone"] for line in table} == {"slowfast_tiny"}
        single, several, alone = (line["ours"] for line in table)
        assert several == alone != single


def test_a_second_call_does_nothing(finished: Path) -> None:
    result = snakemake("-n", "--configfile", "less.yaml", cwd=finished)
    assert "Nothing to be done" in result.stdout + result.stderr


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"evaluate": {"protocol": "activitynet"}}, {"evaluate": 2}),
        ({"detector": {"person_threshold": 0.06}}, {"score_detected": 1, "evaluate": 1}),
        ({"memory": {"reach": 2}}, TRAINED),
        ({"score": {"extend": [0.0, 0.0]}}, {**TRAINED, "train": 0}),
        (
            {"detector": {"steps": 5}},
            {
                "finetune_detector": 1,
                "detect_boxes": 1,
                "evaluate_persons": 1,
                "score_detected": 1,
                "evaluate": 1,
            },
        ),
        (
            {
                "train": {"checkpoint_every": 3, "workers": 1, "threads": 2},
                "score": {"workers": 1},
                "data": {"bad_films": "skip"},
            },
            {},
        ),
        ({"network": {"dropout": 0.25}}, TRAINED),
        ({"ablations": {"seeds": [5]}}, {}),
    ],
    ids=[
        "protocol",
        "threshold",
        "memory",
        "scoring",
        "detector",
        "machine",
        "network",
        "another table",
    ],
)
def test_a_change_reruns_what_depends_on_it_alone(
    finished: Path, tmp_path: Path, change: Mapping[str, Any], expected: Mapping[str, int]
) -> None:
    changed = overlay(tmp_path / "change.yaml", change)
    result = snakemake("-n", "--configfile", "less.yaml", changed, cwd=finished)
    jobs = planned(result)
    shown = ("result_table", "report_results", *(rule for rule in jobs if rule.startswith("draw_")))
    made = {rule: count for rule, count in jobs.items() if rule not in shown}
    assert made == {rule: count for rule, count in expected.items() if count}


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
    result = snakemake(target, "--configfile", "less.yaml", "own.yaml", cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (small / "imported" / "val" / "persons" / film.name).exists()
    pd.testing.assert_frame_equal(pd.read_parquet(scores), detected)

    submission = f"results/small/submission/{RUN}-s0.test.csv"
    result = snakemake(submission, "--configfile", "less.yaml", "test.yaml", cwd=folder)
    assert result.returncode == 0, result.stdout + result.stderr
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
            if b"train\0--run" in command and (process / "cwd").resolve() == folder.resolve():
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
