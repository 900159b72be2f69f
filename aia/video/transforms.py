"""Resize, pad, mirror and recolour the frames of clips; jitter and extend boxes.

Boxes are fractions of the frame, so resizing does not change them; they are jittered in training
(§4.1) and extended at inference.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8

JITTER = ((-0.2, 0.1), (-0.1, 0.05), (-0.1, 0.2), (-0.05, 0.1))
"""Ranges in which x1, y1, x2, y2 move, as fractions of the box's width and height: outwards more
than inwards, sideways more than up and down (the authors' code; §4.1 gives no numbers)."""

COLOUR_SHIFT = (10, 26, 26)
"""Largest shift of hue (of 180), saturation and value (of 255), both ways (the authors')."""

SMALLEST = 1e-3
"""Smallest width and height of a jittered or extended box, as fractions of the frame."""


class View(NamedTuple):
    """Size and mirroring of a clip in testing; multi-scale testing averages several views."""

    short_side: int | None = None
    """Short side in pixels, to which stored frames are resized: larger frames show larger persons,
    but no more detail. None: the stored size."""
    flip: bool = False
    """True if frames and boxes are mirrored."""

    def __str__(self) -> str:
        size = "size as kept" if self.short_side is None else f"short side {self.short_side}"
        return f"{size}, mirrored" if self.flip else size


AS_KEPT = View()
"""Frames as stored."""


def resize_size_hw(
    size_hw: tuple[int, int], short_side: int, max_long: int | None = None
) -> tuple[int, int]:
    """Return a frame's size after scaling its short side to `short_side`, keeping the aspect.

    Where the long side would exceed `max_long`, both sides are scaled further to fit. The authors'
    code truncates the long side to whole pixels; this rounds, so it may differ by one pixel.

    >>> resize_size_hw((360, 640), 256), resize_size_hw((640, 272), 256, max_long=464)
    ((256, 455), (464, 197))
    """
    short, long = sorted(size_hw)
    new_short, new_long = short_side, max(1, round(short_side * long / short))
    if max_long is not None and new_long > max_long:
        new_short = max(1, round(max_long * short / long))
        new_long = min(max(1, round(new_short * long / short)), max_long)
    return (new_short, new_long) if size_hw[0] <= size_hw[1] else (new_long, new_short)


def resize(
    rgb: UInt8[np.ndarray, "_h _w 3"], size_hw: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """Resize a frame; return the same array if it has that size."""
    if rgb.shape[:2] == size_hw:
        return rgb
    height, width = size_hw
    # below half the size, bilinear interpolation would skip pixels
    shrinks = rgb.shape[0] > 2 * height or rgb.shape[1] > 2 * width
    how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(rgb, (width, height), interpolation=how))


def view_frames(
    frames: UInt8[np.ndarray, "t _h _w 3"], view: View
) -> UInt8[np.ndarray, "t height width 3"]:
    """Resize and mirror the frames of a clip as the view says."""
    if view.short_side is not None:
        height, width = frames.shape[1:3]
        size_hw = resize_size_hw((height, width), view.short_side)
        frames = np.stack([resize(frame, size_hw) for frame in frames])
    return frames[:, :, ::-1] if view.flip else frames


def pad_batch(
    clips: Sequence[UInt8[np.ndarray, "_frames _height _width 3"]], *, multiple: int = 16
) -> tuple[UInt8[np.ndarray, "clips frames height width 3"], Int[np.ndarray, "clips 2"]]:
    """Stack clips of one length and any size; return the batch, and height and width of each clip.

    Smaller clips are zero-padded at the bottom and on the right, up to the largest height and width
    of the batch, rounded up to a `multiple` (the authors' code: 16, the backbone's stride). The
    authors pad after normalisation, where zero is the mean colour; the sizes allow the same later.
    """
    if not clips:
        raise ValueError("pad_batch: a batch needs at least one clip")
    sizes_hw = np.array([clip.shape[1:3] for clip in clips])
    height, width = -(-sizes_hw.max(axis=0) // multiple) * multiple
    batch = np.zeros((len(clips), len(clips[0]), height, width, 3), dtype=np.uint8)
    for row, clip in zip(batch, clips, strict=True):
        row[:, : clip.shape[1], : clip.shape[2]] = clip
    return batch, sizes_hw


def shift_colours(
    frames: UInt8[np.ndarray, "t h w 3"], shift: tuple[int, int, int]
) -> UInt8[np.ndarray, "t h w 3"]:
    """Shift hue, saturation and value of RGB frames, all frames alike.

    Args:
        frames: A clip.
        shift: In OpenCV's units: hue of 180, which wraps around; the others of 255, clipped.
    """
    t, height, width, _ = frames.shape
    tall = np.ascontiguousarray(frames).reshape(t * height, width, 3)  # one call for all frames
    hsv = cv2.cvtColor(tall, cv2.COLOR_RGB2HSV).astype(np.int16) + np.array(shift, np.int16)
    hsv[..., 0] %= 180
    hsv = hsv.clip(0, 255).astype(np.uint8)
    return np.asarray(cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB)).reshape(frames.shape)


def draw_shift(rng: np.random.Generator) -> tuple[int, int, int]:
    """Draw a shift of hue, saturation and value within `COLOUR_SHIFT`."""
    hue, saturation, value = (int(rng.integers(-most, most + 1)) for most in COLOUR_SHIFT)
    return hue, saturation, value


def jitter_boxes(
    xyxy: Float[np.ndarray, "boxes 4"], rng: np.random.Generator
) -> Float[np.ndarray, "boxes 4"]:
    """Move each side of each box at random, within `JITTER`; the boxes stay inside the frame."""
    low, high = np.array(JITTER).T
    return move_sides(xyxy, rng.uniform(low, high, size=xyxy.shape))


def extend_boxes(
    xyxy: Float[np.ndarray, "boxes 4"], by: tuple[float, float]
) -> Float[np.ndarray, "boxes 4"]:
    """Extend boxes by fractions `by` of their width and height, half on each side.

    >>> extend_boxes(np.array([[0.25, 0.25, 0.75, 0.75]]), (0.5, 0.0))
    array([[0.125, 0.25 , 0.875, 0.75 ]])
    """
    half = np.array([-by[0], -by[1], by[0], by[1]]) / 2
    return move_sides(xyxy, np.broadcast_to(half, xyxy.shape))


def move_sides(
    xyxy: Float[np.ndarray, "boxes 4"], shares: Float[np.ndarray, "boxes 4"]
) -> Float[np.ndarray, "boxes 4"]:
    """Move x1, y1, x2, y2 by fractions of the box's size; keep boxes inside and non-empty."""
    size = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    moved = xyxy + size * shares
    low = np.clip(moved[:, :2], 0, 1 - SMALLEST)
    high = np.clip(moved[:, 2:], low + SMALLEST, 1)
    return np.concatenate([low, high], axis=1).astype(xyxy.dtype)
