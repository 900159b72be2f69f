"""Playhouse's kitchen, its stage: a worker with gloves, a bystander without, things on the wall.

The query of §6 is a mean over the picture, of features that see 31 pixels each. It must not tell
whose act is whose, nor which thing is lit; so who or what it is, and what it does, never lie within
31 pixels of each other, nor does anything in between differ from one to the other:

    wall    a coloured head (television or phone) at the top, its lamp 31 pixels below
    person  a hand (gloved: the worker's) at the top of a long pole, a tool 31 pixels below

Worker and bystander are twins who face the same way, all stand clear of the picture's edges and of
each other, and nothing in the room tells left from right. A box of a hand or a thing holds both.
"""

import math
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from jaxtyping import UInt8

from aia.playhouse.kitchen import PAIRED, Look, Script, shown
from aia.playhouse.people import PERSON_HW, Person, draw_looks, draw_person
from aia.playhouse.pixels import GROUND_Y, RGB, XY, Box, Ink, Layer, Sprite, empty_room
from aia.playhouse.world import State

LABELS = ("hand", "tv", "phone", "knife", "brush")
"""Labels of boxes; the hand is the worker's."""
SIGHT = 31
"""Pixels in a row that a feature of the small backbone sees."""

_FIGURE_HW = (PERSON_HW[0], 45)
_TOP_Y = GROUND_Y + 1 - _FIGURE_HW[0]
_HAND_Y, _HAND_RADIUS = 52, 3  # on the stage, of a hand that holds a pole
_SLOTS_X = (37, 80, 123)  # centres of the things: SIGHT from each other and from the edges
_THING_WIDTH = 12
_THING_Y = slice(2, 48)
_LAMP_Y = slice(38, 48)

_GLOVE, _POLE, _STRIP, _DARK_LAMP = Ink.MAGENTA, (96, 74, 52), (128, 128, 132), (40, 44, 52)
_HEADS = {"tv": (110, 20, 190), "phone": (0, 130, 90)}


class Cast(NamedTuple):
    """What a video shows apart from what happens."""

    twin: Person
    """Looks of both."""
    worker_x: int
    bystander_x: int
    facing_right: bool
    slots: dict[str, int]
    """Left edge of tv, phone and hook."""
    backdrop: UInt8[np.ndarray, "112 160 3"]


class _Figure(NamedTuple):
    """Person, and on a layer of its own its hand with what it holds."""

    body: Sprite
    held: Sprite


