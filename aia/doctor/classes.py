"""Ids and scores: another list of classes, scores upside down, scores of another range."""

from dataclasses import replace

import numpy as np

from aia.doctor.case import Case, Symptom, clearly
from aia.doctor.detections import Detections

_SEEN = 0.35  # of the persons must have a box, or nothing can be told of what they do
_UNSURE = 1.3  # gain (after / before) of a guess that weak scores may feign


def ids_or_inverted_scores(case: Case) -> Symptom | None:
    """Ids one too high or too low or places in the list, scores upside down, or both.

    Of both the scores are mended; the ids are found in what is left.
    """
    if case.seen().found(case.iou) < _SEEN:
        return None
    trial = case.trial()
    before = trial.mean_ap()
    inverted = trial.having(_inverted(trial.detections))
    ids, ids_map = _best_ids(trial)
    _, both_map = _best_ids(inverted)
    inverted_map = inverted.mean_ap()
    single = max(before, ids_map, inverted_map)
    if clearly(single, both_map, ratio=_UNSURE) or (
        inverted_map >= ids_map and clearly(before, inverted_map, ratio=_UNSURE)
    ):
        return _scores_symptom(case)
    return _ids_symptom(case, ids) if clearly(before, ids_map) else None


def _scores_symptom(case: Case) -> Symptom:
    found = case.detections
    return Symptom(
        finding="scores are inverted: the lowest are the best",
        rows=found.row,
        cause="a distance, a loss, or the probability that it does not happen (1 - s) was written",
        mend="write 1 - s",
        mended=_inverted(found),
        certain=True,
    )


def _ids_symptom(case: Case, change: str) -> Symptom:
    found = case.detections
    return Symptom(
        finding=f"{change}; the file has ids {found.action.min()} to {found.action.max()}, the "
        f"classes are {min(case.labels.ids)} to {max(case.labels.ids)}",
        rows=found.row,
        cause=_CHANGES[change],
        mend="write the ids of the list of classes",
        mended=_ids(case, change),
        certain=True,
    )


def score_range(case: Case) -> Symptom | None:
    """Scores that are no probabilities: logits, logarithms, percent."""
    found = case.detections
    score = found.score
    wrong = (score < 0) | (score > 1 + 1e-6)
    if not wrong.any():
        return None
    low, high = float(score.min()), float(score.max())
    if low < 0:
        kind, fix = "logits" if high > 0 else "logits or logarithms", "the sigmoid"
        mended = 1 / (1 + np.exp(-np.clip(score, -700, 700)))
        why = "the network's outputs were written before the sigmoid"
    elif high <= 101:
        kind, fix, mended, why = "percent", "division by 100", score / 100, "percent were written"
        video = found.video[found.box]
        of_video = np.zeros(len(found.videos))
        np.maximum.at(of_video, video, score)
        if (of_video[np.unique(video)] <= 1).any():  # films that are fractions already
            mended = np.where(of_video[video] > 1, score / 100, score)
            wrong = of_video[video] > 1
    else:
        kind, fix, mended = "no probabilities", f"division by {high:g}", score / high
        why = "scores of another scale, or a sum of several models' scores"
    return Symptom(
        finding=f"scores are {kind}: {int(wrong.sum())} of {len(score)} are not in 0..1, they go "
        f"from {low:g} to {high:g}",
        rows=found.row[wrong],
        cause=why,
        mend=f"write them after {fix}",
        mended=replace(found, score=mended),
        certain=True,
    )


def exchanged_classes(case: Case) -> Symptom | None:
    """Classes whose scores say where another class happens."""
    trial = case.trial()
    pairs = _exchanged(trial) if case.seen().found(case.iou) >= _SEEN else {}
    if not pairs:
        return None
    if not clearly(trial.mean_ap(), trial.mean_ap(_renamed(trial.detections, pairs)), ratio=1.05):
        return None
    found = case.detections
    shown = ", ".join(f"{old} is {new}" for old, new in list(pairs.items())[:5])
    return Symptom(
        finding=f"class ids are exchanged: {len(pairs)} of {len(case.labels)} classes score where "
        f"another happens; {shown}{', ...' if len(pairs) > 5 else ''}",
        rows=found.row[np.isin(found.action, list(pairs))],
        cause="the network's classes are in another order than the list's (by name, by frequency)",
        mend="write the ids in the order that the network was trained with",
        mended=_renamed(found, pairs),
        certain=True,
    )


