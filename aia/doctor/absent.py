"""What no mending brings back: films, key frames, classes and detections that are not in the file.

mAP after the mend is an estimate here: what the rest of the file suggests.
"""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from aia.doctor.case import Case, Symptom
from aia.doctor.overlap import frame_keys
from aia.evaluate.frame_map import average_precision, rank
from aia.evaluate.protocols import Protocol

_NOTHING = np.zeros(0, np.int64)
_MISSED = 0.08  # more empty key frames than missed persons explain, as a share
_FEW = 5  # persons of a class, or key frames
_USUAL = 0.9  # of the persons have a box where nothing is wrong
_FLOOR = 0.1  # lowest score that no network gives to everything


def no_detections(case: Case) -> Symptom | None:
    """Films, or many key frames, with persons but without any detection."""
    found, persons, there = case.detections, case.persons, _frames(case)
    empty = there.empty
    if empty.sum() < _FEW or empty.all():
        return None
    expected = _missed_rate(case, empty[there.of_person]) ** there.persons
    total, without = (
        np.bincount(there.film[some], minlength=len(case.films)) for some in (empty >= 0, empty)
    )
    films = (total == without) & (total > 0)
    if empty.mean() - expected.mean() < _MISSED and not films.any():
        return None
    names = ", ".join(case.films[i] for i in np.flatnonzero(films)[:3])
    whole = f"; {films.sum()} films have none at all ({names})" if films.any() else ""
    return Symptom(
        finding=f"{_empty_frames(case)}{whole}; the lowest score is {found.score.min():g}",
        rows=_NOTHING,
        cause="films were skipped or a run broke off, only some seconds were scored, or a "
        "threshold on persons or scores leaves no boxes",
        mend="score all key frames, with a lower threshold (estimate: as good there as elsewhere)",
        after=_elsewhere(case, np.unique(frame_keys(persons.film, persons.time_sec))[empty]),
        certain=True,
    )


def high_threshold(case: Case) -> Symptom | None:
    """A lowest score so high that true detections fell below it."""
    lowest = float(case.detections.score.min(initial=np.inf))
    if not _FLOOR <= lowest <= 1:
        return None
    seen = case.seen(all_of_them=True).found(case.iou)
    matches = case.matches()
    recall = len(np.unique(matches.target[matches.target >= 0])) / len(matches.truth_class)
    if recall >= 0.9 * max(seen, _USUAL if lowest >= 0.3 else 0.0):
        return None
    aps = []
    for ranked in rank(matches, case.protocol, len(case.labels)):
        if ranked.truths:
            found = ranked.hit.sum() / ranked.truths
            precision = ranked.hit.mean() if len(ranked.hit) else 0.0
            aps.append(average_precision(ranked) + max(_USUAL - found, 0) * precision * 2 / 3)
    return Symptom(
        finding=f"a threshold leaves few boxes: the lowest score in the file is {lowest:g}; "
        f"{100 * seen:.0f} % of the persons have a box, and {100 * recall:.0f} % of their actions "
        f"a detection; {_empty_frames(case)}",
        rows=_NOTHING,
        cause="scores below a threshold were left out; average precision needs them all",
        mend="write every class of every box, or lower the threshold to 0.01 or less (estimate: "
        f"over the actions that are missing up to {100 * _USUAL:.0f} % the precision falls to 0 as "
        "a parabola)",
        after=float(np.mean(aps)) if aps else 0.0,
        certain=True,
    )


def missing_classes(case: Case) -> Symptom | None:
    """Classes of the ground truth that the file never speaks of, though it sees their persons."""
    found = case.detections
    absent = np.setdiff1d(np.array(case.labels.ids), np.unique(found.action))
    lost = {i: n for i, n in _persons_seen(case, absent).items() if n >= _FEW}
    if not lost:
        return None
    return Symptom(
        finding=f"classes are missing: {len(lost)} of {len(case.labels)} have ground truth but no "
        f"detection ({_named(case, list(lost))}), though {sum(lost.values())} of their persons "
        "have a box",
        rows=_NOTHING,
        cause="the network was trained without them, ids were lost on the way, or a threshold "
        "leaves none",
        mend="write all classes (estimate: they score as the others do)",
        after=_of_others(case, set(lost)),
        certain=True,
    )


def constant_scores(case: Case) -> Symptom | None:
    """Classes of which all scores are the same, so that nothing is ranked."""
    found = case.detections
    ids = np.array(sorted(case.labels.ids))
    place = np.minimum(np.searchsorted(ids, found.action), len(ids) - 1)
    place = np.where(ids[place] == found.action, place, len(ids))
    low, high = np.full(len(ids) + 1, np.inf), np.full(len(ids) + 1, -np.inf)
    np.minimum.at(low, place, found.score)
    np.maximum.at(high, place, found.score)
    count = np.bincount(place, minlength=len(ids) + 1)
    same = ((low == high) & (count >= 20))[:-1]
    lost = {i: n for i, n in _persons_seen(case, ids[same]).items() if n >= 2 * _FEW}
    if not lost:
        return None
    rows = np.isin(found.action, list(lost))
    return Symptom(
        finding=f"all scores of a class are the same: {len(lost)} classes "
        f"({_named(case, list(lost))}), such as {low[:-1][same][0]:g}",
        rows=found.row[rows],
        cause="the class was never trained, its column was filled with a constant, or small "
        "scores were rounded away",
        mend="write the network's own scores (estimate: they score as the others do)",
        after=_of_others(case, set(lost)),
        certain=True,
    )


