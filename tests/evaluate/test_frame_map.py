import json
import platform
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aia.errors import InputError
from aia.evaluate.frame_map import (
    Ranked,
    average_precision,
    evaluate_ava,
    frame_map,
    match_files,
    write_frame_map,
)
from aia.evaluate.protocols import PROTOCOLS, Protocol, protocol_named
from aia.labels import ClassList, write_labels
from aia.tables import read_metrics, write_scores
from tests.oracles import frame_map_by_loops

PAPER = PROTOCOLS["paper"]
LEFT, RIGHT = "0,0,.5,1", "0.5,0,1,1"


@pytest.fixture
def score(tmp_path):
    """The mean that lines of ground truth and of detections make, and each class's AP."""

    def score(groundtruth, detections, *, excluded=(), **settings):
        for name, lines in (("gt", groundtruth), ("det", detections), ("ex", excluded)):
            (tmp_path / f"{name}.csv").write_text("".join(f"{line}\n" for line in lines))
        return evaluate_ava(
            tmp_path / "gt.csv", tmp_path / "det.csv", excluded=tmp_path / "ex.csv", **settings
        )

    return score


# --- by hand --------------------------------------------------------------------------------------


def test_a_class_without_detections_has_no_precision(score):
    result = score([f"a,1,{LEFT},2", f"a,1,{LEFT},3"], [f"a,1,{LEFT},2,0.5"])
    assert result.per_class == {2: 1.0, 3: 0.0}
    assert result.mean == 0.5


def test_a_class_without_ground_truth_is_left_out_of_the_mean(score, tmp_path):
    labels = ClassList((5, 2), ("fly", "sit"), ("", ""))
    write_labels(tmp_path / "labels.pbtxt", labels)
    result = score(
        [f"a,1,{LEFT},2"],
        [f"a,1,{LEFT},2,0.5", f"a,1,{LEFT},5,0.5"],
        labels=tmp_path / "labels.pbtxt",
    )
    assert list(result.per_class) == [5, 2]
    assert np.isnan(result.per_class[5])
    assert result.mean == result.per_class[2] == 1.0


def test_the_second_detection_of_a_box_is_wrong(score):
    twice = [f"a,1,{LEFT},2,0.5", f"a,1,{LEFT},2,0.75"]
    assert score([f"a,1,{LEFT},2", f"b,1,{LEFT},2"], [*twice, f"b,1,{LEFT},2,0.25"]).mean == (
        pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    )


def test_a_taken_box_is_not_given_up_for_the_second_best(score):
    # both detections overlap the left box most; the right one stays unfound
    detections = [f"a,1,{LEFT},2,0.75", "a,1,0.1,0,.7,1,2,0.5"]
    assert score([f"a,1,{LEFT},2", "a,1,0.3,0,.9,1,2"], detections, iou=0.3).mean == 0.5


def test_an_overlap_of_just_the_threshold_is_enough(score):
    half = ["a,1,0,0,.25,1,2,0.5"]  # half of LEFT
    assert score([f"a,1,{LEFT},2"], half).mean == 1.0
    assert score([f"a,1,{LEFT},2"], half, iou=0.51).mean == 0.0


def test_inverted_detections_are_dropped(score):
    inverted = "a,1,.5,0,0,1,2,0.9"
    assert score([f"a,1,{LEFT},2"], [inverted, f"a,1,{LEFT},2,0.5"]).mean == 1.0


@pytest.mark.parametrize("second", ["902", "0902", "902.0", "902.0000001"])
def test_one_second_may_be_written_in_many_ways(score, second):
    assert score([f"a,0902,{LEFT},2"], [f"a,{second},{LEFT},2,0.5"]).mean == 1.0


def test_half_a_second_is_another_key_frame(score):
    assert score([f"a,0902,{LEFT},2"], [f"a,902.5,{LEFT},2,0.5"]).mean == 0.0


