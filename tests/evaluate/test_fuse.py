"""Fused score files, held against means by hand."""

import json

import numpy as np
import pandas as pd
import pytest

from aia.cli import main
from aia.errors import InputError
from aia.evaluate.fuse import fuse_scores
from aia.tables import read_scores, write_scores

BOXES = pd.DataFrame(
    {
        "video": ["a", "a", "a", "b", "b"],
        "time_sec": [2.0, 2.0, 3.0, 2.0, 902.5],
        "x1": [0.1, 0.2, 0.1, 0.1, 0.3],
        "y1": 0.25,
        "x2": 0.75,
        "y2": [0.5, 0.5, 0.5, 0.5, 1.0],
        "score": [0.9, 0.8, 0.95, 0.9, 0.9],
    }
)


def some_scores(seed, rows=5, classes=3):
    return np.random.default_rng(seed).random((rows, classes)).astype(np.float32)


@pytest.fixture
def write(tmp_path):
    def written(name, scores, boxes=BOXES, class_ids=(1, 2, 5), **provenance):
        path = tmp_path / f"{name}.parquet"
        origin = {"run": name, "boxes": "detected"} | provenance
        write_scores(path, boxes=boxes, scores=scores, class_ids=class_ids, provenance=origin)
        return path

    return written


def test_files_without_boxes_have_a_mean_without_boxes(write):
    none = [write(name, some_scores(0, rows=0), BOXES[:0]) for name in "pq"]
    assert fuse_scores(none).scores.shape == (0, 3)


def test_a_file_alone_is_its_own_mean(write):
    scores = some_scores(0)
    for mean in ("arithmetic", "geometric"):
        fused = fuse_scores([write("p", scores)], mean=mean)
        np.testing.assert_allclose(fused.scores, scores, rtol=1e-6)


@pytest.mark.parametrize("weights", [None, [2.0, 1.0, 5.0]])
@pytest.mark.parametrize(
    ("mean", "by_hand"),
    [
        ("arithmetic", lambda s, w: (s * w).sum(0) / w.sum()),
        ("geometric", lambda s, w: np.prod(s**w, axis=0) ** (1 / w.sum())),
    ],
)
def test_the_mean_is_that_of_each_box_whatever_the_order_of_rows(write, weights, mean, by_hand):
    scores = [some_scores(seed) for seed in range(3)]
    paths = []
    for seed, one in enumerate(scores):
        order = np.random.default_rng(seed).permutation(len(BOXES)) if seed else np.arange(5)
        moved = BOXES.iloc[order].reset_index(drop=True)
        moved["x1"] += 1e-6 * seed  # as another machine may read them
        paths.append(write(f"p{seed}", one[order], moved))
    fused = fuse_scores(paths, weights=weights, mean=mean)
    expected = by_hand(
        np.stack(scores).astype(float), np.array(weights or [1.0] * 3)[:, None, None]
    )
    np.testing.assert_allclose(fused.scores, expected, rtol=1e-5)
    np.testing.assert_allclose(fused.boxes["x1"], BOXES["x1"], rtol=1e-6)
    assert fused.class_ids == (1, 2, 5)


def test_a_zero_makes_the_geometric_mean_zero(write):
    first, second = some_scores(0), some_scores(1)
    first[2, 1] = 0
    fused = fuse_scores([write("p", first), write("q", second)], mean="geometric")
    assert np.argwhere(fused.scores == 0).tolist() == [[2, 1]]


def test_boxes_that_are_there_twice_are_paired_in_their_order(write):
    twice = pd.concat([BOXES[:2], BOXES[:1], BOXES[2:]], ignore_index=True)
    scores = [some_scores(seed, rows=6) for seed in range(2)]
    other_order = [5, 4, 3, 1, 0, 2]  # the two equal ones are 0 and 2
    other = write("q", scores[1][other_order], twice.iloc[other_order].reset_index(drop=True))
    fused = fuse_scores([write("p", scores[0], twice), other])
    np.testing.assert_allclose(fused.scores, (scores[0] + scores[1]) / 2, rtol=1e-6)


