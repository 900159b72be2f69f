"""What four numbers of a box may mean: other formats, mirrors and turns."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

Boxes = Float[np.ndarray, "boxes 4"]


class Format(NamedTuple):
    """A way to write a box."""

    is_wrong: str
    """The finding."""
    to_xyxy: Callable[[np.ndarray], np.ndarray]
    """Of fractions."""
    mend: str
    x_columns: tuple[int, int] = (0, 2)
    """Which columns are measured along the frame's width."""


def in_order(xyxy: Boxes) -> Boxes:
    """Left before right and top above bottom, whichever way they stand."""
    low = np.minimum(xyxy[:, :2], xyxy[:, 2:])
    return np.concatenate([low, np.maximum(xyxy[:, :2], xyxy[:, 2:])], axis=1)


def _corner_and_size(boxes: Boxes) -> Boxes:
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)


def _centre_and_size(boxes: Boxes) -> Boxes:
    half = boxes[:, 2:] / 2
    return np.concatenate([boxes[:, :2] - half, boxes[:, :2] + half], axis=1)


def _mirrored(*columns: int) -> Callable[[np.ndarray], np.ndarray]:
    def mirror(boxes: np.ndarray) -> np.ndarray:
        turned = boxes.copy()
        turned[:, columns] = 1 - turned[:, columns]
        return in_order(turned)

    return mirror


def _permuted(*columns: int) -> Callable[[np.ndarray], np.ndarray]:
    return lambda boxes: in_order(boxes[:, columns])


_swap = _permuted(1, 0, 3, 2)

AS_IT_IS = Format("", lambda boxes: boxes, "")
FORMATS = (
    Format(
        "boxes are x, y, width, height, not x1, y1, x2, y2",
        _corner_and_size,
        "x2 = x1 + width, y2 = y1 + height (COCO's boxes are such)",
    ),
    Format(
        "boxes are centre x, centre y, width, height, not x1, y1, x2, y2",
        _centre_and_size,
        "x1 = x - width / 2, x2 = x + width / 2, likewise y (YOLO's boxes are such)",
    ),
    Format(
        "x and y are swapped: boxes are y1, x1, y2, x2",
        _swap,
        "write x1, y1, x2, y2 (TensorFlow's boxes and AVA's own evaluator inside have y first)",
        (1, 3),
    ),
    Format(
        "boxes are x1, x2, y1, y2, not x1, y1, x2, y2",
        _permuted(0, 2, 1, 3),
        "write x1, y1, x2, y2",
        (0, 1),
    ),
    Format(
        "x and y are swapped: boxes are y, x, height, width",
        lambda boxes: _swap(_corner_and_size(boxes)),
        "x1 = x, y1 = y, x2 = x + width, y2 = y + height",
        (1, 3),
    ),
)
TURNS = (
    Format(
        "boxes are mirrored left to right", _mirrored(0, 2), "x becomes 1 - x (a flip not undone?)"
    ),
    Format(
        "y is flipped: boxes stand upside down",
        _mirrored(1, 3),
        "y becomes 1 - y (it grows downwards)",
    ),
    Format(
        "boxes are turned by 180 degrees",
        _mirrored(0, 1, 2, 3),
        "x becomes 1 - x, y becomes 1 - y; does the film carry a rotation?",
    ),
    Format(
        "boxes are turned by 90 degrees",
        lambda boxes: _mirrored(0, 2)(_swap(boxes)),
        "new x = 1 - y, new y = x; does the film carry a rotation?",
    ),
    Format(
        "boxes are turned by 270 degrees",
        lambda boxes: _mirrored(1, 3)(_swap(boxes)),
        "new x = y, new y = 1 - x; does the film carry a rotation?",
    ),
)