def test_protocols_differ_in_which_key_frames_count(score):
    groundtruth = [f"a,1,{LEFT},2", "listed,1", f"other,1,{LEFT},3"]
    best = [f"{video},1,{LEFT},2,0.9" for video in ("unlisted", "listed", "other")]
    detections = [*best, f"a,1,{LEFT},2,0.5"]
    ap = {
        name: score(groundtruth, detections, protocol=name).per_class[2]
        for name in ("paper", "activitynet", "mmaction")
    }
    # mmaction2 counts `other` too, as its box is of a class that is evaluated
    assert ap == pytest.approx({"paper": 1 / 4, "activitynet": 1 / 3, "mmaction": 1 / 2})


def test_excluded_key_frames_count_on_neither_side(score):
    groundtruth = [f"a,1,{LEFT},2", f"b,0002,{LEFT},2"]
    detections = [f"b,2,{RIGHT},2,0.9", f"a,1,{LEFT},2,0.5"]
    assert score(groundtruth, detections).mean == 0.25
    assert score(groundtruth, detections, excluded=["b,2"]).mean == 1.0
    with pytest.raises(InputError, match="every key frame is excluded"):
        score(groundtruth, detections, excluded=["b,2", "a,1"])


def test_pyslowfast_gives_a_box_to_the_first_in_the_file(score):
    detections = [f"a,1,{LEFT},2,0.25", f"a,1,{LEFT},2,0.75"]
    assert score([f"a,1,{LEFT},2"], detections, protocol="slowfast").mean == 0.5
    assert score([f"a,1,{LEFT},2"], detections, protocol="paper").mean == 1.0


def test_the_challenge_counts_fifty_detections_of_a_key_frame(score):
    better = [f"a,1,{RIGHT},3,{0.5 + i / 128}" for i in range(50)]
    detections = [f"a,1,{LEFT},2,0.25", *better]
    groundtruth = [f"a,1,{LEFT},2"]
    for protocol, mean in (("acar", 0.0), ("activitynet", 0.0), ("paper", 1.0), ("mmaction", 1.0)):
        # only classes of the ground truth are evaluated, and only those fill the fifty
        assert score(groundtruth, detections, protocol=protocol).mean == 1.0
        assert (
            score([*groundtruth, f"b,1,{LEFT},3"], detections, protocol=protocol).per_class[2]
            == mean
        )


def test_mmaction_drops_scores_up_to_its_floor(score):
    detections = [f"a,1,{RIGHT},2,0.003", f"a,1,{LEFT},2,0.002"]
    assert score([f"a,1,{LEFT},2"], detections, protocol="mmaction").mean == 0.0
    assert score([f"a,1,{LEFT},2"], detections, protocol="paper").mean == 0.5


def test_precision_is_made_to_fall():
    ranked = Ranked(np.array([0.9, 0.8, 0.7, 0.6]), np.array([False, True, True, False]), 5)
    # precisions 0, 1/2, 2/3, 1/2: the envelope is 2/3 up to a recall of 2/5
    assert average_precision(ranked) == pytest.approx(2 / 3 * 2 / 5)
    assert average_precision(Ranked(np.zeros(0), np.zeros(0, bool), 5)) == 0.0
    assert np.isnan(average_precision(Ranked(np.array([0.5]), np.array([False]), 0)))


# --- numbers that the evaluators themselves gave --------------------------------------------------

VARIANTS = {
    "sorted_excluded": PAPER,
    "sorted_no_exclusion": replace(PAPER, excluded=False),
    "unsorted_excluded": PROTOCOLS["slowfast"],
    "cap50_excluded": PROTOCOLS["acar"],
    "cap50_ignore_frames_absent_from_gt": PROTOCOLS["activitynet"],
    "ignore_frames_absent_from_gt": replace(PROTOCOLS["mmaction"], score_floor=-1.0),
}


