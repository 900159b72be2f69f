"""Playhouse's kitchen, pixels: a worker with gloves, a bystander without, things on the wall.

The query of §6 is a mean over the picture, of features that see 31 pixels each. It must not tell
whose act is whose, nor which thing is lit; so who or what it is, and what it does, never lie within
31 pixels of each other, nor does anything in between differ from one to the other:

    wall    a coloured head (television or phone) at the top, its lamp 31 pixels below
    person  a hand (gloved: the worker's) at the top of a long pole, a tool 31 pixels below

Worker and bystander are twins who face the same way, all stand clear of the picture's edges and of
each other, and nothing in the room tells left from right. A box of a hand or a thing holds both.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from aia.datasets.playhouse_draw import STAGE_HW
from aia.datasets.playhouse_epic_script import PAIRED, Look, Script, shown
from aia.datasets.playhouse_people import RGB, SPRITE_HW, Person, draw_looks, draw_person, pick
from aia.datasets.playhouse_script import State

LABELS = ("hand", "tv", "phone", "knife", "brush")
"""Labels of boxes; the hand is the worker's."""

SIGHT = 31
"""Pixels in a row that a feature of the small backbone sees."""

_FIGURE_HW = (SPRITE_HW[0], 45)
_GROUND_Y = 109
_HAND_Y, _HAND_RADIUS = 52, 3  # on the stage, of a hand that holds a pole
_SLOTS_X = (37, 80, 123)  # centres of the things: SIGHT from each other and from the edges
_THING_HW = (46, 12)
_THING_Y = 2
_LAMP_Y = 38

_WALLS: tuple[RGB, ...] = ((214, 200, 168), (168, 190, 206), (206, 178, 190), (178, 200, 170))
_FLOORS: tuple[RGB, ...] = ((140, 110, 80), (110, 100, 95), (125, 98, 88), (100, 92, 82))
_GLOVE, _POLE, _STRIP = (255, 0, 200), (96, 74, 52), (128, 128, 132)
_CYAN, _BLACK, _WHITE, _RED = (0, 235, 255), (8, 8, 10), (252, 252, 252), (255, 25, 25)
_BLUE, _ORANGE, _LIME, _YELLOW = (30, 70, 255), (255, 140, 0), (130, 255, 40), (255, 228, 0)
_VIOLET, _WOOD, _SILVER = (110, 20, 190), (120, 78, 42), (215, 225, 235)
_GREEN, _MINT = (0, 150, 40), (0, 225, 170)
_HEADS = {"tv": _VIOLET, "phone": (0, 130, 90)}


class Box(NamedTuple):
    """Where something is, in pixels of the stage; x2 and y2 exclusive."""

    label: str
    xyxy: tuple[int, int, int, int]


class Cast(NamedTuple):
    """What a film shows apart from what happens."""

    twin: Person
    """How both look."""
    worker_x: int
    bystander_x: int
    facing_right: bool
    slots: dict[str, int]
    """Left edge of tv, phone and hook."""
    backdrop: UInt8[np.ndarray, "112 160 3"]


def draw_cast(rng: np.random.Generator) -> Cast:
    """Choose a room, what hangs where, and the looks of the two; nothing knows the script."""
    (twin,) = draw_looks(rng, places=[0])
    left = int(rng.integers(49, 54))
    places = [left, int(rng.integers(left + 58, 112))]
    if rng.random() < 0.5:
        places.reverse()
    centres = rng.permutation(_SLOTS_X).tolist()
    slots = {
        name: centre - _THING_HW[1] // 2
        for name, centre in zip(("tv", "phone", "hook"), centres, strict=True)
    }
    facing_right = bool(rng.integers(2))
    return Cast(twin, places[0], places[1], facing_right, slots, _backdrop(rng, slots))


def frames(
    script: Script, cast: Cast, *, rng: np.random.Generator, fps: int, size_hw: tuple[int, int]
) -> Iterator[UInt8[np.ndarray, "h w 3"]]:
    """Draw the film, frame by frame; the noise of the camera comes from `rng`."""
    height, width = STAGE_HW
    noise = rng.normal(0, 2.5, (height + 16, width + 16, 3)).round().astype(np.int16)
    for frame in range(script.seconds * fps):
        picture = draw_picture(script, cast, time_sec=frame / fps)
        y, x = rng.integers(0, 17, 2)
        grainy = np.clip(picture + noise[y : y + height, x : x + width], 0, 255).astype(np.uint8)
        if size_hw != STAGE_HW:
            grainy = cv2.resize(grainy, size_hw[::-1], interpolation=cv2.INTER_AREA)
        yield grainy


