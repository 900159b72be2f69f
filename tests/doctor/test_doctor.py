"""`aia doctor`: what is planted is found, first and alone; a good file has nothing."""

import csv
import inspect
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from aia.cli import main
from aia.doctor import diagnose
from aia.doctor.finding import COLUMNS
from aia.doctor.videos import matching_names
from aia.errors import InputError
from aia.labels import ClassList, write_labels
from aia.tables import write_scores
from tests.doctor import planted
from tests.doctor.planted import FAULTS, KINDS, SIDES, Kind, good

SMALL = Kind(films=4, start_sec=1, seconds=24, ids=tuple(range(1, 14)), persons=2)
# what the file does not hold cannot come back: a share of the good file's mAP is estimated
ROUGH = {"threshold", "no detections on", "classes are missing"}


@pytest.fixture
def doctor(tmp_path):
    """What is found in detections; files are written as AVA's."""

    def look(scores, truth, **settings):
        write(tmp_path / "gt.csv", truth)
        write(tmp_path / "det.csv", scores)
        return diagnose(tmp_path / "det.csv", tmp_path / "gt.csv", **settings)

    return look


def write(path, table):
    table.to_csv(path, header=False, index=False)
    return path


def plant(fault, scores, truth):
    return fault(scores, truth) if "truth" in inspect.signature(fault).parameters else fault(scores)


def fault_cases():
    return [
        pytest.param(name, fault, id=fault.__name__)
        for name, faults in FAULTS.items()
        for fault in faults
    ]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("seed", [0, 1])
def test_nothing_is_found_in_a_good_file(doctor, kind, seed):
    smaller = KINDS[kind]._replace(seconds=min(KINDS[kind].seconds, 24))
    truth, scores = good(smaller, seed)
    found = doctor(scores, truth)
    assert found.findings == []
    assert found.map_before == found.map_after > 0.05


@pytest.mark.parametrize(("name", "fault"), fault_cases())
def test_a_planted_fault_is_the_one_finding(doctor, name, fault):
    truth, scores = good(SMALL, 3)
    well = doctor(scores, truth).map_before
    found = doctor(plant(fault, scores, truth), truth)
    assert [name in one.finding for one in found.findings] == [True]
    assert found.findings[0].map_before == found.map_before
    rough = any(name in one or one in name for one in ROUGH)
    assert found.findings[0].map_after == pytest.approx(well, abs=0.25 if rough else 0.04)


@pytest.mark.parametrize(
    ("first", "second", "names"),
    [
        (planted.ids_low, planted.late, ("off by one", "clock offset")),
        (planted.pixels, planted.endings, ("in pixels", "video names")),
        (planted.swapped_xy, planted.ids_high, ("x and y are swapped", "off by one")),
        (planted.mirrored, planted.half_a_second, ("mirrored", "clock offset")),
        (planted.shifted, planted.late, ("shifted", "clock offset")),
        (planted.other_seconds, planted.twice, ("does not list", "duplicate")),
    ],
)
def test_two_faults_at_once_are_both_found(doctor, first, second, names):
    truth, scores = good(SMALL, 3)
    well = doctor(scores, truth).map_before
    found = doctor(second(first(scores)), truth)
    assert all(any(name in one.finding for one in found.findings) for name in names)
    assert len(found.findings) == 2
    assert found.map_after == pytest.approx(well, abs=0.04)
    gains = [one.gain for one in found.findings]
    assert gains == sorted(gains, reverse=True)


def test_a_fault_of_one_film_is_fixed_there_alone(doctor):
    truth, scores = good(SMALL, 3)
    one = (scores["video"] == scores["video"].iloc[0]).to_numpy()
    late = scores.assign(second=np.where(one, scores["second"] + 40, scores["second"]))
    found = doctor(late, truth)
    assert ["clock offset" in finding.finding for finding in found.findings] == [True]
    assert found.findings[0].rows == one.sum()
    assert found.map_after == pytest.approx(doctor(scores, truth).map_before)


