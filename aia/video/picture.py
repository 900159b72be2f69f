"""Convert a decoded frame to what a viewer sees: RGB, upright, with square pixels, at one size.

Phones store upright videos sideways, with a rotation to apply; some cameras have non-square pixels.
Both are undone, so that a box as fractions of the frame matches what a viewer sees. Interlaced
videos are not de-interlaced, and HDR is not tone-mapped.
"""

from fractions import Fraction
from typing import NamedTuple

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData
from jaxtyping import UInt8

from aia.video.transforms import resize

TELEVISION = (2, 5, 6)
"""Colour matrices for which OpenCV's conversion is right: the two names of BT.601, and "unknown",
which players treat as BT.601."""


def shown_size_hw(frame: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """Return height and width of a frame as displayed: upright, with square pixels.

    `aspect` is a pixel's width divided by its height; players change the width. Aspects beyond
    1:4 and 4:1 are ignored as mistakes.
    """
    stretch = aspect if aspect and Fraction(1, 4) <= aspect <= 4 else Fraction(1)
    size_hw = frame.height, max(round(frame.width * stretch), 1)
    return size_hw[::-1] if _turn(frame).transposed else size_hw


def upright_rgb(
    frame: av.VideoFrame, size_hw: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """Return a frame as RGB, upright and resized to `size_hw`."""
    turn = _turn(frame)
    height, width = size_hw[::-1] if turn.transposed else size_hw
    rgb = resize(full_rgb(frame), (height, width))
    if turn.transposed:
        rgb = rgb.transpose(1, 0, 2)
    return np.ascontiguousarray(
        rgb[:: -1 if turn.upside_down else 1, :: -1 if turn.mirrored else 1]
    )


def full_rgb(frame: av.VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
    """Return a frame as RGB at its own size.

    OpenCV converts in half the time of FFmpeg's scaler, but only the usual format: 8 bits, colour
    at half the resolution, matrix and range of television, even sides (odd ones are padded).
    """
    usual = frame.format.name == "yuv420p" and frame.color_range != 2
    if not usual or frame.colorspace not in TELEVISION:
        return frame.to_ndarray(format="rgb24")
    if frame.width % 2 == 0 and frame.height % 2 == 0:
        return cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
    luma, *colour = (
        np.frombuffer(plane, np.uint8).reshape(plane.height, plane.line_size)[:, : plane.width]
        for plane in frame.planes
    )
    luma = np.pad(luma, ((0, frame.height % 2), (0, frame.width % 2)), mode="edge")
    planes = np.concatenate([plane.ravel() for plane in (luma, *colour)])
    rgb = cv2.cvtColor(planes.reshape(-1, luma.shape[1]), cv2.COLOR_YUV2RGB_I420)
    return rgb[: frame.height, : frame.width]


class _Turn(NamedTuple):
    """Transformation that turns a frame upright: a transposition, then flips."""

    transposed: bool
    upside_down: bool
    mirrored: bool


def _turn(frame: av.VideoFrame) -> _Turn:
    """Return the rotation that the video's metadata ask for, to the nearest quarter turn.

    The matrix [[a, b], [c, d]] maps the point (x, y) to (a x + c y, b x + d y).
    """
    side = frame.side_data.get(SideData.DISPLAYMATRIX)
    if side is None:
        return _Turn(False, False, False)
    a, b, _, c, d = np.frombuffer(bytes(side), dtype=np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _Turn(False, upside_down=d < 0, mirrored=a < 0)
    return _Turn(True, upside_down=b < 0, mirrored=c < 0)