def test_one_matching_gives_the_number_of_every_protocol(golden):
    folder = golden / "protocols"
    matches, labels = match_files(
        folder / "ava_gt.csv",
        folder / "ava_det.csv",
        excluded=folder / "ava_excluded.csv",
        labels=folder / "ava_labelmap.pbtxt",
    )
    expected = json.loads((folder / "expected.json").read_text())["ava"]
    for name, protocol in VARIANTS.items():
        (theirs,) = (value for key, value in expected.items() if key.split(" (")[0] == name)
        ours = frame_map(matches, protocol, labels=labels)
        assert ours.mean == pytest.approx(theirs["mAP"], abs=1e-12)
        for class_id, value in theirs["per_class"].items():
            assert ours.per_class[int(class_id)] == pytest.approx(
                np.nan if value is None else value, abs=1e-12, nan_ok=True
            )


@pytest.mark.parametrize("spelling", ["labelmap", "labelmap_v22_style"])
def test_ties_fall_as_in_the_authors_evaluator(golden, spelling):
    folder = golden / "evaluator"
    matches, labels = match_files(
        folder / "ties_gt.csv",
        folder / "ties_det.csv",
        excluded=folder / "ties_excluded.csv",
        labels=folder / f"{spelling}.pbtxt",
    )
    stable = frame_map(matches, replace(PAPER, tie_sort="stable"), labels=labels)
    assert stable.mean == pytest.approx(0.5622466283341606, abs=1e-12)

    if platform.machine() not in ("x86_64", "AMD64"):
        pytest.skip("NumPy's unstable sort orders ties otherwise here")
    expected = json.loads((folder / "expected.json").read_text())["ties"]
    ours = frame_map(matches, PAPER, labels=labels)
    assert ours.mean == pytest.approx(expected["PascalBoxes_Precision/mAP@0.5IOU"], abs=1e-12)
    for value, name in zip(ours.per_class.values(), labels.names, strict=True):
        theirs = expected[f"PascalBoxes_PerformanceByCategory/AP@0.5IOU/{name}"]
        assert value == pytest.approx(np.nan if theirs is None else theirs, abs=1e-12, nan_ok=True)


# --- against loops --------------------------------------------------------------------------------


def random_files(folder, seed, *, scores, rows):
    """Few key frames and coarse boxes, so that doubles, misses and equal overlaps are many."""
    rng = np.random.default_rng(seed)

    def table(count, *, inverted):
        frame = rng.integers(0, 7, count)
        low = rng.integers(0, 6, (count, 2)) / 10
        high = low + rng.integers(1, 5, (count, 2)) / 10
        if inverted:
            swap = rng.random(count) < 0.05
            low[swap], high[swap] = high[swap].copy(), low[swap].copy()
        return pd.DataFrame(
            {
                "video": np.where(frame % 2, "a", "b"),
                "second": frame // 2,
                "x1": low[:, 0], "y1": low[:, 1], "x2": high[:, 0], "y2": high[:, 1],
                "action": rng.integers(1, 6, count),
            }
        )  # fmt: skip

    truth = table(rng.integers(1, rows), inverted=False)
    detections = table(rng.integers(1, 5 * rows), inverted=True)
    detections["score"] = scores(rng, len(detections))
    truth = truth[truth["video"].ne("a") | truth["second"].ne(1)]  # a frame without ground truth
    paths = [folder / name for name in ("gt.csv", "det.csv", "ex.csv")]
    truth.to_csv(paths[0], header=False, index=False)
    with open(paths[0], "a") as file:
        file.write("b,0\nb,1,0,0,1,1,3\n")
    detections.to_csv(paths[1], header=False, index=False)
    paths[2].write_text("b,2\n" if seed % 2 else "")
    return paths


def distinct(rng, count):
    return rng.permutation(count) / count


def few(rng, count):
    return rng.integers(0, 5, count) / 5


