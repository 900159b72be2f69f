"""Boxes that overlap nothing: corners swapped, another format, mirrored, scaled, shifted."""

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool

from aia.doctor.case import Case, Symptom, clearly
from aia.doctor.detections import Detections
from aia.doctor.formats import FORMATS, TURNS, in_order
from aia.doctor.overlap import Seen, frame_keys, pair_iou, pairs
from aia.doctor.scaling import Affine, fit_affine

_CLEAR = 0.15  # more persons found, as a share of all
_BELIEVED = 0.4  # of the persons, from which a fit of four numbers is no accident, ...
_HITTING = 0.12  # ... and of the boxes: many boxes anywhere cover many persons
_GAINING = 0.02  # of a film's mean best IoU
_FEW = 8  # persons; a film with fewer does not speak for itself
_NOBODY = 0.25  # of the persons
_RARE = 0.005  # detectors never swap corners; a few rows may be an accident


class Better(NamedTuple):
    """Detections that cover the persons better."""

    detections: Detections
    boxes: Bool[np.ndarray, " boxes"]
    """Which changed."""
    mean_iou: float


def swapped_corners(case: Case) -> Symptom | None:
    """Boxes whose right side is left of the left one, or the bottom above the top."""
    found = case.detections
    swapped = np.any(found.xyxy[:, 2:] < found.xyxy[:, :2], axis=1)
    rows = found.of_boxes(swapped)
    if rows.mean() < _RARE:
        return None
    mended = replace(found, xyxy=in_order(found.xyxy))
    return Symptom(
        finding=f"corners are swapped: x2 < x1 or y2 < y1 in {swapped.sum()} boxes",
        rows=found.row[rows],
        cause="the corners were written in another order, or flipping a frame left them unsorted",
        mend="sort x1, x2 and y1, y2 of these boxes",
        mended=mended,
        certain=True,
    )


def box_format(case: Case) -> Symptom | None:
    """Boxes that mean something else than x1, y1, x2, y2."""
    found = case.detections
    before = case.seen()
    sorted_alone = case.seen(replace(found, xyxy=in_order(found.xyxy)))
    best, best_iou = None, max(before.mean(), sorted_alone.mean()) + 0.02
    for form in FORMATS + TURNS:
        changed = replace(found, xyxy=in_order(form.to_xyxy(found.xyxy)))
        better = where_better(case, changed, before)
        if better and better.mean_iou > best_iou and _hitting(case, better.detections) >= _HITTING:
            best, best_iou, what = better, better.mean_iou, form
    if best is None:
        return None
    return Symptom(
        finding=f"{what.is_wrong}; {_evidence(case, best.detections)}",
        rows=found.row[found.of_boxes(best.boxes)],
        cause="the program that wrote them keeps boxes in another way than AVA's files do",
        mend=what.mend,
        mended=best.detections,
        certain=True,
    )


def scaled_or_shifted(case: Case) -> Symptom | None:
    """Boxes that fit once they are stretched and moved, all in the same way."""
    found = case.detections
    affine = fit_affine(case)
    if affine is None:
        return None
    changed = replace(found, xyxy=np.clip(affine.of(found.xyxy), 0, 1))
    better = where_better(case, changed, case.seen())
    if better is None or not believable(case, better.detections):
        return None
    return Symptom(
        finding=f"boxes are {_words(affine)}; {_evidence(case, better.detections)}",
        rows=found.row[found.of_boxes(better.boxes)],
        cause="fractions of another picture than the film's frame: a letterboxed, padded or "
        "cropped one, another frame size, or an offset",
        mend=f"x becomes {_formula('x', affine.scale[0], affine.shift[0])}, "
        f"y becomes {_formula('y', affine.scale[1], affine.shift[1])}",
        mended=better.detections,
        certain=True,
    )


def boxes_elsewhere(case: Case) -> Symptom | None:
    """Boxes that overlap hardly anyone, whatever they are taken for."""
    found, seen = case.detections, case.seen()
    persons = case.trial_persons
    frames = frame_keys(case.film_of_box, found.time_sec)[found.used()]
    scored = np.isin(frame_keys(persons.film, persons.time_sec), frames)
    if seen.found(case.iou) >= _NOBODY or scored.sum() < 2 * _NOBODY * max(len(scored), 1):
        return None
    hits = int((seen.iou >= case.iou).sum())
    return Symptom(
        finding=f"boxes overlap nobody: {hits} of {len(seen.iou)} persons have a box that overlaps "
        f"them by {case.iou:g}, {100 * (1 - _hitting(case, found)):.0f} % of the boxes overlap no "
        f"person so much, mean best IoU {seen.mean():.2f}; no format, clock or scale mends it",
        rows=found.row,
        cause="the detector does not find persons, or boxes and ground truth are of other films",
        mend="look at the boxes drawn on their frames; evaluate the detector by itself "
        "(`aia evaluate persons`)",
        certain=True,
    )


