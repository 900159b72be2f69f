"""Boxes as fractions of the frame, `xyxy`: x1, y1 (left, top), x2, y2 (right, bottom), 0..1."""

import numpy as np
from jaxtyping import Bool, Float


def iou_matrix(
    a_xyxy: Float[np.ndarray, "a 4"], b_xyxy: Float[np.ndarray, "b 4"]
) -> Float[np.ndarray, "a b"]:
    """Intersection over union of every box of `a` with every box of `b`; 0 where both are empty.

    >>> iou_matrix(np.array([[0.0, 0.0, 0.5, 1.0]]), np.array([[0.0, 0.0, 1.0, 1.0]]))
    array([[0.5]])
    """
    low = np.maximum(a_xyxy[:, None, :2], b_xyxy[None, :, :2])
    high = np.minimum(a_xyxy[:, None, 2:], b_xyxy[None, :, 2:])
    inner = np.clip(high - low, 0, None).prod(axis=2)
    union = area(a_xyxy)[:, None] + area(b_xyxy)[None, :] - inner
    return np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)


def pair_iou(
    a_xyxy: Float[np.ndarray, "pairs 4"], b_xyxy: Float[np.ndarray, "pairs 4"]
) -> Float[np.ndarray, " pairs"]:
    """Intersection over union, pair by pair; 0 with a box whose corners are swapped or equal."""
    low = np.maximum(a_xyxy[:, :2], b_xyxy[:, :2])
    high = np.minimum(a_xyxy[:, 2:], b_xyxy[:, 2:])
    inner = np.maximum(high - low, 0).prod(axis=1)
    union = area(a_xyxy) + area(b_xyxy) - inner
    return np.divide(inner, union, out=np.zeros_like(inner), where=union > 0)


def area(xyxy: Float[np.ndarray, "boxes 4"]) -> Float[np.ndarray, " boxes"]:
    """Width times height."""
    return (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])


def flip(xyxy: Float[np.ndarray, "boxes 4"]) -> Float[np.ndarray, "boxes 4"]:
    """Mirror left and right."""
    return np.stack([1 - xyxy[:, 2], xyxy[:, 1], 1 - xyxy[:, 0], xyxy[:, 3]], axis=1)


def valid(xyxy: Float[np.ndarray, "boxes 4"]) -> Bool[np.ndarray, " boxes"]:
    """Which boxes lie within the frame and have an area."""
    inside = ((xyxy >= 0) & (xyxy <= 1)).all(axis=1)
    return inside & (xyxy[:, 0] < xyxy[:, 2]) & (xyxy[:, 1] < xyxy[:, 3])


def clip(xyxy: Float[np.ndarray, "boxes 4"]) -> Float[np.ndarray, "boxes 4"]:
    """Cut the boxes at the frame's edges."""
    return np.clip(xyxy, 0, 1)
