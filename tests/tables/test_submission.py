import json

import numpy as np
import pandas as pd
import pytest

from aia.cli import main
from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import ScoreTable, read_detections, write_scores
from aia.tables.submission import write_submission


def table_of(scores, class_ids=(3, 1, 80), seconds=(902.0, 1798.0)):
    boxes = pd.DataFrame(
        {"video": ["-a_b", "film"], "time_sec": seconds, "x1": 0.125, "y1": 0.0, "x2": 0.5,
         "y2": 1.0, "score": 0.9},
    )  # fmt: skip
    return ScoreTable(boxes, np.array(scores, np.float32), class_ids, {})


SCORES = [[0.25, 0.5, 0.75], [0.1, 0.0, 1.0]]


def test_without_a_box_there_is_nothing_to_submit(tmp_path):
    table = table_of(SCORES)
    empty = table._replace(boxes=table.boxes[:0], scores=table.scores[:0])
    with pytest.raises(InputError, match="no box to submit"):
        write_submission(tmp_path / "out.csv", empty)
    assert list(tmp_path.iterdir()) == []


def test_a_line_is_a_box_and_a_class_by_its_id(tmp_path):
    assert write_submission(tmp_path / "out.csv", table_of(SCORES)) == 6
    assert (tmp_path / "out.csv").read_text().splitlines() == [
        "-a_b,0902,0.12500,0.00000,0.50000,1.00000,1,0.50000",
        "-a_b,0902,0.12500,0.00000,0.50000,1.00000,3,0.25000",
        "-a_b,0902,0.12500,0.00000,0.50000,1.00000,80,0.75000",
        "film,1798,0.12500,0.00000,0.50000,1.00000,1,0.00000",
        "film,1798,0.12500,0.00000,0.50000,1.00000,3,0.10000",
        "film,1798,0.12500,0.00000,0.50000,1.00000,80,1.00000",
    ]


def test_only_the_classes_of_the_list_are_submitted(tmp_path):
    labels = ClassList(ids=(80, 3), names=("watch", "crouch"), groups=("", ""))
    write_submission(tmp_path / "out.csv", table_of(SCORES), labels=labels)
    lines = (tmp_path / "out.csv").read_text().splitlines()
    assert [line.split(",")[6] for line in lines] == ["3", "80"] * 2


def test_a_class_without_scores_is_an_error(tmp_path):
    labels = ClassList(ids=(3, 4), names=("crouch", "dance"), groups=("", ""))
    with pytest.raises(InputError, match="class 4 is to be submitted, but the scores are of 3"):
        write_submission(tmp_path / "out.csv", table_of(SCORES), labels=labels)


def test_lines_are_the_authors_for_their_boxes(golden, tmp_path):
    """Theirs are pixels of a resized frame; the last pixel belongs to a box on the film's frame."""
    arrays = np.load(golden / "evaluator" / "to_csv_in.npz")
    meta = json.loads((golden / "evaluator" / "to_csv_meta.json").read_text())
    boxes, scores = [], []
    for clip, (width, height, video, second) in enumerate(meta["original"]):
        sides = arrays[f"boxes{clip}"] / np.tile(arrays["sizes"][clip], 2).astype(np.float32)
        sides = (sides + [0, 0, 1 / width, 1 / height]).clip(0, 1)
        scores.append(arrays[f"scores{clip}"])
        boxes += [(video, float(second), *map(float, side), 1.0) for side in sides]
    columns = ["video", "time_sec", "x1", "y1", "x2", "y2", "score"]
    table = ScoreTable(
        pd.DataFrame(boxes, columns=columns), np.concatenate(scores), tuple(range(1, 81)), {}
    )
    out = tmp_path / "out.csv"
    write_submission(out, table, threshold=meta["action_thresh"])
    assert out.read_text() == (golden / "evaluator" / "to_csv_expected.csv").read_text()


def test_the_command_writes_what_the_evaluator_reads(tmp_path, capsys):
    table = table_of(SCORES)
    scores, out = tmp_path / "run.test.parquet", tmp_path / "run.test.csv"
    write_scores(
        scores, boxes=table.boxes, scores=table.scores, class_ids=(3, 1, 80), provenance={}
    )
    (tmp_path / "labels.pbtxt").write_text('item { name: "crouch" id: 3 }\n')
    options = ["--labels", str(tmp_path / "labels.pbtxt"), "--output", str(out)]
    assert main(["submit", str(scores), *options]) == 0
    assert "2 lines, 2 boxes of 2 videos" in capsys.readouterr().err
    (block,) = read_detections(out)
    assert block.action.tolist() == [3, 3]
    assert block.score.tolist() == [0.25, 0.1]
    assert block.time_sec.tolist() == [902, 1798]
    assert main(["submit", str(tmp_path / "none.parquet"), *options]) == 2
