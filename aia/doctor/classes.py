"""Class ids of another list, exchanged ids, classes that are missing."""

from dataclasses import replace

import numpy as np
import pandas as pd

from aia.doctor.detections import DetectionSet
from aia.doctor.finding import Finding
from aia.doctor.truth import SIDES, GroundTruth, clearly

_SEEN = 0.35  # of the persons must have a box, or nothing can be told of what they do
_IDS = 1.3  # mAP after to before; another class's scores are wrong
_FEW = 5  # persons of a class


def shifted_ids(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Class ids are off by one or two, or places in the list where its ids have gaps.

    Recognised by the mAP with the ids changed back.
    The user should write the ids of the list of classes.
    """
    if truth.found(scores) < _SEEN:
        return None
    before = truth.trial_map(scores)
    options = {}
    for step in (1, -1, 2, -2):
        by, side = "one" if abs(step) == 1 else abs(step), "low" if step > 0 else "high"
        name = f"class ids are off by {by}: every id is {abs(step)} too {side}"
        options[name] = scores.action + step
    ids = np.array(sorted(truth.labels.ids))
    if ids[-1] - ids[0] + 1 != len(ids):
        for first in (0, 1):
            place = scores.action - first
            known = (place >= 0) & (place < len(ids))
            of_place = np.where(known, ids[np.clip(place, 0, len(ids) - 1)], -1)
            options[f"class ids are places in the list (from {first}), not ids"] = of_place
    fixed = {name: replace(scores, action=action) for name, action in options.items()}
    maps = {name: truth.trial_map(some) for name, some in fixed.items()}
    best = max(maps, key=lambda name: maps[name])
    if not clearly(before, maps[best], ratio=_IDS):
        return None
    return Finding(
        finding=f"{best}; the file has ids {scores.action.min()} to {scores.action.max()}, the "
        f"classes are {ids[0]} to {ids[-1]}",
        where=scores.row,
        cause="classes were counted from 0 and the list's ids from 1, a background class was "
        "counted, or places were written of a list whose ids have gaps (the 60 of AVA's 80)",
        fix="write the ids of the list of classes",
        fixed=fixed[best],
    )


def exchanged_ids(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Class ids are exchanged: classes score where another class happens.

    Recognised by scores that correlate with another class's persons, and by the mAP.
    The user should write the ids in the order that the network was trained with.
    """
    if truth.found(scores) < _SEEN:
        return None
    ids = np.array(sorted(truth.labels.ids))
    likeness = _likeness(scores, truth, ids)
    pairs = {}
    for own, other in enumerate(likeness.argmax(axis=1)):
        clear = likeness[own, other] > max(likeness[own, own], likeness[other, other]) + 0.2
        if clear and likeness[:, other].argmax() == own != other:
            pairs[int(ids[own])] = int(ids[other])
    if not pairs or set(pairs) != set(pairs.values()):
        return None
    action = scores.action.copy()
    for old, new in pairs.items():
        action[scores.action == old] = new
    fixed = replace(scores, action=action)
    if not clearly(truth.trial_map(scores), truth.trial_map(fixed), ratio=1.05):
        return None
    shown = ", ".join(f"{old} is {new}" for old, new in list(pairs.items())[:5])
    return Finding(
        finding=f"class ids are exchanged: {len(pairs)} of {len(ids)} classes score where another "
        f"happens; {shown}{', ...' if len(pairs) > 5 else ''}",
        where=scores.row[action != scores.action],
        cause="the network's classes are in another order than the list's (by name, by frequency)",
        fix="write the ids in the order that the network was trained with",
        fixed=fixed,
    )


def unknown_ids(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Classes are not in the label map, which `aia evaluate` refuses.

    Recognised by ids beyond those of the list.
    The user should leave these rows out, or give the list that they belong to.
    """
    present = truth.table["action"].unique()
    ids = (*truth.labels.ids, *present[present >= 0])
    beyond = (scores.action < min(ids)) | (scores.action > max(ids))
    if not truth.listed or not beyond.any():
        return None
    names = ", ".join(map(str, np.unique(scores.action[beyond])[:5]))
    return Finding(
        finding=f"detections of classes that are not in the list: {names}",
        where=scores.row[beyond],
        cause="the network has classes that the list lacks (background?), or the list is another's",
        fix="leave these rows out, or give the list they belong to",
        fixed=scores.keep(~beyond),
    )


def missing_classes(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Classes of the ground truth are never predicted, or with one score alone.

    Recognised by classes without detections that differ, though their persons have a box.
    The user should write the network's own scores of all classes.
    """
    counted = pd.Series(scores.score).groupby(scores.action).agg(["size", "min", "max"])
    counted = counted.reindex(sorted(truth.labels.ids), fill_value=0)
    same = (counted["size"] >= 20) & (counted["min"] == counted["max"])
    lost: dict[int, int] = {}
    for class_id, count in counted["size"][same | (counted["size"] == 0)].items():
        persons = truth.annotations[truth.annotations["action"] == class_id]
        iou = truth.pairs(scores, persons).overlap(scores.xyxy).iou
        seen = int((iou >= truth.iou).sum())
        if seen >= (2 * _FEW if count else _FEW):
            lost[int(str(class_id))] = seen
    if not lost:
        return None
    names = [f"{i} {truth.labels.names[truth.labels.index[i]]}" for i in list(lost)[:3]]
    per_class = truth.frame_map(scores).per_class.items()
    others = [ap for i, ap in per_class if i not in lost and not np.isnan(ap)]
    constant = np.isin(scores.action, list(lost))
    return Finding(
        finding=f"classes are missing: {len(lost)} of {len(counted)} have ground truth but no "
        f"detection{', or all of one score' if constant.any() else ''} "
        f"({', '.join(names)}{', ...' if len(lost) > 3 else ''}), though {sum(lost.values())} of "
        "their persons have a box",
        where=scores.row[constant],
        cause="the network was trained without them, ids were lost on the way, a column was "
        "filled with a constant, or a threshold leaves none",
        fix="write the network's scores of all classes (estimate: they score as the others do)",
        map_after=float(np.mean(others)) if others else 0.0,
    )


def _likeness(scores: DetectionSet, truth: GroundTruth, ids: np.ndarray) -> np.ndarray:
    """Correlate the scores of each class (rows) with the persons of each class (columns)."""
    overlap, persons = truth.overlap(scores), truth.persons
    shown = np.flatnonzero(overlap.iou >= truth.iou)
    person_of_box = np.full(len(scores.video), -1)
    person_of_box[overlap.box[shown]] = np.arange(len(shown))
    person = person_of_box[scores.box]
    index = np.searchsorted(ids, scores.action).clip(max=len(ids) - 1)
    there = (person >= 0) & (ids[index] == scores.action)
    says = np.zeros((len(shown), len(ids)))
    np.maximum.at(says, (person[there], index[there]), scores.score[there])

    where = persons.iloc[shown][["key", *SIDES]].assign(person=np.arange(len(shown)))
    table = truth.annotations[truth.annotations["action"].isin(ids)]
    table = table.drop(columns="person", errors="ignore").merge(where, on=["key", *SIDES])
    does = np.zeros_like(says)
    does[table["person"], np.searchsorted(ids, table["action"])] = 1
    does[:, does.sum(axis=0) < 10] = 0
    columns = []
    for values in (says, does):
        centred = values - values.mean(axis=0) if len(values) else values
        length = np.linalg.norm(centred, axis=0)
        columns.append(centred / np.where(length > 0, length, np.inf))
    return columns[0].T @ columns[1]
