"""Playhouse, people: how persons look, and what they look like doing what they do.

Every state has its own prop in its own colour, for a small backbone to learn in minutes. A person
with all it holds is a small picture of its own, which playhouse_draw.py puts on the stage.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from aia.datasets.playhouse_script import State

RGB = tuple[int, ...]
_XY = tuple[int, int]

SPRITE_HW = (65, 29)
"""Size of a person's picture; its feet stand at the bottom, its body in the middle."""

_SHIRTS: tuple[RGB, ...] = (
    (40, 55, 115),
    (40, 125, 70),
    (120, 70, 165),
    (225, 222, 215),
    (140, 90, 55),
    (30, 110, 120),
    (105, 105, 120),
    (165, 60, 75),
)
_TROUSERS: tuple[RGB, ...] = ((45, 45, 70), (80, 65, 50), (75, 80, 90), (40, 65, 60))
_SKINS: tuple[RGB, ...] = ((245, 208, 178), (214, 165, 120), (160, 108, 72), (120, 78, 54))
_HAIR: tuple[RGB, ...] = (
    (35, 28, 26),
    (82, 48, 24),
    (196, 158, 88),
    (135, 132, 132),
    (140, 62, 30),
)
_HAIRCUTS = ("short", "long", "bun", "cap")

_CYAN, _BLACK, _MAGENTA, _YELLOW = (0, 235, 255), (8, 8, 10), (255, 0, 200), (255, 228, 0)
_RED, _ORANGE, _LIME, _WHITE = (255, 25, 25), (255, 140, 0), (130, 255, 40), (252, 252, 252)
_WOOD, _GLOVE = (120, 78, 42), (40, 60, 255)


class Person(NamedTuple):
    """How a person looks, all through a film."""

    place: int
    skin: RGB
    hair: RGB
    haircut: str
    shirt: RGB
    trousers: RGB
    legs: int
    """Length in pixels."""


def draw_looks(rng: np.random.Generator, *, places: Sequence[int]) -> Iterator[Person]:
    """Choose the looks of the persons who stand at these places; no two wear the same shirt."""
    shirts = rng.permutation(len(_SHIRTS)).tolist()
    for place, shirt in zip(places, shirts, strict=False):
        yield Person(
            place=place,
            skin=pick(rng, _SKINS),
            hair=pick(rng, _HAIR),
            haircut=str(rng.choice(_HAIRCUTS)),
            shirt=_SHIRTS[shirt],
            trousers=pick(rng, _TROUSERS),
            legs=int(rng.integers(17, 21)),
        )


def pick(rng: np.random.Generator, colours: Sequence[RGB]) -> RGB:
    """One of the colours."""
    return colours[int(rng.integers(len(colours)))]


