import numpy as np
import pandas as pd
import pytest

from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import csv, read_detections, write_scores
from aia.tables.detections import write_predictions
from aia.tables.scores import ScoreTable

ROW = "film,902,0.1,0.2,0.5,0.75,7,0.25\n"


@pytest.fixture
def write(tmp_path):
    def write(text):
        path = tmp_path / "det.csv"
        path.write_text(text)
        return path

    return write


def test_a_file_without_a_detection_is_refused(write):
    with pytest.raises(InputError, match="det.csv: is empty"):
        list(read_detections(write("")))


def test_inverted_boxes_pass(write):
    (block,) = read_detections(write(ROW + "film,902,.6,.2,.5,.75,7,.5\n"))
    assert block.xyxy[1].tolist() == [0.6, 0.2, 0.5, 0.75]
    assert block.score.tolist() == [0.25, 0.5]


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ("film,902,.1,.2,.5,.75,7\n", "7 columns, expected 8: video,second,x1"),
        ("film,902,.1,.2,.5,.75,7,-0.5\n", "score is -0.5, expected a number from 0 on"),
        ("film,902,.1,.2,.5,.75,7,nan\n", "score is nan, expected a number from 0 on"),
        ("film,902,.1,.2,.5,.75,7,\n", "score is empty, expected a number"),
        ("film,902,10,20,50,75,7,.5\n", "boxes are fractions of the frame, these look like pixels"),
        ("film,902,.1,.2,.5,.75,81,.5\n", "81 is none of the classes, whose ids are 1 to 80"),
        ("a/film,902,.1,.2,.5,.75,7,.5\n", "video id is 'a/film'"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_detections_is_named_by_line(write, bad, message):
    path = write(ROW * 3 + bad + ROW)
    with pytest.raises(InputError) as caught:
        list(read_detections(path, actions=(1, 80)))
    assert f"{path}, line 4: " in str(caught.value)
    assert message in str(caught.value)


def test_lines_are_counted_across_blocks(write, monkeypatch):
    monkeypatch.setattr(csv, "_BLOCK_BYTES", 1000)
    path = write(ROW * 997 + ROW.replace("0.25", "-1"))
    with pytest.raises(InputError, match="line 998: score is -1"):
        list(read_detections(path))
    blocks = list(read_detections(write(ROW * 997)))
    assert len(blocks) > 1
    assert sum(len(block.score) for block in blocks) == 997


def test_a_table_of_scores_is_one_detection_for_each_box_and_class(tmp_path):
    boxes = pd.DataFrame(
        {"video": ["b", "a"], "time_sec": [1.0, 2.5], "x1": 0.1, "y1": 0.2, "x2": [0.5, 0.75],
         "y2": 1.0, "score": 0.9},
    )  # fmt: skip
    scores = np.arange(6, dtype=np.float32).reshape(2, 3) / 8
    path = tmp_path / "scores.parquet"
    write_scores(path, boxes=boxes, scores=scores, class_ids=(7, 2, 5), provenance={})
    (block,) = read_detections(path)
    assert [block.videos[i] for i in block.video] == ["b"] * 3 + ["a"] * 3
    assert block.time_sec.tolist() == [1.0] * 3 + [2.5] * 3
    assert block.action.tolist() == [7, 2, 5] * 2
    assert block.score.tolist() == [0, 0.125, 0.25, 0.375, 0.5, 0.625]
    assert np.allclose(block.xyxy[3], [0.1, 0.2, 0.75, 1.0])
    with pytest.raises(InputError, match="class 2 is none of the classes"):
        list(read_detections(path, actions=(5, 7)))


def test_scores_of_no_box_are_refused(tmp_path):
    boxes = pd.DataFrame(
        {"video": [], "time_sec": [], "x1": [], "y1": [], "x2": [], "y2": [], "score": []}
    )
    path = tmp_path / "scores.parquet"
    empty = np.zeros((0, 3), np.float32)
    write_scores(path, boxes=boxes, scores=empty, class_ids=(7, 2, 5), provenance={})
    with pytest.raises(InputError, match="holds no box; did the detector find none"):
        list(read_detections(path))


@pytest.mark.parametrize("name", ["walk", 'talk to ("self", a group)'])
def test_predictions_are_read_as_what_their_parquet_table_is(tmp_path, name):
    generator = np.random.default_rng(3)
    sides = np.sort(generator.random((7, 2, 2)), axis=1).reshape(7, 4).astype(np.float32)
    boxes = pd.DataFrame(sides, columns=["x1", "y1", "x2", "y2"]).assign(
        video="film", time_sec=np.arange(7) / 3, score=np.float32(0.9),
        track=pd.array([1, 2, None, 1, 2, 3, None], dtype="Int32"),
    )  # fmt: skip
    scores = generator.random((7, 2)).astype(np.float32) ** 9
    classes = ClassList(ids=(7, 2), names=(name, "sit"), groups=("", ""))
    table = ScoreTable(boxes, scores, (7, 2), {})
    write_predictions(tmp_path / "film.csv", table, classes)
    write_scores(
        tmp_path / "film.parquet", boxes=boxes, scores=scores, class_ids=(7, 2), provenance={}
    )
    (text,), (packed,) = (
        list(read_detections(tmp_path / f"film.{ending}")) for ending in ("csv", "parquet")
    )
    assert text.videos == packed.videos
    for part in ("video", "time_sec", "action"):
        assert getattr(text, part).tolist() == getattr(packed, part).tolist()
    for part in ("xyxy", "score"):
        found, expected = getattr(text, part), getattr(packed, part)
        assert found.astype(np.float32).tolist() == expected.astype(np.float32).tolist()
    first = (tmp_path / "film.csv").read_text().splitlines()[:2]
    assert first[0] == "video,second,x1,y1,x2,y2,action,score,name,track"
    assert first[1].endswith(",1")


def test_predictions_of_nobody_are_a_header(tmp_path):
    boxes = pd.DataFrame({n: np.zeros(0) for n in ("time_sec", "x1", "y1", "x2", "y2", "score")})
    table = ScoreTable(boxes.assign(video=""), np.zeros((0, 1), np.float32), (7,), {})
    write_predictions(tmp_path / "film.csv", table, ClassList((7,), ("walk",), ("",)))
    assert len((tmp_path / "film.csv").read_text().splitlines()) == 1
