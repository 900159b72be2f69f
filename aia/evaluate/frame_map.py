"""Frame mAP on AVA (§4.1): average precision of each action's boxes on key frames, and its mean.

    read (aia.tables) ─▶ match, protocol-free (matching.py) ─▶ choose and order (protocols.py) ─▶ AP

The usual evaluator loops over key frames and classes and takes minutes at AVA's size; here each
step is one operation over all detections, with the same result to the last bit.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from aia.errors import InputError
from aia.evaluate.matching import Matches, match
from aia.evaluate.protocols import Protocol, protocol_named
from aia.evaluate.turns import in_turn, within_capacity
from aia.labels import ClassList, read_labels
from aia.log import say
from aia.tables import read_actions, read_detections, read_excluded, write_metrics

_ROW = ["video", "time_sec", "x1", "y1", "x2", "y2", "action"]


class Ranked(NamedTuple):
    """Detections of one class, from the best score to the worst."""

    score: Float[np.ndarray, " detections"]
    hit: Bool[np.ndarray, " detections"]
    """True if the detection took a ground-truth box."""
    truths: int
    """Number of ground-truth boxes."""


class FrameMap(NamedTuple):
    """Average precisions as fractions."""

    mean: float
    """Mean over the classes that have ground truth."""
    per_class: dict[int, float]
    """AP by class id, in the class list's order; NaN for a class without ground truth."""
    labels: ClassList
    iou: float


def evaluate_ava(
    groundtruth: Path | str,
    detections: Path | str,
    *,
    excluded: Path | str | None = None,
    labels: Path | str | None = None,
    protocol: str = "paper",
    iou: float = 0.5,
) -> FrameMap:
    """Compute frame mAP of a file of detections.

    Args:
        groundtruth: annotations in AVA's format.
        detections: AVA's CSV (video,second,x1,y1,x2,y2,action,score) or a table of scores.
        excluded: key frames (video,second) that are left out.
        labels: the classes that are evaluated; others are dropped, as in AVA's 60 of 80. Without
            it, the classes of the ground truth.
        protocol: one of `aia.evaluate.protocols.PROTOCOLS`.
        iou: least intersection over union of a hit.
    """
    rules = protocol_named(protocol)
    matches, classes = match_files(
        groundtruth, detections, excluded=excluded, labels=labels, iou=iou
    )
    result = frame_map(matches, rules, labels=classes, iou=iou)
    if np.isnan(result.mean):
        raise InputError(f"{groundtruth}: every key frame is excluded, nothing is left to score")
    return result


def match_files(
    groundtruth: Path | str,
    detections: Path | str,
    *,
    excluded: Path | str | None = None,
    labels: Path | str | None = None,
    iou: float = 0.5,
) -> tuple[Matches, ClassList]:
    """Read and match once, for `frame_map` under any number of protocols."""
    truth, classes = read_groundtruth(groundtruth, labels=labels, iou=iou)
    present = truth["action"][truth["action"] >= 0].unique().tolist()
    known = None if labels is None else (*classes.ids, *present)
    blocks = read_detections(detections, actions=known)
    matches = match(truth, blocks, labels=classes, excluded=read_excluded(excluded), iou=iou)
    if matches.dropped:
        say(f"{detections}: {matches.dropped} detections of classes that are not evaluated")
    _tell_repeated(groundtruth, int(truth[truth["action"] >= 0].duplicated(_ROW).sum()))
    _tell_repeated(detections, matches.repeated())
    if len(matches.frame_listed) and not matches.frame_listed.any():
        say(
            f"{detections}: none of its {len(matches.frame_listed)} key frames is in {groundtruth};"
            " are these other videos, or times of another clock?"
        )
    return matches, classes


def _tell_repeated(path: Path | str, rows: int) -> None:
    """Log rows that are there again; AVA's own evaluator counts each, and so does `match`."""
    if rows:
        say(
            f"{path}: {rows} rows have the video, time, box and action of an earlier row; each "
            "counts, as in AVA's own evaluator, and changes the number. Were files joined?"
        )


