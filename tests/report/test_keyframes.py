from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aia.errors import InputError
from aia.labels import ClassList
from aia.report.detections import draw_detections
from aia.report.keyframes import Second, by_second, choose_seconds, draw_keyframes, judge
from aia.tables import ScoreTable

LABELS = ClassList((3, 5, 11), ("sit", "listen", "open"), ("PERSON_MOVEMENT", "PERSON", "MEMORY"))
COLUMNS = ["video", "time_sec", "x1", "y1", "x2", "y2"]
LEFT, RIGHT = (0.125, 0.25, 0.375, 0.875), (0.625, 0.25, 0.875, 0.875)


def annotated(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame([("a", 2.0, *row) for row in rows], columns=[*COLUMNS, "action"])


def scored(*rows: tuple) -> tuple[pd.DataFrame, ScoreTable]:
    boxes = pd.DataFrame([("a", 2.0, *box, 0.9) for box, _ in rows], columns=[*COLUMNS, "score"])
    values = np.array([values for _, values in rows], np.float32).reshape(-1, 3)
    return boxes.assign(row=range(len(boxes))), ScoreTable(boxes, values, LABELS.ids, {})


def test_nobody_annotated_and_nobody_found_is_nobody() -> None:
    boxes, scores = scored()
    assert judge(annotated(), boxes, scores, LABELS, threshold=0.5) == []


def test_each_action_of_a_person_is_right_wrong_or_missed() -> None:
    boxes, scores = scored((LEFT, (0.9, 0.4, 0.5)))
    (person,) = judge(annotated((*LEFT, 3), (*LEFT, 5)), boxes, scores, LABELS, threshold=0.5)
    assert list(person.right) == ["sit"]
    assert list(person.missed) == ["listen"]
    assert list(person.wrong) == ["open"]
    assert person.known


def test_a_found_box_without_a_person_is_wrong_in_all_it_predicts() -> None:
    boxes, scores = scored((RIGHT, (0.9, 0.0, 0.0)), (LEFT, (0.9, 0.0, 0.0)))
    known, invented = judge(annotated((*LEFT, 3)), boxes, scores, LABELS, threshold=0.5)
    assert (known.known, list(known.right)) == (True, ["sit"])
    assert (invented.known, list(invented.wrong)) == (False, ["sit"])


def test_one_found_box_serves_one_person() -> None:
    near = (0.15, 0.25, 0.4, 0.875)
    boxes, scores = scored((LEFT, (0.9, 0.9, 0.0)))
    first, second = judge(annotated((*near, 5), (*LEFT, 3)), boxes, scores, LABELS, threshold=0.5)
    assert (list(first.missed), list(first.right)) == (["listen"], [])
    assert (list(second.missed), list(second.right)) == ([], ["sit"])


def test_every_action_is_shown_before_any_film_is_shown_again(scene) -> None:
    candidates = by_second(scene.actions)
    chosen = choose_seconds(candidates, most=3)
    shown = {action for second in chosen for action in candidates[second]["action"]}
    assert shown == {3, 5, 11}
    assert {second.video for second in chosen} == {"red", "blue-1"}


def test_each_frame_is_a_key_frame_of_its_own_where_every_frame_is_labelled() -> None:
    rows = annotated((*LEFT, 3), (*LEFT, 5), (*RIGHT, 3))
    rows["time_sec"] = [2.32, 2.36, 2.3600001]
    assert {second.t: len(group) for second, group in by_second(rows).items()} == {2.32: 1, 2.36: 2}


def test_no_more_key_frames_are_chosen_than_there_are() -> None:
    candidates = by_second(annotated((*LEFT, 3)))
    assert choose_seconds(candidates, most=5) == [Second("a", 2)]


def test_key_frames_are_drawn_even_where_nothing_is_predicted(scene, tmp_path: Path) -> None:
    draw_keyframes(
        scene.films, scene.actions, scene.scores, LABELS, tmp_path / "some.png", threshold=0.95
    )
    assert (tmp_path / "some.png").stat().st_size > 1000


def test_annotations_of_another_data_set_are_refused(scene, tmp_path: Path) -> None:
    other = scene.actions.assign(video="other")
    with pytest.raises(InputError, match="same data set"):
        draw_keyframes(scene.films, other, scene.scores, LABELS, tmp_path / "none.png")


def test_detections_are_drawn_with_and_without_objects(scene, tmp_path: Path) -> None:
    persons = scene.scores.boxes.assign(label="person")
    objects = pd.DataFrame([("red", 2.0, *RIGHT, "cup")], columns=[*COLUMNS, "label"])
    for name, things in (("with.png", objects), ("without.png", None)):
        draw_detections(
            scene.films,
            scene.actions,
            persons,
            tmp_path / name,
            objects=things,
            object_boxes=None if things is None else things.assign(score=0.7),
            person_threshold=0.85,
            object_threshold=0.5,
        )
        assert (tmp_path / name).stat().st_size > 1000


def test_detections_on_excluded_seconds_alone_are_refused(scene, tmp_path: Path) -> None:
    excluded = {("red", t) for t in range(9)} | {("blue-1", t) for t in range(9)}
    with pytest.raises(InputError, match="same data set"):
        draw_detections(
            scene.films,
            scene.actions,
            scene.scores.boxes.assign(label="person"),
            tmp_path / "none.png",
            person_threshold=0.8,
            object_threshold=0.5,
            excluded=excluded,
        )
