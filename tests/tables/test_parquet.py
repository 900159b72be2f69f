import numpy as np
import pandas as pd
import pytest

from aia.errors import InputError
from aia.tables import BOX_COLUMNS, read_boxes, read_scores, write_boxes, write_scores


def some_boxes(count):
    side = np.arange(count, dtype=np.float32) / 8
    return pd.DataFrame(
        {
            "video": ["film"] * count,
            "time_sec": np.arange(count) + 0.5,
            "x1": side, "y1": side, "x2": side + 0.25, "y2": side + 0.5,
            "score": side,
            "label": ["person"] * count,
            "track": pd.array([3, None, 5][:count], dtype="Int32"),
        }
    )  # fmt: skip


@pytest.mark.parametrize("count", [0, 3])
def test_boxes_are_read_as_they_were_written(tmp_path, count):
    path = tmp_path / "boxes.parquet"
    write_boxes(path, some_boxes(count), provenance={"model": "small", "weights": "ab12"})
    boxes = read_boxes(path)
    assert tuple(boxes) == BOX_COLUMNS
    assert boxes.attrs["provenance"] == {"model": "small", "weights": "ab12"}
    expected = some_boxes(count)
    for name in BOX_COLUMNS:
        assert boxes[name].astype(object).fillna(-1).tolist() == (
            expected[name].astype(object).fillna(-1).tolist()
        )
    assert str(boxes["track"].dtype) == "Int32"
    assert str(boxes["x1"].dtype) == "float32"


def test_tracks_may_be_left_out(tmp_path):
    write_boxes(tmp_path / "b.parquet", some_boxes(3).drop(columns="track"), provenance={})
    assert read_boxes(tmp_path / "b.parquet")["track"].isna().all()


@pytest.mark.parametrize("count", [0, 3])
def test_scores_are_read_as_they_were_written(tmp_path, count):
    path = tmp_path / "scores.parquet"
    scores = np.random.default_rng(0).random((count, 5)).astype(np.float32)
    boxes = some_boxes(count)
    write_scores(
        path, boxes=boxes, scores=scores, class_ids=(2, 3, 5, 7, 11), provenance={"run": "r-s0"}
    )
    read = read_scores(path)
    assert np.array_equal(read.scores, scores)
    assert read.class_ids == (2, 3, 5, 7, 11)
    assert read.provenance == {"run": "r-s0"}
    assert read.boxes["time_sec"].tolist() == boxes["time_sec"].tolist()


def test_tracks_of_scores_are_kept_and_may_be_missing(tmp_path):
    boxes = some_boxes(3).drop(columns="label")
    scores = np.full((3, 2), 0.5, np.float32)
    path = tmp_path / "scores.parquet"
    write_scores(path, boxes=boxes, scores=scores, class_ids=(1, 2), provenance={})
    tracks = read_scores(path).boxes["track"]
    assert tracks.dtype == "Int32"
    assert tracks.isna().tolist() == [False, True, False]
    assert tracks.dropna().tolist() == [3, 5]


def test_scores_that_do_not_fit_are_a_mistake_of_the_caller(tmp_path):
    with pytest.raises(ValueError, match="3 boxes, 2 classes"):
        write_scores(
            tmp_path / "s.parquet",
            boxes=some_boxes(3),
            scores=np.zeros((3, 5), np.float32),
            class_ids=(1, 2),
            provenance={},
        )


def test_a_score_that_is_no_number_is_refused(tmp_path):
    path = tmp_path / "s.parquet"
    scores = np.zeros((3, 2), np.float32)
    scores[1, 1] = np.nan
    write_scores(path, boxes=some_boxes(3), scores=scores, class_ids=(1, 2), provenance={})
    with pytest.raises(InputError, match="row 1: a score is nan, .* did training diverge"):
        read_scores(path)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("x2", 640.0, "row 0: x2 = 640 is outside 0..1; .*look like pixels"),
        ("time_sec", -1.0, "row 0: time_sec is -1, expected seconds"),
        ("video", "../film", "video id is '../film'"),
        ("score", np.nan, "column score has empty cells"),
    ],
)
def test_boxes_from_elsewhere_are_checked(tmp_path, column, value, message):
    path = tmp_path / "boxes.parquet"
    write_boxes(path, some_boxes(3).assign(**{column: value}), provenance={})
    with pytest.raises(InputError, match=message):
        read_boxes(path)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match="there is no such file; boxes"):
        read_boxes(tmp_path / "none.parquet")
    (tmp_path / "text.parquet").write_text("a,b\n")
    with pytest.raises(InputError, match="is not Parquet or is damaged"):
        read_boxes(tmp_path / "text.parquet")
    write_boxes(tmp_path / "boxes.parquet", some_boxes(3), provenance={})
    with pytest.raises(InputError, match="has no column 'scores'; .* is it another table?"):
        read_scores(tmp_path / "boxes.parquet")
    some_boxes(3).assign(scores=[[0.5]] * 3).to_parquet(tmp_path / "foreign.parquet")
    with pytest.raises(InputError, match="says nothing of its classes"):
        read_scores(tmp_path / "foreign.parquet")
