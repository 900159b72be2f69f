import json

import numpy as np
import pandas as pd
import pytest

from aia.cli import main
from aia.errors import InputError
from aia.evaluate.linking import LinkRules, link
from aia.evaluate.ucf24 import evaluate_ucf24, mean_of
from aia.tables import boxes_of, read_metrics, write_scores

HEADER = "video,frame,label,x1,y1,x2,y2"


@pytest.fixture
def pack(golden, tmp_path):
    """The golden ground truth as a CSV with tubes, and the detections."""
    folder = golden / "protocols"
    truth = json.loads((folder / "ucf_gt.json").read_text())
    rows = []
    for number, tube in enumerate(truth["tubes"]):
        for offset, box in enumerate(tube["boxes_xyxy"]):
            rows.append([tube["video"], tube["start"] + offset, tube["label"], *box, number])
    table = pd.DataFrame(rows, columns=[*HEADER.split(","), "tube"])
    table.to_csv(tmp_path / "gt.csv", index=False)
    return tmp_path / "gt.csv", folder / "ucf_frame_det.csv", folder / "expected.json"


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ([], "VOC every-point, no +1, all frames (MultiSports/gurkirt style)"),
        (["--frames", "annotated"], "same, GT frames only (YOWO-style trimming)"),
        (
            ["--protocol", "yowo"],
            "VOC every-point, +1 pixel, GT frames only (YOWO/rafaelpadilla geometry)",
        ),
        (["--protocol", "act"], "ACT/MOC: +1 pixel, remove-matched-GT, trapezoid AP, all frames"),
    ],
)
def test_frame_map_of_files_is_that_of_the_peers(pack, tmp_path, options, name):
    truth, detections, expected = pack
    out = tmp_path / "out.csv"
    arguments = ["--groundtruth", str(truth), "--detections", str(detections), *options]
    assert main(["evaluate", "ucf24", *arguments, "--output", str(out)]) == 0
    known = json.loads(expected.read_text())["ucf"]["frame_mAP@0.5"][name]
    known = known["mAP"] if isinstance(known, dict) else known
    metrics = read_metrics(out).set_index("metric")["value"]
    assert metrics["frame_mAP@0.5"] * 100 == pytest.approx(known, abs=1e-9)
    assert {"video_mAP@0.2", "video_mAP@0.5", "video_mAP@0.5:0.95"} <= set(metrics.index)


def write(path, *rows, header=HEADER):
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def moving(first, count, *, score=0.9, label=0, step=2, skip=()):
    """A box that goes to the right, as rows."""
    return [
        f"a,{frame},{label},{10 + step * i},10,{50 + step * i},90,{score}"
        for i, frame in enumerate(range(first, first + count))
        if frame not in skip
    ]


def frame_of(*rows):
    columns = [*HEADER.split(","), "score"]
    table = pd.DataFrame([row.split(",") for row in rows], columns=columns)
    return table.astype({name: float for name in columns[1:]}).astype({"frame": int, "label": int})


def test_boxes_that_follow_each_other_are_one_tube_and_gaps_are_filled():
    [tube] = link(frame_of(*moving(3, 20, skip=(7, 8))), LinkRules())
    assert (tube.first_frame, len(tube.boxes_xyxy)) == (3, 20)
    assert tube.boxes_xyxy[4] == pytest.approx([18, 10, 58, 90])  # frame 7, on a straight line
    assert tube.score == pytest.approx(0.9)


def test_a_tube_ends_where_nothing_follows_for_long():
    rules = LinkRules(patience=5)
    long = link(frame_of(*moving(0, 30, skip=range(10, 16), step=0)), rules)
    assert [(tube.first_frame, len(tube.boxes_xyxy)) for tube in long] == [(0, 10), (16, 14)]
    short = link(frame_of(*moving(0, 30, skip=range(10, 14), step=0)), rules)
    assert [(tube.first_frame, len(tube.boxes_xyxy)) for tube in short] == [(0, 30)]


def test_the_better_tube_chooses_first():
    good = [f"a,{t},0,0,0,40,80,0.9" for t in range(10)]
    bad = [f"a,{t},0,10,0,50,80,0.5" for t in range(9)]
    tubes = link(frame_of(*good, *bad), LinkRules())
    assert sorted((tube.score, len(tube.boxes_xyxy)) for tube in tubes) == [
        (pytest.approx(0.5), 9),
        (pytest.approx(0.9), 10),
    ]


def test_tubes_of_perfect_detections_find_all(pack, tmp_path):
    truth, _, _ = pack
    table = pd.read_csv(truth)
    table.assign(score=0.5).drop(columns="tube").to_csv(tmp_path / "det.csv", index=False)
    table.assign(score=0.5).to_csv(tmp_path / "tubes.csv", index=False)
    by_tube = evaluate_ucf24(truth, tmp_path / "tubes.csv")
    assert by_tube.frame.mean == 1
    assert all(mean_of(maps) == 1 for maps in by_tube.video.values())
    assert evaluate_ucf24(truth, tmp_path / "det.csv").frame.mean == 1


