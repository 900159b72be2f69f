"""Rows that should not be there, and rows that are missing."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd

from aia.boxes import pair_iou
from aia.doctor.detections import DetectionSet
from aia.doctor.finding import Finding
from aia.doctor.truth import GroundTruth, frame_key, pairs
from aia.evaluate.frame_map import average_precision, rank

_DUPLICATES = 0.005  # share of rows from which equal ones are a finding
_SAME = 0.7  # IoU of two boxes of one person
_CROWDED = 0.05  # share of the boxes that lie on a better one
_MISSED = 0.08  # more empty key frames than missed persons explain, as a share
_PAIRS = 4_000_000  # of boxes, held at once
_FEW = 5  # key frames
_USUAL = 0.9  # of the persons have a box where nothing is wrong
_FLOOR = 0.1  # lowest score that no network gives to everything


def nothing(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """The file is empty. The user should lower the threshold and score again."""
    if len(scores):
        return None
    return Finding(
        finding="no detections: the file is empty",
        cause="a threshold on persons or scores leaves no boxes, or the run broke off",
        fix="lower the threshold and score again",
    )


def duplicates(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Rows are there twice: the same video, time, box and class.

    Recognised by equal rows, whatever their scores.
    The user should keep the best score of each box and class.
    """
    table = pd.DataFrame({"box": scores.box, "action": scores.action, "score": scores.score})
    table = table.sort_values("score", ascending=False, kind="stable")
    repeated = table.duplicated(["box", "action"]).sort_index().to_numpy()
    if repeated.sum() <= _DUPLICATES * len(repeated):
        return None
    return Finding(
        finding=f"duplicate rows: {int(repeated.sum())} have the video, time, box and class of "
        "another",
        where=scores.row[repeated],
        cause="files of several parts or processes were put together with an overlap, or a run "
        "was appended to an older file",
        fix="keep the best score of each box and class",
        fixed=scores.keep(~repeated),
    )