def draw_cast(rng: np.random.Generator) -> Cast:
    """Choose a room, what hangs where, and the looks of the two; nothing knows the script."""
    (twin,) = draw_looks(rng, places=[0])
    left = int(rng.integers(49, 54))
    places = [left, int(rng.integers(left + 58, 112))]
    if rng.random() < 0.5:
        places.reverse()
    centres = rng.permutation(_SLOTS_X).tolist()
    lefts = [centre - _THING_WIDTH // 2 for centre in centres]
    slots = dict(zip(("tv", "phone", "hook"), lefts, strict=True))
    facing_right = bool(rng.integers(2))
    return Cast(twin, places[0], places[1], facing_right, slots, _backdrop(rng, slots))


def pictures(script: Script, cast: Cast, *, fps: int) -> Iterator[UInt8[np.ndarray, "112 160 3"]]:
    """Draw the stage, frame by frame."""
    for frame in range(script.seconds * fps):
        yield draw_picture(script, cast, time_sec=frame / fps)


def draw_picture(script: Script, cast: Cast, *, time_sec: float) -> UInt8[np.ndarray, "112 160 3"]:
    """Draw the stage at a time."""
    picture = cast.backdrop.copy()
    lit = "phone" if shown(script.tv_on, time_sec) is None else "tv"
    for name in ("tv", "phone"):
        lamp = _columns(picture[_LAMP_Y], cast.slots[name])
        lamp[:] = _DARK_LAMP
        if name == lit:
            lamp[:] = (255, 240, 140)
            runner = int(time_sec % 1.0 * 8)
            lamp[3:7, runner : runner + 4] = (235, 50, 90)
    hook = _columns(picture, cast.slots["hook"])
    match shown(script.tools, time_sec):
        case "knife":
            hook[9:19, 3:9] = Ink.BLACK
            hook[19:38] = Ink.SILVER
        case "brush":
            hook[9:26, 3:9] = Ink.WOOD
            hook[26:38] = Ink.LIME
    for gloved in (False, True):
        figure, left_top = _figure_at(script, cast, time_sec=time_sec, gloved=gloved)
        for sprite in figure:
            sprite.paste(picture, left_top)
    return picture


def boxes(script: Script, cast: Cast, *, time_sec: float) -> list[Box]:
    """List the worker's hand with all it holds, television, phone, and the tool if one hangs."""
    figure, left_top = _figure_at(script, cast, time_sec=time_sec, gloved=True)
    found = [figure.held.box("hand", left_top)]
    for name in ("tv", "phone"):
        x = cast.slots[name]
        found.append(Box(name, (x, _THING_Y.start, x + _THING_WIDTH, _THING_Y.stop)))
    tool = shown(script.tools, time_sec)
    if tool is not None:
        x = cast.slots["hook"]
        found.append(Box(str(tool), (x, 9, x + _THING_WIDTH, 38)))
    return found


def _columns(rows: np.ndarray, x: int) -> np.ndarray:
    """Return a view of the columns of the thing that hangs at `x`."""
    return rows[:, x : x + _THING_WIDTH]


def _figure_at(script: Script, cast: Cast, *, time_sec: float, gloved: bool) -> tuple[_Figure, XY]:
    """Return a person's picture at a time, and where its upper left corner lies."""
    look = Look(int(shown(script.worker if gloved else script.bystander, time_sec) or 0))
    hand_rgb = _GLOVE if gloved else cast.twin.skin
    figure = _draw_figure(cast.twin, look, time_sec % 1.0, hand_rgb, facing_right=cast.facing_right)
    left = (cast.worker_x if gloved else cast.bystander_x) - _FIGURE_HW[1] // 2
    return figure, (left, _TOP_Y)


@lru_cache(maxsize=1024)
def _draw_figure(
    person: Person, look: Look, phase: float, hand_rgb: RGB, *, facing_right: bool
) -> _Figure:
    """Draw a figure, `phase` of a second into the movement."""
    body, held, arm = (Layer(_FIGURE_HW) for _ in range(3))
    x, bottom = _FIGURE_HW[1] // 2, _FIGURE_HW[0] - 1
    margin = x - PERSON_HW[1] // 2
    pose = {Look.SIT: State.SIT, Look.EAR: State.EAR}.get(look, State.IDLE)
    body.rgba[:, margin : margin + PERSON_HW[1]] = draw_person(person, pose, phase).rgba
    swing = round(3 * math.cos(2 * math.pi * phase))
    beat = round(math.cos(4 * math.pi * phase))
    hip, shoulder = person.hip_and_shoulder(bottom, sitting=look is Look.SIT)

    if look is Look.SIT:
        body.fill(x - 11, hip - 14, x - 8, bottom, Ink.GREEN)
        body.fill(x - 11, hip + 2, x + 4, hip + 6, Ink.GREEN)
    elif look is Look.EAR:
        body.fill(x + 3, shoulder - 14, x + 10, shoulder - 2, Ink.MINT)
    hand = (x + 12, shoulder + 4)
    match look:
        case Look.DRINK_WATER | Look.DRINK_JUICE:
            hand = (x + 11, shoulder - 2 + beat)
            colour = Ink.BLUE if look is Look.DRINK_WATER else Ink.ORANGE
            held.fill(x + 6, hand[1] - 14, x + 18, hand[1] - 1, colour)
            held.fill(x + 6, hand[1] - 14, x + 18, hand[1] - 13, Ink.WHITE)
        case Look.REACH_JAR | Look.REACH_BOX:
            colour = Ink.SILVER if look is Look.REACH_JAR else Ink.WOOD
            lid = hand[1] + 2 + abs(swing)
            held.fill(x + 6, hand[1] + 2, x + 20, hand[1] + 17, colour)
            held.fill(x + 6, lid, x + 20, lid + 3, Ink.LIME)
        case Look.STIR:
            held.line(hand, (x + 12 + swing, hand[1] + 10), Ink.YELLOW, 2)
            held.fill(x + 5, hand[1] + 10, x + 20, hand[1] + 21, Ink.YELLOW)
            held.fill(x + 8, hand[1] + 14, x + 17, hand[1] + 17, Ink.RED)
        case _:
            hand = (x + 12, _HAND_Y - _TOP_Y)
            held.fill(x + 11, hand[1], x + 13, bottom - 5, _POLE)
            held.fill(x + 6, bottom - 7, x + 18, bottom - 5, _POLE)
            if look in PAIRED:
                _draw_tip(held, look, x, swing)
    arm.line((x, shoulder + 3), hand, person.sleeve, 3)
    over = arm.rgba[..., 3] > 0
    if look is Look.EAR:  # the hand at the ear stays in front
        over &= body.rgba[..., 3] == 0
    body.rgba[over] = arm.rgba[over]
    held.dot(hand, hand_rgb, _HAND_RADIUS)
    return _Figure(*(layer.sprite(mirrored=not facing_right) for layer in (body, held)))


def _draw_tip(held: Layer, look: Look, x: int, swing: int) -> None:
    """Draw the lower end of a pole: foam or claws say wash or take, what is below cup or pot."""
    verb, noun = look.name.split("_")
    top = _HAND_Y + _HAND_RADIUS + SIGHT - _TOP_Y
    if verb == "WASH":
        held.fill(x + 6, top, x + 18, top + 8, Ink.WHITE)
        for spot in (x + 8, x + 12, x + 16):
            held.fill(spot - 1, top + 4 + swing, spot, top + 5 + swing, Ink.BLUE)
    else:
        held.fill(x + 6, top, x + 18, top + 3, Ink.RED)
        for prong in (x + 6, x + 16):
            held.fill(prong, top, prong + 2, top + 6 + abs(swing) // 2, Ink.RED)
    if noun == "CUP":
        held.fill(x + 8, top + 11, x + 16, top + 21, Ink.CYAN)
        held.fill(x + 17, top + 14, x + 18, top + 17, Ink.CYAN)
    else:
        held.fill(x + 6, top + 12, x + 18, top + 21, Ink.BLACK)


def _backdrop(rng: np.random.Generator, slots: dict[str, int]) -> UInt8[np.ndarray, "112 160 3"]:
    """Draw a room that is the same from left to right, and the things with their lamps off."""
    picture = empty_room(rng, upright=False, shade=8)
    for name, x in slots.items():
        if name == "hook":
            picture[4:8, x + 2 : x + 10] = Ink.BLACK
        else:
            strip = _columns(picture[_THING_Y], x)
            strip[:] = _STRIP
            strip[:5] = _HEADS[name]
    return picture
