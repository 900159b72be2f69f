"""Playhouse, pixels: a small stage with up to three persons and three things on the wall.

What tells about a person must not be seen near it by a backbone that sees 31 pixels, so everything
keeps its distance on the stage of 112 x 160 pixels: persons stay within 14 pixels of their place,
places are 60 pixels apart, and 30 pixels of wall lie between raised hands and the things above.
Every state has its own prop in its own colour, for a small backbone to learn in minutes.
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from aia.datasets.playhouse_script import Script, State

STAGE_HW = (112, 160)
OBJECTS = ("tv", "phone", "picture")

_RGB = tuple[int, ...]
_XY = tuple[int, int]

_PLACES_X = (20, 80, 140)
_GROUND_Y = 109
_SPRITE_HW = (65, 29)  # a person with all it holds, feet at the bottom, middle of the body at 14
_MIDDLE_X = 14

_ROOMS: tuple[_RGB, ...] = ((214, 200, 168), (168, 190, 206), (206, 178, 190), (178, 200, 170))
_FLOORS: tuple[_RGB, ...] = ((140, 110, 80), (110, 100, 95), (125, 98, 88), (100, 92, 82))
_SHIRTS: tuple[_RGB, ...] = (
    (40, 55, 115),
    (40, 125, 70),
    (120, 70, 165),
    (225, 222, 215),
    (140, 90, 55),
    (30, 110, 120),
    (105, 105, 120),
    (165, 60, 75),
)
_TROUSERS: tuple[_RGB, ...] = ((45, 45, 70), (80, 65, 50), (75, 80, 90), (40, 65, 60))
_SKINS: tuple[_RGB, ...] = ((245, 208, 178), (214, 165, 120), (160, 108, 72), (120, 78, 54))
_HAIR: tuple[_RGB, ...] = (
    (35, 28, 26),
    (82, 48, 24),
    (196, 158, 88),
    (135, 132, 132),
    (140, 62, 30),
)
_HAIRCUTS = ("short", "long", "bun", "cap")

_CYAN, _BLACK, _MAGENTA, _YELLOW = (0, 235, 255), (8, 8, 10), (255, 0, 200), (255, 228, 0)
_RED, _ORANGE, _LIME, _WHITE = (255, 25, 25), (255, 140, 0), (130, 255, 40), (252, 252, 252)
_WOOD, _CURTAIN, _GLOVE = (120, 78, 42), (112, 28, 38), (40, 60, 255)


class Person(NamedTuple):
    """How a person looks, all through a film."""

    place: int
    skin: _RGB
    hair: _RGB
    haircut: str
    shirt: _RGB
    trousers: _RGB
    legs: int
    """Length in pixels."""


class Thing(NamedTuple):
    """Something on the wall."""

    name: str
    xyxy: tuple[int, int, int, int]
    """In pixels of the stage, x2 and y2 exclusive."""


class Cast(NamedTuple):
    """What a film shows apart from what happens."""

    persons: tuple[Person, ...]
    things: tuple[Thing, ...]
    backdrop: UInt8[np.ndarray, "112 160 3"]
    facing_right: tuple[tuple[bool, ...], ...]
    """Of each person in each second."""


def draw_cast(rng: np.random.Generator, *, persons: int, seconds: int) -> Cast:
    """Choose a room, what hangs in it, and the looks of the persons; nothing knows the script."""
    shirts = rng.permutation(len(_SHIRTS))
    people = tuple(
        Person(
            place=int(place),
            skin=_pick(rng, _SKINS),
            hair=_pick(rng, _HAIR),
            haircut=str(rng.choice(_HAIRCUTS)),
            shirt=_SHIRTS[shirts[number]],
            trousers=_pick(rng, _TROUSERS),
            legs=int(rng.integers(17, 21)),
        )
        for number, place in enumerate(rng.permutation(len(_PLACES_X))[:persons])
    )
    things = []
    for name, place in zip(OBJECTS, rng.permutation(len(_PLACES_X)), strict=True):
        height, width = {"tv": (17, 28), "phone": (15, 13), "picture": (15, 19)}[name]
        left = _PLACES_X[place] + int(rng.integers(-7, 8)) - width // 2
        left = min(max(left, 6), STAGE_HW[1] - 6 - width)
        top = int(rng.integers(2, 20 - height))
        things.append(Thing(name, (left, top, left + width, top + height)))
    turns = rng.random((persons, seconds)) < 0.2
    facing = (np.cumsum(turns, axis=1) + rng.integers(2, size=(persons, 1))) % 2 == 1
    return Cast(people, tuple(things), _backdrop(rng, things), tuple(map(tuple, facing.tolist())))


def frames(
    script: Script, cast: Cast, *, rng: np.random.Generator, fps: int, size_hw: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Draw the film, frame by frame; the noise of the camera comes from `rng`."""
    height, width = STAGE_HW
    noise = rng.normal(0, 2.5, (height + 16, width + 16, 3)).round().astype(np.int16)
    sprites = _Sprites(cast, fps)
    for frame in range((script.states.shape[1] - 1) * fps):
        second, phase = divmod(2 * frame + fps, 2 * fps)
        phase //= 2
        picture = cast.backdrop.copy()
        for thing in cast.things:
            _light(picture, thing, script, second, phase / fps)
        for number, person in enumerate(cast.persons):
            state = State(script.states[number, second])
            sprite = sprites.get(number, state, cast.facing_right[number][second], phase)
            left, top = _sprite_corner(person)
            spot = picture[top : top + _SPRITE_HW[0], left : left + _SPRITE_HW[1]]
            np.copyto(spot, sprite[..., :3], where=sprite[..., 3:] > 0)
        if script.dark[second]:
            picture //= 8
        y, x = rng.integers(0, 17, 2)
        grainy = np.clip(picture + noise[y : y + height, x : x + width], 0, 255).astype(np.uint8)
        if size_hw != STAGE_HW:
            grainy = cv2.resize(grainy, size_hw[::-1], interpolation=cv2.INTER_AREA)
        yield grainy