@pytest.mark.parametrize("scores", [distinct, few])
@settings(max_examples=40, deadline=None)
@example(seed=102, rows=300, capacity=50)  # equal detections shape the heap, too
@given(
    seed=st.integers(0, 2**32 - 1), rows=st.integers(2, 97), capacity=st.sampled_from([0, 3, 50])
)
def test_every_protocol_agrees_with_a_loop_over_key_frames(
    tmp_path_factory, scores, seed, rows, capacity
):
    groundtruth, detections, excluded = random_files(
        tmp_path_factory.mktemp("files"), seed, scores=scores, rows=rows
    )
    matches, labels = match_files(groundtruth, detections, excluded=excluded)
    for name, protocol in PROTOCOLS.items():
        if protocol.order == "heap":
            protocol = replace(protocol, capacity=capacity)
        fields = vars(protocol) | {"excluded": excluded}
        slow = frame_map_by_loops(groundtruth, detections, class_ids=labels.ids, **fields)
        fast = frame_map(matches, protocol, labels=labels).per_class
        assert fast == pytest.approx(slow, abs=1e-12, nan_ok=True), name


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_without_ties_the_order_of_the_file_does_not_matter(tmp_path_factory, seed):
    folder = tmp_path_factory.mktemp("files")
    groundtruth, detections, excluded = random_files(folder, seed, scores=distinct, rows=41)
    lines = detections.read_text().splitlines(keepends=True)
    (folder / "shuffled.csv").write_text("".join(np.random.default_rng(seed).permutation(lines)))
    for name in ("paper", "activitynet", "mmaction", "acar"):
        results = [
            evaluate_ava(groundtruth, path, excluded=excluded, protocol=name).per_class
            for path in (detections, folder / "shuffled.csv")
        ]
        assert results[0] == pytest.approx(results[1], nan_ok=True)


def test_a_capacity_without_a_heap_keeps_the_best(tmp_path):
    groundtruth, detections, excluded = random_files(tmp_path, 3, scores=distinct, rows=41)
    matches, labels = match_files(groundtruth, detections, excluded=excluded)
    stable, heap = (
        frame_map(matches, replace(PAPER, order=order, capacity=7), labels=labels)
        for order in ("stable", "heap")
    )
    assert stable.mean == pytest.approx(heap.mean)


def test_scores_as_parquet_and_as_csv_give_the_same(tmp_path):
    groundtruth, _, _ = random_files(tmp_path, 5, scores=distinct, rows=41)
    rng = np.random.default_rng(5)
    low = rng.integers(0, 4, (31, 2)) / 8  # eighths are the same in float32
    high = low + rng.integers(1, 5, (31, 2)) / 8
    boxes = pd.DataFrame(
        {"video": rng.choice(["a", "b"], 31), "time_sec": rng.integers(0, 3, 31).astype(float),
         "x1": low[:, 0], "y1": low[:, 1], "x2": high[:, 0], "y2": high[:, 1], "score": 1.0}
    )  # fmt: skip
    scores = rng.random((31, 5)).astype(np.float32)
    ids = (3, 1, 2, 5, 4)
    write_scores(tmp_path / "s.parquet", boxes=boxes, scores=scores, class_ids=ids, provenance={})
    with open(tmp_path / "s.csv", "w") as file:
        for (video, second, x1, y1, x2, y2, _), row in zip(
            boxes.itertuples(index=False), scores, strict=True
        ):
            for action, score in zip(ids, row, strict=True):
                file.write(f"{video},{second},{x1},{y1},{x2},{y2},{action},{float(score)!r}\n")
    for name in PROTOCOLS:
        of_csv, of_parquet = (
            evaluate_ava(groundtruth, tmp_path / file, protocol=name)
            for file in ("s.csv", "s.parquet")
        )
        assert of_csv.per_class == of_parquet.per_class


# --- what is written and what is refused ----------------------------------------------------------


def test_the_mean_is_the_line_without_a_class(score, tmp_path):
    labels = ClassList((7, 2), ('say "hi", twice', "fly"), ("", ""))
    write_labels(tmp_path / "labels.pbtxt", labels)
    result = score([f"a,1,{LEFT},7"] * 3, [f"a,1,{LEFT},7,1"], labels=tmp_path / "labels.pbtxt")
    write_frame_map(tmp_path / "out.csv", result)
    table = read_metrics(tmp_path / "out.csv")
    assert table["metric"].tolist() == ["mAP@0.5", "AP@0.5", "AP@0.5"]
    assert table["class_id"].fillna(-1).tolist() == [-1, 7, 2]
    assert table["class_name"].tolist() == ["", 'say "hi", twice', "fly"]
    assert table["value"].iloc[:2].tolist() == [1 / 3, 1 / 3]
    assert np.isnan(table["value"].iloc[2])


