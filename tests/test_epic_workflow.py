"""Table 4 on a drawn kitchen in EPIC-Kitchens-55's form: segments, verbs and nouns apart."""

import csv
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from safetensors import safe_open

from aia.cli import main
from aia.tables import read_object_features, read_scores, read_segments
from tests.workflow import made, overlay

TARGET = "results/small_epic.csv"
RUN = "slowfast_tiny-dense-POM"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny kitchen went from films to the table, with one row."""
    folder = tmp_path_factory.mktemp("small_epic")
    less = {"dataset": "small_epic", "results": {"runs": {"SlowFast (ours)": None}}}
    options = ("--configfile", overlay(folder / "less.yaml", less))
    made(TARGET, *options, cwd=folder)
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
    wanted = set(read_segments(finished / "results/small_epic/data/val.parquet")["segment"])
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
    times = key_times(folder / "data/val.parquet")
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
    assert (jobs["extract_objects"], jobs["train"], jobs["all"]) == ("2", "4", "21")