def several_boxes_a_person(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Several boxes lie on each person, as before non-maximum suppression.

    Recognised by boxes that overlap a better one, and a gain of mAP without them.
    The user should suppress boxes that overlap a better one.
    """
    best, used = np.full(len(scores.video), -np.inf), scores.used()
    np.maximum.at(best, scores.box, scores.score)
    rank_of = np.argsort(np.argsort(-best, kind="stable"))
    worse = np.zeros(len(best), bool)
    for some in _portions(frame_key(scores.video, scores.time_sec)):
        keys = frame_key(scores.video[some], scores.time_sec[some])
        one, other = (some[place] for place in pairs(keys, keys))
        kept = (rank_of[one] < rank_of[other]) & used[one] & used[other]
        one, other = one[kept], other[kept]
        worse[other[pair_iou(scores.xyxy[one], scores.xyxy[other]) >= _SAME]] = True
    fixed = scores.keep(~worse[scores.box])
    if worse.sum() < _CROWDED * used.sum():
        return None
    if truth.mean_ap(fixed) < truth.mean_ap(scores) + 0.02:
        return None
    return Finding(
        finding=f"several boxes a person, no NMS: {int(worse.sum())} of {int(used.sum())} boxes "
        f"overlap a better one by {_SAME} or more",
        where=scores.rows_of(worse),
        cause="the detector's proposals were scored before non-maximum suppression, or those of "
        "several runs were put together",
        fix=f"suppress boxes that overlap a better one by {_SAME}",
        fixed=fixed,
    )


def unlisted_key_frames(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Detections lie on key frames that nobody annotated, and count as false positives there.

    Recognised by key frames that the ground truth does not list, and a gain of mAP without them.
    The user should keep the key frames of the ground truth.
    """
    listed = np.isin(truth.key(scores), truth.annotations["key"])
    rows = scores.rows_of(~listed)
    if not len(rows) or not listed.any():
        return None
    fixed = scores.keep(listed[scores.box])
    if truth.mean_ap(fixed) < truth.mean_ap(scores) + 0.005:
        return None
    return Finding(
        finding=f"detections on key frames that the ground truth does not list: {len(rows)} rows "
        "count as false positives there",
        where=rows,
        cause="the network was run on seconds that are not annotated (or are excluded), or on "
        "videos of another split",
        fix="keep the key frames of the ground truth (protocols activitynet and mmaction do)",
        fixed=fixed,
    )


def high_threshold(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """A threshold on scores leaves few detections, so that true ones fell below it.

    Recognised by a lowest score of 0.1 or more and persons whose actions have no detection.
    The user should write every class of every box, or lower the threshold.
    """
    lowest = float(scores.score.min(initial=np.inf))
    if not _FLOOR <= lowest <= 1:
        return None
    seen = truth.found(scores)
    matches = truth.matches(scores)
    recall = len(np.unique(matches.target[matches.target >= 0])) / len(matches.truth_class)
    if recall >= 0.9 * max(seen, _USUAL if lowest >= 0.3 else 0.0):
        return None
    aps = []
    for ranked in rank(matches, truth.protocol, len(truth.labels)):
        if ranked.truths:
            found = ranked.hit.sum() / ranked.truths
            precision = ranked.hit.mean() if len(ranked.hit) else 0.0
            aps.append(average_precision(ranked) + max(_USUAL - found, 0) * precision * 2 / 3)
    frames = _frames_with_persons(scores, truth)
    return Finding(
        finding=f"a threshold leaves few boxes: the lowest score in the file is {lowest:g}; "
        f"{100 * seen:.0f} % of the persons have a box, and {100 * recall:.0f} % of their actions "
        f"a detection; {_count_empty(frames)}",
        cause="scores below a threshold were left out; average precision needs them all",
        fix="write every class of every box, or lower the threshold to 0.01 or less (estimate: "
        f"over the actions that are missing up to {100 * _USUAL:.0f} % the precision falls to 0 as "
        "a parabola)",
        map_after=float(np.mean(aps)) if aps else 0.0,
    )


def empty_key_frames(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Videos, or many key frames, have persons but no detection at all.

    Recognised by more empty key frames than persons that are missed one by one explain.
    The user should score all key frames, with a lower threshold.
    """
    frames = _frames_with_persons(scores, truth)
    empty = frames["empty"]
    if empty.sum() < _FEW or empty.all():
        return None
    crowded = frames[~empty & (frames["persons"] > 1)]  # how often one is missed beside another
    missed = (
        crowded["missed"].sum() / crowded["persons"].sum()
        if crowded["persons"].sum() >= 10
        else 0.1
    )
    expected = (np.clip(missed, 0.02, 0.5) ** frames["persons"]).mean()
    videos = sorted(set(frames["video"]) - set(frames["video"][~empty]))
    if empty.mean() - expected < _MISSED and not len(videos):
        return None
    others = truth.annotations[~truth.annotations["key"].isin(frames.index[empty])]
    whole = f"; {len(videos)} videos have none at all ({', '.join(videos[:3])})"
    return Finding(
        finding=f"{_count_empty(frames)}{whole if len(videos) else ''}; the lowest score is "
        f"{scores.score.min():g}",
        cause="videos were skipped or a run broke off, only some seconds were scored, or a "
        "threshold on persons or scores leaves no boxes",
        fix="score all key frames, with a lower threshold (estimate: as good there as elsewhere)",
        map_after=replace(truth, table=others).mean_ap(scores),
    )


def _portions(keys: np.ndarray) -> Iterator[np.ndarray]:
    """Yield boxes of whole key frames, sorted by key frame, so that their pairs fit in memory."""
    number, order = pd.factorize(keys)[0], np.argsort(keys, kind="stable")
    count = int((np.bincount(number).astype(float) ** 2).sum()) // _PAIRS + 1
    for portion in range(count):
        yield order[number[order] % count == portion]


def _frames_with_persons(scores: DetectionSet, truth: GroundTruth) -> pd.DataFrame:
    """Key frames with persons: video, number of persons, how many are missed, empty or not."""
    missed = truth.overlap(scores).iou < 0.1
    everybody = truth.persons.assign(missed=missed)
    counted = [
        second not in truth.excluded
        for second in zip(everybody["video"], everybody["time_sec"], strict=True)
    ]
    frames = everybody[counted].groupby("key")
    persons = frames.size()
    return pd.DataFrame(
        {
            "video": frames["video"].first(),
            "persons": persons,
            "missed": frames["missed"].sum(),
            "empty": ~np.isin(persons.index.to_numpy(), truth.key(scores)),
        }
    )


def _count_empty(frames: pd.DataFrame) -> str:
    empty = frames["empty"]
    return (
        f"no detections on {int(empty.sum())} of {len(empty)} key frames with persons "
        f"({100 * empty.mean():.0f} %)"
    )