def test_excluded_key_frames_without_detections_are_not_missing(doctor, tmp_path):
    truth, scores = good(SMALL, 3)
    few = scores[scores["second"] > 8]
    assert "no detections on" in doctor(few, truth).findings[0].finding
    excluded = truth[truth["second"] <= 8][["video", "second"]].drop_duplicates()
    excluded = write(tmp_path / "excluded.csv", excluded)
    assert doctor(few, truth, excluded=excluded).findings == []


def test_two_classes_that_changed_places_are_named(doctor):
    truth, scores = good(SMALL._replace(seconds=40), 3)
    often = truth["action"].value_counts().index[:2].tolist()
    action = scores["action"].replace({often[0]: often[1], often[1]: often[0]})
    (finding,) = doctor(scores.assign(action=action), truth).findings
    assert "class ids are exchanged: 2 of" in finding.finding
    assert finding.map_after == pytest.approx(doctor(scores, truth).map_before)


def test_places_in_a_list_with_gaps_are_not_its_ids(doctor, tmp_path):
    ids = (2, 3, 7, 11, 12, 20, 31)
    truth, scores = good(SMALL._replace(ids=ids), 3)
    write_labels(tmp_path / "l.pbtxt", ClassList(ids, tuple(map(str, ids)), ("",) * len(ids)))
    place = scores["action"].map({class_id: place for place, class_id in enumerate(ids)})
    found = doctor(scores.assign(action=place), truth, labels=tmp_path / "l.pbtxt")
    assert ["places in the list (from 0)" in one.finding for one in found.findings] == [True]
    assert found.map_after == pytest.approx(doctor(scores, truth).map_before)


def test_classes_beyond_the_list_are_named_though_they_cost_nothing(doctor, tmp_path):
    truth, scores = good(SMALL, 3)
    write_labels(tmp_path / "l.pbtxt", ClassList(SMALL.ids, tuple("abcdefghijklm"), ("",) * 13))
    background = scores.iloc[::13].assign(action=99)
    found = doctor(pd.concat([scores, background]), truth, labels=tmp_path / "l.pbtxt")
    (finding,) = found.findings
    assert finding.finding == "detections of classes that are not in the list: 99"
    assert finding.rows == len(background)
    assert finding.gain == 0


def test_detections_of_another_split_are_told_first_and_alone(doctor):
    truth, scores = good(SMALL, 3)
    other = scores["video"].map(lambda name: f"train{name[4:]}")
    (finding,) = doctor(scores.assign(video=other), truth).findings
    assert "wrong split: 4 of 4 videos of the detections (train0_" in finding.finding
    assert finding.rows == len(scores)
    assert finding.gain == 0
    one = scores["video"] == scores["video"].iloc[0]
    (finding,) = doctor(scores.assign(video=other.where(~one, scores["video"])), truth).findings
    assert "3 of 4 videos of the ground truth" in finding.finding
    alone = doctor(scores[one], truth[truth["video"] == scores["video"].iloc[0]])
    assert finding.map_after == pytest.approx(alone.map_before)
    assert finding.gain > 0


def test_video_names_are_not_guessed_from_numbers_alone():
    assert matching_names(["video_1", "b_c"], ["video_12", "c"]) == {"b_c": "c"}
    assert matching_names(["a_1", "a-1"], ["a1"]) == {}


def test_a_table_of_scores_is_read_whatever_its_values(tmp_path):
    truth, scores = good(SMALL, 3)
    boxes = scores.drop_duplicates(["video", "second", *SIDES]).rename(
        columns={"second": "time_sec"}
    )
    boxes = boxes.assign(**(boxes[SIDES] * 300))
    write_scores(
        tmp_path / "det.parquet",
        boxes=boxes,
        scores=scores["score"].to_numpy().reshape(len(boxes), -1),
        class_ids=SMALL.ids,
        provenance={},
    )
    write(tmp_path / "gt.csv", truth)
    (finding,) = diagnose(tmp_path / "det.parquet", tmp_path / "gt.csv").findings
    assert "in pixels" in finding.finding
    assert "300x300" in finding.fix
    assert finding.example.startswith("row 0 (from 0), score 0: ")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,1,0,0,1,1\n", "6 columns, expected 8"),
        ("a,1,0,0,1,1,x,0.5\n", "action is 'x'"),
        ("a,1,0,0,1,1,1,0.5\n\na,1,0,0,1,1,1,nan\n", "line 3: score is nan"),
        ("video,second,x1,y1,x2,y2,action,score\n", "line 1: .* looks like a header"),
    ],
)
def test_a_file_of_another_form_is_an_error(tmp_path, text, message):
    (tmp_path / "det.csv").write_text(text)
    (tmp_path / "gt.csv").write_text("a,1,0,0,1,1,1\n")
    with pytest.raises(InputError, match=message):
        diagnose(tmp_path / "det.csv", tmp_path / "gt.csv")


