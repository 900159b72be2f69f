"""Annotated persons against scored boxes, and which mistakes are the worst."""

import math

import numpy as np
import pandas as pd

from aia.report.choice import Second
from aia.report.mistakes import Comparison, Counts, Judged, compare
from aia.tables import ScoreTable

from .conftest import LABELS, LEFT, RIGHT

COLUMNS = ["video", "time_sec", "x1", "y1", "x2", "y2"]
AMONG = {"a", "b"}


def compared(annotated: list[tuple], found: list[tuple], excluded: tuple = ()) -> Comparison:
    """Compare rows of (video, second, box, action) with rows of (video, second, box, scores)."""
    actions = pd.DataFrame(
        [(video, float(t), *box, action) for video, t, box, action in annotated],
        columns=[*COLUMNS, "action"],
    )
    boxes = pd.DataFrame(
        [(video, float(t), *box, 0.9) for video, t, box, _ in found], columns=[*COLUMNS, "score"]
    )
    values = np.array([one[-1] for one in found], np.float32).reshape(-1, 3)
    scores = ScoreTable(boxes, values, LABELS.ids, {})
    return compare(actions, scores, LABELS, excluded=set(excluded))


def judged(annotated: list[tuple], found: list[tuple]) -> list[Judged]:
    """Judge one key frame of rows of (box, action) and of (box, scores)."""
    comparison = compared([("a", 2, *one) for one in annotated], [("a", 2, *one) for one in found])
    return comparison.judge(Second("a", 2.0), threshold=0.5)


# --- persons of a key frame -----------------------------------------------------------------------


def test_without_annotated_key_frames_there_is_nothing_to_show() -> None:
    for found in ([], [("a", 2, LEFT, (0.9, 0.0, 0.0))]):
        empty = compared([], found)
        assert empty.counts() == Counts(0, 0, 0, 0, 0)
        assert empty.wrong(most=5, among=AMONG) == empty.missed(most=5, among=AMONG) == []
        assert empty.unfound(most=5, among=AMONG) == []


def test_each_action_of_a_person_is_right_wrong_or_missed() -> None:
    (person,) = judged([(LEFT, 3), (LEFT, 5)], [(LEFT, (0.875, 0.25, 0.5))])
    assert (person.right, person.missed) == ({"sit": 0.875}, {"listen": 0.25})
    assert person.wrong == {"open": 0.5}
    assert (person.known, person.box) == (True, 0)


def test_a_person_without_a_box_has_missed_all_actions_without_a_score() -> None:
    (person,) = judged([(LEFT, 3)], [])
    assert person.box == -1
    assert list(person.missed) == ["sit"]
    assert math.isnan(person.missed["sit"])
    assert tuple(person.xyxy) == LEFT


def test_a_found_box_without_a_person_is_wrong_in_all_it_predicts() -> None:
    known, invented = judged([(LEFT, 3)], [(RIGHT, (0.9, 0.0, 0.0)), (LEFT, (0.9, 0.0, 0.0))])
    assert (known.known, list(known.right)) == (True, ["sit"])
    assert (invented.known, list(invented.wrong)) == (False, ["sit"])


def test_one_found_box_serves_one_person() -> None:
    near = (0.15, 0.25, 0.4, 0.875)
    first, second = judged([(near, 5), (LEFT, 3)], [(LEFT, (0.9, 0.9, 0.0))])
    assert (list(first.missed), list(first.right)) == (["listen"], [])
    assert (list(second.missed), list(second.right)) == ([], ["sit"])


# --- the worst ------------------------------------------------------------------------------------


def test_a_mistake_is_a_wrong_order_whatever_the_height_of_the_scores() -> None:
    """Of sit a wrong score stands before a right one; of listen all right ones stand first."""
    found = [
        ("a", 1, LEFT, (0.25, 0.375, 0.0)),
        ("a", 2, LEFT, (0.375, 0.125, 0.5)),
        ("a", 3, LEFT, (0.125, 0.25, 0.0)),
    ]
    annotated = [("a", 1, LEFT, 3), ("a", 1, LEFT, 5), ("a", 2, LEFT, 11), ("a", 3, LEFT, 3)]
    comparison = compared(annotated, found)
    assert comparison.wrong(most=5, among=AMONG) == [(Second("a", 2.0), 1, "sit", 0.375)]
    missed = {one.action: one for one in comparison.missed(most=5, among=AMONG)}
    assert missed == {"sit": (Second("a", 3.0), 2, "sit", 0.125)}