def person_xyxy(
    script: Script, cast: Cast, *, person: int, second: int, fps: int
) -> Float[np.ndarray, "4"]:
    """The tight box of a person and what it holds at the key frame of a second."""
    state = State(script.states[person, second])
    sprites = _Sprites(cast, fps)
    sprite = sprites.get(person, state, cast.facing_right[person][second], fps // 2)
    ys, xs = np.nonzero(sprite[..., 3])
    left, top = _sprite_corner(cast.persons[person])
    x1, x2 = left + int(xs.min()), left + int(xs.max()) + 1
    y1, y2 = top + int(ys.min()), top + int(ys.max()) + 1
    return _fractions([x1, y1, x2, y2])


def thing_xyxy(thing: Thing) -> Float[np.ndarray, "4"]:
    """The box of a thing on the wall."""
    return _fractions(thing.xyxy)


def _fractions(xyxy: Sequence[int]) -> Float[np.ndarray, "4"]:
    height, width = STAGE_HW
    return np.array(xyxy, float) / (width, height, width, height)


def _sprite_corner(person: Person) -> tuple[int, int]:
    return _PLACES_X[person.place] - _MIDDLE_X, _GROUND_Y + 1 - _SPRITE_HW[0]


class _Sprites:
    """Pictures of the persons, each drawn once."""

    def __init__(self, cast: Cast, fps: int) -> None:
        self._cast, self._fps = cast, fps
        self._drawn: dict[tuple[int, State, bool, int], np.ndarray] = {}

    def get(
        self, number: int, state: State, facing_right: bool, phase: int
    ) -> UInt8[np.ndarray, "65 29 4"]:
        key = (number, state, facing_right, phase)
        if key not in self._drawn:
            sprite = _draw_person(self._cast.persons[number], state, phase / self._fps)
            self._drawn[key] = sprite if facing_right else np.ascontiguousarray(sprite[:, ::-1])
        return self._drawn[key]


def _draw_person(person: Person, state: State, phase: float) -> UInt8[np.ndarray, "65 29 4"]:
    """A person facing right, `phase` of a second into its movement."""
    sprite = np.zeros((*_SPRITE_HW, 4), np.uint8)
    swing = math.cos(2 * math.pi * phase)
    beat = math.cos(4 * math.pi * phase)
    x, ground = _MIDDLE_X, _SPRITE_HW[0] - 1
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


def _backdrop(rng: np.random.Generator, things: list[Thing]) -> UInt8[np.ndarray, "112 160 3"]:
    """The room: wallpaper, floor, curtains, and the things with their lights off."""
    height, width = STAGE_HW
    picture = np.empty((height, width, 3), np.uint8)
    wall = np.clip(np.array(_pick(rng, _ROOMS)) + rng.integers(-8, 9, 3), 0, 255)
    picture[:] = wall
    picture[:, :: int(rng.choice((6, 8, 10)))] = wall - 10
    edge = _GROUND_Y - 14
    picture[edge - 2 : edge] = np.minimum(wall + 25, 255)
    floor = np.array(_pick(rng, _FLOORS)) + rng.integers(-8, 9, 3)
    picture[edge:] = floor
    for x in range(-160, 320, 20):  # planks towards a vanishing point
        cv2.line(picture, (80 + (x - 80) // 2, edge), (x, height), (floor - 16).tolist(), 1)
    for fold in range(4):
        shade = [channel - 12 * (fold % 2) for channel in _CURTAIN]
        picture[:edge, fold] = picture[:edge, width - 1 - fold] = shade

    for name, (x1, y1, x2, y2) in things:
        inside = picture[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2]
        match name:
            case "tv":
                picture[y1:y2, x1:x2] = (28, 28, 32)
                inside[:] = (58, 62, 66)
            case "phone":
                picture[y1:y2, x1:x2] = (92, 84, 80)
                inside[:] = (70, 64, 62)
                picture[y1 + 1 : y1 + 4, x1 - 1 + 1 : x2] = (44, 40, 40)
            case _:
                picture[y1:y2, x1:x2] = (150, 112, 52)
                inside[:] = rng.integers(60, 200, 3)
                blob = (int(rng.integers(x1 + 6, x2 - 6)), int(rng.integers(y1 + 5, y2 - 5)))
                cv2.circle(picture, blob, 3, rng.integers(40, 220, 3).tolist(), -1)
    return picture


def _light(picture: np.ndarray, thing: Thing, script: Script, second: int, phase: float) -> None:
    """Switch on a television or a phone."""
    x1, y1, x2, y2 = thing.xyxy
    if thing.name == "tv" and script.tv_on[second]:
        screen = picture[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2]
        screen[:] = (110, 215, 255) if second % 2 else (255, 235, 130)
        runner = int(phase * (screen.shape[1] - 5))
        screen[4:10, runner : runner + 5] = (235, 50, 90)
    elif thing.name == "phone" and script.phone_lit[second]:
        picture[y1 + 5 : y2 - 1, x1 + 2 : x2 - 2] = (255, 170, 30)
        if phase < 0.5:
            picture[y1 + 7 : y2 - 3, x1 + 4 : x2 - 4] = (255, 250, 190)


def _pick(rng: np.random.Generator, colours: tuple[_RGB, ...]) -> _RGB:
    return colours[rng.integers(len(colours))]


def _box(sprite: np.ndarray, x1: int, y1: int, x2: int, y2: int, rgb: _RGB) -> None:
    """Fill from x1, y1 to x2, y2, both included, and mark as covered."""
    sprite[y1 : y2 + 1, x1 : x2 + 1] = (*rgb, 255)


def _line(sprite: np.ndarray, start: _XY, end: _XY, rgb: _RGB, width: int) -> None:
    cv2.line(sprite, start, end, (*rgb, 255), width)


def _dot(sprite: np.ndarray, centre: _XY, rgb: _RGB, radius: int) -> None:
    cv2.circle(sprite, centre, radius, (*rgb, 255), -1)