def test_a_protocol_or_threshold_that_is_none_is_refused(score):
    lines = [f"a,1,{LEFT},2"], [f"a,1,{LEFT},2,1"]
    with pytest.raises(InputError, match="'coco' is not a protocol; there are paper, activitynet"):
        score(*lines, protocol="coco")
    for iou in (0.0, 1.5, float("nan")):
        with pytest.raises(InputError, match="expected more than 0 and at most 1"):
            score(*lines, iou=iou)
    assert protocol_named("acar") == Protocol(order="heap", frames="all", capacity=50)


def test_files_that_do_not_belong_together_are_refused_or_reported(score, tmp_path, capsys):
    write_labels(tmp_path / "labels.pbtxt", ClassList((3,), ("fly",), ("",)))
    with pytest.raises(InputError, match=r"none of its 1 actions is in .*labels.pbtxt"):
        score([f"a,1,{LEFT},2"], [f"a,1,{LEFT},2,1"], labels=tmp_path / "labels.pbtxt")
    with pytest.raises(InputError, match=r"gt.csv: none of its 0 actions is there"):
        score(["a,1"], [f"a,1,{LEFT},2,1"])
    with pytest.raises(InputError, match=r"det.csv, line 2: action 4 is none of the classes"):
        score(
            [f"a,1,{LEFT},3"],
            [f"a,1,{LEFT},3,1", f"a,1,{LEFT},4,1"],
            labels=tmp_path / "labels.pbtxt",
        )
    assert score([f"a,1,{LEFT},2"], [f"b,1,{LEFT},2,1"]).mean == 0.0
    assert "none of its 1 key frames is in" in capsys.readouterr().err


def test_detections_of_other_classes_are_dropped_and_counted(score, capsys):
    result = score([f"a,1,{LEFT},2"], [f"a,1,{LEFT},2,1", f"a,1,{LEFT},3,1"])
    assert result.per_class == {2: 1.0}
    assert "1 detections of classes that are not evaluated" in capsys.readouterr().err


def test_repeated_rows_count_as_in_avas_evaluator_and_are_told(score, capsys):
    truth = [f"a,1,{LEFT},2", f"a,2,{LEFT},2"]
    first, second = f"a,1,{LEFT},2,0.9", f"a,2,{LEFT},2,0.5"
    assert score(truth, [first, second, "a,2,.1,.1,.2,.2,3,1"]).mean == 1.0
    assert "of an earlier row" not in capsys.readouterr().err
    told = (
        ": 1 rows have the video, time, box and action of an earlier row; each counts, as in AVA's "
        "own evaluator, and changes the number. Were files joined?"
    )
    # of equals the later row is first: the copy, which misses, then two hits
    assert score(truth, [first, second, first]).mean == pytest.approx(2 / 3)
    assert f"/det.csv{told}" in capsys.readouterr().err
    assert score([*truth, truth[0]], [first, second]).mean == pytest.approx(2 / 3)
    assert f"/gt.csv{told}" in capsys.readouterr().err


@pytest.mark.parametrize("boxes", [3, 400])
def test_repeated_detections_are_those_of_pandas(score, capsys, boxes):
    rng = np.random.default_rng(boxes)
    rows = pd.DataFrame(
        {
            "video": rng.choice(["a", "b"], 500),
            "second": rng.integers(1, 4, 500),
            "x1": rng.integers(0, boxes, 500) / 1000,
            "action": rng.integers(1, 12, 500),
        }
    )
    lines = [f"{r.video},{r.second},{r.x1},0,1,1,{r.action},0.5" for r in rows.itertuples()]
    score([f"a,1,0,0,1,1,{action}" for action in range(1, 12)], lines)
    repeated = rows.duplicated().sum()
    assert repeated > 0
    assert f"/det.csv: {repeated} rows have the video, time" in capsys.readouterr().err