def test_a_person_without_a_box_stands_behind_every_wrong_score() -> None:
    annotated = [("a", 1, LEFT, 3), ("a", 1, RIGHT, 3), ("a", 2, LEFT, 5)]
    found = [("a", 1, LEFT, (0.9, 0.0, 0.0)), ("a", 2, LEFT, (0.0625, 0.9, 0.0))]
    assert compared(annotated, found).wrong(most=5, among=AMONG) == [
        (Second("a", 2.0), 1, "sit", 0.0625)
    ]


def test_a_class_is_shown_once_the_worst_first_and_of_videos_at_hand_alone() -> None:
    annotated = [(video, t, LEFT, 3) for video in "ab" for t in (1, 2)]
    annotated += [("a", 9, LEFT, 5), ("a", 9, LEFT, 11)]  # nobody is found there
    found = [(v, t, LEFT, (0.9, 0.5 + t / 8, 0.25)) for v in "ab" for t in (1, 2)]
    comparison = compared(annotated, found)
    wrong = comparison.wrong(most=5, among=AMONG)
    assert [(one.second, one.action) for one in wrong] == [
        (Second("a", 2.0), "listen"), (Second("a", 1.0), "open")
    ]  # fmt: skip
    assert comparison.wrong(most=1, among={"b"}) == [(Second("b", 2.0), 3, "listen", 0.75)]
    assert comparison.wrong(most=5, among=set()) == []


def test_boxes_where_nobody_annotated_are_no_mistakes() -> None:
    annotated = [("a", 1, LEFT, 3), ("a", 2, LEFT, 5)]
    found = [("a", t, LEFT, (0.9, 0.9, 0.9)) for t in (2, 3)]
    comparison = compared(annotated, found, excluded=(("a", 2),))
    assert comparison.wrong(most=5, among=AMONG) == []
    assert comparison.counts() == Counts(key_frames=1, empty=1, persons=1, found=0, invented=0)


def test_the_right_one_beside_a_mistake_is_of_another_key_frame() -> None:
    annotated = [("a", t, LEFT, 3) for t in (1, 2, 3)]
    found = [("a", t, LEFT, (t / 4, 0.0, 0.0)) for t in (1, 2, 3)]
    comparison = compared(annotated, found)
    best = comparison.right("sit", unlike=Second("a", 1.0), among=AMONG)
    assert best == (Second("a", 3.0), 2, "sit", 0.75)
    assert comparison.right("sit", unlike=Second("a", 3.0), among=AMONG) == (
        Second("a", 2.0), 1, "sit", 0.5,
    )  # fmt: skip
    assert comparison.right("open", unlike=Second("a", 3.0), among=AMONG) is None


def test_key_frames_without_anybody_found_come_first_and_videos_take_turns() -> None:
    annotated = [("a", t, box, 3) for t in (1, 2, 3) for box in (LEFT, RIGHT)]
    annotated += [("b", 1, box, 3) for box in (LEFT, RIGHT)]
    annotated += [("b", 2, LEFT, 3)]
    found = [("b", t, LEFT, (0.9, 0.0, 0.0)) for t in (1, 2)] + [("a", 3, RIGHT, (0.9, 0.0, 0.0))]
    comparison = compared(annotated, found)
    assert comparison.empty_seconds() == [Second("a", 1.0), Second("a", 2.0)]
    assert comparison.unfound(most=3, among=AMONG) == [
        Second("a", 1.0), Second("b", 1.0), Second("a", 2.0)
    ]  # fmt: skip
    assert comparison.nearest_complete(Second("b", 1.0)) == Second("b", 2.0)
    assert comparison.nearest_complete(Second("a", 1.0)) is None
    assert comparison.counts() == Counts(5, 2, 9, 3, 0)