def read_groundtruth(
    groundtruth: Path | str, *, labels: Path | str | None, iou: float
) -> tuple[pd.DataFrame, ClassList]:
    """Read annotations and the classes that are evaluated: a list's, or all that there are."""
    if not 0 < iou <= 1:
        raise InputError(f"iou is {iou}, expected more than 0 and at most 1")
    truth = read_actions(groundtruth)
    present = np.unique(truth["action"][truth["action"] >= 0])
    if labels is None:
        ids = tuple(present.tolist())
        classes = ClassList(ids, tuple(f"action {i}" for i in ids), ("",) * len(ids))
    else:
        classes = read_labels(labels)
    if not np.isin(present, classes.ids).any():
        raise InputError(
            f"{groundtruth}: none of its {len(present)} actions is "
            f"{'there' if labels is None else f'in {labels}'}; do the files belong together?"
        )
    return truth, classes


def write_frame_map(path: Path | str, result: FrameMap) -> None:
    """Write the mean and then each class as metric,class_id,class_name,value."""
    rows: list[tuple[str, int | None, str, float]] = [
        (f"mAP@{result.iou:g}", None, "", result.mean)
    ]
    for (class_id, value), name in zip(result.per_class.items(), result.labels.names, strict=True):
        rows.append((f"AP@{result.iou:g}", class_id, name, value))
    write_metrics(path, rows)


def frame_map(
    matches: Matches, protocol: Protocol, *, labels: ClassList, iou: float = 0.5
) -> FrameMap:
    """Score matched detections under a protocol."""
    values = [average_precision(ranked) for ranked in rank(matches, protocol, len(labels))]
    with_truth = [value for value in values if not np.isnan(value)]
    mean = float(np.mean(with_truth)) if with_truth else float("nan")
    return FrameMap(mean, dict(zip(labels.ids, values, strict=True)), labels, iou)


def average_precision(ranked: Ranked) -> float:
    """Compute the area under the envelope of precision over recall; NaN without ground truth.

    The envelope at a recall is the best precision at it or any higher one, so only hits matter.

    >>> average_precision(Ranked(np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), 2))
    0.8333333333333333
    """
    if ranked.truths == 0:
        return float("nan")
    hits = np.cumsum(ranked.hit)
    precision = np.concatenate([[0.0], hits / np.arange(1, len(hits) + 1), [0.0]])
    recall = np.concatenate([[0.0], hits / ranked.truths, [1.0]])
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.flatnonzero(recall[1:] != recall[:-1]) + 1
    return float(np.sum((recall[steps] - recall[steps - 1]) * envelope[steps]))


def rank(matches: Matches, protocol: Protocol, classes: int) -> Iterator[Ranked]:
    """Sort each class's detections by score and decide which ones take a ground-truth box."""
    truth_class = matches.truth_class
    if protocol.excluded:
        truth_class = truth_class[~matches.truth_excluded]
    truths = np.bincount(truth_class, minlength=classes)

    rows = within_capacity(matches, counted(matches, protocol), protocol)
    class_index = matches.class_index[rows]
    for index in range(classes):  # one after the other: sorting all by class would need a copy
        some = in_turn(matches, rows[class_index == index], protocol)
        target = matches.target[some]
        near = np.flatnonzero(target >= 0)
        hit = np.zeros(len(some), bool)
        hit[near[np.unique(target[near], return_index=True)[1]]] = True  # the first one
        score = matches.score[some]
        order = np.argsort(score, kind=protocol.tie_sort)[::-1]
        yield Ranked(score[order], hit[order], int(truths[index]))


def counted(matches: Matches, protocol: Protocol) -> Int[np.ndarray, " counted"]:
    """Select the detections that a protocol counts, in file order."""
    mask = matches.score > protocol.score_floor
    if protocol.frames == "listed":
        mask &= matches.frame_listed[matches.frame]
    elif protocol.frames == "labelled":
        mask &= matches.frame_labelled[matches.frame] >= 0
    if protocol.excluded:
        mask &= ~matches.frame_excluded[matches.frame]
    # half the bytes if they suffice: protocols copy row numbers several times
    return np.flatnonzero(mask).astype(np.int32 if len(mask) < 1 << 31 else np.int64)
