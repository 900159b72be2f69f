import json

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aia.errors import InputError
from aia.evaluate.tubes import RULES, Tube, TubeRules, frame_map_of_boxes, tube_iou, video_map
from aia.labels import ClassList

ONE = ClassList((7,), ("dive",), ("",))
LEFT, RIGHT = (0, 0, 10, 10), (10, 0, 20, 10)


def boxes(*rows):
    """Rows of video, frame, label, box and, for detections, score."""
    return pd.DataFrame(
        [(*row[:3], *row[3], *row[4:]) for row in rows],
        columns=["video", "frame", "label", "x1", "y1", "x2", "y2", "score"][
            : 6 + len(rows[0]) - 3
        ],
    )


def frame_map(truth, detections, **rules):
    return frame_map_of_boxes(boxes(*truth), boxes(*detections), ONE, rules=TubeRules(**rules))


# --- by hand --------------------------------------------------------------------------------------


def test_a_second_detection_of_a_person_is_a_false_one():
    truth = [("a", 1, 7, LEFT), ("a", 1, 7, RIGHT)]
    twice = [("a", 1, 7, LEFT, 0.9), ("a", 1, 7, LEFT, 0.8), ("a", 1, 7, RIGHT, 0.7)]
    assert frame_map(truth, twice).mean == pytest.approx(0.5 + 0.5 * 2 / 3)


@pytest.mark.parametrize(("takes", "expected"), [("best", 0.5), ("left", 1.0)])
def test_whether_a_detection_may_take_the_next_person_is_a_matter_of_the_rules(takes, expected):
    wide = (0, 0, 20, 10)  # overlaps both persons by half
    truth = [("a", 1, 7, LEFT), ("a", 1, 7, RIGHT)]
    detections = [("a", 1, 7, wide, 0.9), ("a", 1, 7, wide, 0.8)]
    assert frame_map(truth, detections, takes=takes).mean == expected


def test_frames_without_any_person_count_unless_only_annotated_ones_do():
    truth = [("a", 1, 7, LEFT)]
    detections = [("a", 2, 7, LEFT, 0.9), ("a", 1, 7, LEFT, 0.8)]
    assert frame_map(truth, detections).mean == 0.5
    assert frame_map(truth, detections, frames="annotated").mean == 1.0


def test_a_class_that_is_not_in_the_list_is_refused():
    with pytest.raises(InputError, match="class 3, which is not in the list"):
        frame_map([("a", 1, 7, LEFT)], [("a", 1, 3, LEFT, 0.9)])


def test_tubes_that_miss_each_other_in_time_do_not_overlap():
    box = np.array([LEFT], float).repeat(3, axis=0)
    assert tube_iou(Tube("a", 7, 0, box), Tube("a", 7, 3, box)) == 0
    assert tube_iou(Tube("a", 7, 0, box), Tube("a", 7, 0, box)) == 1
    assert tube_iou(Tube("a", 7, 4, box[:1]), Tube("a", 7, 4, box[:1])) == 1
    # 2 of 4 frames are common; without +1 they are 1 step of 3
    assert tube_iou(Tube("a", 7, 0, box), Tube("a", 7, 1, box), extra=1) == 0.5
    assert tube_iou(Tube("a", 7, 0, box), Tube("a", 7, 1, box)) == pytest.approx(1 / 3)


def test_a_tube_of_another_class_or_video_is_no_hit():
    box = np.array([LEFT], float).repeat(3, axis=0)
    labels = ClassList((1, 2, 3), ("dive", "surf", "run"), ("",) * 3)
    truth = [Tube("a", 1, 0, box), Tube("a", 2, 0, box)]
    found = [Tube("a", 1, 0, box, 0.9), Tube("b", 2, 0, box, 0.8)]
    (result,) = video_map(truth, found, labels, rules=RULES["voc"], ious=[0.5])
    assert result.per_class[1] == 1
    assert result.per_class[2] == 0
    assert np.isnan(result.per_class[3])
    assert result.mean == 0.5


def test_nothing_found_is_no_precision():
    truth = [Tube("a", 7, 0, np.array([LEFT], float))]
    assert video_map(truth, [], ONE, rules=RULES["act"], ious=[0.2])[0].mean == 0
    assert frame_map_of_boxes(
        boxes(("a", 1, 7, LEFT)), boxes(("a", 1, 7, LEFT, 0.5))[:0], ONE, rules=RULES["voc"]
    ).mean == 0  # fmt: skip


# --- against loops --------------------------------------------------------------------------------

corner = st.integers(0, 3).map(float)
box = st.tuples(corner, corner, st.integers(1, 4), st.integers(1, 4)).map(
    lambda b: (b[0], b[1], b[0] + b[2], b[1] + b[3])
)
places = st.tuples(st.sampled_from("ab"), st.integers(0, 1), st.integers(1, 2), box)