def _best_ids(case: Case) -> tuple[str, float]:
    """The change of ids that leaves the highest mAP, and that mAP."""
    ids = sorted(case.labels.ids)
    gaps = ids[-1] - ids[0] + 1 != len(ids)
    maps = {
        name: case.mean_ap(_ids(case, name)) for name in _CHANGES if gaps or "places" not in name
    }
    best = max(maps, key=lambda name: maps[name])
    return best, maps[best]


_CHANGES = {
    "class ids are off by one: every id is 1 too low": "classes were counted from 0, "
    "the list's ids from 1",
    "class ids are off by one: every id is 1 too high": "a background class was counted, or 1 was "
    "added twice",
    "class ids are places in the list (from 0), not ids": "the ids of the list have gaps, as the "
    "60 of AVA's 80 do, and places were written",
    "class ids are places in the list (from 1), not ids": "the ids of the list have gaps, as the "
    "60 of AVA's 80 do, and places were written",
}


def _ids(case: Case, name: str) -> Detections:
    """Detections with the change of ids of that name."""
    action = case.detections.action
    if "places" not in name:
        return replace(case.detections, action=action + (1 if "too low" in name else -1))
    ids = np.array(sorted(case.labels.ids))
    place = action - (1 if "from 1" in name else 0)
    known = (place >= 0) & (place < len(ids))
    of_place = ids[np.clip(place, 0, len(ids) - 1)]
    return replace(case.detections, action=np.where(known, of_place, -1 - np.abs(action)))


def _inverted(found: Detections) -> Detections:
    low, high = found.score.min(initial=0.0), found.score.max(initial=1.0)
    return replace(found, score=low + high - found.score)


def _renamed(found: Detections, pairs: dict[int, int]) -> Detections:
    action = found.action.copy()
    for old, new in pairs.items():
        action[found.action == old] = new
    return replace(found, action=action)


def _exchanged(case: Case) -> dict[int, int]:
    """Classes (old to new) whose scores go with another class's persons, each with just one."""
    seen = case.seen()
    shown = np.flatnonzero(seen.iou >= case.iou)
    place_of_box = np.full(len(case.detections.video), -1)
    place_of_box[seen.box[shown]] = np.arange(len(shown))
    ids = np.array(case.labels.ids)
    found = case.detections
    place, index = place_of_box[found.box], np.searchsorted(np.sort(ids), found.action)
    index = np.minimum(index, len(ids) - 1)
    there = (place >= 0) & (np.sort(ids)[index] == found.action)
    scores = np.zeros((len(shown), len(ids)))
    np.maximum.at(scores, (place[there], index[there]), found.score[there])
    likeness = _correlation(scores, _does(case, shown, np.sort(ids)))
    best = likeness.argmax(axis=1)
    pairs = {}
    for own, other in enumerate(best):
        mutual = likeness[:, other].argmax() == own
        clear = likeness[own, other] > max(likeness[own, own], likeness[other, other]) + 0.2
        if other != own and mutual and clear:
            pairs[int(np.sort(ids)[own])] = int(np.sort(ids)[other])
    return pairs if set(pairs) == set(pairs.values()) else {}


def _does(case: Case, shown: np.ndarray, ids: np.ndarray) -> np.ndarray:
    """Which of the (trial) persons do what, as 0 and 1."""
    sides = ["x1", "y1", "x2", "y2"]
    persons, truth = case.trial_persons, case.truth[case.truth["action"].isin(ids)]
    keys = {
        (int(film), time, *corners): place
        for place, (film, time, corners) in enumerate(
            zip(
                persons.film[shown],
                persons.time_sec[shown].tolist(),
                persons.xyxy[shown].tolist(),
                strict=True,
            )
        )
    }
    film = {name: number for number, name in enumerate(case.films)}
    does = np.zeros((len(shown), len(ids)))
    columns = (truth["video"], truth["time_sec"], *(truth[side] for side in sides), truth["action"])
    for video, *who, action in zip(*(column.tolist() for column in columns), strict=True):
        place = keys.get((film[video], *who))
        if place is not None:
            does[place, np.searchsorted(ids, action)] = 1
    does[:, does.sum(axis=0) < 10] = 0
    return does


def _correlation(scores: np.ndarray, does: np.ndarray) -> np.ndarray:
    """Of each column of scores with each of deeds; 0 for one that never changes."""
    columns = []
    for table in (scores, does):
        centred = table - table.mean(axis=0) if len(table) else table
        length = np.linalg.norm(centred, axis=0)
        columns.append(centred / np.where(length > 0, length, np.inf))
    return columns[0].T @ columns[1]