def ties(case: Case) -> Symptom | None:
    """Scores of so few digits that the order of equal ones decides."""
    found = case.detections
    some = found.score[:: max(1, len(found) // 200_000)]
    digits = next(
        (d for d in range(5) if np.abs(some * 10**d - np.rint(some * 10**d)).max() < 1e-5), None
    )
    if digits is None or digits > 3:
        return None
    aps: list[list[float]] = [[], [], []]
    tied = 0
    for ranked in rank(case.matches(), case.protocol, len(case.labels)):
        if not ranked.truths:
            continue
        unique = np.unique(ranked.score).size
        tied += len(ranked.score) - unique
        aps[0].append(average_precision(ranked))
        for place, sign in ((1, 1), (2, -1)):
            order = np.lexsort((sign * ranked.hit, -ranked.score))
            aps[place].append(
                average_precision(ranked._replace(hit=ranked.hit[order], score=ranked.score[order]))
            )
    if not aps[0]:
        return None
    now, worst, best = (float(np.mean(some)) for some in aps)
    if best - worst < (0.02 if digits <= 2 else 0.08):
        return None
    return Symptom(
        finding=f"scores are rounded to {digits} digits: {tied} of {len(found)} are ties, and with "
        f"their order the mAP goes from {100 * worst:.2f} to {100 * best:.2f}",
        rows=found.row,
        cause="scores were printed with too few digits",
        mend="write six digits or more (estimate: the middle of the range)",
        after=max((worst + best) / 2, now),
        certain=True,
    )


class _Frames(NamedTuple):
    """Key frames with persons."""

    empty: np.ndarray
    """Whether the file has nothing there."""
    film: np.ndarray
    persons: np.ndarray
    """How many there are."""
    of_person: np.ndarray
    """Each person's key frame."""


def _frames(case: Case) -> _Frames:
    persons, found = case.persons, case.detections
    key = frame_keys(persons.film, persons.time_sec)
    frames, first, of_person, count = np.unique(
        key, return_index=True, return_inverse=True, return_counts=True
    )
    used = found.used() & (case.film_of_box >= 0)
    empty = ~np.isin(frames, frame_keys(case.film_of_box[used], found.time_sec[used]))
    return _Frames(empty, persons.film[first], count, of_person)


def _empty_frames(case: Case) -> str:
    empty = _frames(case).empty
    return (
        f"no detections on {int(empty.sum())} of {len(empty)} key frames with persons "
        f"({100 * empty.mean():.0f} %)"
    )


def _missed_rate(case: Case, in_empty: np.ndarray) -> float:
    """How often a person is missed, told from key frames with another one."""
    seen = case.seen(all_of_them=True)
    key = frame_keys(case.persons.film, case.persons.time_sec)
    count = pd.Series(key).map(pd.Series(key).value_counts()).to_numpy()
    telling = ~in_empty & (count >= 2)
    if telling.sum() < 10:
        return 0.1
    return float(np.clip((seen.iou[telling] < 0.1).mean(), 0.02, 0.5))


def _elsewhere(case: Case, empty: np.ndarray) -> float:
    """MAP without the key frames on which nothing was detected."""
    film = pd.Index(case.films).get_indexer(pd.Index(case.truth["video"]))
    key = frame_keys(film, case.truth["time_sec"].to_numpy(np.float64))
    return replace(case, truth=case.truth[~np.isin(key, empty)]).mean_ap()


def _persons_seen(case: Case, ids: np.ndarray) -> dict[int, int]:
    """How many boxes of each class's ground truth a box of any class covers."""
    truth = case.truth[case.truth["action"].isin(ids)]
    counts = {}
    for action, rows in truth.groupby("action"):
        there = replace(case, truth=rows, protocol=Protocol(order="stable", frames="all"))
        seen = there.seen(all_of_them=True)
        counts[int(str(action))] = int((seen.iou >= case.iou).sum())
    return counts


def _of_others(case: Case, lost: set[int]) -> float:
    """MAP of the classes that are not lost."""
    others = [value for i, value in case.frame_map().per_class.items() if i not in lost]
    kept = [value for value in others if not np.isnan(value)]
    return float(np.mean(kept)) if kept else 0.0


def _named(case: Case, ids: list[int]) -> str:
    names = [f"{i} {case.labels.names[case.labels.index[i]]}" for i in ids[:3]]
    return ", ".join(names) + (", ..." if len(ids) > 3 else "")