def draw_picture(script: Script, cast: Cast, *, time_sec: float) -> UInt8[np.ndarray, "112 160 3"]:
    """The stage at a time, without the camera's noise."""
    picture = cast.backdrop.copy()
    tv_on = shown(script.tv_on, time_sec) is not None
    for name in ("tv", "phone"):
        _lamp(picture, cast.slots[name], on=tv_on == (name == "tv"), time_sec=time_sec)
    tool = shown(script.tools, time_sec)
    if tool is not None:
        _tool(picture, cast.slots["hook"], str(tool))
    for gloved in (False, True):
        body, held = _figure(script, cast, time_sec=time_sec, gloved=gloved)
        spot = picture[_top() : _GROUND_Y + 1, _columns(cast, gloved=gloved)]
        for layer in (body, held):
            np.copyto(spot, layer[..., :3], where=layer[..., 3:] > 0)
    return picture


def boxes(script: Script, cast: Cast, *, time_sec: float) -> list[Box]:
    """The worker's hand with all it holds, television, phone, and the tool if one hangs there."""
    _, held = _figure(script, cast, time_sec=time_sec, gloved=True)
    ys, xs = np.nonzero(held[..., 3])
    left, top = _columns(cast, gloved=True).start, _top()
    hand = (left + xs.min(), top + ys.min(), left + xs.max() + 1, top + ys.max() + 1)
    found = [Box("hand", (int(hand[0]), int(hand[1]), int(hand[2]), int(hand[3])))]
    for name in ("tv", "phone"):
        x = cast.slots[name]
        found.append(Box(name, (x, _THING_Y, x + _THING_HW[1], _THING_Y + _THING_HW[0])))
    tool = shown(script.tools, time_sec)
    if tool is not None:
        x = cast.slots["hook"]
        found.append(Box(str(tool), (x, 9, x + 12, 38)))
    return found


def fractions(box: Box) -> Float[np.ndarray, "4"]:
    """The box as fractions of the frame."""
    height, width = STAGE_HW
    return np.array(box.xyxy, float) / (width, height, width, height)


def _top() -> int:
    return _GROUND_Y + 1 - _FIGURE_HW[0]


def _columns(cast: Cast, *, gloved: bool) -> slice:
    left = (cast.worker_x if gloved else cast.bystander_x) - _FIGURE_HW[1] // 2
    return slice(left, left + _FIGURE_HW[1])


def _figure(
    script: Script, cast: Cast, *, time_sec: float, gloved: bool
) -> tuple[UInt8[np.ndarray, "65 45 4"], UInt8[np.ndarray, "65 45 4"]]:
    """A person; and, as a layer of its own, its hand with what it holds."""
    what = shown(script.worker if gloved else script.bystander, time_sec)
    look = Look.IDLE if what is None else Look(int(what))
    body, held = _draw_figure(cast.twin, look, time_sec % 1.0, _GLOVE if gloved else cast.twin.skin)
    return (body, held) if cast.facing_right else (body[:, ::-1], held[:, ::-1])


@lru_cache(maxsize=512)
def _draw_figure(
    person: Person, look: Look, phase: float, hand_rgb: RGB
) -> tuple[np.ndarray, np.ndarray]:
    """Facing right, `phase` of a second into the movement; whoever asks only looks at it."""
    body, held = (np.zeros((*_FIGURE_HW, 4), np.uint8) for _ in range(2))
    x = _FIGURE_HW[1] // 2
    margin = x - SPRITE_HW[1] // 2
    pose = {Look.SIT: State.SIT, Look.EAR: State.EAR}.get(look, State.IDLE)
    body[:, margin : margin + SPRITE_HW[1]] = draw_person(person, pose, phase)
    swing = round(3 * math.cos(2 * math.pi * phase))
    beat = round(math.cos(4 * math.pi * phase))
    hip = _FIGURE_HW[0] - 1 - (11 if look is Look.SIT else person.legs)
    shoulder = hip - 19
    sleeve = tuple(int(0.8 * channel) for channel in person.shirt)

    hand = (x + 12, _HAND_Y - _top())
    if look is Look.SIT:
        _fill(body, x - 11, hip - 14, x - 8, _FIGURE_HW[0] - 1, _GREEN)
        _fill(body, x - 11, hip + 2, x + 4, hip + 6, _GREEN)
    elif look is Look.EAR:
        _fill(body, x + 3, shoulder - 14, x + 10, shoulder - 2, _MINT)
    match look:
        case Look.DRINK_WATER | Look.DRINK_JUICE:
            hand = (x + 11, shoulder - 2 + beat)
            colour = _BLUE if look is Look.DRINK_WATER else _ORANGE
            _fill(held, x + 6, hand[1] - 14, x + 18, hand[1] - 1, colour)
            _fill(held, x + 6, hand[1] - 14, x + 18, hand[1] - 13, _WHITE)
        case Look.REACH_JAR | Look.REACH_BOX:
            hand = (x + 12, shoulder + 4)
            colour = _SILVER if look is Look.REACH_JAR else _WOOD
            lid = hand[1] + 2 + abs(swing)
            _fill(held, x + 6, hand[1] + 2, x + 20, hand[1] + 17, colour)
            _fill(held, x + 6, lid, x + 20, lid + 3, _LIME)
        case Look.STIR:
            hand = (x + 12, shoulder + 4)
            _line(held, hand, (x + 12 + swing, hand[1] + 10), _YELLOW, 2)
            _fill(held, x + 5, hand[1] + 10, x + 20, hand[1] + 21, _YELLOW)
            _fill(held, x + 8, hand[1] + 14, x + 17, hand[1] + 17, _RED)
        case _:
            end = _FIGURE_HW[0] - 6
            _fill(held, x + 11, hand[1], x + 13, end, _POLE)
            _fill(held, x + 6, end - 2, x + 18, end, _POLE)
            if look in PAIRED:
                _tip(held, look, x, swing)
    arm = np.zeros_like(body)
    _line(arm, (x, shoulder + 3), hand, sleeve, 3)
    over = (arm[..., 3:] > 0) & ((look is not Look.EAR) | (body[..., 3:] == 0))
    np.copyto(body, arm, where=over)  # a hand at the ear stays before it
    cv2.circle(held, hand, _HAND_RADIUS, (*hand_rgb, 255), -1)
    return body, held


