"""The annotations: read back by each form's reader, and true to what is drawn."""

import ast
import csv
import itertools
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from aia.datasets import epic55, ucf101_24
from aia.datasets.ava import annotated_clips, with_objects
from aia.datasets.tubes import SplitTubes, key_frames_of
from aia.labels import read_labels
from aia.pickles import read_pickle
from aia.playhouse import key_frames, video_names
from aia.playhouse.forms import (
    AVA_CLASSES,
    SEGMENT_COLUMNS,
    SEGMENTS,
    UCF24_CLASSES,
    draw_tubes,
    ucf24_actions,
)
from aia.playhouse.kitchen import NOUNS, VERBS
from aia.playhouse.kitchen_stage import LABELS
from aia.playhouse.stage import draw_cast, moment, pictures
from aia.playhouse.world import Script, State, write_script
from aia.tables import read_objects, write_annotations
from tests.conftest import REPOSITORY
from tests.playhouse.conftest import FPS, SECONDS, decode, small

TUBE_ID = {name: number for number, name in enumerate(UCF24_CLASSES.names)}
KITCHENS = ["P01_01", "P02_01", "P03_01", "P04_01", "P05_01", "P26_01", "P27_01"]


def script(*states: State, on: bool = False) -> Script:
    """One person in one state each second."""
    lights = np.full(len(states), on)
    return Script(np.array([states]), lights, lights, np.zeros(len(states), bool))


