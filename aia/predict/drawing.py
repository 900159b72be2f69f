"""Draw persons on a picture: their boxes, track numbers and best actions.

The annotated video, the live view and the README's picture share this. Text is drawn by Pillow,
because OpenCV's letters are ASCII only, once for each label; placing it on a picture is cheap.
"""

from collections.abc import MutableMapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import matplotlib
import numpy as np
from jaxtyping import Float, Int, UInt8
from matplotlib import ft2font
from PIL import Image, ImageColor, ImageDraw, ImageFont

from aia.labels import ClassList
from aia.report.style import GREEN, LIGHT, ORANGE, PURPLE, SKY, VERMILION, YELLOW

RGB = tuple[int, int, int]

_PALETTE = (SKY, ORANGE, PURPLE, GREEN, YELLOW, VERMILION)  # light enough for a dark ground
FONT_SHARE = 0.03
"""Height of the letters' font as a share of the frame's short side."""

SMALLEST_FONT = 10
"""In pixels; smaller letters cannot be read."""

_PANEL = (0, 0, 0, 185)  # white letters on it have a contrast above 7:1 on any picture
_TROUGH = (90, 90, 90, 255)


class Action(NamedTuple):
    """An action to show, with its score (0 to 1) and colour."""

    name: str
    score: float
    rgb: RGB


class Person(NamedTuple):
    """A person to draw."""

    xyxy: Sequence[float] | Float[np.ndarray, "4"]
    """Fractions of the frame."""
    track: int | None
    actions: Sequence[Action]
    """Best first; the first one's colour is the box's."""


class _Label(NamedTuple):
    """A label as it is laid over a picture: picture * keeps / 255 + adds."""

    keeps: UInt8[np.ndarray, "h w 3"]
    adds: UInt8[np.ndarray, "h w 3"]


def class_colours(classes: ClassList) -> tuple[RGB, ...]:
    """Choose a colour for each class: one per group, or per class where there are no groups."""
    kinds = classes.groups if any(classes.groups) else classes.names
    order = {kind: number for number, kind in enumerate(dict.fromkeys(kinds))}
    return tuple(_rgb(_PALETTE[order[kind] % len(_PALETTE)]) for kind in kinds)


def annotate(
    rgb: UInt8[np.ndarray, "h w 3"],
    persons: Sequence[Person],
    *,
    scale: float = 1.0,
    sides: MutableMapping[int, int] | None = None,
) -> UInt8[np.ndarray, "h w 3"]:
    """Return a copy of a picture with persons drawn on it.

    Labels stay inside the frame and avoid each other and other persons, where there is room.

    Args:
        rgb: The picture.
        persons: In the order in which their labels are placed.
        scale: Size of letters and lines, relative to the usual one.
        sides: Where the label of each track was in the picture before, updated. With it, labels
            do not jump from picture to picture.
    """
    rgb = rgb.copy()
    height, width = rgb.shape[:2]
    short = min(height, width)
    thick = max(round(short / 240 * scale), 2)  # one pixel's colour is lost in a video
    size = max(round(FONT_SHARE * short * scale), SMALLEST_FONT)
    boxes = np.array([_pixels(person.xyxy, (height, width)) for person in persons], dtype=int)
    boxes = boxes.reshape(-1, 4)
    colours = [person.actions[0].rgb if person.actions else _rgb(LIGHT) for person in persons]
    corners = [((x1, y1), (x2, y2)) for x1, y1, x2, y2 in boxes.tolist()]
    for first, second in corners:
        cv2.rectangle(rgb, first, second, (0, 0, 0), thick + 2)
    for (first, second), colour in zip(corners, colours, strict=True):
        cv2.rectangle(rgb, first, second, colour, thick)

    labels, taken = [], np.empty((0, 4), dtype=int)
    for number, (person, colour) in enumerate(zip(persons, colours, strict=True)):
        if person.track is None and not person.actions:
            continue
        shown = tuple(
            (" ".join(a.name.split()), round(100 * a.score), a.rgb) for a in person.actions
        )
        label = _label(person.track, shown, colour, size, (height, width))
        h, w = label.adds.shape[:2]
        before = None if sides is None or person.track is None else sides.get(person.track)
        side, (x, y) = _place(
            (h, w),
            boxes[number],
            (height, width),
            margin=thick // 2 + 1,
            taken=taken,
            others=np.delete(boxes, number, axis=0),
            before=before,
        )
        if sides is not None and person.track is not None:
            sides[person.track] = side
        _join((x, y, x + w, y + h), corners[number], rgb, colour=colour, thick=thick, reach=size)
        labels.append((x, y, label))
        taken = np.concatenate([taken, [[x, y, x + w, y + h]]])
    for x, y, label in labels:  # above the lines
        under = rgb[y : y + label.adds.shape[0], x : x + label.adds.shape[1]]
        under[:] = cv2.add(cv2.multiply(under, label.keeps, scale=1 / 255), label.adds)
    return rgb


