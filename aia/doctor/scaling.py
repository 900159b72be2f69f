"""Which stretch and shift lays boxes over the persons of the ground truth best."""

from itertools import product
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aia.doctor.case import Case
from aia.doctor.overlap import Persons, pair_iou, pairs

_PERSONS = 2000  # for fitting
_PAIRED = 20  # fewer pairs say nothing
_SCALES = (0.5, 0.56, 0.625, 0.7, 0.75, 0.84, 0.92, 1.08, 1.2, 1.33, 1.5, 1.6, 1.78, 2.0)
_SHIFTS = (-0.2, -0.1, -0.05, 0.05, 0.1, 0.2)


class Affine(NamedTuple):
    """Corners times `scale` plus `shift`, each of x and y."""

    scale: Float[np.ndarray, " 2"]
    shift: Float[np.ndarray, " 2"]

    def of(self, xyxy: Float[np.ndarray, "boxes 4"]) -> Float[np.ndarray, "boxes 4"]:
        """Boxes stretched and shifted."""
        return xyxy * np.tile(self.scale, 2) + np.tile(self.shift, 2)


class Overlay:
    """Boxes and persons of the same key frames, paired once for many trials."""

    def __init__(
        self,
        persons: Persons,
        film: np.ndarray,
        time_sec: np.ndarray,
        xyxy: np.ndarray,
        used: np.ndarray | None = None,
    ) -> None:
        found = pairs(persons, film, time_sec, used)
        nothing = np.zeros(0, int)
        self.persons = len(persons.film)
        self._person = np.concatenate([nothing, *(person for person, _ in found)])
        box = np.concatenate([nothing, *(box for _, box in found)])
        order = np.argsort(self._person, kind="stable")
        self._person = self._person[order]
        self.truth, self.boxes = persons.xyxy[self._person], xyxy[box[order]]
        self._starts = np.flatnonzero(np.diff(self._person, prepend=-1))

    def mean_iou(self, affine: Affine) -> float:
        """Mean over persons of the best IoU."""
        if not len(self._starts):
            return 0.0
        overlap = pair_iou(self.truth, affine.of(self.boxes))
        return float(np.maximum.reduceat(overlap, self._starts).sum() / self.persons)

    def paired(
        self, affine: Affine, least: float
    ) -> tuple[Float[np.ndarray, "n 4"], Float[np.ndarray, "n 4"]]:
        """Persons and the boxes (as they are) that overlap them best, if by `least`."""
        overlap = pair_iou(self.truth, affine.of(self.boxes))
        order = np.lexsort((-overlap, self._person))
        best = order[self._starts]
        best = best[overlap[best] >= least]
        return self.truth[best], self.boxes[best]


def fit_affine(case: Case) -> Affine | None:
    """The best stretch and shift of all boxes; None if it is none or cannot be told."""
    boxes = case.detections
    persons = case.persons.thinned(_PERSONS)
    overlay = Overlay(persons, case.film_of_box, boxes.time_sec, boxes.xyxy, boxes.used())
    as_it_is = Affine(np.ones(2), np.zeros(2))
    starts = sorted(_starts(), key=overlay.mean_iou, reverse=True)[:5]
    fits = [_refined(overlay, start) for start in [as_it_is, *starts]]
    best = max(fits, key=overlay.mean_iou)
    best_iou = overlay.mean_iou(best)
    if best_iou < overlay.mean_iou(as_it_is) + 0.02:
        return None
    plain = [fit for fit in _plainer(overlay, best) if overlay.mean_iou(fit) >= best_iou - 0.01]
    return plain[0] if plain else best


def _plainer(overlay: Overlay, affine: Affine) -> list[Affine]:
    """The same as a shift alone, then as a stretch alone, of the pairs that `affine` makes."""
    truth, boxes = overlay.paired(affine, 0.5)
    if len(truth) < _PAIRED:
        return []
    corners = [some.reshape(-1, 2) for some in (boxes, truth)]
    shift = np.median(corners[1] - corners[0], axis=0)
    stretch = (corners[0] * corners[1]).sum(axis=0) / (corners[0] ** 2).sum(axis=0)
    return [Affine(np.ones(2), shift), Affine(stretch, np.zeros(2))]


def _starts() -> list[Affine]:
    """Frames padded at the right and bottom, or on both sides; shifts."""
    starts = []
    for scale, origin in product(_SCALES, (0.0, 0.5, 1.0)):
        for axes in ((1, 0), (0, 1), (1, 1)):
            factor = np.where(axes, scale, 1.0)
            starts.append(Affine(factor, origin * (1 - factor)))
    steps = (0.0, *_SHIFTS)
    return starts + [Affine(np.ones(2), np.array(shift)) for shift in product(steps, steps)]


def _refined(overlay: Overlay, affine: Affine) -> Affine:
    """Pair, fit a line through the corners of each axis, and again."""
    for least in (0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5):
        truth, boxes = overlay.paired(affine, least)
        if len(truth) < _PAIRED:
            return affine
        lines = []
        for axis in (0, 1):
            at, to = boxes[:, [axis, axis + 2]].ravel(), truth[:, [axis, axis + 2]].ravel()
            if np.ptp(at) == 0:
                return affine
            lines.append(np.polyfit(at, to, 1))
        scale, shift = np.array(lines).T
        if (scale <= 0.05).any():
            return affine
        affine = Affine(scale, shift)
    return affine
