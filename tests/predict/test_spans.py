"""Actions over time, against a slow version that goes through the key frames one by one."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aia.labels import ClassList
from aia.predict.spans import (
    SPAN_COLUMNS,
    OngoingSpans,
    append_spans,
    read_spans,
    smoothed,
    spans_of,
    write_spans,
)
from aia.tables.scores import ScoreTable

CLASSES = ClassList(ids=(3, 8), names=("walk", 'talk, to "self"'), groups=("", ""))
RULES = {"start_at": 0.5, "stop_below": 0.3, "gap_sec": 1.0, "per_sec": 1.0}


def table_of(rows):
    """Rows are video, time, track (None: none), score of each class."""
    boxes = pd.DataFrame(
        {
            "video": [row[0] for row in rows],
            "time_sec": np.array([row[1] for row in rows], np.float64),
            **{
                side: np.float32(at)
                for side, at in zip(("x1", "y1", "x2", "y2"), (0, 0, 1, 1), strict=True)
            },
            "score": np.float32(0.9),
            "track": pd.array([row[2] for row in rows], dtype="Int32"),
        }
    )
    scores = np.array([row[3:] for row in rows], np.float32).reshape(len(rows), 2)
    return ScoreTable(boxes, scores, CLASSES.ids, {})


def slow_spans(table, *, start_at, stop_below, gap_sec, per_sec):
    half, found = 0.5 / per_sec, []
    people = {}
    for row, (video, time, track) in enumerate(
        zip(table.boxes["video"], table.boxes["time_sec"], table.boxes["track"], strict=True)
    ):
        person = (video, row, pd.NA) if track is pd.NA else (video, -1, track)
        people.setdefault(person, []).append((time, row))
    for (video, _, track), frames in people.items():
        frames.sort()
        for column, class_id in enumerate(table.class_ids):
            runs, on, before = [], False, None
            for place, (time, row) in enumerate(frames):
                score = table.scores[row, column]
                if before is not None and time - before > 1.5 / per_sec:
                    on = False
                    runs.append(None)
                on = score >= np.float32(start_at) or (on and score >= np.float32(stop_below))
                if on and runs and runs[-1] is not None and runs[-1][1] == place - 1:
                    runs[-1][1] = place
                elif on:
                    runs.append([place, place])
                before = time
            spans = []
            for first, last in filter(None, runs):
                start, stop = max(frames[first][0] - half, 0), frames[last][0] + half
                if spans and start - spans[-1][1] <= gap_sec + 1e-6:
                    spans[-1][1], spans[-1][3] = stop, last
                else:
                    spans.append([start, stop, first, last])
            for start, stop, first, last in spans:
                rows = [row for _, row in frames[first : last + 1]]
                mean = float(table.scores[rows, column].astype(np.float64).mean())
                found.append((video, track, start, stop, class_id, mean))
    return sorted(found, key=as_listed)


def as_listed(one):
    return (one[0], one[2], one[1] is pd.NA, str(one[1]), one[4], one[5])


scored = st.sampled_from([0.0, 0.1, 0.29, 0.31, 0.49, 0.51, 0.9, 1.0])
row = st.tuples(
    st.sampled_from(["a", "b"]),
    st.integers(0, 12),
    st.sampled_from([None, 1, 2, 7]),
    scored,
    scored,
)


@given(
    st.lists(row, max_size=40, unique_by=lambda one: (one[0], one[1], one[2] or object())),
    st.sampled_from([1.0, 2.0, 4.0]),
    st.sampled_from([0.0, 0.5, 1.0, 3.0]),
)
@settings(deadline=None, max_examples=150)
def test_spans_are_those_found_frame_by_frame(rows, per_sec, gap_sec):
    rows = [(video, k / per_sec, *rest) for video, k, *rest in rows]
    rules = RULES | {"per_sec": per_sec, "gap_sec": gap_sec}
    table = table_of(rows)
    found = spans_of(table, CLASSES, **rules)
    expected = slow_spans(table, **rules)
    assert tuple(found.columns) == SPAN_COLUMNS
    ours = sorted(
        found[["video", "track", "start_sec", "stop_sec", "action", "score"]].itertuples(
            index=False, name=None
        ),
        key=as_listed,
    )
    assert len(ours) == len(expected)
    for one, other in zip(ours, expected, strict=True):
        assert one[0] == other[0]
        assert str(one[1]) == str(other[1])
        assert one[2:5] == pytest.approx(other[2:5])
        assert one[5] == pytest.approx(other[5], abs=1e-6)


@given(
    st.lists(row, max_size=40, unique_by=lambda one: (one[0], one[1], one[2] or object())),
    st.sampled_from([0.0, 1.0, 3.0]),
)
@settings(deadline=None, max_examples=100)
def test_spans_of_a_person_never_overlap_and_begin_where_an_action_does(rows, gap_sec):
    table = table_of([(video, float(k), *rest) for video, k, *rest in rows])
    found = spans_of(table, CLASSES, **RULES | {"gap_sec": gap_sec})
    tracked = found[found["track"].notna()]
    for (_, _, _), own in tracked.groupby(["video", "track", "action"]):
        own = own.sort_values("start_sec")
        assert (own["start_sec"].to_numpy()[1:] - own["stop_sec"].to_numpy()[:-1] > gap_sec).all()
    for span in tracked.itertuples():
        at = table.boxes["video"].eq(span.video) & table.boxes["track"].eq(span.track)
        at &= (table.boxes["time_sec"] - 0.5).clip(lower=0).eq(span.start_sec)
        scores = table.scores[at.fillna(False).to_numpy(bool), CLASSES.index[span.action]]
        assert (scores >= RULES["start_at"]).any()


def test_an_action_lasts_through_a_dip_and_a_short_gap_and_ends_with_its_person():
    scores = [0.2, 0.6, 0.4, 0.9, 0.1, 0.7, 0.1, 0.1, 0.1, 0.8]
    table = table_of([("a", float(t), 1, score, 0.0) for t, score in enumerate(scores)])
    found = spans_of(table, CLASSES, **RULES)
    assert found[["start_sec", "stop_sec"]].to_numpy().tolist() == [[0.5, 5.5], [8.5, 9.5]]
    assert found["score"].tolist() == pytest.approx([np.mean(scores[1:6]), 0.8])
    assert found["name"].tolist() == ["walk", "walk"]


def test_spans_come_back_from_their_file(tmp_path):
    table = table_of([("a", 0.0, 1, 0.9, 0.9), ("ä b", 1.0, None, 0.0, 0.6)])
    found = spans_of(table, CLASSES, **RULES)
    write_spans(tmp_path / "actions.csv", found)
    again = read_spans(tmp_path / "actions.csv")
    assert again["name"].tolist() == ["walk", *[CLASSES.names[1]] * 2]
    assert again["track"].isna().tolist() == [False, False, True]
    assert again["start_sec"].tolist() == pytest.approx(found["start_sec"].tolist(), abs=1e-3)
    write_spans(tmp_path / "none.csv", spans_of(table_of([]), CLASSES, **RULES))
    assert (tmp_path / "none.csv").read_text() == ",".join(SPAN_COLUMNS) + "\n"


def test_smoothing_takes_the_mean_over_a_persons_own_neighbours():
    rows = [("a", float(t), 1 + t % 2, t / 10, 1 - t / 10) for t in range(8)]
    rows.append(("a", 3.0, None, 0.77, 0.0))
    found = smoothed(table_of(rows), window_sec=4.0).scores
    assert found[4, 0] == pytest.approx(np.mean([0.2, 0.4, 0.6]))
    assert found[7, 0] == pytest.approx(np.mean([0.5, 0.7]))
    assert found[8].tolist() == pytest.approx([0.77, 0.0])
    assert smoothed(table_of([]), window_sec=4.0).scores.shape == (0, 2)


@given(seed=st.integers(0, 10_000), gap_sec=st.sampled_from([0.0, 0.5, 1.0, 3.0]))
@settings(deadline=None, max_examples=60)
def test_actions_that_are_found_as_they_end_are_those_of_the_whole_video(seed, gap_sec):
    rng, per_sec = np.random.default_rng(seed), 2.0
    ongoing = OngoingSpans(
        video="v", classes=CLASSES, start_at=0.6, stop_below=0.4, gap_sec=gap_sec, per_sec=per_sec
    )
    rows, found = [], []
    for step in range(30):
        present = [track for track in (1, 2, 7) if rng.random() < 0.8]
        if rng.random() < 0.2:
            present.append(-1)
        scores = rng.random((len(present), len(CLASSES)))
        found.append(ongoing.update(step / per_sec, np.array(present, np.int64), scores))
        rows += [
            ("v", step / per_sec, None if track < 0 else track, *one)
            for track, one in zip(present, scores.tolist(), strict=True)
        ]
    assert all((part["stop_sec"] < 15).all() for part in found)
    found.append(ongoing.end())
    expected = spans_of(
        table_of(rows),
        CLASSES,
        start_at=0.6,
        stop_below=0.4,
        gap_sec=gap_sec,
        per_sec=per_sec,
    )
    order = ["start_sec", "track", "action", "score"]
    merged = pd.concat([part for part in found if len(part)]).sort_values(order, ignore_index=True)
    pd.testing.assert_frame_equal(
        merged, expected.sort_values(order, ignore_index=True), check_dtype=False, rtol=1e-5
    )
    assert not ongoing._persons


def test_key_frames_that_were_dropped_end_no_action_unless_long():
    ongoing = OngoingSpans(
        video="v", classes=CLASSES, start_at=0.6, stop_below=0.4, gap_sec=1.0, per_sec=1.0
    )
    scores, track = np.zeros((1, len(CLASSES))), np.array([4])
    scores[0, 1] = 0.5
    begun = scores + 0.3
    for time_sec, one in ((0.0, begun), (3.0, scores), (7.0, scores)):
        assert not len(ongoing.update(time_sec, track, one))
    (row,) = ongoing.update(60.0, track, scores).to_dict("records")
    assert (row["track"], row["start_sec"], row["stop_sec"]) == (4, 0.0, 7.5)


def test_appended_actions_are_read_with_the_others(tmp_path):
    table = table_of([("a", 0.0, 1, 0.9, 0.9), ("a", 5.0, None, 0.9, 0.1)])
    spans = spans_of(table, CLASSES, **RULES)
    write_spans(tmp_path / "actions.csv", spans[:1])
    append_spans(tmp_path / "actions.csv", spans[:0])
    append_spans(tmp_path / "actions.csv", spans[1:])
    pd.testing.assert_frame_equal(
        read_spans(tmp_path / "actions.csv"), spans, check_dtype=False, rtol=1e-3
    )