def _tip(held: np.ndarray, look: Look, x: int, swing: int) -> None:
    """The lower end of a pole: foam or claws say wash or take, what is below cup or pot."""
    verb, noun = look.name.split("_")
    top = _HAND_Y + _HAND_RADIUS + SIGHT - _top()
    if verb == "WASH":
        _fill(held, x + 6, top, x + 18, top + 8, _WHITE)
        for spot in (x + 8, x + 12, x + 16):
            _fill(held, spot - 1, top + 4 + swing, spot, top + 5 + swing, _BLUE)
    else:
        _fill(held, x + 6, top, x + 18, top + 3, _RED)
        for prong in (x + 6, x + 16):
            _fill(held, prong, top, prong + 2, top + 6 + abs(swing) // 2, _RED)
    if noun == "CUP":
        _fill(held, x + 8, top + 11, x + 16, top + 21, _CYAN)
        _fill(held, x + 17, top + 14, x + 18, top + 17, _CYAN)
    else:
        _fill(held, x + 6, top + 12, x + 18, top + 21, _BLACK)


def _backdrop(rng: np.random.Generator, slots: dict[str, int]) -> UInt8[np.ndarray, "112 160 3"]:
    """A room that is the same from left to right, and the things with their lamps off."""
    picture = np.empty((*STAGE_HW, 3), np.uint8)
    wall = np.clip(np.array(pick(rng, _WALLS)) + rng.integers(-8, 9, 3), 0, 255)
    picture[:] = wall
    picture[:: int(rng.choice((6, 8, 10)))] = wall - 8
    edge = _GROUND_Y - 14
    picture[edge - 2 : edge] = np.minimum(wall + 25, 255)
    picture[edge:] = np.array(pick(rng, _FLOORS)) + rng.integers(-8, 9, 3)
    for name, x in slots.items():
        if name == "hook":
            picture[4:8, x + 2 : x + 10] = _BLACK
        else:
            picture[_THING_Y : _THING_Y + _THING_HW[0], x : x + _THING_HW[1]] = _STRIP
            picture[_THING_Y : _THING_Y + 5, x : x + _THING_HW[1]] = _HEADS[name]
    return picture


def _lamp(picture: np.ndarray, x: int, *, on: bool, time_sec: float) -> None:
    """The lower end of a thing on the wall: dark, or bright with a runner."""
    lamp = picture[_LAMP_Y : _THING_Y + _THING_HW[0], x : x + _THING_HW[1]]
    lamp[:] = (40, 44, 52)
    if on:
        lamp[:] = (255, 240, 140)
        runner = int(time_sec % 1.0 * 8)
        lamp[3:7, runner : runner + 4] = (235, 50, 90)


def _tool(picture: np.ndarray, x: int, name: str) -> None:
    """What hangs on the hook."""
    if name == "knife":
        picture[9:19, x + 3 : x + 9] = _BLACK
        picture[19:38, x : x + 12] = _SILVER
    else:
        picture[9:26, x + 3 : x + 9] = _WOOD
        picture[26:38, x : x + 12] = _LIME


def _fill(layer: np.ndarray, x1: int, y1: int, x2: int, y2: int, rgb: Sequence[int]) -> None:
    """Fill from x1, y1 to x2, y2, both included, and mark as covered."""
    layer[y1 : y2 + 1, x1 : x2 + 1] = (*rgb, 255)


def _line(
    layer: np.ndarray, start: tuple[int, int], end: tuple[int, int], rgb: RGB, width: int
) -> None:
    cv2.line(layer, start, end, (*rgb, 255), width)
