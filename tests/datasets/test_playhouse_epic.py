"""The kitchen's files: EPIC-Kitchens-55's tables beside real films, the same each time."""

import ast
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pandas as pd
import pytest

from aia.config import PlayhouseConfig
from aia.datasets.playhouse import draw_playhouse, video_names
from aia.datasets.playhouse_epic import ACTION_COLUMNS
from aia.datasets.playhouse_epic_draw import LABELS
from aia.datasets.playhouse_epic_script import NOUNS, VERBS
from aia.tables import read_objects

SMALL = PlayhouseConfig(
    form="epic_kitchens",
    seed=3,
    train_films=3,
    val_films=2,
    seconds=12,
    fps=8,
    size_hw=(112, 160),
)
ACTIONS = "annotations/EPIC_train_action_labels.csv"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("kitchen")
    draw_playhouse(folder, config=SMALL, processes=1)
    return folder


def decode(path: Path) -> np.ndarray:
    with av.open(str(path)) as container:
        return np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])


def seconds(stamps: pd.Series) -> pd.Series:
    return pd.to_timedelta(stamps).dt.total_seconds()


def test_films_are_named_by_participants_that_the_published_split_parts() -> None:
    many = replace(SMALL, train_films=96, val_films=24)
    train, val = (video_names(many, split) for split in ("train", "val"))
    assert train[:2] == ["P01_01", "P02_01"]
    assert train[25] == "P01_02"
    assert {name[:3] for name in train} == {f"P{number:02d}" for number in range(1, 26)}
    assert {name[:3] for name in val} == {f"P{number:02d}" for number in range(26, 32)}
    assert len({*train, *val}) == 96 + 24
    assert video_names(SMALL, "train") == train[:3]


def test_there_are_films_and_tables_and_nothing_else(drawn: Path) -> None:
    names = {str(path.relative_to(drawn)) for path in drawn.rglob("*") if path.is_file()}
    films = [*video_names(SMALL, "train"), *video_names(SMALL, "val")]
    assert names == {
        *(f"films/{video}.mp4" for video in films),
        ACTIONS,
        "annotations/EPIC_verb_classes.csv",
        "annotations/EPIC_noun_classes.csv",
        "annotations/EPIC_video_info.csv",
        "annotations/train_boxes.csv",
        "annotations/val_boxes.csv",
    }
    assert decode(drawn / "films" / "P26_01.mp4").shape == (12 * 8, 112, 160, 3)


def test_segments_have_the_published_columns_and_agree_with_themselves(drawn: Path) -> None:
    table = pd.read_csv(drawn / ACTIONS)
    assert tuple(table.columns) == ACTION_COLUMNS
    assert table["uid"].tolist() == list(range(len(table)))
    assert (table["video_id"].str[:3] == table["participant_id"]).all()
    assert set(table["video_id"]) == {"P01_01", "P02_01", "P03_01", "P26_01", "P27_01"}
    assert table["start_timestamp"].str.fullmatch(r"\d\d:\d\d:\d\d\.\d\d").all()
    start, stop = seconds(table["start_timestamp"]), seconds(table["stop_timestamp"])
    assert ((start >= 0) & (start < stop) & (stop <= 12)).all()
    np.testing.assert_array_equal(table["start_frame"], np.floor(start * 60 + 1e-6))
    np.testing.assert_array_equal(table["stop_frame"], np.floor(stop * 60 + 1e-6))
    for task, classes in (("verb", VERBS), ("noun", NOUNS)):
        names = [name for name, _ in classes]
        assert table[task].tolist() == [names[number] for number in table[f"{task}_class"]]
    assert (table["narration"] == table["verb"] + " " + table["noun"]).all()
    assert [ast.literal_eval(nouns) for nouns in table["all_nouns"]] == [[n] for n in table["noun"]]
    assert [ast.literal_eval(c) for c in table["all_noun_classes"]] == [
        [c] for c in table["noun_class"]
    ]


def test_classes_and_films_are_listed_as_published(drawn: Path) -> None:
    for kind, classes in (("verb", VERBS), ("noun", NOUNS)):
        table = pd.read_csv(drawn / "annotations" / f"EPIC_{kind}_classes.csv")
        assert table.columns.tolist() == [f"{kind}_id", "class_key", f"{kind}s"]
        assert table[f"{kind}_id"].tolist() == list(range(len(classes)))
        assert table["class_key"].tolist() == [name for name, _ in classes]
        assert [ast.literal_eval(names) for names in table[f"{kind}s"]] == [[n] for n, _ in classes]
    table = pd.read_csv(drawn / "annotations" / "EPIC_video_info.csv")
    assert table.columns.tolist() == ["video", "resolution", "duration", "fps"]
    assert table["video"].tolist() == ["P01_01", "P02_01", "P03_01", "P26_01", "P27_01"]
    assert set(table["resolution"]) == {"160x112"}
    assert set(table["duration"]) == {12.0}
    assert set(table["fps"]) == {8.0}


