"""One decoded frame as a viewer sees it: its colours, upright, with square pixels, at one size.

Phones write upright films lying, with a turn to be applied; some cameras write pixels that are not
square. Both are undone, so that a box as fractions of the frame means what a viewer sees.
Interlaced films are not de-interlaced, HDR is not mapped.
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
"""Colour matrices that OpenCV's conversion is right for: BT.601's two names, and "unknown", which
players take for it."""


def shown_size_hw(frame: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """Height and width of a frame as a player shows it: upright, with square pixels.

    `aspect` is a pixel's width by its height; players change the picture's width. Aspects beyond
    1:4 and 4:1 are taken for mistakes and left out.
    """
    stretch = aspect if aspect and Fraction(1, 4) <= aspect <= 4 else Fraction(1)
    size_hw = frame.height, max(round(frame.width * stretch), 1)
    return size_hw[::-1] if _turn(frame).transposed else size_hw


def upright_rgb(
    frame: av.VideoFrame, size_hw: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """A frame's colours, scaled to `size_hw` and turned upright."""
    turn = _turn(frame)
    height, width = size_hw[::-1] if turn.transposed else size_hw
    rgb = resize(full_rgb(frame), (height, width))
    if turn.transposed:
        rgb = rgb.transpose(1, 0, 2)
    return np.ascontiguousarray(
        rgb[:: -1 if turn.upside_down else 1, :: -1 if turn.mirrored else 1]
    )


def full_rgb(frame: av.VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
    """A frame's colours at its own size.

    OpenCV converts in half the time of FFmpeg's scaler, but only the usual kind of film: 8 bits,
    colour at half the resolution, the colour matrix and range of television, even sides (odd ones
    are made even for it).
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
    """How a picture is brought upright: transposed first, then flipped."""

    transposed: bool
    upside_down: bool
    mirrored: bool


def _turn(frame: av.VideoFrame) -> _Turn:
    """The turn that a film asks for; slanted ones are taken for the nearest quarter.

    The matrix [[a, b], [c, d]] sends the point (x, y) to (a x + c y, b x + d y).
    """
    side = frame.side_data.get(SideData.DISPLAYMATRIX)
    if side is None:
        return _Turn(False, False, False)
    a, b, _, c, d = np.frombuffer(bytes(side), dtype=np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _Turn(False, upside_down=d < 0, mirrored=a < 0)
    return _Turn(True, upside_down=b < 0, mirrored=c < 0)