@pytest.mark.parametrize("rate", [25.0, 4.0])
def test_scores_of_ours_are_read_as_fractions_and_seconds_at_the_films_rate(tmp_path, rate):
    truth = write(tmp_path / "gt.csv", *[f"Diving/a,{t},5,32,24,64,48" for t in range(10)])
    box = {"x1": 0.1, "y1": 0.1, "x2": 0.2, "y2": 0.2, "score": 1.0}
    boxes = pd.DataFrame([{"video": "a", "time_sec": t / rate, **box} for t in range(10)])
    write_scores(
        tmp_path / "s.parquet",
        boxes=boxes,
        scores=np.tile([0.1, 0.8], (10, 1)),
        class_ids=(4, 5),
        provenance={},
    )
    assert evaluate_ucf24(truth, tmp_path / "s.parquet", fps=rate).frame.mean == 1
    other = evaluate_ucf24(truth, tmp_path / "s.parquet", fps=29.0 - rate)
    assert other.frame.mean < 1


def test_the_linkers_frames_are_times(tmp_path):
    """Two seconds without a box end a tube, and a tube of half a second is one, at any rate."""
    rows = [f"a,{t},0,5,5,36,99,1" for t in (3, 4)] + [f"a,{t},0,5,5,36,99,2" for t in (13, 14)]
    truth = write(tmp_path / "gt.csv", *rows, header=f"{HEADER},tube")
    found = [row.rsplit(",", 1)[0] + ",0.9" for row in rows]
    detections = write(tmp_path / "det.csv", *found, header=f"{HEADER},score")
    assert mean_of(evaluate_ucf24(truth, detections, fps=4.0).video["0.5"]) == 1
    assert mean_of(evaluate_ucf24(truth, detections).video["0.5"]) == 0  # 80 ms is no tube


@pytest.mark.parametrize(
    ("rows", "header", "message"),
    [
        (["a,1,0,5,5,4,9,0.5"], None, "line 2: x1 = 5 is above x2 = 4; .*width, height"),
        (["a,1.5,0,5,5,6,9,0.5"], None, "line 2: frame is '1.5', expected a whole number"),
        (["a,-1,0,5,5,6,9,0.5"], None, "line 2: frame is -1, expected 0 or more"),
        (["a,1,0,5,5,6,9,nan"], None, "line 2: score is nan"),
        (["a,1,0,5,5,6,9"], HEADER, "has no column score"),
        (["a,1,0,5,5,6"], "video,frame,label,x1,y1,x2", "has no column y2"),
    ],
)
def test_wrong_detections_are_refused_with_their_line(tmp_path, rows, header, message):
    truth = write(tmp_path / "gt.csv", "a,1,0,5,5,6,9")
    wrong = write(tmp_path / "det.csv", *rows, header=header or f"{HEADER},score")
    with pytest.raises(InputError, match=message):
        evaluate_ucf24(truth, wrong)


def test_a_tube_with_a_hole_is_refused(tmp_path):
    rows = [f"a,{t},0,5,5,6,9,0" for t in (1, 2, 4)]
    truth = write(tmp_path / "gt.csv", *rows, header=f"{HEADER},tube")
    with pytest.raises(InputError, match="tube 0 of a .* no frame 3"):
        evaluate_ucf24(truth, truth)


@pytest.mark.parametrize("text", ["0", "1.5", "half", "0.5:0.9"])
def test_a_threshold_that_is_none_is_refused(tmp_path, text):
    with pytest.raises(InputError, match="video IoU"):
        evaluate_ucf24(tmp_path / "gt.csv", tmp_path / "det.csv", video_ious=[text])


@pytest.mark.long
def test_perfect_detections_of_the_real_test_split(shared_data, tmp_path):
    from aia.evaluate.ucf24 import read_truth

    folder = shared_data / "ucf101-24"
    truth = read_truth(folder / "pyannot.pkl", split=folder / "testlist01.txt")
    boxes_of(truth.tubes).drop(columns="tube").to_csv(tmp_path / "det.csv", index=False)
    result = evaluate_ucf24(
        folder / "pyannot.pkl", tmp_path / "det.csv", split=folder / "testlist01.txt"
    )
    # some boxes are annotated twice, and then no second detection of them is a hit
    assert result.frame.mean == pytest.approx(0.99739, abs=1e-5)
    assert mean_of(result.video["0.2"]) > 0.9  # persons who cross are linked the wrong way


def test_a_class_list_names_the_classes_of_a_csv_and_says_which_count(tmp_path):
    rows = ["a,1,3,32,24,64,48", "a,1,7,96,24,128,48"]
    truth = write(tmp_path / "gt.csv", *rows)
    found = write(tmp_path / "det.csv", f"{rows[0]},0.5", header=HEADER + ",score")
    labels = tmp_path / "labels.pbtxt"
    labels.write_text('item { name: "wave" id: 3 } item { name: "run" id: 5 }')
    assert evaluate_ucf24(truth, found).frame.mean == pytest.approx(1 / 2)
    result = evaluate_ucf24(truth, found, labels=labels)
    assert (result.frame.labels.names, result.frame.mean) == (("wave", "run"), 1)
    labels.write_text('item { name: "swim" id: 11 }')
    with pytest.raises(InputError, match=r"no box is left; does .*labels\.pbtxt belong to it"):
        evaluate_ucf24(truth, found, labels=labels)