def missing_letters(names: Sequence[str]) -> str:
    """Return the letters that the labels' font does not have; they are drawn as empty boxes."""
    known = ft2font.FT2Font(str(_font_path())).get_charmap()
    letters = dict.fromkeys("".join(names))
    return "".join(
        letter for letter in letters if not letter.isspace() and ord(letter) not in known
    )


def _pixels(
    xyxy: Sequence[float] | Float[np.ndarray, "4"], size_hw: tuple[int, int]
) -> tuple[int, ...]:
    """Convert fractions of the frame to pixels inside it."""
    height, width = size_hw
    return tuple(
        min(max(round(float(side) * most), 0), most - 1)
        for side, most in zip(xyxy, (width, height, width, height), strict=True)
    )


def _place(
    label_hw: tuple[int, int],
    box: Int[np.ndarray, "4"],
    size_hw: tuple[int, int],
    *,
    margin: int,
    taken: Int[np.ndarray, "labels 4"],
    others: Int[np.ndarray, "boxes 4"],
    before: int | None,
) -> tuple[int, tuple[int, int]]:
    """Choose a label's side of its box, and return it with the label's upper left corner."""
    (h, w), (height, width) = label_hw, size_hw
    x1, y1, x2, y2 = box + np.array([-margin, -margin, margin, margin])
    corners = np.array(
        [
            (x1, y1 - h),  # above, the best one
            (x1, y2),  # below
            (x2 - w, y1 - h),
            (x2 - w, y2),
            (x2, y1),  # at its right
            (x1 - w, y1),
            (x1, y1 - 2 * h - h // 3),  # above or below another label
            (x1, y2 + h + h // 3),
            (x2, y2 - h),
            (x1 - w, y2 - h),
        ]
    ).clip(0, (width - w, height - h))
    places = np.concatenate([corners, corners + (w, h)], axis=1)
    cost = 0.03 * np.arange(len(places))
    cost += 20 * _covered(places, taken) + _covered(places, others)
    cost += 0.5 * _covered(places, box[None])
    if before is not None:
        cost[before] -= 0.3
    side = int(cost.argmin())
    x, y = corners[side].tolist()
    return side, (x, y)


def _join(
    label: tuple[int, int, int, int],
    box: tuple[tuple[int, int], tuple[int, int]],
    rgb: UInt8[np.ndarray, "h w 3"],
    *,
    colour: RGB,
    thick: int,
    reach: int,
) -> None:
    """Draw a line from a label to its box where they are more than `reach` pixels apart."""
    (x1, y1), (x2, y2) = box
    centre = (label[0] + reach, (label[1] + label[3]) // 2)
    end = min(max(centre[0], x1), x2), min(max(centre[1], y1), y2)
    start = min(max(end[0], label[0]), label[2]), min(max(end[1], label[1]), label[3])
    if max(abs(end[0] - start[0]), abs(end[1] - start[1])) > reach:
        cv2.line(rgb, start, end, (0, 0, 0), thick + 2)
        cv2.line(rgb, start, end, colour, thick)


def _covered(
    places: Int[np.ndarray, "places 4"], by: Int[np.ndarray, "rectangles 4"]
) -> Float[np.ndarray, " places"]:
    """Compute which shares of each place and others cover each other: of the smaller, added up."""
    low = np.maximum(places[:, None, :2], by[None, :, :2])
    high = np.minimum(places[:, None, 2:], by[None, :, 2:])
    shared = (high - low).clip(0).prod(axis=2)
    area, by_area = ((r[:, 2:] - r[:, :2]).prod(axis=1).clip(1) for r in (places, by))
    return (shared / np.minimum(area[:, None], by_area)).sum(axis=1)


@lru_cache(maxsize=64)
def _label(
    track: int | None,
    actions: tuple[tuple[str, int, RGB], ...],
    colour: RGB,
    size: int,
    most_hw: tuple[int, int],
) -> _Label:
    """Draw a track number, and actions with their scores in percent as bars, within `most_hw`."""
    font, pad = _font(size), max(size // 4, 2)
    bar = max(size // 6, 2)
    row = size + 2 * pad + bar
    actions = actions[: max(most_hw[0] // (2 * row), 1)]  # at most half of the frame
    number = "" if track is None else str(track)
    chip = round(font.getlength(number)) + 2 * pad if number else 0
    chip = min(chip, most_hw[1])
    scores = [f"{percent / 100:.2f}" for _, percent, _ in actions]
    beside = (
        max((round(font.getlength(score)) for score in scores), default=0) + 2 * pad + size // 2
    )
    room = most_hw[1] - chip - beside
    if room < 2 * size:  # a tiny frame: the score's bar must do
        beside, scores = 2 * pad, [""] * len(actions)
        room = most_hw[1] - chip - beside
    names = [_shortened(name, font, room) for name, _, _ in actions]
    widest = max((round(font.getlength(name)) for name in names), default=0)
    width = min(chip + (widest + beside if actions else 0), most_hw[1])
    height = min(row * max(len(actions), 1), most_hw[0])

    image = Image.new("RGBA", (max(width, 1), height), _PANEL)
    draw = ImageDraw.Draw(image)
    rows = zip(names, scores, actions, strict=True)
    for line, (name, score, (_, percent, rgb)) in enumerate(rows):
        top = line * row
        middle = top + (row - bar) / 2
        draw.text((chip + pad, middle), name, (255, 255, 255, 255), font, anchor="lm")
        draw.text((width - pad - 1, middle), score, (255, 255, 255, 255), font, anchor="rm")
        left, right, under = chip + pad, width - pad - 1, top + row - 1 - pad // 2
        draw.rectangle((left, under - bar + 1, max(right, left), under), _TROUGH)
        reach = left + round((right - left) * min(percent / 100, 1))
        draw.rectangle((left, under - bar + 1, max(reach, left), under), (*rgb, 255))
    if number:
        draw.rectangle((0, 0, chip - 1, height), (*colour, 255))
        draw.text((chip / 2, min(row, height) / 2), number, (0, 0, 0, 255), font, anchor="mm")
    pixels = np.asarray(image).astype(np.uint16)
    alpha = pixels[..., 3:]
    return _Label(
        keeps=np.repeat(255 - alpha, 3, axis=2).astype(np.uint8),
        adds=(pixels[..., :3] * alpha // 255).astype(np.uint8),
    )


def _shortened(text: str, font: ImageFont.FreeTypeFont, room: int) -> str:
    """Cut a text to so many pixels, which "…" shows."""
    if font.getlength(text) <= room:
        return text
    while text and font.getlength(text + "…") > room:
        text = text[:-1]
    return text.rstrip() + "…"


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(_font_path()), size)


def _font_path() -> Path:
    return Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")


def _rgb(colour: str) -> RGB:
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue
