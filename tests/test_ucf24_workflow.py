"""Table 3 on a drawn data set in UCF101-24's form: from films whose every frame is labelled."""

import csv
from pathlib import Path

import pytest

from aia.tables import read_actions
from tests.workflow import made, overlay

TARGET = "results/small_ucf24.csv"
METHOD = "AIA-Dense-Serial"


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the tiny data set went from films to the table, with one method."""
    folder = tmp_path_factory.mktemp("small_ucf24")
    less = {
        "dataset": "small_ucf24",
        "playhouse": {"train_films": 1},
        "train": {"init": "scratch"},
        "results": {"runs": {"C2D (ours)": None, "AIA-Serial": None}},
    }
    options = ("--configfile", overlay(folder / "less.yaml", less))
    made(TARGET, *options, cwd=folder)
    return folder


def test_the_table_has_frame_and_video_map_and_those_of_each_group(finished: Path) -> None:
    with open(finished / TARGET, newline="") as file:
        table = list(csv.DictReader(file))
    rows = [line for line in table if line["row"]]
    assert {(line["row"], line["input"]) for line in rows} == {(METHOD, "1x1")}
    metrics = {line["metric"].split(" (")[0] for line in table}
    groups = {f"frame_mAP@0.5 {name}" for name in ("APPEARANCE", "PERSON", "OBJECT", "MEMORY")}
    video = {f"video_mAP@{iou}" for iou in ("0.2", "0.5", "0.5:0.95")}
    assert {"frame_mAP@0.5", "person AP@0.5"} | groups | video <= metrics


def test_what_is_scored_are_all_frames_at_the_films_own_rate(finished: Path) -> None:
    actions = read_actions(finished / "results/small_ucf24/data/val.parquet")
    assert sorted(set(actions["time_sec"])) == [frame / 2 for frame in range(22)]
    log = finished / "logs/small_ucf24/evaluate"
    for text in (path.read_text() for path in log.iterdir()):
        assert "no detection" not in text
        assert "films that are not evaluated" not in text
