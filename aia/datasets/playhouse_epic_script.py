"""Playhouse's kitchen, who does what when: segments whose verb and noun need each interaction (§6).

    PLAIN   the picture as a whole tells       drink, stir; water, juice, jar, box
    PERSON  the worker's gloved hand tells     take or wash, cup or pot: the bystander
                                               does the other
    OBJECT  a thing on the wall tells          watch tv or rest on a chair; answer a phone or ...
    MEMORY  another segment tells the verb     open: will drink; close: has drunk
    MEMORY  a tool at another second           stir soup: a knife hangs there; paint: a brush
            tells the noun

The query of §6 is the mean over the whole picture, so a picture must look the same on the whole
whichever answer holds: of worker and bystander one takes and the other washes, of television and
phone one is lit. Whose act or which thing it is stands far from what it does (see
playhouse_epic_draw.py).

Times are seconds of the film. playhouse_epic_plot.py thinks scripts up, playhouse_epic.py makes
films and tables of them.
"""

import enum
from collections.abc import Sequence
from typing import NamedTuple

VERBS = (
    ("take", "PERSON"),
    ("wash", "PERSON"),
    ("drink", "PLAIN"),
    ("watch", "OBJECT"),
    ("rest", "OBJECT"),
    ("answer", "OBJECT"),
    ("scratch", "OBJECT"),
    ("open", "MEMORY"),
    ("close", "MEMORY"),
    ("stir", "PLAIN"),
)
"""Name and group of each verb; classes count from 0."""
NOUNS = (
    ("cup", "PERSON"),
    ("pot", "PERSON"),
    ("water", "PLAIN"),
    ("juice", "PLAIN"),
    ("tv", "OBJECT"),
    ("chair", "OBJECT"),
    ("phone", "OBJECT"),
    ("head", "OBJECT"),
    ("jar", "PLAIN"),
    ("box", "PLAIN"),
    ("soup", "MEMORY"),
    ("paint", "MEMORY"),
)

REACH_SEGMENTS = 4
"""No segment farther away than this tells a verb, and none nearer tells another."""
REACH_SEC = 15.0
"""No second farther away than this tells a noun, and none nearer tells another."""
CLEAR_SEC = 1.2
"""Between acts that must not share a clip; nor would two clips of a second."""
TOOL_CLEAR_SEC = 3.0
"""The hook is empty for so long before and after somebody stirs."""
BOTH_SEC = 30
"""Films from this length on hold both answers of each question."""


class Look(enum.IntEnum):
    """What a person's own pixels show."""

    IDLE = 0
    TAKE_CUP = 1
    WASH_POT = 2
    TAKE_POT = 3
    WASH_CUP = 4
    SIT = 5  # watches tv, if it is on, or rests
    EAR = 6  # a hand at the ear: answers the phone, if it is lit, or scratches
    DRINK_WATER = 7
    DRINK_JUICE = 8
    REACH_JAR = 9  # opens or closes it
    REACH_BOX = 10
    STIR = 11  # soup or paint


PAIRED = {
    Look.TAKE_CUP: Look.WASH_POT,
    Look.WASH_POT: Look.TAKE_CUP,
    Look.TAKE_POT: Look.WASH_CUP,
    Look.WASH_CUP: Look.TAKE_POT,
}
"""What the bystander does meanwhile: neither the verb nor the noun of the worker."""
DRINKS = (Look.DRINK_WATER, Look.DRINK_JUICE)
REACHES = (Look.REACH_JAR, Look.REACH_BOX)


class Segment(NamedTuple):
    """What the worker does, as it is annotated."""

    start_sec: float
    stop_sec: float
    look: Look
    verb: str
    noun: str

    @property
    def mid_sec(self) -> float:
        """Its middle."""
        return (self.start_sec + self.stop_sec) / 2


class Spell(NamedTuple):
    """Something holds from a time on, up to another."""

    start_sec: float
    stop_sec: float
    what: int | str


class Script(NamedTuple):
    """A film's play."""

    seconds: int
    segments: tuple[Segment, ...]
    worker: tuple[Spell, ...]
    """Looks; of two segments that overlap, the second is drawn from the middle of that on."""
    bystander: tuple[Spell, ...]
    tv_on: tuple[Spell, ...]
    """Television on; at all other times the phone is lit."""
    tools: tuple[Spell, ...]
    """What hangs on the hook: knife or brush."""


def shown(spells: Sequence[Spell], time_sec: float) -> int | str | None:
    """What holds at a time."""
    return next((s.what for s in spells if s.start_sec <= time_sec < s.stop_sec), None)
