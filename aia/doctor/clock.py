"""Detections whose times are of another clock: shifted, of other units, not rounded.

Every box votes for the differences of time at which a person of its film stands where it is. Where
persons hardly move, many differences find them; then the mAP decides.
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aia.boxes import iou_matrix
from aia.doctor.case import Case, Symptom
from aia.doctor.detections import Detections
from aia.doctor.geometry import where_better

_VOTERS, _PERSONS = 150, 3000  # of a film
_COMMON, _OWN = 12, 4  # differences that are tried for all films, for each
_NEAR = 0.03  # of mean IoU: as good
_UNITS = {
    1000.0: "milliseconds", 30.0: "frames at 30 a second", 29.97: "frames at 29.97 a second",
    25.0: "frames at 25 a second", 24.0: "frames at 24 a second",
    23.976: "frames at 23.976 a second", 15.0: "frames at 15 a second",
    12.0: "frames at 12 a second", 10.0: "frames at 10 a second", 8.0: "frames at 8 a second",
    50.0: "frames at 50 a second", 60.0: "frames at 60 a second",
}  # fmt: skip


class Shifted(NamedTuple):
    """Times that fit better."""

    detections: Detections
    boxes: np.ndarray
    offset_sec: Float[np.ndarray, " films"]
    """What was added, by film of the ground truth; NaN where nothing was."""
    mean_iou: float


def clock(case: Case) -> Symptom | None:
    """Times that are too early or too late, in other units, or off the whole second."""
    found = case.detections
    best, best_unit = shifted(case), ""
    if case.seen(best.detections if best else None).found(case.iou) < 0.5:
        for unit, times in _other_times(case):
            option = _with_unit(case, replace(found, time_sec=times))
            if option and (best is None or option.mean_iou > best.mean_iou + _NEAR):
                best, best_unit = option, unit
    if best is None:
        return None
    return _symptom(case, best, best_unit)


def _with_unit(case: Case, changed: Detections) -> Shifted | None:
    """Times in another unit, shifted as well where that is better."""
    option = None
    better = where_better(case, changed, case.seen())
    if better:
        nothing = np.full(len(case.films), np.nan)
        option = Shifted(better.detections, better.boxes, nothing, better.mean_iou)
    moved = shifted(case.having(changed))
    least = (option.mean_iou if option else case.seen().mean()) + _NEAR
    if moved and case.seen(moved.detections).mean() >= least:
        option = moved._replace(boxes=np.ones(len(changed.video), bool))
    return option


def shifted(case: Case) -> Shifted | None:
    """The common difference of times, or each film's own, that covers persons better."""
    found, before = case.detections, case.seen()
    votes = _votes(case)
    everyone: dict[float, float] = {}
    for of_film in votes:
        for offset, weight in of_film.items():
            everyone[offset] = everyone.get(offset, 0.0) + weight
    if not everyone:
        return None
    common = sorted(everyone, key=lambda offset: -everyone[offset])[:_COMMON]
    common = list(dict.fromkeys([0.0, *common, 1.0, -1.0]))
    tried = {
        offset: case.seen(_moved(found, np.full(len(found.video), offset))) for offset in common
    }
    top = max(seen.mean() for seen in tried.values())
    near = [offset for offset in common if tried[offset].mean() >= top - _NEAR]
    chosen = max(near, key=lambda offset: tried[offset].mean())
    if len(near) > 1:
        trials = {offset: _trial_map(case, offset) for offset in near}
        chosen = max(near, key=lambda offset: trials[offset] + tried[offset].mean())
    if tried[chosen].mean() <= tried[0.0].mean() and not _more_listed(case, chosen):
        chosen = 0.0
    offset_of_film = _own_offsets(case, votes, chosen, tried[chosen].by_film(tried[chosen].iou))
    if not (offset_of_film != 0).any():
        return None
    per_box = np.append(offset_of_film, chosen)[case.film_of_box]
    better = where_better(case, _moved(found, per_box), before)
    if better is None:
        return None
    touched = np.zeros(len(case.films), bool)
    known = better.boxes & (case.film_of_box >= 0)
    touched[case.film_of_box[known]] = True
    touched &= offset_of_film != 0
    boxes = better.boxes & (per_box != 0)
    return Shifted(
        better.detections, boxes, np.where(touched, offset_of_film, np.nan), better.mean_iou
    )


def _more_listed(case: Case, offset: float) -> bool:
    """Whether more boxes fall on annotated key frames with the offset."""
    moved = case.having(_moved(case.detections, np.full(len(case.detections.video), offset)))
    return bool(moved.listed_boxes().sum() > case.listed_boxes().sum())