def rows(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_avas_form_has_one_pose_for_every_box(drawn: dict[str, Path]) -> None:
    folder = drawn["ava"] / "annotations"
    labels = read_labels(folder / "actions.pbtxt")
    assert labels == AVA_CLASSES
    assert set(labels.groups) == {"APPEARANCE", "PERSON", "OBJECT", "MEMORY"}
    names = dict(zip(labels.ids, labels.names, strict=True))
    for split in ("train", "val"):
        table = rows(folder / f"{split}.csv")
        assert {row[0] for row in table} == set(video_names(small("ava"), split))
        assert {row[1] for row in table} == {f"{second:04d}" for second in range(1, SECONDS)}
        for _, group in itertools.groupby(table, key=lambda row: (*row[:6], row[7])):
            done = [names[int(row[6])] for row in group]
            assert sum(name in ("stand", "sit", "walk") for name in done) == 1
            assert len(set(done)) == len(done)
        boxes = np.array([row[2:6] for row in table], float)
        assert ((boxes >= 0) & (boxes <= 1)).all()
        assert (boxes[:, :2] < boxes[:, 2:]).all()


def test_each_key_frame_has_its_three_things(drawn: dict[str, Path]) -> None:
    for form in ("ava", "ucf101_24"):
        config = small(form)
        for split in ("train", "val"):
            table = rows(drawn[form] / "annotations" / f"{split}_objects.csv")
            assert len(table) == len(video_names(config, split)) * key_frames(config) * 3
            for _, group in itertools.groupby(table, key=lambda row: row[:2]):
                assert sorted(row[6] for row in group) == ["phone", "picture", "tv"]


def test_excluded_seconds_are_the_dark_ones_and_there_are_none_where_all_counts(
    drawn: dict[str, Path],
) -> None:
    for split in ("train", "val"):
        dark = {
            (video, f"{second:04d}")
            for video in video_names(small("ava"), split)
            for second in range(1, SECONDS)
            if decode(drawn["ava"] / "films" / f"{video}.mp4")[second * FPS].mean() < 60
        }
        assert dark
        table = rows(drawn["ava"] / "annotations" / f"{split}_excluded.csv")
        assert {tuple(row) for row in table} == dark
    for path in (drawn["ucf101_24"] / "films").iterdir():
        assert (decode(path).mean(axis=(1, 2, 3)) > 60).all()


def test_as_tubes_everybody_does_something_and_each_question_has_one_answer() -> None:
    either = [
        {"watch_tv", "rest"}, {"answer_phone", "call"}, {"open", "close"}, {"cook", "paint"},
        {"wait", "listen"}, {"wait", "watch_person"},
    ]  # fmt: skip
    seen: Counter[str] = Counter()
    for number in range(40):
        play = write_script(np.random.default_rng([5, number]), seconds=30, blackout=False)
        for person, second in np.ndindex(play.states.shape):
            found = ucf24_actions(play, person=person, second=second)
            assert found
            assert len(set(found)) == len(found)
            assert all(len(pair.intersection(found)) < 2 for pair in either)
            seen.update(found)
    assert set(seen) == set(UCF24_CLASSES.names)
    for a, b in either[:4]:  # a coin would do as well, without the evidence
        assert 0.7 < seen[a] / seen[b] < 1.4


@pytest.mark.parametrize("on", [False, True])
def test_what_is_left_undone_is_a_class_of_its_own(on: bool) -> None:
    play = script(State.IDLE, State.SIT, State.SIT_TALK, State.EAR, State.WALK, on=on)
    done = [ucf24_actions(play, person=0, second=second) for second in range(5)]
    sits, ear = ("watch_tv", "answer_phone") if on else ("rest", "call")
    assert done == [("wait",), (sits,), ("talk", sits), (ear,), ("walk",)]


def test_frame_by_frame_the_memory_reaches_the_evidence_and_nothing_that_contradicts() -> None:
    config = yaml.safe_load((REPOSITORY / "config" / "playhouse_ucf24.yaml").read_text())
    fps, reach, acts = config["data"]["clips_per_sec"], config["memory"]["reach"], 0
    assert config["playhouse"]["fps"] == fps
    for number in range(20):
        play = write_script(np.random.default_rng([5, number]), seconds=30, blackout=False)
        second = np.array([moment(frame, fps=fps)[0] for frame in range(30 * fps)])
        states = play.states[:, second]
        for person, frame in np.argwhere(np.isin(states, (State.REACH, State.STIR))):
            acts += 1
            before = set(states[person, max(0, frame - reach) : frame])
            after = set(states[person, frame + 1 : frame + reach + 1])
            anybody = set(states[:, max(0, frame - reach) : frame + reach + 1].flat)
            answer = ucf24_actions(play, person=int(person), second=int(second[frame]))[-1]
            right, wrong = {
                "open": (State.DRINK in after, State.DRINK in before),
                "close": (State.DRINK in before, State.DRINK in after),
                "cook": (State.CHOP in before | after, State.BRUSH in anybody),
                "paint": (State.BRUSH in before | after, State.CHOP in anybody),
            }[answer]
            assert right
            assert not wrong
    assert acts > 1000


def test_tubes_are_unbroken_and_two_things_at_once_are_two_tubes_of_the_same_boxes() -> None:
    play = script(State.SIT_TALK, State.SIT_TALK, State.SIT, State.DANCE, State.SIT)
    cast = draw_cast(np.random.default_rng(0), persons=1, seconds=5)
    tubes = draw_tubes(play, cast, fps=2)  # second k from frame 2k - 1 on
    found = {(tube.label, tube.first): tube for tube in tubes}
    talk, rest, dance = (TUBE_ID[name] for name in ("talk", "rest", "dance"))
    ends = {key: tube.end for key, tube in found.items()}
    assert ends == {(talk, 0): 3, (rest, 0): 5, (dance, 5): 7, (rest, 7): 8}
    assert found[talk, 0].boxes.dtype == np.uint16
    np.testing.assert_array_equal(found[talk, 0].boxes, found[rest, 0].boxes[:3])


def test_tubes_follow_the_person_frame_by_frame() -> None:
    play = script(State.WALK, State.DANCE, State.SIT, State.DRINK, State.IDLE)
    cast = draw_cast(np.random.default_rng(1), persons=1, seconds=5)
    empty = cast._replace(persons=(), facing_right=())
    shown, without = (np.stack(list(pictures(play, who, fps=7))) for who in (cast, empty))
    boxes = np.zeros((len(shown), 4))
    for tube in draw_tubes(play, cast, fps=7):
        boxes[tube.first : tube.end] = tube.boxes
    assert len(np.unique(boxes, axis=0)) > 5
    for differs, (x, y, width, height) in zip((shown != without).any(axis=3), boxes, strict=True):
        ys, xs = np.nonzero(differs)
        pixels = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        # Each side touches the person, but for a pixel that happens to match the wall.
        found = np.array([x, y, x + width, y + height]) / (2, 240 / 112, 2, 240 / 112)
        np.testing.assert_allclose(found, pixels, atol=1.5)


def test_the_reader_of_ucf101_24_reads_the_tubes_with_their_own_classes(
    drawn: dict[str, Path],
) -> None:
    folder, config = drawn["ucf101_24"] / "annotations", small("ucf101_24")
    known = ucf101_24.read_annotations(folder / "pyannot.pkl", labels=folder / "actions.pbtxt")
    assert known.labels == UCF24_CLASSES
    names = {split: video_names(config, split) for split in ("train", "val")}
    assert set(known.frames) == {f"Playhouse/{v}" for own in names.values() for v in own}
    assert set(known.frames.values()) == {SECONDS * FPS} == {key_frames(config)}
    split = ucf101_24.split_films(known, val=folder / "testlist01.txt")
    assert {s: list(map(ucf101_24.video_id, own)) for s, own in split.items()} == names


def test_tubes_have_the_published_files_structure(
    drawn: dict[str, Path], shared_data: Path
) -> None:
    ours, theirs = (
        read_pickle(path)
        for path in (
            drawn["ucf101_24"] / "annotations/pyannot.pkl",
            shared_data / "ucf101-24/pyannot.pkl",
        )
    )
    (video, *_), (other, *_) = ours.values(), theirs.values()
    assert video.keys() == other.keys()
    assert video["annotations"][0].keys() == other["annotations"][0].keys()


def test_prepared_who_does_two_things_is_one_person_with_two_labels(
    drawn: dict[str, Path], tmp_path: Path
) -> None:
    folder = drawn["ucf101_24"] / "annotations"
    labels = read_labels(folder / "actions.pbtxt")
    known = ucf101_24.read_annotations(folder / "pyannot.pkl", labels=folder / "actions.pbtxt")
    tubes = SplitTubes(known, ucf101_24.split_films(known, val=folder / "testlist01.txt"))
    write_annotations(tmp_path / "train.parquet", key_frames_of(tubes, "train", fps=float(FPS)))
    clips = annotated_clips(tmp_path / "train.parquet", labels=labels, per_sec=float(FPS))
    assert [clip.key.t for clip in clips] == [*range(SECONDS * FPS)] * 5
    assert all(len(clip.persons_xyxy) in (2, 3) for clip in clips)
    assert max(clip.labels.sum(axis=1).max() for clip in clips) == 2
    objects = folder / "train_objects.csv"
    for clip in with_objects(clips, annotated=objects, most=5, per_sec=float(FPS)):
        assert len(clip.objects_xyxy) == 3


def seconds(stamps: pd.Series) -> pd.Series:
    return pd.to_timedelta(stamps).dt.total_seconds()


def test_segments_have_the_published_columns_and_agree_with_themselves(
    drawn: dict[str, Path],
) -> None:
    table = pd.read_csv(drawn["epic_kitchens"] / "annotations" / SEGMENTS)
    assert tuple(table.columns) == SEGMENT_COLUMNS
    assert table["uid"].tolist() == list(range(len(table)))
    assert (table["video_id"].str[:3] == table["participant_id"]).all()
    assert table["video_id"].unique().tolist() == KITCHENS
    assert table["start_timestamp"].str.fullmatch(r"\d\d:\d\d:\d\d\.\d\d").all()
    start, stop = seconds(table["start_timestamp"]), seconds(table["stop_timestamp"])
    assert ((start >= 0) & (start < stop) & (stop <= SECONDS)).all()
    np.testing.assert_array_equal(table["start_frame"], np.floor(start * 60 + 1e-6))
    np.testing.assert_array_equal(table["stop_frame"], np.floor(stop * 60 + 1e-6))
    for task, names in (("verb", VERBS), ("noun", NOUNS)):
        assert table[task].tolist() == [names[number] for number in table[f"{task}_class"]]
    assert (table["narration"] == table["verb"] + " " + table["noun"]).all()
    for many, one in (("all_nouns", "noun"), ("all_noun_classes", "noun_class")):
        assert [ast.literal_eval(values) for values in table[many]] == [[v] for v in table[one]]


def test_the_reader_of_epic_kitchens_splits_the_segments(drawn: dict[str, Path]) -> None:
    path = drawn["epic_kitchens"] / "annotations" / SEGMENTS
    split = epic55.split_films(path, train=epic55.TRAIN, val=epic55.VAL)
    assert {name: sorted(own) for name, own in split.items()} == {
        name: video_names(small("epic_kitchens"), name) for name in ("train", "val")
    }


def test_classes_and_videos_are_listed_as_published(drawn: dict[str, Path]) -> None:
    folder = drawn["epic_kitchens"] / "annotations"
    for kind, names in (("verb", VERBS), ("noun", NOUNS)):
        table = pd.read_csv(folder / f"EPIC_{kind}_classes.csv")
        assert table.columns.tolist() == [f"{kind}_id", "class_key", f"{kind}s"]
        assert table[f"{kind}_id"].tolist() == list(range(len(names)))
        assert table["class_key"].tolist() == list(names)
        assert [ast.literal_eval(values) for values in table[f"{kind}s"]] == [[n] for n in names]
    info = pd.read_csv(folder / "EPIC_video_info.csv")
    assert info.columns.tolist() == ["video", "resolution", "duration", "fps"]
    assert info["video"].tolist() == KITCHENS
    assert (info[["resolution", "duration", "fps"]] == ["160x112", SECONDS, FPS]).all(axis=None)


def test_tables_have_the_published_types(drawn: dict[str, Path], shared_data: Path) -> None:
    tables = ("verb_classes", "noun_classes", "video_info")
    for name in (SEGMENTS, *(f"EPIC_{table}.csv" for table in tables)):
        ours, theirs = (
            pd.read_csv(folder / name, nrows=5)
            for folder in (drawn["epic_kitchens"] / "annotations", shared_data / "epic55")
        )
        assert ours.dtypes.to_dict() == theirs.dtypes.to_dict()


def test_boxes_stand_at_whole_seconds_and_in_the_middle_of_every_segment(
    drawn: dict[str, Path],
) -> None:
    folder = drawn["epic_kitchens"] / "annotations"
    table = pd.read_csv(folder / SEGMENTS)
    middle = (seconds(table["start_timestamp"]) + seconds(table["stop_timestamp"])) / 2
    for split in ("train", "val"):
        boxes = read_objects(folder / f"{split}_boxes.csv")
        assert set(boxes["label"]) <= set(LABELS)
        for video in video_names(small("epic_kitchens"), split):
            own = boxes[boxes["video"] == video]
            wanted = {*map(float, range(SECONDS)), *middle[table["video_id"] == video].round(3)}
            assert sorted(set(own["time_sec"])) == pytest.approx(sorted(wanted), abs=1e-3)
            for _, group in own.groupby("time_sec"):
                assert (group["label"].value_counts() == 1).all()
                assert {"hand", "tv", "phone"} <= set(group["label"])
                assert len(group) <= 4


def test_a_glove_is_seen_in_the_video_where_its_box_says(drawn: dict[str, Path]) -> None:
    boxes = read_objects(drawn["epic_kitchens"] / "annotations" / "train_boxes.csv")
    video = decode(drawn["epic_kitchens"] / "films" / "P01_01.mp4").astype(int)
    hands = boxes[(boxes["video"] == "P01_01") & (boxes["label"] == "hand")]
    for row in hands.itertuples():
        frame = video[min(int(np.ceil(row.time_sec * FPS - 0.5)), len(video) - 1)]
        glove = np.abs(frame - (255, 0, 200)).max(axis=2) < 80
        x1, x2 = round(row.x1 * 160), round(row.x2 * 160)
        y1, y2 = round(row.y1 * 112), round(row.y2 * 112)
        assert glove[y1:y2, x1:x2].sum() > 12
        assert glove[y1:y2, x1:x2].sum() == glove.sum()