def test_tables_look_like_the_published_ones(drawn: Path, shared_data: Path) -> None:
    for name in (
        "EPIC_train_action_labels.csv",
        "EPIC_verb_classes.csv",
        "EPIC_noun_classes.csv",
        "EPIC_video_info.csv",
    ):
        ours, theirs = (
            pd.read_csv(folder / name, nrows=5)
            for folder in (drawn / "annotations", shared_data / "epic55")
        )
        assert ours.dtypes.to_dict() == theirs.dtypes.to_dict()


def test_boxes_stand_at_whole_seconds_and_in_the_middle_of_every_segment(drawn: Path) -> None:
    table = pd.read_csv(drawn / ACTIONS)
    middle = (seconds(table["start_timestamp"]) + seconds(table["stop_timestamp"])) / 2
    for split in ("train", "val"):
        boxes = read_objects(drawn / "annotations" / f"{split}_boxes.csv")
        assert set(boxes["label"]) <= set(LABELS)
        for video in video_names(SMALL, split):
            own = boxes[boxes["video"] == video]
            wanted = {*map(float, range(12)), *middle[table["video_id"] == video].round(3)}
            assert sorted(set(own["time_sec"])) == pytest.approx(sorted(wanted), abs=1e-3)
            for _, group in own.groupby("time_sec"):
                assert sorted(group["label"])[:1] in (["hand"], ["brush"])
                assert (group["label"].value_counts() == 1).all()
                assert {"hand", "tv", "phone"} <= set(group["label"])


def test_a_glove_is_seen_in_the_films_where_its_box_says(drawn: Path) -> None:
    boxes = read_objects(drawn / "annotations" / "train_boxes.csv")
    film = decode(drawn / "films" / "P01_01.mp4").astype(int)
    hands = boxes[(boxes["video"] == "P01_01") & (boxes["label"] == "hand")]
    for row in hands.itertuples():
        frame = film[min(int(np.ceil(row.time_sec * 8 - 0.5)), len(film) - 1)]
        glove = np.abs(frame - (255, 0, 200)).max(axis=2) < 80
        x1, x2 = round(row.x1 * 160), round(row.x2 * 160)
        y1, y2 = round(row.y1 * 112), round(row.y2 * 112)
        assert glove[y1:y2, x1:x2].sum() > 12
        assert glove[y1:y2, x1:x2].sum() == glove.sum()


def test_two_processes_draw_the_same_bytes_as_one(drawn: Path, tmp_path: Path) -> None:
    draw_playhouse(tmp_path, config=SMALL, processes=2)
    files = sorted(path.relative_to(drawn) for path in drawn.rglob("*") if path.is_file())
    assert files == sorted(p.relative_to(tmp_path) for p in tmp_path.rglob("*") if p.is_file())
    for file in files:
        assert (drawn / file).read_bytes() == (tmp_path / file).read_bytes(), file


def test_a_film_does_not_depend_on_how_many_there_are(drawn: Path, tmp_path: Path) -> None:
    draw_playhouse(tmp_path, config=replace(SMALL, train_films=1, val_films=1), processes=1)
    for name in ("P01_01.mp4", "P26_01.mp4"):
        assert (tmp_path / "films" / name).read_bytes() == (drawn / "films" / name).read_bytes()
    assert (tmp_path / "films/P01_01.mp4").read_bytes() != (
        tmp_path / "films/P26_01.mp4"
    ).read_bytes()


@pytest.mark.parametrize(("length", "fps"), [(4, 2), (5, 25)])
def test_the_smallest_and_other_rates_work(tmp_path: Path, length: int, fps: int) -> None:
    config = replace(SMALL, train_films=1, val_films=1, seconds=length, fps=fps, size_hw=(56, 80))
    draw_playhouse(tmp_path, config=config, processes=1)
    assert len(decode(tmp_path / "films" / "P26_01.mp4")) == length * fps
    assert len(pd.read_csv(tmp_path / ACTIONS)) >= 2