def _own_offsets(
    case: Case, votes: list[dict[float, float]], chosen: float, mean_iou: np.ndarray
) -> Float[np.ndarray, " films"]:
    """Each film's offset: `chosen`, unless another of its own covers it clearly better."""
    offsets = np.full(len(case.films), chosen)
    ranked = [sorted(some, key=lambda offset: -some[offset])[:_OWN] for some in votes]  # noqa: B023
    best = mean_iou + 0.05
    for place in range(_OWN):
        own = np.array([some[place] if place < len(some) else chosen for some in ranked])
        per_box = np.append(own, chosen)[case.film_of_box]
        seen = case.seen(_moved(case.detections, per_box))
        now = seen.by_film(seen.iou)
        better = (now > best) & (seen.persons_by_film() >= 8)
        offsets[better], best[better] = own[better], now[better]
    return offsets


def _votes(case: Case) -> list[dict[float, float]]:
    """By film, how strongly each difference (ground truth less detection) is supported."""
    found, persons = case.detections, case.persons
    random = np.random.default_rng(0)
    film_of_box = np.where(found.used(), case.film_of_box, -1)
    votes: list[dict[float, float]] = []
    for film in range(len(case.films)):
        boxes, there = np.flatnonzero(film_of_box == film), np.flatnonzero(persons.film == film)
        boxes = random.permutation(boxes)[:_VOTERS]
        there = random.permutation(there)[:_PERSONS]
        overlap = iou_matrix(found.xyxy[boxes], persons.xyxy[there])
        box, person = np.nonzero(overlap >= case.iou)
        difference = persons.time_sec[there[person]] - found.time_sec[boxes[box]]
        values, number = np.unique(np.rint(difference * 1000), return_inverse=True)
        weight = np.bincount(number, overlap[box, person] ** 2, minlength=len(values))
        votes.append(dict(zip((values / 1000).tolist(), weight.tolist(), strict=True)))
    return votes


def _other_times(case: Case) -> Iterator[tuple[str, Float[np.ndarray, " boxes"]]]:
    """Times in seconds if they were in other units; rounded, where the ground truth is."""
    found = case.detections
    whole = bool((case.truth["time_sec"] % 1 == 0).all())
    if whole and (found.time_sec % 1 != 0).any():
        yield "not on whole seconds: rounded", np.rint(found.time_sec)
        yield "not on whole seconds: cut", np.floor(found.time_sec)
        yield "not on whole seconds: the next one", np.ceil(found.time_sec)
    spread = [
        np.ptp(times) if len(times) else 0 for times in (found.time_sec, case.truth["time_sec"])
    ]
    if spread[0] > 3 * spread[1]:
        for factor, unit in _UNITS.items():
            seconds = found.time_sec / factor
            yield f"in {unit}", np.rint(seconds) if whole else seconds


def _moved(found: Detections, offset: np.ndarray) -> Detections:
    return replace(found, time_sec=np.round(found.time_sec + offset, 6))


def _trial_map(case: Case, offset: float) -> float:
    moved = _moved(case.detections, np.full(len(case.detections.video), offset))
    return case.having(moved).trial().mean_ap()


def _symptom(case: Case, best: Shifted, unit: str) -> Symptom:
    found = case.detections
    seen = [case.seen(), case.seen(best.detections)]
    hits = [int((one.iou >= case.iou).sum()) for one in seen]
    moved = best.offset_sec[~np.isnan(best.offset_sec)]
    words = [f"times are {unit}"] if unit else []
    if len(moved) and (moved == moved[0]).all():
        late = "late" if moved[0] < 0 else "early"
        words.append(f"clock offset: detections are {abs(moved[0]):g} s too {late}")
        fix = f"add {moved[0]:g} s to their times"
    elif len(moved):
        words.append(f"clock offset by film: {moved.min():g} to {moved.max():g} s are missing")
        few = [
            f"{case.films[i]} {best.offset_sec[i]:+g} s"
            for i in np.flatnonzero(~np.isnan(best.offset_sec))
        ]
        fix = f"add to each film's times: {', '.join(few[:5])}{', ...' if len(few) > 5 else ''}"
    else:
        fix = "write the seconds of the key frames as the ground truth has them"
    extent = f" in {len(moved)} of {len(case.films)} films" if len(moved) else ""
    return Symptom(
        finding=f"{' and '.join(words)}{extent}; {hits[0]} of {len(seen[0].iou)} persons have a "
        f"box on them at their time, {hits[1]} after the mend",
        rows=found.row[found.of_boxes(best.boxes)],
        cause="seconds were counted from another start (of a cut film, of the annotated part, from "
        "1 or 0, from a clip's middle), or are frame numbers",
        mend=fix,
        mended=best.detections,
        certain=True,
    )
