"""Table 4 on a drawn kitchen in EPIC-Kitchens-55's form: segments, verbs and nouns apart."""

import csv
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors import safe_open

from aia.cli import main
from aia.tables import read_object_features, read_scores
from tests.workflow import message, overlay, planned, snakemake

TARGET = "results/small_epic.csv"
RUN = "slowfast_tiny-dense-POM"


def test_verbs_and_nouns_are_trained_apart_and_actions_made_of_both(tmp_path: Path) -> None:
    assert planned(snakemake(TARGET, "-n", cwd=tmp_path)) == {
        "draw_playhouse_epic": 1,
        "prepare_segments": 1,
        "store_frames": 3,
        "finetune_detector": 1,
        "detect_boxes": 3,
        "remember_objects": 3,
        "train": 4,  # two rows, two tasks
        "score_detected": 4,
        "evaluate": 2,
        "result_table": 1,
        "table": 1,
    }


def test_all_of_the_published_table_4_is_planned_from_the_published_files(
    tmp_path: Path, shared_data: Path
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data/epic55").symlink_to(shared_data / "epic55")
    backbone = tmp_path / "slowfast.safetensors"
    backbone.touch()
    less = {
        "data": {
            "person_boxes": {"train": "hands", "val": "hands"},
            "object_boxes": {"train": "hands", "val": "hands"},
        },
        "train": {"init": "slowfast.safetensors"},
    }
    (tmp_path / "hands").mkdir()
    options = ("--configfile", overlay(tmp_path / "less.yaml", less))
    jobs = planned(snakemake("results/epic_kitchens.csv", "-n", *options, cwd=tmp_path))
    assert jobs["fetch_epic55_film"] == jobs["store_frames"] == jobs["remember_objects"] == 272
    assert jobs["train"] == 2 * 4  # three structures and the baseline
    assert jobs["import_boxes"] == 4  # hands and objects of both splits
    assert "detect_boxes" not in jobs
    assert "fetch_epic55_annotations" not in jobs  # they are there


def test_without_the_tables_these_are_fetched_first(tmp_path: Path) -> None:
    for name in ("data/epic55/hand_objects", "data/backbones"):
        (tmp_path / name).mkdir(parents=True)
    jobs = planned(snakemake("results/epic_kitchens.csv", "-n", cwd=tmp_path))
    assert jobs["fetch_epic55_annotations"] == 1


def test_a_row_with_a_variant_is_refused(tmp_path: Path) -> None:
    rows = {
        "dataset": "small_epic",
        "results": {"runs": {"AIA-Dense-Serial": "slowfast_tiny-none-verb"}},
    }
    options = ("--configfile", overlay(tmp_path / "rows.yaml", rows))
    said = message(snakemake(TARGET, "-n", *options, cwd=tmp_path))
    assert "are runs without a variant" in said


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny kitchen went from films to the table, with one row."""
    folder = tmp_path_factory.mktemp("small_epic")
    less = {"dataset": "small_epic", "results": {"runs": {"SlowFast (ours)": None}}}
    options = ("--configfile", overlay(folder / "less.yaml", less))
    result = snakemake(TARGET, *options, cwd=folder)
    assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-6000:]
    return folder


def test_the_table_has_verbs_nouns_and_actions_beside_the_papers(finished: Path) -> None:
    with open(finished / TARGET, newline="") as file:
        table = list(csv.DictReader(file))
    assert [line["metric"] for line in table] == [
        f"{name} top-{k}" for name in ("verb", "noun", "action") for k in (1, 5)
    ]
    assert {line["row"] for line in table} == {"AIA-Dense-Serial"}
    for line in table:
        assert 0 <= float(line["ours"]) <= 100
    papers = [float(line["paper"]) for line in table]
    assert papers == [60.0, 84.6, 37.2, 62.1, 27.1, 47.8]


def test_every_segment_is_scored_by_its_number(finished: Path) -> None:
    with open(finished / "results/small_epic/prepared/val.csv", newline="") as file:
        wanted = {int(line["segment"]) for line in csv.DictReader(file)}
    for run in (f"{RUN}-amu-s0-verb", f"{RUN}-objects-s0-noun"):
        table = read_scores(finished / f"results/small_epic/scores/{run}.val.parquet")
        assert set(table.boxes["segment"]) == wanted
        assert table.scores.sum(axis=1) == pytest.approx(1.0, abs=1e-5)  # one class is true
    assert len(table.class_ids) == 12


def test_the_noun_model_knows_whose_eyes_its_memory_came_from(finished: Path) -> None:
    folder = finished / "results/small_epic"
    path = folder / f"runs/{RUN}-objects-s0-noun/model.safetensors"
    with safe_open(path, framework="pt") as file:
        described = json.loads(file.metadata()["run"])
    seen = [read_object_features(path) for path in (folder / "object_features").iterdir()]
    assert {one.detector for one in seen} == {described["objects_seen"]["detector"]}
    assert described["objects_seen"]["channels"] == seen[0].d == 128
    assert {one.seconds for one in seen} == {(0, 13)}


def test_hands_are_detected_where_clips_may_lie(finished: Path) -> None:
    from aia.detect.predict import key_times

    folder = finished / "results/small_epic"
    times = key_times(folder / "prepared/val.csv")
    for video, wanted in times.items():
        hands = pq.read_table(folder / f"persons/{video}.parquet").to_pandas()
        assert set(hands["label"]) <= {"hand"}
        assert {round(time, 3) for time in hands["time_sec"]} <= {round(t, 3) for t in wanted}


def test_what_it_takes_is_told_before_it_starts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["budget", TARGET]) == 0
    jobs = dict(re.findall(r"^(\w+) +(\d+) ", capsys.readouterr().out, flags=re.MULTILINE))
    assert (jobs["remember_objects"], jobs["train"], jobs["all"]) == ("3", "4", "24")
