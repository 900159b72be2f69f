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
phone one is lit. Whose act or which thing it is stands far from what it does (kitchen_stage.py).

Each question's answer is drawn first, its evidence is put where it must be, and chance decides the
rest; a script that does not fit is discarded and drawn again. Times are seconds of the video.
"""

import enum
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

VERBS = (
    "take", "wash", "drink", "watch", "rest", "answer", "scratch", "open", "close", "stir",
)  # fmt: skip
NOUNS = (
    "cup", "pot", "water", "juice", "tv", "chair", "phone", "head", "jar", "box", "soup", "paint",
)  # fmt: skip
"""Names of the classes, which count from 0."""

REACH_SEGMENTS = 4
"""No segment farther away tells a verb, and no nearer one tells another."""
REACH_SEC = 15.0
"""No second farther away tells a noun, and no nearer one tells another."""
CLEAR_SEC = 1.2
"""Time between acts that must not share a clip; nor would two clips of a second."""
TOOL_CLEAR_SEC = 3.0
"""Time before and after somebody stirs in which the hook is empty."""
BOTH_SEC = 30
"""Videos from this length on hold both answers of each question."""

_EVIDENCE_SEGMENTS = 3  # it is that near, the opposite one farther away than REACH_SEGMENTS
_SPACING_SEC = 3.5  # from one segment to the next, on average
_OVERLAP_SEC = 0.5
_TOOL_SEC = (3.5, 4.5, 5.5)  # lengths of time for which a tool hangs there
_TRIES = 3000


class Look(enum.IntEnum):
    """Behaviour that a person's own pixels show."""

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
_ASKING = (Look.SIT, Look.EAR)
_CASUAL = {*DRINKS, *_ASKING}  # these may overlap each other
_WORDS = {
    (Look.SIT, "yes"): ("watch", "tv"),
    (Look.SIT, "no"): ("rest", "chair"),
    (Look.EAR, "yes"): ("answer", "phone"),
    (Look.EAR, "no"): ("scratch", "head"),
}
_TV_IS_ON = {"watch": True, "rest": False, "answer": False, "scratch": True}


class _Act(NamedTuple):
    look: Look
    answer: str = ""
    """What decides verb or noun: open, close, soup, paint, yes or no (of TV and phone)."""

    @property
    def words(self) -> tuple[str, str]:
        """Verb and noun."""
        match self.look:
            case Look.SIT | Look.EAR:
                return _WORDS[self.look, self.answer]
            case Look.STIR:
                return "stir", self.answer
        verb, noun = self.look.name.lower().split("_")
        return self.answer or verb, noun


class Segment(NamedTuple):
    """Act of the worker, as it is annotated."""

    start_sec: float
    stop_sec: float
    look: Look
    verb: str
    noun: str

    @property
    def mid_sec(self) -> float:
        """Middle of the segment."""
        return (self.start_sec + self.stop_sec) / 2


class Spell(NamedTuple):
    """Time during which something holds."""

    start_sec: float
    stop_sec: float
    what: int | str


class Script(NamedTuple):
    """What happens in a video."""

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
    """Return what holds at a time, or None."""
    return next((s.what for s in spells if s.start_sec <= time_sec < s.stop_sec), None)


def write_script(rng: np.random.Generator, *, seconds: int) -> Script:
    """Write the script of a video of so many seconds.

    From BOTH_SEC on, a video has an opening and a closing, soup and paint, and both answers of the
    television or of the phone. Shorter ones have one answer of one of the MEMORY questions.
    """
    for _ in range(_TRIES):
        count = max(1, round(seconds / _SPACING_SEC) + int(rng.integers(-1, 1)))
        acts = _acts(rng, count, both=seconds >= BOTH_SEC)
        times = _times(rng, [act.look for act in acts], seconds)
        segments = [
            Segment(*time, act.look, *act.words) for time, act in zip(times, acts, strict=False)
        ]
        tools = _tools(rng, segments, seconds) if segments else None
        if tools is not None:
            break
    else:
        raise RuntimeError(f"no script of {seconds} s was found")
    worker = [
        Spell(max(s.start_sec, low), min(s.stop_sec, high), s.look)
        for s, (low, high) in zip(segments, _shares(segments, seconds), strict=True)
    ]
    return Script(
        seconds=seconds,
        segments=tuple(segments),
        worker=tuple(worker),
        bystander=tuple(_bystander(rng, worker, seconds)),
        tv_on=tuple(_television(rng, segments, seconds)),
        tools=tuple(tools),
    )


