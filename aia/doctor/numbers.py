"""Corners that are no fractions of the frame: pixels, percent, beyond its edges."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Bool, Float

from aia.doctor.case import Case, Symptom
from aia.doctor.formats import AS_IT_IS, FORMATS, Format
from aia.doctor.scaling import Affine, Overlay

_PIXELS = 1.5  # corners above are no fractions
_SIZES_WH = (
    (100, 100), (1000, 1000), (320, 240), (340, 256), (455, 256), (384, 256), (400, 225),
    (426, 240), (480, 360), (640, 360), (640, 480), (720, 480), (768, 576), (854, 480),
    (1024, 576), (1280, 720), (1920, 1080), (3840, 2160),
)  # fmt: skip
_MARGINS = (1.0, 1.02, 1.05, 1.1, 1.2, 1.35, 1.6)
_RIM = 1.05  # so far fractions may leave the frame by rounding pixels
_GOOD = 0.3  # mean best IoU from which a size is believed
_PERSONS = 300  # of a film, for its size


def pixels(case: Case) -> Symptom | None:
    """Corners in pixels, or in percent, of all films or of some."""
    found = case.detections
    high = np.any(found.xyxy > _PIXELS, axis=1)
    film, used = found.video, found.used()
    high_boxes, all_boxes = (
        np.bincount(film[some], minlength=len(found.videos)) for some in (high & used, used)
    )
    boxes = (2 * high_boxes > all_boxes)[film]
    if not boxes.any():
        return None
    columns, sizes = _scaled(case, boxes)
    shown = ", ".join(f"{wide:.0f}x{tall:.0f}" for wide, tall in sizes[:3])
    rows = found.of_boxes(boxes)
    highest = found.xyxy[boxes].max()
    films = len(np.unique(film[boxes]))
    return Symptom(
        finding=f"boxes are in pixels, not in fractions of the frame: {high.sum()} of "
        f"{len(high)} boxes of {films} films have a corner above {_PIXELS}, up to {highest:g}",
        rows=found.row[rows],
        cause="the detector's boxes were written without dividing by the frame's size",
        mend=f"divide x by the width and y by the height; it seems to be {shown}"
        f"{', and more' if len(sizes) > 3 else ''}",
        mended=replace(found, xyxy=columns),
        certain=True,
    )


def beyond_the_frame(case: Case) -> Symptom | None:
    """Corners a little outside 0..1, which the evaluators here refuse."""
    found = case.detections
    outside = np.any((found.xyxy < 0) | (found.xyxy > 1), axis=1)
    rows = found.of_boxes(outside)
    if not rows.any():
        return None
    return Symptom(
        finding=f"boxes reach beyond the frame: {outside.sum()} of {len(outside)} have a corner "
        "outside 0..1",
        rows=found.row[rows],
        cause="the detector's boxes were not cut at the frame's edges",
        mend="cut them: less than 0 becomes 0, more than 1 becomes 1",
        mended=replace(found, xyxy=np.clip(found.xyxy, 0, 1)),
        certain=True,
    )


def _scaled(
    case: Case, boxes: Bool[np.ndarray, " boxes"]
) -> tuple[Float[np.ndarray, "boxes 4"], list[tuple[float, float]]]:
    """Boxes as fractions, and the sizes (width, height), the most frequent first."""
    found = case.detections
    columns = found.xyxy.copy()
    form, common = _size(case, boxes, (AS_IT_IS, *FORMATS), ())
    chosen: dict[tuple[float, float], int] = {}
    for video in np.unique(found.video[boxes]):
        of_film = boxes & (found.video == video)
        known = case.sizes_hw.get(found.videos[video])
        starts = (common, *([(float(known[1]), float(known[0]))] if known else []))
        size = _size(case, of_film, (form,), starts)[1]
        columns[of_film] /= _divisor(form, size)
        chosen[size] = chosen.get(size, 0) + 1
    if columns.max() <= _RIM:
        columns = columns.clip(0, 1)
    return columns, sorted(chosen, key=lambda size: -chosen[size])


def _divisor(form: Format, size_wh: tuple[float, float]) -> Float[np.ndarray, " 4"]:
    return np.array([size_wh[0] if column in form.x_columns else size_wh[1] for column in range(4)])


def _size(
    case: Case,
    boxes: Bool[np.ndarray, " boxes"],
    forms: Sequence[Format],
    starts: Sequence[tuple[float, float]],
) -> tuple[Format, tuple[float, float]]:
    """The format and frame size (width, height) with which boxes cover the persons best.

    Where none covers them (times or films are wrong, too), the first start, or the maxima.
    """
    found = case.detections
    films = np.unique(case.film_of_box[boxes])
    persons = case.persons.of_films(films).thinned(_PERSONS if len(films) == 1 else 10 * _PERSONS)
    best, best_iou = None, _GOOD
    for form in forms:
        xyxy = form.to_xyxy(found.xyxy)
        used = boxes & found.used()
        overlay = Overlay(persons, case.film_of_box, found.time_sec, xyxy, used)
        top = xyxy[used].max(axis=0, initial=1.0).reshape(2, 2).max(axis=0)
        guesses = [*starts, *(tuple(top * margin) for margin in _MARGINS)]
        guesses += [
            (float(wide), float(tall))
            for wide, tall in _SIZES_WH
            if wide >= 0.98 * top[0] and tall >= 0.98 * top[1]
        ]
        tried = {size: overlay.mean_iou(_shrunk(size)) for size in guesses}
        size = max(tried, key=lambda size: (round(tried[size], 3), size in starts))
        size = _fitted(overlay, size) if size not in starts else size
        if overlay.mean_iou(_shrunk(size)) > best_iou + 0.01:
            best, best_iou = (form, size), overlay.mean_iou(_shrunk(size))
    if best:
        return best
    width, height = np.ceil(found.xyxy[boxes].reshape(-1, 2, 2).max(axis=(0, 1)))
    return forms[0], (starts[-1] if starts else _usual(float(width), float(height)))


def _fitted(overlay: Overlay, size: tuple[float, float]) -> tuple[float, float]:
    """Whole numbers near `size` that fit the pairs of persons and boxes better."""
    best = size
    for _ in range(3):
        truth, boxes = overlay.paired(_shrunk(best), 0.5)
        if len(truth) < 10:
            break
        width, height = (
            float(np.rint(np.median(boxes[:, side] / np.maximum(truth[:, side], 1e-6))))
            for side in (2, 3)
        )
        best = _usual(width, height)
    return best if overlay.mean_iou(_shrunk(best)) >= overlay.mean_iou(_shrunk(size)) else size


def _usual(width: float, height: float) -> tuple[float, float]:
    """A usual size that is nearly this one, or this one."""
    for usual in _SIZES_WH:
        if abs(usual[0] - width) <= 0.01 * width and abs(usual[1] - height) <= 0.01 * height:
            return float(usual[0]), float(usual[1])
    return width, height


def _shrunk(size_wh: tuple[float, float]) -> Affine:
    return Affine(1 / np.array(size_wh, float), np.zeros(2))