def where_better(case: Case, changed: Detections, before: Seen) -> Better | None:
    """Take over a change of times or corners where it covers persons better.

    Some films must gain clearly; then all that are not harmed change, or, if any is, those that
    gain. Where no film is clear, all change if the mAP rises clearly and no person is lost.
    """
    after = case.seen(changed)
    persons = before.persons_by_film()
    hits = [seen.by_film(seen.iou >= case.iou) for seen in (before, after)]
    means = [seen.by_film(seen.iou) for seen in (before, after)]
    clear = (hits[1] - hits[0] >= _CLEAR) & (persons >= _FEW)
    gaining = (means[1] - means[0] >= _GAINING) & (persons >= _FEW) | clear
    harmed = (means[1] - means[0] <= -2 * _GAINING) & (persons >= _FEW)
    everywhere = Better(changed, np.ones(len(changed.video), bool), after.mean())
    enough = after.found(case.iou) - before.found(case.iou) >= _CLEAR
    if not harmed.any() and (enough or 2 * persons[clear].sum() >= persons.sum()):
        return everywhere
    if clear.any():
        boxes = np.append(gaining, False)[case.film_of_box]
        mixed = replace(
            changed,
            time_sec=np.where(boxes, changed.time_sec, case.detections.time_sec),
            xyxy=np.where(boxes[:, None], changed.xyxy, case.detections.xyxy),
        )
        return Better(mixed, boxes, case.seen(mixed).mean())
    if after.mean() < before.mean() - 0.01 or after.found(case.iou) < before.found(case.iou):
        return None
    trial, ratio = case.trial(), 1.15
    if after.mean() >= before.mean() + 5 * _GAINING:
        ratio = 1.0  # boxes that lie so much better are no luck
    if not clearly(trial.mean_ap(), case.having(changed).trial().mean_ap(), ratio=ratio):
        return None
    return everywhere


def believable(case: Case, mended: Detections) -> bool:
    """Whether so many persons have a box, and boxes a person, that it is no accident."""
    enough = case.seen(mended).found(case.iou) >= _BELIEVED
    return enough and _hitting(case, mended) >= _HITTING


def _evidence(case: Case, mended: Detections) -> str:
    """Before and after, as counts."""
    seen = [case.seen(), case.seen(mended)]
    found = [int((one.iou >= case.iou).sum()) for one in seen]
    missed = [1 - _hitting(case, one) for one in (case.detections, mended)]
    return (
        f"{100 * missed[0]:.0f} % of the boxes overlap no person by {case.iou:g} "
        f"(mended {100 * missed[1]:.0f} %), {found[0]} of {len(seen[0].iou)} persons are found "
        f"({found[1]}), mean best IoU {seen[0].mean():.2f} ({seen[1].mean():.2f})"
    )


def _hitting(case: Case, boxes: Detections) -> float:
    """Share of the boxes on annotated key frames that overlap a person enough."""
    best = np.full(len(boxes.video), -1.0)
    persons = case.trial_persons
    for person, box in pairs(persons, case.film_of_box, boxes.time_sec, boxes.used()):
        np.maximum.at(best, box, pair_iou(persons.xyxy[person], boxes.xyxy[box]))
    on_frames = best >= 0
    return float((best[on_frames] >= case.iou).mean()) if on_frames.any() else 0.0


def _words(affine: Affine) -> str:
    if (affine.scale == 1).all():
        return f"shifted by {-affine.shift[0]:+.3f} in x and {-affine.shift[1]:+.3f} in y"
    wide, tall = 1 / affine.scale
    moved = "" if (affine.shift == 0).all() else " and shifted, as by a letterbox or padding"
    return f"scaled by {wide:.3f} in x and {tall:.3f} in y{moved}"


def _formula(name: str, scale: float, shift: float) -> str:
    return f"{scale:.4f} {name} {'-' if shift < 0 else '+'} {abs(shift):.4f}"
