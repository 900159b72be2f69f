"""Persons keep their numbers, on drawn courses and beside another implementation's on real ones."""

import numpy as np
import pytest

from aia.track.bytetrack import Tracker
from aia.track.score import identity_of
from benchmarks.tracking import ORACLE, SIDES, cases, track

WORSE = 0.05
"""IDF1 by which ours may lie below the other implementation's, in any case."""


def boxes_at(*centres_xy):
    return np.array([[x - 0.03, y - 0.1, x + 0.03, y + 0.1] for x, y in centres_xy]).reshape(-1, 4)


def numbers_of(steps, **settings):
    """Steps are time and (x, y, score) of each box."""
    tracker = Tracker(**settings)
    return [
        tracker.update(
            time_sec,
            boxes_at(*[one[:2] for one in boxes]),
            np.array([one[2] for one in boxes], np.float64),
        ).tolist()
        for time_sec, boxes in steps
    ]


def test_no_boxes_give_no_numbers():
    assert numbers_of([(0.0, []), (1.0, [(0.5, 0.5, 0.9)]), (2.0, [])]) == [[], [1], []]


def test_crossing_persons_keep_their_numbers():
    steps = [(k / 10, [(0.2 + 0.02 * k, 0.5, 0.9), (0.8 - 0.02 * k, 0.55, 0.9)]) for k in range(30)]
    assert numbers_of(steps) == [[1, 2]] * 30


def test_a_hidden_person_comes_back_with_its_number_within_the_patience_alone():
    seen = [(k / 10, [(0.2 + 0.01 * k, 0.5, 0.9)]) for k in range(10)]
    hidden = [(k / 10, []) for k in range(10, 15)]
    back = [(1.5, [(0.35, 0.5, 0.9)])]
    assert numbers_of(seen + hidden + back, patience_sec=1.0)[-1] == [1]
    assert numbers_of(seen + hidden + back, patience_sec=0.3)[-1] == [2]


def test_who_enters_gets_the_next_number_and_who_left_gives_none_back():
    first, second, third = (0.1, 0.5, 0.9), (0.9, 0.5, 0.9), (0.5, 0.2, 0.9)
    steps = [(0.0, [first]), (0.1, [second, first]), (0.2, [second]), (0.3, [third, second])]
    assert numbers_of(steps) == [[1], [2, 1], [2], [3, 2]]


def test_a_low_box_continues_a_track_but_begins_none_and_a_lower_one_does_neither():
    steps = [(0.0, [(0.5, 0.5, 0.3)]), (0.1, [(0.5, 0.5, 0.9)]), (0.2, [(0.5, 0.5, 0.3)])]
    assert numbers_of(steps) == [[-1], [1], [1]]
    assert numbers_of([*steps, (0.3, [(0.5, 0.5, 0.05)])])[-1] == [-1]


def test_times_may_be_irregular():
    times = np.cumsum([0.0, 0.1, 0.4, 0.1, 0.05, 0.7, 0.1, 0.3])
    steps = [(t, [(0.2 + 0.1 * t, 0.5, 0.9), (0.8 - 0.1 * t, 0.9, 0.9)]) for t in times.tolist()]
    assert numbers_of(steps) == [[1, 2]] * len(times)


def test_a_walk_of_more_than_the_own_width_in_a_second_is_one_track():
    steps = [(float(t), [(0.1 + 0.08 * t, 0.5, 0.9)]) for t in range(9)]
    assert numbers_of(steps) == [[1]] * 9


def test_time_that_does_not_go_on_is_refused():
    with pytest.raises(ValueError, match="expected a later one"):
        numbers_of([(1.0, []), (1.0, [])])


@pytest.mark.parametrize(
    ("persons", "numbers", "idf1", "switches"),
    [
        ([], [], 1.0, 0),
        ([4, 4, 4], [1, 1, 1], 1.0, 0),
        ([4, 4, 4, 4], [1, 1, 1, 2], 0.75, 1),
        ([4, 4, 5, 5], [1, 2, 2, 1], 0.5, 2),
        ([4, 4, -1], [1, -1, 1], 2 / 4, 0),  # 1 found, 2 boxes, 2 with a number
    ],
)
def test_identity_is_scored_as_by_hand(persons, numbers, idf1, switches):
    found = identity_of(np.array(persons, np.int64), np.array(numbers, np.int64))
    assert found.idf1 == pytest.approx(idf1)
    assert found.switches == switches


def test_numbers_are_no_worse_than_those_of_the_library_trackers(shared_data):
    with np.load(ORACLE) as oracle:
        for name, boxes in cases(shared_data / "pets09" / "tracks.csv", fps=10.0).items():
            sums = boxes[SIDES].to_numpy(float).sum(axis=0)
            np.testing.assert_allclose(sums, oracle[f"{name}: boxes"], err_msg=name)
            persons = boxes["id"].to_numpy(np.int64)
            theirs = identity_of(persons, oracle[name].astype(np.int64))
            ours = identity_of(persons, track(boxes, fps=10.0).astype(np.int64))
            assert ours.idf1 >= theirs.idf1 - WORSE, name
