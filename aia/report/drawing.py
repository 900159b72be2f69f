"""Frames with boxes on them.

A frame fills its axes from 0 to 1 each way, so that boxes, which are fractions of the frame, are
drawn as they are.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle

from aia.errors import InputError
from aia.video.store import readable_stores

XYXY = ["x1", "y1", "x2", "y2"]


class Videos:
    """Frame stores of some videos, by id; skipped videos are left out."""

    def __init__(self, stores: Iterable[Path | str]) -> None:
        self._stores = readable_stores(stores)

    def __contains__(self, video: str) -> bool:
        return video in self._stores

    def frame(self, video: str, time_sec: float) -> UInt8[np.ndarray, "h w 3"]:
        """Read the frame that is shown at this time."""
        if video not in self._stores:
            raise InputError(
                f"{video}: no frame store of that name among {len(self._stores)} given; "
                "do boxes and frames belong to the same data set?"
            )
        with self._stores[video] as store:
            return store.read([store.nearest(time_sec)])[0]


def show_frame(axes: Axes, rgb: UInt8[np.ndarray, "h w 3"]) -> None:
    """Fill the axes with a frame, undistorted."""
    height, width = rgb.shape[:2]
    axes.imshow(rgb, extent=(0, 1, 1, 0), aspect=height / width, interpolation="bilinear")
    hide_ticks(axes)
    for spine in axes.spines.values():
        spine.set_visible(False)


def hide_ticks(axes: Axes) -> None:
    """Remove ticks and grid, which mean nothing on a picture."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)


def draw_box(
    axes: Axes,
    xyxy: Sequence[float] | Float[np.ndarray, "4"],
    *,
    colour: str,
    width: float = 1.8,
    dashed: bool = False,
) -> None:
    """Outline a box, with a thin light edge that keeps it visible on dark frames."""
    x1, y1, x2, y2 = (float(side) for side in xyxy)
    for line, edge in ((width + 1.2, "white"), (width, colour)):
        if edge == "white" and dashed:
            continue
        axes.add_patch(
            Rectangle(
                (x1, y1),
                x2 - x1,
                y2 - y1,
                fill=False,
                edgecolor=edge,
                linewidth=line,
                linestyle=(0, (3, 2)) if dashed else "solid",
            )
        )


def tag_box(
    axes: Axes,
    xyxy: Sequence[float] | Float[np.ndarray, "4"],
    text: str,
    *,
    colour: str,
    size: float = 7.5,
) -> None:
    """Write a word at a box's upper left corner, inside the frame, on the box's colour."""
    x1, y1 = float(xyxy[0]), float(xyxy[1])
    axes.text(
        max(x1, 0.0),
        max(y1, 0.0),
        text,
        color="white",
        fontsize=size,
        va="top" if y1 < 0.08 else "bottom",
        ha="left",
        clip_on=True,
        bbox={"boxstyle": "square,pad=0.15", "facecolor": colour, "edgecolor": "none"},
    )


def line_width(weight: float) -> float:
    """Compute how thick a box is drawn for an attention weight of 0 to 1."""
    return 0.8 + 4.2 * weight


def crop(
    rgb: UInt8[np.ndarray, "h w 3"], xyxy: Sequence[float], *, margin: float = 0.35
) -> UInt8[np.ndarray, "h2 w2 3"]:
    """Crop a frame to a box, with a margin as a share of the box."""
    height, width = rgb.shape[:2]
    x1, y1, x2, y2 = (float(side) for side in xyxy)
    dx, dy = margin * (x2 - x1), margin * (y2 - y1)
    left = min(max(int((x1 - dx) * width), 0), width - 1)
    top = min(max(int((y1 - dy) * height), 0), height - 1)
    right = min(int((x2 + dx) * width) + 1, width)
    bottom = min(int((y2 + dy) * height) + 1, height)
    return rgb[top : max(bottom, top + 1), left : max(right, left + 1)]
