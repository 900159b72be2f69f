import numpy as np
import pandas as pd
import pytest

from aia.errors import InputError
from aia.evaluate.person_ap import evaluate_persons, write_person_ap
from aia.tables import read_metrics, write_boxes

# two persons, the first with two actions; a key frame on which nobody is
TRUTH = "a,1,0,0,.25,1,2,0\na,1,0,0,.25,1,3,0\na,1,.5,0,1,1,2,1\na,2\n"


@pytest.fixture
def evaluate(tmp_path):
    def evaluate(rows, truth=TRUTH, **settings):
        (tmp_path / "gt.csv").write_text(truth)
        columns = ["video", "time_sec", "x1", "y1", "x2", "y2", "score", "label"]
        boxes = pd.DataFrame(rows, columns=columns)
        write_boxes(tmp_path / "b.parquet", boxes, provenance={})
        return evaluate_persons(tmp_path / "gt.csv", [tmp_path / "b.parquet"], **settings)

    return evaluate


def box(video, second, x1, x2, score, label="person"):
    return (video, float(second), x1, 0.0, x2, 1.0, score, label)


def test_files_without_any_box_are_refused(evaluate):
    with pytest.raises(InputError, match="no box in any of them"):
        evaluate([])


def test_boxes_of_objects_are_no_persons(evaluate):
    result = evaluate([box("a", 1, 0.0, 0.25, 0.9, label="tv")])
    assert (result.ap, result.recall, result.persons, result.boxes) == (0.0, 0.0, 2, 0)
    assert np.isnan(result.precision)


def test_a_person_with_two_actions_is_one_person(evaluate):
    result = evaluate([box("a", 1, 0.0, 0.25, 0.9)])
    assert (result.persons, result.ap, result.recall, result.precision) == (2, 0.5, 0.5, 1.0)


def test_recall_and_precision_are_of_boxes_above_the_threshold(evaluate):
    rows = [
        box("a", 1, 0.0, 0.25, 0.9375),
        box("a", 1, 0.0, 0.25, 0.875),  # a double
        box("a", 1, 0.5, 1.0, 0.5),
        box("a", 2, 0.0, 0.25, 0.875),  # nobody is there
        box("a", 3, 0.0, 0.25, 1.0),  # nobody looked
    ]
    result = evaluate(rows, threshold=0.8)
    assert result.boxes == 4
    assert result.recall == 0.5
    assert result.precision == pytest.approx(1 / 3)
    assert result.ap == pytest.approx(0.5 * 1 + 0.5 * 2 / 4)
    assert evaluate(rows, threshold=0.5).recall == 1.0


def test_excluded_key_frames_do_not_count(evaluate, tmp_path):
    (tmp_path / "ex.csv").write_text("a,2\n")
    rows = [box("a", 1, 0.0, 0.25, 0.9), box("a", 2, 0.0, 0.25, 0.9)]
    assert evaluate(rows).precision == 0.5
    assert evaluate(rows, excluded=tmp_path / "ex.csv").precision == 1.0


def test_the_three_numbers_are_written(evaluate, tmp_path):
    write_person_ap(tmp_path / "out.csv", evaluate([box("a", 1, 0.0, 0.25, 0.9)]))
    table = read_metrics(tmp_path / "out.csv")
    assert table["metric"].tolist() == [
        "person AP@0.5", "person recall@0.5", "person precision@0.5",
    ]  # fmt: skip
    assert table["value"].tolist() == [0.5, 0.5, 1.0]
