"""Frame mAP and video mAP of data with labels on every frame, such as UCF101-24 (§5).

Papers computed both in several ways, which differ by points on the same boxes; `RULES` names them.
Boxes are in pixels here, because some add one pixel to a box's width and height.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from aia.errors import InputError
from aia.evaluate.frame_map import FrameMap, Ranked, average_precision
from aia.labels import ClassList
from aia.tables import Tube

_XYXY = ["x1", "y1", "x2", "y2"]
_CELL = ["video", "frame", "label"]


@dataclass(frozen=True, kw_only=True)
class TubeRules:
    """Rules of what is counted, and how boxes and tubes are measured."""

    frames: Literal["all", "annotated"] = "all"
    """Frames whose detections count: all, or those with annotations."""
    extra: int = 0
    """Pixels added to a box's width and height, and frames added to a tube's length."""
    takes: Literal["best", "left"] = "best"
    """Ground truth that a detection may take: the one that it overlaps most, if that is free; or
    the one that it overlaps most among those that are left."""
    area: Literal["envelope", "trapezoid"] = "envelope"
    """Area under the curve: below the best precision at each recall, or straight lines."""


RULES: dict[str, TubeRules] = {
    "voc": TubeRules(),  # MultiSports, Singh et al.
    "voc_annotated": TubeRules(frames="annotated"),  # the same on annotated frames
    "yowo": TubeRules(frames="annotated", extra=1),
    "act": TubeRules(extra=1, takes="left", area="trapezoid"),  # ACT, MOC
}


def frame_map_of_boxes(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    labels: ClassList,
    *,
    rules: TubeRules,
    iou: float = 0.5,
) -> FrameMap:
    """Compute frame mAP over the boxes of all frames.

    Args:
        truth: Columns video, frame, label (class id), x1, y1, x2, y2.
        detections: The same and score. Among equal scores the first row comes first.
        labels: The classes that are evaluated.
        rules: One of `RULES`.
        iou: The least intersection over union of a hit.
    """
    if rules.frames == "annotated":
        of_frame = ["video", "frame"]
        annotated = pd.MultiIndex.from_frame(truth[of_frame])
        detections = detections[pd.MultiIndex.from_frame(detections[of_frame]).isin(annotated)]
    truth, detections = truth.reset_index(drop=True), detections.reset_index(drop=True)
    pairs = _pairs(detections, truth, by=_CELL)
    overlap = _box_iou(
        detections[_XYXY].to_numpy(float)[pairs.detection],
        truth[_XYXY].to_numpy(float)[pairs.truth],
        extra=rules.extra,
    )
    return _mean_of_classes(truth, detections, pairs, overlap, labels, rules=rules, iou=iou)


def video_map(
    truth: Sequence[Tube],
    detections: Sequence[Tube],
    labels: ClassList,
    *,
    rules: TubeRules,
    ious: Sequence[float],
) -> list[FrameMap]:
    """Compute video mAP at each of `ious`, over whole tubes (tube_iou)."""
    true, found = _without_boxes(truth), _without_boxes(detections)
    pairs = _pairs(found, true, by=["video", "label"])
    overlap = np.array(
        [
            tube_iou(detections[one], truth[other], extra=rules.extra)
            for one, other in zip(pairs.detection, pairs.truth, strict=True)
        ],
        float,
    )
    return [
        _mean_of_classes(true, found, pairs, overlap, labels, rules=rules, iou=iou) for iou in ious
    ]


def tube_iou(one: Tube, other: Tube, *, extra: int = 0) -> float:
    """Multiply overlap in time by the boxes' mean overlap on the frames that both have.

    >>> box = np.array([[0.0, 0.0, 2.0, 2.0]])
    >>> long, short = Tube("a", 1, 0, box.repeat(5, 0)), Tube("a", 1, 2, box.repeat(3, 0))
    >>> tube_iou(long, short)  # frames 2 to 4 of 0 to 4
    0.5
    """
    last = one.first_frame + len(one.boxes_xyxy) - 1, other.first_frame + len(other.boxes_xyxy) - 1
    start, end = max(one.first_frame, other.first_frame), min(last)
    if end < start:
        return 0.0
    together = max(last) - min(one.first_frame, other.first_frame) + extra
    in_time = (end - start + extra) / together if together else 1.0  # the same single frame
    a, b = (
        tube.boxes_xyxy[start - tube.first_frame : end - tube.first_frame + 1]
        for tube in (one, other)
    )
    return float(in_time * _box_iou(a, b, extra=extra).mean())


def below_straight_lines(ranked: Ranked) -> float:
    """Compute the area under precision over recall, with straight lines from (0, 1).

    >>> below_straight_lines(Ranked(np.array([0.9, 0.8]), np.array([True, False]), 2))
    0.5
    """
    if ranked.truths == 0:
        return float("nan")
    hits = np.cumsum(ranked.hit)
    precision = np.concatenate([[1.0], hits / np.arange(1, len(hits) + 1)])
    recall = np.concatenate([[0.0], hits / ranked.truths])
    return float(np.sum(np.diff(recall) * (precision[1:] + precision[:-1]) / 2))


def _without_boxes(tubes: Sequence[Tube]) -> pd.DataFrame:
    """List tubes without their boxes, a row each."""
    rows = [(tube.video, tube.label, tube.score) for tube in tubes]
    table = pd.DataFrame(rows, columns=["video", "label", "score"])
    return table.astype({"video": object, "label": np.int64, "score": float})


class _Pairs(NamedTuple):
    """Detections and ground truth that could match, as places in their tables."""

    detection: Int[np.ndarray, " pairs"]
    truth: Int[np.ndarray, " pairs"]


def _pairs(detections: pd.DataFrame, truth: pd.DataFrame, *, by: list[str]) -> _Pairs:
    ours = detections[by].assign(detection=np.arange(len(detections)))
    both = ours.merge(truth[by].assign(truth=np.arange(len(truth))), on=by)
    return _Pairs(both["detection"].to_numpy(np.int64), both["truth"].to_numpy(np.int64))


def _mean_of_classes(
    truth: pd.DataFrame,
    detections: pd.DataFrame,
    pairs: _Pairs,
    overlap: Float[np.ndarray, " pairs"],
    labels: ClassList,
    *,
    rules: TubeRules,
    iou: float,
) -> FrameMap:
    unknown = np.setdiff1d(detections["label"], labels.ids)
    if len(unknown):
        raise InputError(f"detections have class {unknown[0]}, which is not in the list of classes")
    score = detections["score"].to_numpy(float)
    order = np.argsort(-score, kind="stable")
    enough = overlap >= iou
    near = _Pairs(pairs.detection[enough], pairs.truth[enough])
    hit = _hits(order, near, overlap[enough], takes=rules.takes)
    area = average_precision if rules.area == "envelope" else below_straight_lines
    of_class, truth_class = detections["label"].to_numpy()[order], truth["label"].to_numpy()
    values = {}
    for class_id in labels.ids:
        some = order[of_class == class_id]
        values[class_id] = area(
            Ranked(score[some], hit[some], int((truth_class == class_id).sum()))
        )
    with_truth = [value for value in values.values() if not np.isnan(value)]
    mean = float(np.mean(with_truth)) if with_truth else float("nan")
    return FrameMap(mean, values, labels, iou)


def _hits(
    order: Int[np.ndarray, " detections"],
    pairs: _Pairs,
    overlap: Float[np.ndarray, " pairs"],
    *,
    takes: Literal["best", "left"],
) -> Bool[np.ndarray, " detections"]:
    """Mark the detections that take a ground truth; the best by score choose first."""
    turn = np.empty(len(order), np.int64)
    turn[order] = np.arange(len(order))
    by_choice = np.lexsort((pairs.truth, -overlap, turn[pairs.detection]))
    detection, wanted = pairs.detection[by_choice], pairs.truth[by_choice]
    hit = np.zeros(len(order), bool)
    if takes == "best":
        _, first = np.unique(turn[detection], return_index=True)  # each one's best pair
        _, winner = np.unique(wanted[first], return_index=True)
        hit[detection[first[winner]]] = True
        return hit
    taken: set[int] = set()
    for one, other in zip(detection.tolist(), wanted.tolist(), strict=True):
        if not hit[one] and other not in taken:
            hit[one] = True
            taken.add(other)
    return hit


def _box_iou(
    a_xyxy: Float[np.ndarray, "pairs 4"], b_xyxy: Float[np.ndarray, "pairs 4"], *, extra: int
) -> Float[np.ndarray, " pairs"]:
    """Compute IoU of boxes in pixels, pair by pair; 0 if neither has an area."""
    low = np.maximum(a_xyxy[:, :2], b_xyxy[:, :2])
    high = np.minimum(a_xyxy[:, 2:], b_xyxy[:, 2:])
    inner = np.maximum(high - low + extra, 0).prod(axis=1)
    areas = [(box[:, 2:] - box[:, :2] + extra).prod(axis=1) for box in (a_xyxy, b_xyxy)]
    union = areas[0] + areas[1] - inner
    return np.divide(inner, union, out=np.zeros_like(union), where=union > 0)
