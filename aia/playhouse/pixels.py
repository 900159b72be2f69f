"""Playhouse, pixels: shapes, sprites, an empty room, the camera's noise, and the video file.

A sprite is a small picture with a mask; it is drawn once and pasted into every frame that shows it.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from aia.files import atomic_path

RGB = tuple[int, ...]
XY = tuple[int, int]

STAGE_HW = (112, 160)
"""Pixels in which everything is drawn; a video of another size is a resized stage."""
GROUND_Y = 109
"""Row on which people stand."""
FLOOR_Y = GROUND_Y - 14
"""First row of the floor."""

_WALLS: tuple[RGB, ...] = ((214, 200, 168), (168, 190, 206), (206, 178, 190), (178, 200, 170))
_FLOORS: tuple[RGB, ...] = ((140, 110, 80), (110, 100, 95), (125, 98, 88), (100, 92, 82))


class Ink:
    """Colours of props."""

    CYAN, BLACK, MAGENTA, YELLOW = (0, 235, 255), (8, 8, 10), (255, 0, 200), (255, 228, 0)
    RED, ORANGE, LIME, WHITE = (255, 25, 25), (255, 140, 0), (130, 255, 40), (252, 252, 252)
    WOOD, INDIGO, BLUE, SILVER = (120, 78, 42), (40, 60, 255), (30, 70, 255), (215, 225, 235)
    GREEN, MINT = (0, 150, 40), (0, 225, 170)


class Box(NamedTuple):
    """Place of something that a detector is to find."""

    label: str
    xyxy: tuple[int, int, int, int]
    """Pixels of the stage, x2 and y2 exclusive."""

    def fractions(self) -> Float[np.ndarray, "4"]:
        """Return the box as fractions of the frame."""
        height, width = STAGE_HW
        return np.array(self.xyxy, float) / (width, height, width, height)


class Sprite(NamedTuple):
    """Small picture, and which of its pixels are covered."""

    rgb: UInt8[np.ndarray, "h w 3"]
    mask: UInt8[np.ndarray, "h w"]
    xyxy: tuple[int, int, int, int]
    """Tight box of what is covered, x2 and y2 exclusive."""

    def paste(self, picture: UInt8[np.ndarray, "112 160 3"], left_top: XY) -> None:
        """Draw the sprite into a picture."""
        (left, top), (height, width) = left_top, self.mask.shape
        cv2.copyTo(self.rgb, self.mask, picture[top : top + height, left : left + width])

    def box(self, label: str, left_top: XY) -> Box:
        """Return where it lies when it is pasted there."""
        (left, top), (x1, y1, x2, y2) = left_top, self.xyxy
        return Box(label, (left + x1, top + y1, left + x2, top + y2))


class Layer:
    """Transparent picture on which a sprite is drawn."""

    def __init__(self, size_hw: tuple[int, int]) -> None:
        self.rgba = np.zeros((*size_hw, 4), np.uint8)

    def fill(self, x1: int, y1: int, x2: int, y2: int, rgb: RGB) -> None:
        """Fill a rectangle, x2 and y2 included."""
        self.rgba[y1 : y2 + 1, x1 : x2 + 1] = (*rgb, 255)

    def line(self, start: XY, end: XY, rgb: RGB, width: int) -> None:
        """Draw a line."""
        cv2.line(self.rgba, start, end, (*rgb, 255), width)

    def dot(self, centre: XY, rgb: RGB, radius: int) -> None:
        """Draw a filled circle."""
        cv2.circle(self.rgba, centre, radius, (*rgb, 255), -1)

    def sprite(self, *, mirrored: bool) -> Sprite:
        """Return what was drawn."""
        rgba = self.rgba[:, ::-1] if mirrored else self.rgba
        ys, xs = np.nonzero(rgba[..., 3])
        xyxy = (int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1)
        return Sprite(rgba[..., :3].copy(), rgba[..., 3].copy(), xyxy)


def pick(rng: np.random.Generator, colours: tuple[RGB, ...]) -> RGB:
    """Choose one of the colours."""
    return colours[int(rng.integers(len(colours)))]


def empty_room(
    rng: np.random.Generator, *, upright: bool, shade: int
) -> UInt8[np.ndarray, "112 160 3"]:
    """Draw a wall with stripes, upright or level and darker by `shade`, and a floor."""
    picture = np.empty((*STAGE_HW, 3), np.uint8)
    wall = np.clip(np.array(pick(rng, _WALLS)) + rng.integers(-8, 9, 3), 0, 255)
    picture[:] = wall
    stripes = slice(None, None, int(rng.choice((6, 8, 10))))
    picture[(slice(None), stripes) if upright else stripes] = wall - shade
    picture[FLOOR_Y - 2 : FLOOR_Y] = np.minimum(wall + 25, 255)
    picture[FLOOR_Y:] = np.array(pick(rng, _FLOORS)) + rng.integers(-8, 9, 3)
    return picture


def filmed(
    pictures: Iterable[UInt8[np.ndarray, "112 160 3"]],
    *,
    rng: np.random.Generator,
    size_hw: tuple[int, int],
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Add the camera's noise to pictures of the stage, and resize them."""
    height, width = STAGE_HW
    noise = rng.normal(0, 2.5, (height + 16, width + 16, 3)).round().astype(np.int16)
    for picture in pictures:
        y, x = rng.integers(0, 17, 2)
        grainy = cv2.add(picture, noise[y : y + height, x : x + width], dtype=cv2.CV_8U)
        if size_hw != STAGE_HW:
            grainy = cv2.resize(grainy, size_hw[::-1], interpolation=cv2.INTER_AREA)
        yield grainy


def write_video(
    path: Path, frames: Iterable[np.ndarray], *, fps: int, size_hw: tuple[int, int]
) -> None:
    """Write RGB frames as an H.264 file."""
    import av

    with atomic_path(path) as temporary, av.open(str(temporary), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = size_hw
        stream.pix_fmt = "yuv420p"
        # A fixed quantizer: one that follows the picture is coarser where more moves elsewhere,
        # and so would tell a person's pixels of the others. One thread: videos are drawn side by
        # side.
        stream.options = {"preset": "ultrafast", "qp": "18", "g": str(2 * fps), "threads": "1"}
        for frame in frames:
            for packet in stream.encode(av.VideoFrame.from_numpy_buffer(frame, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
