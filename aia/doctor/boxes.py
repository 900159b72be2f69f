"""Boxes in pixels, in other forms, scaled or shifted, or on nobody."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from aia.doctor.detections import DetectionSet
from aia.doctor.finding import Finding
from aia.doctor.truth import GroundTruth, where_better

_PIXELS = 1.5  # corners above are no fractions
_SIZES_WH = (
    (100, 100), (1000, 1000), (320, 240), (340, 256), (455, 256), (384, 256), (400, 225),
    (426, 240), (480, 360), (640, 360), (640, 480), (720, 480), (768, 576), (854, 480),
    (1024, 576), (1280, 720), (1920, 1080), (3840, 2160),
)  # fmt: skip
_MARGINS = (1.0, 1.02, 1.05, 1.1, 1.2, 1.35, 1.6)  # of the frame to the highest corner
_GOOD = 0.3  # mean best IoU from which a size is believed
_BELIEVED = 0.4  # of the persons have a box: a fit of four numbers is no accident
_NOBODY = 0.25  # of the persons
_FITTED = 2000  # persons
_SCALES = (0.5, 0.56, 0.625, 0.7, 0.75, 0.84, 0.92, 1.08, 1.2, 1.33, 1.5, 1.6, 1.78, 2.0)
_SHIFTS = (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2)

Boxes = Float[np.ndarray, "boxes 4"]


class Form(NamedTuple):
    """A way to write a box."""

    is_wrong: str
    """The finding."""
    to_xyxy: Callable[..., tuple[np.ndarray, ...]]
    """Takes columns of fractions; corners may come out swapped."""
    fix: str


_FORMS = (
    Form(
        "corners are swapped: x2 < x1 or y2 < y1",
        lambda a, b, c, d: (a, b, c, d),  # `_in_order` sorts them
        "sort x1, x2 and y1, y2 of these boxes (flipping a frame may leave them unsorted)",
    ),
    Form(
        "boxes are x, y, width, height, not x1, y1, x2, y2",
        lambda a, b, c, d: (a, b, a + c, b + d),
        "x2 = x1 + width, y2 = y1 + height (COCO's boxes are such)",
    ),
    Form(
        "boxes are centre x, centre y, width, height, not x1, y1, x2, y2",
        lambda a, b, c, d: (a - c / 2, b - d / 2, a + c / 2, b + d / 2),
        "x1 = x - width / 2, x2 = x + width / 2, the same for y (YOLO's boxes are such)",
    ),
    Form(
        "x and y are swapped: boxes are y1, x1, y2, x2",
        lambda a, b, c, d: (b, a, d, c),
        "write x1, y1, x2, y2 (TensorFlow's boxes and AVA's own evaluator inside have y first)",
    ),
    Form(
        "boxes are mirrored left to right",
        lambda a, b, c, d: (1 - c, b, 1 - a, d),
        "x becomes 1 - x (a flip not undone?)",
    ),
    Form(
        "y is flipped: boxes stand upside down",
        lambda a, b, c, d: (a, 1 - d, c, 1 - b),
        "y becomes 1 - y (it grows downwards)",
    ),
)


def pixels(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Boxes are in pixels (or percent), not in fractions of the frame, in all videos or some.

    Recognised by corners above 1.5; the frame's size by which boxes lie on persons is looked for.
    The user should divide x by the frame's width and y by its height.
    """
    high = np.any(scores.xyxy > _PIXELS, axis=1)
    place, used = truth.place(scores), scores.used()
    counts = [
        np.bincount(scores.video[some], minlength=len(scores.videos)) for some in (high, used)
    ]
    boxes = (2 * counts[0] > counts[1])[scores.video]
    if not boxes.any():
        return None
    options = []
    for form in (None, *_FORMS[1:4]):
        xyxy = np.where(boxes[:, None], _converted(scores, form), scores.xyxy)
        sizes = _frame_sizes(replace(scores, xyxy=xyxy), truth, boxes)
        fixed = _fractions(xyxy, sizes[place], boxes)
        reached = truth.overlap(replace(scores, xyxy=fixed)).iou.mean()
        options.append((round(reached, 2), form, sizes, fixed))
    _, form, sizes, fixed = max(options, key=lambda option: option[0])
    chosen = pd.Series([f"{w:.0f}x{h:.0f}" for w, h in sizes[np.unique(place[boxes])]])
    shown = chosen.value_counts().index
    return Finding(
        finding=f"boxes are in pixels, not in fractions of the frame: {high.sum()} of "
        f"{len(high)} boxes have a corner above {_PIXELS}, up to {scores.xyxy[boxes].max():g}"
        f"{f'; and {form.is_wrong}' if form else ''}",
        where=scores.rows_of(boxes),
        cause="the detector's boxes were written without dividing by the frame's size",
        fix=f"{f'{form.fix}; then ' if form else ''}divide x by the width and y by the height; it "
        f"seems to be {', '.join(shown[:3])}{', and more' if len(shown) > 3 else ''}",
        fixed=replace(scores, xyxy=fixed),
    )


