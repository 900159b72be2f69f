"""Playhouse, pixels: a small stage with up to three persons and three things on the wall.

What tells about a person must not be seen near it by a backbone that sees 31 pixels, so everything
keeps its distance on the stage of 112 x 160 pixels: persons stay within 14 pixels of their place,
places are 60 pixels apart, and 30 pixels of wall lie between raised hands and the things above.
playhouse_people.py draws the persons.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from aia.datasets.playhouse_people import RGB, SPRITE_HW, Person, draw_looks, draw_person, pick
from aia.datasets.playhouse_script import Script, State

STAGE_HW = (112, 160)
OBJECTS = ("tv", "phone", "picture")

_PLACES_X = (20, 80, 140)
_GROUND_Y = 109

_ROOMS: tuple[RGB, ...] = ((214, 200, 168), (168, 190, 206), (206, 178, 190), (178, 200, 170))
_FLOORS: tuple[RGB, ...] = ((140, 110, 80), (110, 100, 95), (125, 98, 88), (100, 92, 82))
_CURTAIN = (112, 28, 38)


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
    places = rng.permutation(len(_PLACES_X))[:persons].tolist()
    people = tuple(draw_looks(rng, places=places))
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
        second, phase = moment(frame, fps=fps)
        picture = cast.backdrop.copy()
        for thing in cast.things:
            _light(picture, thing, script, second, phase / fps)
        for number, person in enumerate(cast.persons):
            state = State(script.states[number, second])
            sprite = sprites.get(number, state, cast.facing_right[number][second], phase)
            left, top = _sprite_corner(person)
            spot = picture[top : top + SPRITE_HW[0], left : left + SPRITE_HW[1]]
            np.copyto(spot, sprite[..., :3], where=sprite[..., 3:] > 0)
        if script.dark[second]:
            picture //= 8
        y, x = rng.integers(0, 17, 2)
        grainy = np.clip(picture + noise[y : y + height, x : x + width], 0, 255).astype(np.uint8)
        if size_hw != STAGE_HW:
            grainy = cv2.resize(grainy, size_hw[::-1], interpolation=cv2.INTER_AREA)
        yield grainy


def moment(frame: int, *, fps: int) -> tuple[int, int]:
    """Which second of the script a frame shows, and which frame of that second it is.

    A second of the script begins half a second before its key frame.

    >>> moment(0, fps=8), moment(3, fps=8), moment(4, fps=8)
    ((0, 4), (0, 7), (1, 0))
    """
    second, half_frames = divmod(2 * frame + fps, 2 * fps)
    return second, half_frames // 2


def person_xyxy(
    script: Script, cast: Cast, *, person: int, frame: int, fps: int
) -> Float[np.ndarray, "4"]:
    """The tight box of a person and what it holds on a frame, as fractions of the frame."""
    second, phase = moment(frame, fps=fps)
    state = State(script.states[person, second])
    sprites = _Sprites(cast, fps)
    sprite = sprites.get(person, state, cast.facing_right[person][second], phase)
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
    return _PLACES_X[person.place] - SPRITE_HW[1] // 2, _GROUND_Y + 1 - SPRITE_HW[0]


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
            sprite = draw_person(self._cast.persons[number], state, phase / self._fps)
            self._drawn[key] = sprite if facing_right else np.ascontiguousarray(sprite[:, ::-1])
        return self._drawn[key]


def _backdrop(rng: np.random.Generator, things: list[Thing]) -> UInt8[np.ndarray, "112 160 3"]:
    """The room: wallpaper, floor, curtains, and the things with their lights off."""
    height, width = STAGE_HW
    picture = np.empty((height, width, 3), np.uint8)
    wall = np.clip(np.array(pick(rng, _ROOMS)) + rng.integers(-8, 9, 3), 0, 255)
    picture[:] = wall
    picture[:, :: int(rng.choice((6, 8, 10)))] = wall - 10
    edge = _GROUND_Y - 14
    picture[edge - 2 : edge] = np.minimum(wall + 25, 255)
    floor = np.array(pick(rng, _FLOORS)) + rng.integers(-8, 9, 3)
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