def _acts(rng: np.random.Generator, count: int, *, both: bool) -> list[_Act]:
    """Choose what is done, in order."""
    acts: list[_Act | None] = [None] * count

    def put(place: int, looks: Sequence[Look], answer: str = "") -> None:
        acts[place] = _Act(looks[int(rng.integers(len(looks)))], answer)

    def free() -> list[int]:
        return rng.permutation([n for n, act in enumerate(acts) if act is None]).tolist()

    if both:
        opening, closing, *drinks = _plan(rng, count)
        put(opening, REACHES, "open")
        put(closing, REACHES, "close")
        for place in drinks:
            put(place, DRINKS)
    elif count >= 2 and rng.random() < 0.5:
        first = int(rng.integers(count - 1))
        order = int(rng.integers(2))
        put(first + order, DRINKS)
        put(first + 1 - order, REACHES, ("open", "close")[1 - order])
    if both or not any(acts):
        answers = rng.permutation(("soup", "paint")).tolist()
        for place, answer in zip(free(), answers[: 2 if both else count // 2], strict=False):
            put(place, (Look.STIR,), answer)
    rest = free()
    asking = max(min(len(rest), 2), len(rest) // 2)
    same = _ASKING[int(rng.integers(2))]  # the first two are one look with both answers
    for number, place in enumerate(rest[:asking]):
        if number % 2 == 0:
            answers = rng.permutation(("yes", "no")).tolist()
        put(place, (same,) if number < 2 else _ASKING, answers[number % 2])
    paired = itertools.cycle(rng.permutation(list(PAIRED)).tolist())
    for place, look in zip(rest[asking:], paired, strict=False):
        put(place, (Look(look),))
    return [act for act in acts if act is not None]


def _plan(rng: np.random.Generator, count: int) -> tuple[int, ...]:
    """Choose places of an opening, a closing, and one drink or two."""
    near = range(1, _EVIDENCE_SEGMENTS + 1)
    half = (count - 1) / 2
    if rng.random() < 0.5:  # one drink between them
        plans: list[tuple[int, ...]] = [
            (drink - before, drink + after, drink)
            for drink in range(count)
            for before, after in itertools.product(near, near)
            if 0 <= drink - before < half < drink + after < count
        ]
    else:  # two drinks, outside
        plans = [
            (opening, closing, closing - before, opening + after)
            for closing, opening in itertools.combinations(range(count), 2)
            for before, after in itertools.product(near, near)
            if closing - before >= 0
            and opening + after < count
            and closing < half < opening
            and min(opening - closing + before, opening - closing + after) > REACH_SEGMENTS
        ]
    return plans[int(rng.integers(len(plans)))]


def _times(
    rng: np.random.Generator, looks: Sequence[Look], seconds: int
) -> list[tuple[float, float]]:
    """Choose start and stop of each act, in hundredths of a second; none where they do not fit."""
    count = len(looks)
    short = rng.random(count) < 0.15
    lengths = np.where(short, rng.uniform(0.6, 0.95, count), 1 + 4 * rng.beta(1.2, 3.2, count))
    gaps = np.array([0.2, *[CLEAR_SEC] * (count - 1), 0.2])
    for place, (first, second) in enumerate(itertools.pairwise(looks)):
        paired = first in PAIRED and second in PAIRED
        casual = {first, second} <= _CASUAL and not {first, second} <= set(_ASKING)
        if (paired or casual) and rng.random() < 0.6:
            overlap = min(rng.uniform(0.1, _OVERLAP_SEC), 0.4 * min(lengths[place : place + 2]))
            gaps[place + 1] = -overlap
    spare = seconds - lengths.sum() - sum(gaps)
    if spare < 0:
        return []
    wide = gaps > 0
    gaps[wide] += spare * rng.dirichlet(np.ones(int(wide.sum())))
    starts = np.cumsum(gaps[:-1]) + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    return list(zip(*(np.round(t, 2).tolist() for t in (starts, starts + lengths)), strict=True))


def _shares(segments: Sequence[Segment], seconds: int) -> list[tuple[float, float]]:
    """Divide the video among segments, half way between each two."""
    halfway = [(a.stop_sec + b.start_sec) / 2 for a, b in itertools.pairwise(segments)]
    return list(itertools.pairwise([0.0, *halfway, float(seconds)]))


def _tools(
    rng: np.random.Generator, segments: Sequence[Segment], seconds: int
) -> list[Spell] | None:
    """Hang up a tool for each answer there is: near its own act, out of the other's reach.

    Returns None where one does not fit.
    """
    stirs = {s.noun: s for s in segments if s.look is Look.STIR}
    spells: list[Spell] = []
    starts, lengths = np.meshgrid(np.arange(0, seconds - 3, 0.5), _TOOL_SEC)
    ends = starts + lengths
    for answer, tool in (("soup", "knife"), ("paint", "brush")):
        if stirs and answer not in stirs:
            continue
        fits = ends <= seconds
        for spell in spells:
            fits &= (ends + 1 < spell.start_sec) | (starts > spell.stop_sec + 1)
        for noun, stir in stirs.items():
            fits &= (ends <= stir.start_sec - TOOL_CLEAR_SEC) | (
                starts >= stir.stop_sec + TOOL_CLEAR_SEC
            )
            far = np.abs(np.stack([starts, ends]) - stir.mid_sec)
            if noun == answer:
                fits &= far.max(axis=0) <= REACH_SEC - 1
            else:
                fits &= far.min(axis=0) >= REACH_SEC + 1
        (places,) = np.nonzero(fits.ravel())
        if len(places):
            place = places[int(rng.integers(len(places)))]
            spells.append(Spell(float(starts.flat[place]), float(ends.flat[place]), tool))
        elif stirs:
            return None
    return sorted(spells)


def _bystander(rng: np.random.Generator, worker: Sequence[Spell], seconds: int) -> list[Spell]:
    """Do the other act beside each of the worker's; at other times what chance brings."""
    spells = [s._replace(what=PAIRED[Look(s.what)]) for s in worker if s.what in PAIRED]
    busy = list(spells)
    start = float(rng.uniform(0.2, 1.5))
    while start < seconds:
        stop = start + float(rng.uniform(1, 3))
        if all(stop + CLEAR_SEC < s.start_sec or s.stop_sec + CLEAR_SEC < start for s in busy):
            spells.append(Spell(start, min(stop, seconds), int(rng.choice(list(PAIRED)))))
        start = stop + float(rng.uniform(0.5, 2))
    return sorted(spells)


def _television(rng: np.random.Generator, segments: Sequence[Segment], seconds: int) -> list[Spell]:
    """Switch on where an answer wants it, half way between two that differ."""
    asked = [s for s in segments if s.verb in _TV_IS_ON]
    if not asked:
        return [Spell(0.0, float(seconds), "tv")] if rng.random() < 0.5 else []
    shares = zip(asked, _shares(asked, seconds), strict=True)
    return [Spell(*share, "tv") for segment, share in shares if _TV_IS_ON[segment.verb]]
