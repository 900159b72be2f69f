"""Playhouse, the stage: a room with up to three persons and three things on the wall.

What tells about a person must not be seen near it by a backbone that sees 31 pixels, so everything
keeps its distance on the stage of 112 x 160 pixels: persons stay within 14 pixels of their place,
places are 60 pixels apart, and 30 pixels of wall lie between raised hands and the things above.
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import UInt8

from aia.playhouse.people import PERSON_HW, Person, draw_looks, person_sprite
from aia.playhouse.pixels import FLOOR_Y, GROUND_Y, STAGE_HW, XY, Box, Sprite, empty_room
from aia.playhouse.world import Script, State

_THINGS = {"tv": (17, 28), "phone": (15, 13), "picture": (15, 19)}
"""Height and width of what hangs on the wall."""
_PLACES_X = (20, 80, 140)
_CURTAIN = (112, 28, 38)


class Cast(NamedTuple):
    """What a video shows apart from what happens."""

    persons: tuple[Person, ...]
    things: tuple[Box, ...]
    backdrop: UInt8[np.ndarray, "112 160 3"]
    facing_right: tuple[tuple[bool, ...], ...]
    """Direction of each person in each second."""


def draw_cast(rng: np.random.Generator, *, persons: int, seconds: int) -> Cast:
    """Choose a room, what hangs in it, and the looks of the persons; nothing knows the script."""
    places = rng.permutation(len(_PLACES_X))[:persons].tolist()
    people = tuple(draw_looks(rng, places=places))
    things = []
    for (name, size_hw), place in zip(
        _THINGS.items(), rng.permutation(len(_PLACES_X)), strict=True
    ):
        height, width = size_hw
        left = _PLACES_X[place] + int(rng.integers(-7, 8)) - width // 2
        left = min(max(left, 6), STAGE_HW[1] - 6 - width)
        top = int(rng.integers(2, 20 - height))
        things.append(Box(name, (left, top, left + width, top + height)))
    turns = rng.random((persons, seconds)) < 0.2
    facing = (np.cumsum(turns, axis=1) + rng.integers(2, size=(persons, 1))) % 2 == 1
    return Cast(people, tuple(things), _backdrop(rng, things), tuple(map(tuple, facing.tolist())))


def pictures(script: Script, cast: Cast, *, fps: int) -> Iterator[UInt8[np.ndarray, "112 160 3"]]:
    """Draw the stage, frame by frame."""
    for frame in range(script.seconds * fps):
        second, phase = moment(frame, fps=fps)
        picture = cast.backdrop.copy()
        for thing in cast.things:
            _switch_on(picture, thing, script, second, phase / fps)
        for number in range(len(cast.persons)):
            sprite, left_top = _person_at(script, cast, number, frame=frame, fps=fps)
            sprite.paste(picture, left_top)
        if script.dark[second]:
            picture //= 8
        yield picture


def moment(frame: int, *, fps: int) -> tuple[int, int]:
    """Return which second of the script a frame shows, and which frame of that second it is.

    A second of the script begins half a second before its key frame.

    >>> moment(0, fps=8), moment(3, fps=8), moment(4, fps=8)
    ((0, 4), (0, 7), (1, 0))
    """
    second, half_frames = divmod(2 * frame + fps, 2 * fps)
    return second, half_frames // 2


def person_box(script: Script, cast: Cast, *, person: int, frame: int, fps: int) -> Box:
    """Return the tight box of a person and what it holds on a frame."""
    sprite, left_top = _person_at(script, cast, person, frame=frame, fps=fps)
    return sprite.box("person", left_top)


def _person_at(
    script: Script, cast: Cast, number: int, *, frame: int, fps: int
) -> tuple[Sprite, XY]:
    """Return a person's picture on a frame, and where its upper left corner lies."""
    second, phase = moment(frame, fps=fps)
    person, facing_right = cast.persons[number], cast.facing_right[number][second]
    state = State(script.states[number, second])
    sprite = person_sprite(person, state, phase / fps, facing_right=facing_right)
    height, width = PERSON_HW
    return sprite, (_PLACES_X[person.place] - width // 2, GROUND_Y + 1 - height)


def _backdrop(rng: np.random.Generator, things: list[Box]) -> UInt8[np.ndarray, "112 160 3"]:
    """Draw the room: wallpaper, floor, curtains, and the things with their lights off."""
    height, width = STAGE_HW
    picture = empty_room(rng, upright=True, shade=10)
    plank = (picture[-1, 0].astype(int) - 16).tolist()
    for x in range(-160, 320, 20):  # planks towards a vanishing point
        cv2.line(picture, (80 + (x - 80) // 2, FLOOR_Y), (x, height), plank, 1)
    for fold in range(4):
        shade = [channel - 12 * (fold % 2) for channel in _CURTAIN]
        picture[:FLOOR_Y, fold] = picture[:FLOOR_Y, width - 1 - fold] = shade

    for name, (x1, y1, x2, y2) in things:
        frame, inside = picture[y1:y2, x1:x2], picture[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2]
        match name:
            case "tv":
                frame[:] = (28, 28, 32)
                inside[:] = (58, 62, 66)
            case "phone":
                frame[:] = (92, 84, 80)
                inside[:] = (70, 64, 62)
                frame[1:4] = (44, 40, 40)
            case _:
                frame[:] = (150, 112, 52)
                inside[:] = rng.integers(60, 200, 3)
                blob = (int(rng.integers(x1 + 6, x2 - 6)), int(rng.integers(y1 + 5, y2 - 5)))
                cv2.circle(picture, blob, 3, rng.integers(40, 220, 3).tolist(), -1)
    return picture


def _switch_on(picture: np.ndarray, thing: Box, script: Script, second: int, phase: float) -> None:
    """Light a television or a phone if the script says so."""
    x1, y1, x2, y2 = thing.xyxy
    if thing.label == "tv" and script.tv_on[second]:
        screen = picture[y1 + 2 : y2 - 2, x1 + 2 : x2 - 2]
        screen[:] = (110, 215, 255) if second % 2 else (255, 235, 130)
        runner = int(phase * (screen.shape[1] - 5))
        screen[4:10, runner : runner + 5] = (235, 50, 90)
    elif thing.label == "phone" and script.phone_lit[second]:
        picture[y1 + 5 : y2 - 1, x1 + 2 : x2 - 2] = (255, 170, 30)
        if phase < 0.5:
            picture[y1 + 7 : y2 - 3, x1 + 4 : x2 - 4] = (255, 250, 190)