def draw_person(person: Person, state: State, phase: float) -> UInt8[np.ndarray, "65 29 4"]:
    """A person facing right, `phase` of a second into its movement."""
    sprite = np.zeros((*SPRITE_HW, 4), np.uint8)
    swing = math.cos(2 * math.pi * phase)
    beat = math.cos(4 * math.pi * phase)
    x, ground = SPRITE_HW[1] // 2, SPRITE_HW[0] - 1
    if state is State.DANCE:
        x += round(beat)
    sitting = state in (State.SIT, State.SIT_TALK)
    hip = ground - (11 if sitting else person.legs)
    shoulder = hip - 19
    shoes, sleeve = (40, 32, 30), tuple(int(0.8 * channel) for channel in person.shirt)

    if sitting:
        _box(sprite, x - 7, hip + 1, x + 3, hip + 3, _WOOD)
        for leg in (x - 6, x + 1):
            _box(sprite, leg, hip + 4, leg + 1, ground, _WOOD)
        _box(sprite, x - 4, hip - 3, x + 9, hip + 1, person.trousers)
        _box(sprite, x + 6, hip + 1, x + 9, ground - 2, person.trousers)
        _box(sprite, x + 6, ground - 2, x + 12, ground, shoes)
    else:
        stride = round({State.WALK: 8 * swing, State.DANCE: 5 + beat}.get(state, 2))
        for foot in (x - stride, x + stride):
            _line(sprite, (x, hip), (foot, ground - 2), person.trousers, 4)
            _box(sprite, foot - 2, ground - 1, foot + 3, ground, shoes)

    def arm(hand: _XY, elbow: _XY | None = None) -> None:
        start = (x, shoulder + 3)
        for end in filter(None, (elbow, hand)):
            _line(sprite, start, end, sleeve, 3)
            start = end
        _dot(sprite, hand, person.skin, 2)

    _box(sprite, x - 5, shoulder, x + 5, hip, person.shirt)
    _box(sprite, x - 4, shoulder - 1, x + 4, shoulder, person.shirt)
    _box(sprite, x - 5, hip - 1, x + 5, hip, person.trousers)
    _head(sprite, person, x, shoulder - 7, talking=state in (State.TALK, State.SIT_TALK), beat=beat)

    match state:
        case State.DANCE:
            for side in (-1, 1):
                hand = (x + side * 10, shoulder - 9 + round(side * 3 * beat))
                arm(hand)
                _dot(sprite, hand, _LIME, 3)
        case State.EAR:
            hand = (x + 6, shoulder - 6)
            arm(hand, elbow=(x + 9, shoulder + 5))
            _box(sprite, x + 4, shoulder - 11, x + 7, shoulder - 3, _ORANGE)
        case State.DRINK:
            hand = (x + 9, shoulder - 1 + round(beat))
            arm(hand, elbow=(x + 7, shoulder + 7))
            _box(sprite, x + 7, hand[1] - 7, x + 12, hand[1], _CYAN)
        case State.CHOP:
            hand = (x + 9, shoulder + 7 + round(3 * beat))
            arm(hand)
            _box(sprite, x + 9, hand[1] - 8, x + 12, hand[1] + 2, _BLACK)
        case State.BRUSH:
            hand = (x + 9 + round(beat), shoulder - 9 + round(3 * swing))
            arm(hand)
            _line(sprite, hand, (hand[0], hand[1] - 5), _WOOD, 2)
            _box(sprite, hand[0] - 3, hand[1] - 9, hand[0] + 3, hand[1] - 3, _MAGENTA)
        case State.REACH:
            hand = (x + 11, shoulder + 1 + round(swing))
            arm(hand)
            _box(sprite, x + 9, hand[1] - 3, x + 13, hand[1] + 3, _GLOVE)
        case State.STIR:
            hand = (x + 8, shoulder + 11)
            arm(hand)
            tip = (x + 9 + round(3 * swing), hip + 6)
            _line(sprite, hand, tip, _YELLOW, 3)
        case State.WALK:
            arm((x + round(6 * swing), hip - 1))
        case State.SIT | State.SIT_TALK:
            arm((x + 7, hip - 4), elbow=(x + 1, hip - 7))
        case _:
            arm((x - 1, hip + 1))
    return sprite


def _head(
    sprite: np.ndarray, person: Person, x: int, y: int, *, talking: bool, beat: float
) -> None:
    if person.haircut == "long":
        _box(sprite, x - 6, y - 2, x + 1, y + 9, person.hair)
    if person.haircut == "bun":
        _dot(sprite, (x - 5, y - 5), person.hair, 2)
    _dot(sprite, (x, y), person.skin, 6)
    cv2.ellipse(sprite, (x - 1, y - 1), (6, 6), 0, 180, 360, (*person.hair, 255), -1)
    _box(sprite, x - 6, y - 2, x - 4, y + 2, person.hair)
    if person.haircut == "cap":
        _box(sprite, x, y - 3, x + 8, y - 2, person.hair)
    _box(sprite, x + 3, y - 1, x + 3, y, (20, 20, 25))
    if talking:
        _box(sprite, x + 1, y + 2, x + 5, y + (5 if beat >= 0 else 3), _RED)
        _box(sprite, x + 7, y - 8, x + 13, y - 3, _WHITE)  # a bubble says: speech
        _box(sprite, x + 7, y - 2, x + 8, y - 1, _WHITE)
        for dot in (8, 10, 12):
            _box(sprite, x + dot, y - 6, x + dot, y - 5, _RED)


def _box(sprite: np.ndarray, x1: int, y1: int, x2: int, y2: int, rgb: RGB) -> None:
    """Fill from x1, y1 to x2, y2, both included, and mark as covered."""
    sprite[y1 : y2 + 1, x1 : x2 + 1] = (*rgb, 255)


def _line(sprite: np.ndarray, start: _XY, end: _XY, rgb: RGB, width: int) -> None:
    cv2.line(sprite, start, end, (*rgb, 255), width)


def _dot(sprite: np.ndarray, centre: _XY, rgb: RGB, radius: int) -> None:
    cv2.circle(sprite, centre, radius, (*rgb, 255), -1)
