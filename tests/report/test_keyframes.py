from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aia.errors import InputError
from aia.report.keyframes import draw_detections, draw_keyframes, judge
from aia.tables import ScoreTable

from .conftest import LABELS, LEFT, RIGHT

COLUMNS = ["video", "time_sec", "x1", "y1", "x2", "y2"]


def annotated(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame([("a", 2.0, *row) for row in rows], columns=[*COLUMNS, "action"])


def scored(*rows: tuple) -> tuple[pd.DataFrame, ScoreTable]:
    boxes = pd.DataFrame([("a", 2.0, *box, 0.9) for box, _ in rows], columns=[*COLUMNS, "score"])
    values = np.array([values for _, values in rows], np.float32).reshape(-1, 3)
    return boxes.assign(row=range(len(boxes))), ScoreTable(boxes, values, LABELS.ids, {})


def test_without_annotated_or_found_boxes_there_is_no_person() -> None:
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


def test_key_frames_are_drawn_even_where_nothing_is_predicted(scene, tmp_path: Path) -> None:
    draw_keyframes(
        scene.videos, scene.actions, scene.scores, LABELS, tmp_path / "some.png", threshold=0.95
    )
    assert (tmp_path / "some.png").stat().st_size > 1000


def test_annotations_of_another_data_set_are_refused(scene, tmp_path: Path) -> None:
    other = scene.actions.assign(video="other")
    with pytest.raises(InputError, match="same data set"):
        draw_keyframes(scene.videos, other, scene.scores, LABELS, tmp_path / "none.png")


def test_detections_are_drawn_with_and_without_objects(scene, tmp_path: Path) -> None:
    persons = scene.scores.boxes.assign(label="person")
    objects = pd.DataFrame([("red", 2.0, *RIGHT, "cup")], columns=[*COLUMNS, "label"])
    for name, things in (("with.png", objects), ("without.png", None)):
        draw_detections(
            scene.videos,
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
            scene.videos,
            scene.actions,
            scene.scores.boxes.assign(label="person"),
            tmp_path / "none.png",
            person_threshold=0.8,
            object_threshold=0.5,
            excluded=excluded,
        )
