"""Playhouse, people: how persons look, and what they look like doing what they do.

Every state has its own prop in its own colour, so that a small backbone learns it in minutes.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np

from aia.playhouse.pixels import RGB, XY, Ink, Layer, Sprite, pick
from aia.playhouse.world import State

PERSON_HW = (65, 29)
"""Size of a person's picture; its feet stand at the bottom, its body in the middle."""

_SHIRTS: tuple[RGB, ...] = (
    (40, 55, 115), (40, 125, 70), (120, 70, 165), (225, 222, 215),
    (140, 90, 55), (30, 110, 120), (105, 105, 120), (165, 60, 75),
)  # fmt: skip
_TROUSERS: tuple[RGB, ...] = ((45, 45, 70), (80, 65, 50), (75, 80, 90), (40, 65, 60))
_SKINS: tuple[RGB, ...] = ((245, 208, 178), (214, 165, 120), (160, 108, 72), (120, 78, 54))
_HAIR: tuple[RGB, ...] = (
    (35, 28, 26), (82, 48, 24), (196, 158, 88), (135, 132, 132), (140, 62, 30),
)  # fmt: skip
_HAIRCUTS = ("short", "long", "bun", "cap")
_SHOES, _EYE = (40, 32, 30), (20, 20, 25)


class Person(NamedTuple):
    """Looks of a person, the same all through a video."""

    place: int
    skin: RGB
    hair: RGB
    haircut: str
    shirt: RGB
    trousers: RGB
    legs: int
    """Length in pixels."""

    @property
    def sleeve(self) -> RGB:
        """Colour of the arms."""
        return tuple(int(0.8 * channel) for channel in self.shirt)

    def hip_and_shoulder(self, bottom: int, *, sitting: bool) -> tuple[int, int]:
        """Return the rows of hip and shoulder above the row of the feet."""
        hip = bottom - (11 if sitting else self.legs)
        return hip, hip - 19


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


@lru_cache(maxsize=4096)
def person_sprite(person: Person, state: State, phase: float, *, facing_right: bool) -> Sprite:
    """Draw a person with all it holds, `phase` of a second into its movement."""
    return draw_person(person, state, phase).sprite(mirrored=not facing_right)


def draw_person(person: Person, state: State, phase: float) -> Layer:
    """Draw a person facing right, on a layer of PERSON_HW."""
    layer = Layer(PERSON_HW)
    swing = math.cos(2 * math.pi * phase)
    beat = math.cos(4 * math.pi * phase)
    x, bottom = PERSON_HW[1] // 2, PERSON_HW[0] - 1
    if state is State.DANCE:
        x += round(beat)
    sitting = state in (State.SIT, State.SIT_TALK)
    hip, shoulder = person.hip_and_shoulder(bottom, sitting=sitting)

    if sitting:
        layer.fill(x - 7, hip + 1, x + 3, hip + 3, Ink.WOOD)
        for leg in (x - 6, x + 1):
            layer.fill(leg, hip + 4, leg + 1, bottom, Ink.WOOD)
        layer.fill(x - 4, hip - 3, x + 9, hip + 1, person.trousers)
        layer.fill(x + 6, hip + 1, x + 9, bottom - 2, person.trousers)
        layer.fill(x + 6, bottom - 2, x + 12, bottom, _SHOES)
    else:
        stride = round({State.WALK: 8 * swing, State.DANCE: 5 + beat}.get(state, 2))
        for foot in (x - stride, x + stride):
            layer.line((x, hip), (foot, bottom - 2), person.trousers, 4)
            layer.fill(foot - 2, bottom - 1, foot + 3, bottom, _SHOES)

    def arm(hand: XY, elbow: XY | None = None) -> None:
        start = (x, shoulder + 3)
        for end in filter(None, (elbow, hand)):
            layer.line(start, end, person.sleeve, 3)
            start = end
        layer.dot(hand, person.skin, 2)

    layer.fill(x - 5, shoulder, x + 5, hip, person.shirt)
    layer.fill(x - 4, shoulder - 1, x + 4, shoulder, person.shirt)
    layer.fill(x - 5, hip - 1, x + 5, hip, person.trousers)
    _draw_head(layer, person, x, shoulder - 7)
    if state in (State.TALK, State.SIT_TALK):
        _draw_speech(layer, x, shoulder - 7, mouth=5 if beat >= 0 else 3)

    match state:
        case State.DANCE:
            for side in (-1, 1):
                hand = (x + side * 10, shoulder - 9 + round(side * 3 * beat))
                arm(hand)
                layer.dot(hand, Ink.LIME, 3)
        case State.EAR:
            arm((x + 6, shoulder - 6), elbow=(x + 9, shoulder + 5))
            layer.fill(x + 4, shoulder - 11, x + 7, shoulder - 3, Ink.ORANGE)
        case State.DRINK:
            hand = (x + 9, shoulder - 1 + round(beat))
            arm(hand, elbow=(x + 7, shoulder + 7))
            layer.fill(x + 7, hand[1] - 7, x + 12, hand[1], Ink.CYAN)
        case State.CHOP:
            hand = (x + 9, shoulder + 7 + round(3 * beat))
            arm(hand)
            layer.fill(x + 9, hand[1] - 8, x + 12, hand[1] + 2, Ink.BLACK)
        case State.BRUSH:
            hand = (x + 9 + round(beat), shoulder - 9 + round(3 * swing))
            arm(hand)
            layer.line(hand, (hand[0], hand[1] - 5), Ink.WOOD, 2)
            layer.fill(hand[0] - 3, hand[1] - 9, hand[0] + 3, hand[1] - 3, Ink.MAGENTA)
        case State.REACH:
            hand = (x + 11, shoulder + 1 + round(swing))
            arm(hand)
            layer.fill(x + 9, hand[1] - 3, x + 13, hand[1] + 3, Ink.INDIGO)
        case State.STIR:
            hand = (x + 8, shoulder + 11)
            arm(hand)
            layer.line(hand, (x + 9 + round(3 * swing), hip + 6), Ink.YELLOW, 3)
        case State.WALK:
            arm((x + round(6 * swing), hip - 1))
        case State.SIT | State.SIT_TALK:
            arm((x + 7, hip - 4), elbow=(x + 1, hip - 7))
        case _:
            arm((x - 1, hip + 1))
    return layer


def _draw_head(layer: Layer, person: Person, x: int, y: int) -> None:
    if person.haircut == "long":
        layer.fill(x - 6, y - 2, x + 1, y + 9, person.hair)
    if person.haircut == "bun":
        layer.dot((x - 5, y - 5), person.hair, 2)
    layer.dot((x, y), person.skin, 6)
    cv2.ellipse(layer.rgba, (x - 1, y - 1), (6, 6), 0, 180, 360, (*person.hair, 255), -1)
    layer.fill(x - 6, y - 2, x - 4, y + 2, person.hair)
    if person.haircut == "cap":
        layer.fill(x, y - 3, x + 8, y - 2, person.hair)
    layer.fill(x + 3, y - 1, x + 3, y, _EYE)


def _draw_speech(layer: Layer, x: int, y: int, *, mouth: int) -> None:
    """Draw a mouth, open to some height, and a bubble."""
    layer.fill(x + 1, y + 2, x + 5, y + mouth, Ink.RED)
    layer.fill(x + 7, y - 8, x + 13, y - 3, Ink.WHITE)
    layer.fill(x + 7, y - 2, x + 8, y - 1, Ink.WHITE)
    for speck in (8, 10, 12):
        layer.fill(x + speck, y - 6, x + speck, y - 5, Ink.RED)
