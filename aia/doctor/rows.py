"""Rows that should not be there, and rows in an order that matters."""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float, Int

from aia.doctor.case import Case, Symptom
from aia.doctor.overlap import Persons, frame_keys, pair_iou, pairs

_DUPLICATES = 0.005  # share of rows from which equal ones are a finding
_SAME = 0.7  # IoU of two boxes of one person
_CROWDED = 0.05  # share of the boxes that lie on a better one


def unknown_ids(case: Case) -> Symptom | None:
    """Classes that are beyond the list's ids, which the evaluators here refuse."""
    if not case.listed:
        return None
    found = case.detections
    ids = (*case.labels.ids, *case.truth["action"][case.truth["action"] >= 0].unique().tolist())
    beyond = (found.action < min(ids)) | (found.action > max(ids))
    if not beyond.any():
        return None
    names = ", ".join(map(str, np.unique(found.action[beyond])[:5]))
    return Symptom(
        finding=f"detections of classes that are not in the list: {names}",
        rows=found.row[beyond],
        cause="the network has classes that the list lacks (background?), or the list is another's",
        mend="leave these rows out, or give the list they belong to",
        mended=found.keep(~beyond),
        certain=True,
    )


def duplicates(case: Case) -> Symptom | None:
    """The same box with the same class more than once."""
    found = case.detections
    lowest = int(found.action.min(initial=0))
    span = int(found.action.max(initial=0)) - lowest + 1
    key = found.box.astype(np.int64) * span + found.action - lowest
    if len(np.unique(key)) >= (1 - _DUPLICATES) * len(key):
        return None
    order = np.lexsort((-found.score, key))
    first = np.ones(len(key), bool)
    first[order[1:]] = key[order[1:]] != key[order[:-1]]
    return Symptom(
        finding=f"duplicate rows: {int((~first).sum())} have the film, time, box and class of "
        "another",
        rows=found.row[~first],
        cause="files of several parts or processes were put together with an overlap, or a run "
        "was appended to an older file",
        mend="keep the best score of each box and class",
        mended=found.keep(first),
        certain=True,
    )


def several_boxes_a_person(case: Case) -> Symptom | None:
    """Boxes that lie on a better one, as before non-maximum suppression."""
    worse = _covered(case)
    used = case.detections.used()
    if worse.sum() < _CROWDED * used.sum():
        return None
    found = case.detections
    rows = found.of_boxes(worse)
    return Symptom(
        finding=f"several boxes a person, no NMS: {int(worse.sum())} of {int(used.sum())} boxes "
        f"overlap a better one by {_SAME} or more",
        rows=found.row[rows],
        cause="the detector's proposals were scored before non-maximum suppression, or those of "
        "several runs were put together",
        mend=f"suppress boxes that overlap a better one by {_SAME}",
        mended=found.keep(~rows),
        least_gain=0.02,
    )


def unlisted_key_frames(case: Case) -> Symptom | None:
    """Detections where nobody annotated anything."""
    found = case.detections
    listed = case.listed_boxes()
    rows = ~found.of_boxes(listed | _excluded_boxes(case))
    if not rows.any() or not listed.any():
        return None
    boxes = (~listed)[found.box[rows]].sum()
    return Symptom(
        finding=f"detections on key frames that the ground truth does not list: {int(boxes)} rows "
        "count as false positives there",
        rows=found.row[rows],
        cause="the network was run on seconds that are not annotated, or on films of another split",
        mend="keep the key frames of the ground truth (protocols activitynet and mmaction do)",
        mended=found.keep(~rows),
        least_gain=0.005,
    )


def excluded_key_frames(case: Case) -> Symptom | None:
    """Detections on key frames that the list of excluded ones leaves out."""
    found = case.detections
    rows = found.of_boxes(_excluded_boxes(case))
    if not rows.any():
        return None
    annotated = case.truth.drop_duplicates(["video", "time_sec"])
    there = zip(annotated["video"], annotated["time_sec"], strict=True)
    unlisted = not any(key in case.excluded for key in there)
    without_list = replace(case, excluded=()).mean_ap()
    return Symptom(
        finding=f"excluded key frames are scored: {int(rows.sum())} detections are on them; "
        "evaluators that are not given the list count these",
        rows=found.row[rows],
        cause="the network was run on all seconds, also on those that the data set excludes",
        mend="leave these rows out, and give the list of excluded key frames to every evaluator",
        mended=found.keep(~rows),
        certain=unlisted and bool(rows.mean() >= 0.005),
        before=without_list,
    )


def order_of_rows(case: Case) -> Symptom | None:
    """Rows whose order lets worse boxes take the persons, where the protocol goes by it."""
    if case.protocol.order != "file":
        return None
    found = case.detections
    return Symptom(
        finding="rows are not sorted by score: under this protocol the first box in the file, not "
        "the best, takes a person",
        rows=found.row,
        cause="rows stand in the order in which boxes were found",
        mend="sort the rows by score, the best first, or evaluate by another protocol",
        mended=found.keep(np.argsort(-found.score, kind="stable")),
    )


def _covered(case: Case) -> Bool[np.ndarray, " boxes"]:
    """Boxes on which a box of the same key frame with a better score lies."""
    found = case.detections
    score = found.best_score()
    film = found.video.astype(np.int64)
    order = np.argsort(frame_keys(film, found.time_sec), kind="stable")
    ordered = Persons(film[order], found.time_sec[order], found.xyxy[order], len(found.videos))
    worse = np.zeros(len(film), bool)
    used = found.used()
    for one, other in pairs(ordered, film, found.time_sec, used):
        one = order[one]
        better = (score[one] > score[other]) | ((score[one] == score[other]) & (one < other))
        better &= used[one] & (one != other)
        one, other = one[better], other[better]
        worse[other[pair_iou(found.xyxy[one], found.xyxy[other]) >= _SAME]] = True
    return worse


def _excluded_boxes(case: Case) -> Bool[np.ndarray, " boxes"]:
    keys = sorted(case.excluded)
    film: Int[np.ndarray, " keys"] = np.array(
        [case.detections.videos.index(v) if v in case.detections.videos else -1 for v, _ in keys],
        np.int64,
    )
    time_sec: Float[np.ndarray, " keys"] = np.array([second for _, second in keys], float)
    wanted = frame_keys(film[film >= 0], time_sec[film >= 0])
    found = case.detections
    return np.isin(frame_keys(found.video.astype(np.int64), found.time_sec), wanted)