def hits_by_loops(truth, detections, label, rules, iou):
    """Each detection of a class in turn, as one would write it down."""
    left = [row for row in truth if row[2] == label]
    free = [True] * len(left)
    hits = []
    for row in sorted((d for d in detections if d[2] == label), key=lambda d: -d[4]):
        near = []
        for place, other in enumerate(left):
            if other[:2] != row[:2] or (rules.takes == "left" and not free[place]):
                continue
            (a1, b1, a2, b2), (c1, d1, c2, d2) = row[3], other[3]
            e = rules.extra
            inner = max(min(a2, c2) - max(a1, c1) + e, 0) * max(min(b2, d2) - max(b1, d1) + e, 0)
            areas = (a2 - a1 + e) * (b2 - b1 + e) + (c2 - c1 + e) * (d2 - d1 + e)
            near.append((inner / (areas - inner), -place))
        best = max(near, default=(0, 0))
        hit = bool(near) and best[0] >= iou and free[-best[1]]
        if hit:
            free[-best[1]] = False
        hits.append(hit)
    return hits, len(left)


@settings(max_examples=150, deadline=None)
@given(
    truth=st.lists(places, min_size=1, max_size=8),
    found=st.lists(st.tuples(places, st.integers(0, 9)), min_size=1, max_size=12),
    name=st.sampled_from(sorted(RULES)),
    iou=st.sampled_from([0.2, 0.5]),
)
def test_boxes_are_matched_as_a_loop_would(truth, found, name, iou):
    rules, labels = RULES[name], ClassList((1, 2), ("dive", "surf"), ("", ""))
    detections = [(*place, score / 10) for place, score in found]
    result = frame_map_of_boxes(
        boxes(*truth), boxes(*detections), labels, rules=rules, iou=iou
    )  # fmt: skip
    if rules.frames == "annotated":
        detections = [d for d in detections if d[:2] in {row[:2] for row in truth}]
    for label in labels.ids:
        hits, persons = hits_by_loops(truth, detections, label, rules, iou)
        found_so_far = np.cumsum(hits)
        points = [(0.0, 1.0)] + [
            (h / persons, h / n) for n, h in enumerate(found_so_far, 1) if persons
        ]
        if not persons:
            assert np.isnan(result.per_class[label])
            continue
        area = 0.0
        for at, ((r0, p0), (r1, p1)) in enumerate(zip(points, points[1:], strict=False), start=1):
            best = max(p for _, p in points[at:])
            area += (r1 - r0) * (best if rules.area == "envelope" else (p0 + p1) / 2)
        assert result.per_class[label] == pytest.approx(area, abs=1e-12)


# --- other people's evaluators --------------------------------------------------------------------


@pytest.fixture(scope="module")
def recorded(golden):
    folder = golden / "protocols"
    truth = json.loads((folder / "ucf_gt.json").read_text())
    found = json.loads((folder / "ucf_tube_det.json").read_text())
    names = truth["labels"]
    labels = ClassList(tuple(range(len(names))), tuple(names), ("",) * len(names))
    true_tubes, found_tubes = (
        [
            Tube(t["video"], t["label"], t["start"], np.array(t["boxes_xyxy"]), t.get("score", 1.0))
            for t in tubes
        ]
        for tubes in (truth["tubes"], found)
    )
    expected = json.loads((folder / "expected.json").read_text())["ucf"]
    return true_tubes, pd.read_csv(folder / "ucf_frame_det.csv"), found_tubes, labels, expected


@pytest.mark.parametrize(
    ("rules", "begin"),
    [
        ("voc", "VOC every-point, no +1, all frames"),
        ("voc_annotated", "same, GT frames only"),
        ("yowo", "VOC every-point, +1 pixel, GT frames only"),
        ("act", "ACT/MOC"),
    ],
)
def test_frame_map_is_what_the_peers_evaluators_say(recorded, rules, begin):
    tubes, detections, _, labels, expected = recorded
    truth = boxes(
        *(
            (tube.video, tube.first_frame + place, tube.label, tuple(xyxy))
            for tube in tubes
            for place, xyxy in enumerate(tube.boxes_xyxy)
        )
    )
    (wanted,) = (
        value for name, value in expected["frame_mAP@0.5"].items() if name.startswith(begin)
    )
    result = frame_map_of_boxes(truth, detections, labels, rules=RULES[rules])
    assert 100 * result.mean == pytest.approx(wanted["mAP"], abs=1e-9)
    for class_id, name in zip(labels.ids, labels.names, strict=True):
        value = 100 * result.per_class[class_id]
        assert value == pytest.approx(wanted["per_class"][name], abs=1e-9)


@pytest.mark.parametrize(
    ("rules", "begin"),
    [
        (RULES["act"], "ACT/MOC"),
        (TubeRules(extra=1), "ACT geometry, VOC AP"),
        (RULES["voc"], "MultiSports"),
    ],
)
def test_video_map_is_what_the_peers_evaluators_say(recorded, rules, begin):
    truth, _, found, labels, expected = recorded
    (wanted,) = (value for name, value in expected["video_mAP"].items() if name.startswith(begin))
    results = video_map(truth, found, labels, rules=rules, ious=[float(iou) for iou in wanted])
    for result, value in zip(results, wanted.values(), strict=True):
        assert 100 * result.mean == pytest.approx(value, abs=1e-9)