def test_a_fused_file_says_what_it_was_made_of(write):
    paths = [write("p", some_scores(0), model="ab12"), write("q", some_scores(1))]
    provenance = fuse_scores(paths, weights=[3.0, 1.0]).provenance
    assert provenance["run"] == "p + q"
    assert provenance["boxes"] == "detected"
    assert [part["weight"] for part in json.loads(provenance["of"])] == [0.75, 0.25]
    assert json.loads(provenance["of"])[0]["model"] == "ab12"


def moved(row, **change):
    boxes = BOXES.copy()
    for name, value in change.items():
        boxes.loc[row, name] = value
    return boxes


@pytest.mark.parametrize(
    ("boxes", "expected"),
    [
        (moved(1, x1=0.21), "the latter alone has row 1 (a at 2 s, 0.2 0.25 0.75 0.5, score 0.8)"),
        (moved(1, x1=0.21), "the former alone has row 1 (a at 2 s, 0.21 0.25 0.75 0.5, score 0.8)"),
        (moved(3, video="c"), "the former alone has row 3 (c at 2 s"),
        (moved(4, time_sec=903.5), "the latter alone has row 4 (b at 902.5 s"),
        (
            moved(0, score=0.5),
            "the former alone has row 0 (a at 2 s, 0.1 0.25 0.75 0.5, score 0.5)",
        ),
        (BOXES[1:].reset_index(drop=True), "its 4 boxes are not the 5"),
        (BOXES[:0], "row 1 (a at 2 s, 0.2 0.25 0.75 0.5, score 0.8) and 3 more. Their mean needs"),
        (
            pd.concat([BOXES, BOXES[4:]], ignore_index=True),
            "the former alone has row 5 (b at 902.5 s",
        ),
    ],
    ids=["box", "other box", "video", "second", "detector's score", "fewer", "none", "more"],
)
def test_other_boxes_are_refused_by_their_first_rows(write, boxes, expected):
    paths = [write("p", some_scores(0)), write("q", some_scores(1, rows=len(boxes)), boxes)]
    with pytest.raises(InputError) as refused:
        fuse_scores(paths)
    assert expected in str(refused.value)


@pytest.mark.parametrize(
    ("class_ids", "message"),
    [
        ((1, 2, 3), r"\(3 against 3; number 3 is 3 against 5\); are they of another data set"),
        ((2, 1, 5), "number 1 is 2 against 1"),
        ((1, 2), "2 against 3; number 3 is none against 5"),
    ],
)
def test_other_classes_are_refused(write, class_ids, message):
    other = write("q", some_scores(1, classes=len(class_ids)), class_ids=class_ids)
    with pytest.raises(InputError, match=message):
        fuse_scores([write("p", some_scores(0)), other])


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0], "1 numbers for 2 files"),
        ([1.0, 0.0], "0, expected numbers above 0"),
        ([-1.0, 2.0], "-1, expected"),
        ([1.0, float("nan")], "nan, expected"),
    ],
)
def test_weights_that_do_not_fit_are_refused(write, weights, message):
    paths = [write("p", some_scores(0)), write("q", some_scores(1))]
    with pytest.raises(InputError, match=message):
        fuse_scores(paths, weights=weights)


def test_the_command_fuses_files_or_leaves_nothing(tmp_path, write, capsys):
    scores = [some_scores(seed) for seed in range(2)]
    paths = [str(write(f"p{seed}", one)) for seed, one in enumerate(scores)]
    out = tmp_path / "fused.parquet"
    assert main(["fuse", *paths, "--weights", "3", "1", "--output", str(out)]) == 0
    expected = (3 * scores[0] + scores[1]) / 4
    np.testing.assert_allclose(read_scores(out).scores, expected, rtol=1e-6)
    out.unlink()
    assert main(["fuse", paths[0], paths[0], "--output", str(out)]) == 2
    assert "is given twice" in capsys.readouterr().err
    assert not out.exists()