def box_form(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Boxes are not x1, y1, x2, y2: size, centre, y first, corners swapped, or mirrored.

    Recognised by the form in which boxes cover persons best.
    The user should convert the boxes as the finding says.
    """
    best, best_iou = None, truth.overlap(scores).iou.mean() + 0.02
    for form in _FORMS:
        changed = replace(scores, xyxy=_in_order(_converted(scores, form)))
        better = where_better(scores, changed, truth)
        reached = truth.overlap(better).iou.mean() if better else 0.0
        if better and reached > best_iou:
            best, best_iou = (form, better), reached
    if best is None:
        return None
    form, better = best
    return Finding(
        finding=f"{form.is_wrong}; {truth.evidence(scores, better)}",
        where=scores.rows_of((scores.xyxy != better.xyxy).any(axis=1)),
        cause="the program that wrote them keeps boxes in another way than AVA's files do",
        fix=form.fix,
        fixed=better,
    )


def scaled_or_shifted(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Boxes fit once they are stretched and moved, all in the same way.

    Recognised by a line through the corners of boxes and persons that lie on each other.
    The user should take fractions of the video's own frame, without padding or crop.
    """
    affine = _fit_affine(scores, truth)
    if affine is None:
        return None
    changed = replace(scores, xyxy=np.clip(_stretched(scores.xyxy, affine), 0, 1))
    better = where_better(scores, changed, truth)
    if better is None or truth.found(better) < _BELIEVED:
        return None
    (wide, tall), (right, down) = 1 / affine[0], -affine[1]
    if max(abs(wide - 1), abs(tall - 1)) < 0.02:
        what = f"shifted by {right:+.3f} in x and {down:+.3f} in y"
    else:
        padded = " and shifted, as by a letterbox or padding" if abs(affine[1]).max() > 0.01 else ""
        what = f"scaled by {wide:.3f} in x and {tall:.3f} in y{padded}"
    return Finding(
        finding=f"boxes are {what}; {truth.evidence(scores, better)}",
        where=scores.rows_of((scores.xyxy != better.xyxy).any(axis=1)),
        cause="fractions of another picture than the video's frame: a letterboxed, padded or "
        "cropped one, another frame size, or an offset",
        fix=", ".join(
            f"{axis} becomes {scale:.4f} {axis} {shift:+.4f}"
            for axis, (scale, shift) in zip("xy", affine.T, strict=True)
        ),
        fixed=better,
    )


def boxes_elsewhere(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Boxes overlap hardly anyone, whatever they are taken for.

    Recognised by persons on scored key frames without a box on them.
    The user should draw the boxes on their frames, and evaluate the detector by itself.
    """
    iou = truth.overlap(scores).iou
    scored = np.isin(truth.persons["key"], truth.key(scores))
    if (iou >= truth.iou).mean() >= _NOBODY or scored.mean() < 2 * _NOBODY:
        return None
    return Finding(
        finding=f"boxes overlap nobody: {(iou >= truth.iou).sum()} of {len(iou)} persons have a "
        f"box that overlaps them by {truth.iou:g}, mean best IoU {iou.mean():.2f}; no form, clock "
        "or scale fixes it",
        where=scores.row,
        cause="the detector does not find persons, or boxes and ground truth are of other videos",
        fix="look at the boxes drawn on their frames; evaluate the detector by itself "
        "(`aia evaluate persons`)",
    )


def _converted(scores: DetectionSet, form: Form | None) -> Boxes:
    return np.stack(form.to_xyxy(*scores.xyxy.T), axis=1) if form else scores.xyxy


def _in_order(xyxy: Boxes) -> Boxes:
    """Sort left before right and top above bottom."""
    return np.sort(xyxy.reshape(-1, 2, 2), axis=1).reshape(-1, 4)


def _fractions(xyxy: Boxes, size_wh: np.ndarray, boxes: np.ndarray) -> Boxes:
    """Divide some boxes by a frame size each; what leaves the frame by rounding is cut."""
    divided = np.where(boxes[:, None], xyxy / np.tile(size_wh, 2), xyxy)
    return divided.clip(0, 1) if divided.max() < 1.05 else divided


def _frame_sizes(scores: DetectionSet, truth: GroundTruth, boxes: np.ndarray) -> np.ndarray:
    """Find the width and height in pixels by which boxes cover persons best.

    One row for each video of the ground truth, and a last one for videos that it does not have.
    """
    pairs, place, videos = truth.pairs(scores), truth.place(scores), len(truth.videos)
    top = np.ones((videos + 1, 2))
    np.maximum.at(top, place[boxes], scores.xyxy[boxes].reshape(-1, 2, 2).max(axis=1))
    known = np.array([truth.sizes_wh.get(name, (0, 0)) for name in truth.videos] + [(0, 0)], float)
    options = [np.where(known > 0, known, top)] + [top * margin for margin in _MARGINS]
    options += [np.broadcast_to(np.array(size, float), top.shape) for size in _SIZES_WH]

    def cover(size_wh: np.ndarray) -> np.ndarray:
        return pairs.overlap(_fractions(scores.xyxy, size_wh[place], boxes)).iou

    ious = [cover(size_wh) for size_wh in options]
    common = int(np.argmax([iou.mean().round(3) for iou in ious]))
    by_video = np.array([np.append(truth.by_video(iou), 0) for iou in ious])
    by_video[[0, common]] += 0.005
    best = np.where(by_video.max(axis=0) > _GOOD, by_video.argmax(axis=0), common)
    if ious[common].mean() < _GOOD:  # times or videos are wrong, too
        best = np.where(by_video.max(axis=0) > _GOOD, best, 0)
    sizes = np.array(options)[best, np.arange(videos + 1)]
    for _ in range(3):
        overlap = pairs.overlap(_fractions(scores.xyxy, sizes[place], boxes))
        hit = (overlap.iou >= 0.5) & boxes[overlap.box]
        ratio = scores.xyxy[overlap.box[hit], 2:] / pairs.persons_xyxy[hit, 2:].clip(1e-6)
        ratios = pd.DataFrame(ratio).groupby(truth.persons["place"].to_numpy()[hit])
        fitted = sizes.copy()
        few = ratios.size() < 10
        fitted[ratios.size().index[~few]] = ratios.median()[~few]
        better = np.append(truth.by_video(cover(fitted) - overlap.iou), 0) > 0.001
        sizes[better] = fitted[better]
    return np.array([_usual(size) for size in sizes])


def _usual(size_wh: np.ndarray) -> np.ndarray:
    """Take a usual size that is nearly this one, or this one in whole pixels."""
    near = (np.array(size, float) for size in _SIZES_WH if np.allclose(size, size_wh, rtol=0.01))
    usual: np.ndarray = next(near, np.rint(size_wh))
    return usual


def _stretched(xyxy: Boxes, affine: np.ndarray) -> Boxes:
    """Multiply corners by the first row of `affine`, add the second, each of x and y."""
    return xyxy * np.tile(affine[0], 2) + np.tile(affine[1], 2)


def _fit_affine(scores: DetectionSet, truth: GroundTruth) -> np.ndarray | None:
    """Find the best stretch and shift of all boxes; None if it is none or cannot be told."""
    every = -(-len(truth.persons) // _FITTED)
    persons = truth.persons[pd.factorize(truth.persons["key"])[0] % every == 0]
    pairs = truth.pairs(scores, persons)

    def mean_iou(affine: np.ndarray) -> float:
        return float(pairs.overlap(_stretched(scores.xyxy, affine)).iou.mean())

    def refined(affine: np.ndarray) -> np.ndarray:
        """Fit a line through the corners of each axis of pairs that overlap, and again."""
        for least in (0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5):
            overlap = pairs.overlap(_stretched(scores.xyxy, affine))
            hit = overlap.iou >= least
            at = scores.xyxy[overlap.box[hit]].reshape(-1, 2)
            to = pairs.persons_xyxy[hit].reshape(-1, 2)
            if len(at) < 40 or (np.ptp(at, axis=0) == 0).any():
                break
            lines = np.column_stack([np.polyfit(at[:, axis], to[:, axis], 1) for axis in (0, 1)])
            if (lines[0] <= 0.05).any():
                break
            affine = lines
        return affine

    as_it_is = np.array([[1.0, 1.0], [0.0, 0.0]])
    starts = sorted(_affine_starts(), key=mean_iou, reverse=True)[:5]
    best = max((refined(start) for start in [as_it_is, *starts]), key=mean_iou)
    return best if mean_iou(best) >= mean_iou(as_it_is) + 0.02 else None


def _affine_starts() -> Iterator[np.ndarray]:
    """Shifts; frames padded at the right and bottom, on both sides, or at the left and top."""
    for shift in product(_SHIFTS, _SHIFTS):
        yield np.array([(1.0, 1.0), shift])
    for scale, origin, axes in product(_SCALES, (0.0, 0.5, 1.0), ((1, 0), (0, 1), (1, 1))):
        factor = np.where(axes, scale, 1.0)
        yield np.array([factor, origin * (1 - factor)])