def test_a_file_that_a_threshold_left_empty_is_told(tmp_path):
    (tmp_path / "det.csv").write_text("\n")
    (tmp_path / "gt.csv").write_text("a,1,0,0,1,1,1\n")
    found = diagnose(tmp_path / "det.csv", tmp_path / "gt.csv")
    assert [one.finding for one in found.findings] == ["no detections: the file is empty"]


def test_the_smallest_files_are_explained_too(tmp_path):
    (tmp_path / "det.csv").write_text("b,7,0,0,1,1,1,0.5\n")
    (tmp_path / "gt.csv").write_text("a,1,0,0,1,1,1\n")
    assert diagnose(tmp_path / "det.csv", tmp_path / "gt.csv").map_before == 0


def test_boxes_that_nothing_fixes_are_told_with_their_overlap(doctor):
    truth, scores = good(SMALL, 3)
    random = np.random.default_rng(0)
    corner = random.uniform(0, 0.9, (len(scores), 2))
    nowhere = np.concatenate([corner, corner + random.uniform(0.02, 0.1, corner.shape)], axis=1)
    elsewhere = scores.assign(**dict(zip(SIDES, nowhere.T, strict=True)))
    found = doctor(elsewhere.iloc[::13], truth).findings
    assert any("boxes overlap nobody" in one.finding for one in found)


def test_sizes_of_frame_stores_are_tried_for_pixels(doctor, monkeypatch):
    truth, scores = good(SMALL, 3)
    store = SimpleNamespace(size_hw=(97, 211))
    stores = {video: store for video in scores["video"].unique()}
    monkeypatch.setattr("aia.video.store.readable_stores", lambda _: stores)
    in_pixels = scores.assign(**(scores[SIDES] * [211, 97, 211, 97]))
    (finding,) = doctor(in_pixels, truth, frames=["film.h5"]).findings
    assert "211x97" in finding.fix


@pytest.mark.parametrize("with_list", [True, False])
def test_the_golden_detections_are_good(golden, with_list):
    folder = golden / "protocols"
    settings = {"labels": folder / "ava_labelmap.pbtxt", "excluded": folder / "ava_excluded.csv"}
    found = diagnose(
        folder / "ava_det.csv", folder / "ava_gt.csv", **(settings if with_list else {})
    )
    assert found.findings == []


def test_the_command_prints_and_writes_and_ends_with_0(tmp_path, capsys):
    truth, scores = good(SMALL, 3)
    gt, det = write(tmp_path / "gt.csv", truth), tmp_path / "det.csv"
    write(det, scores)
    assert main(["doctor", str(det), str(gt)]) == 0
    assert capsys.readouterr().out == "nothing found\n"

    write(det, planted.ids_low(scores))
    assert main(["doctor", str(det), str(gt), "--output", str(tmp_path / "f.csv")]) == 0
    said = capsys.readouterr().out
    assert said.startswith("1. class ids are off by one: every id is 1 too low")
    assert f"line 1: {det.read_text().splitlines()[0]}" in said
    (row,) = csv.DictReader((tmp_path / "f.csv").read_text().splitlines())
    assert tuple(row) == COLUMNS
    assert float(row["map_after"]) > float(row["map_before"]) + 0.3
    assert float(row["share"]) == 1

    assert main(["doctor", str(tmp_path / "no.csv"), str(gt)]) == 2
    assert "there is no such file" in capsys.readouterr().err
