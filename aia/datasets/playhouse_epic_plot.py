"""Playhouse's kitchen, how a play is thought up: what is done in which order, and beside what.

Each question's answer is drawn first, its evidence is put where it must be, and everything else
is left to chance; what does not fit is thrown away and drawn anew.
"""

import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from aia.datasets.playhouse_epic_script import (
    BOTH_SEC,
    CLEAR_SEC,
    DRINKS,
    PAIRED,
    REACH_SEC,
    REACH_SEGMENTS,
    REACHES,
    TOOL_CLEAR_SEC,
    Look,
    Script,
    Segment,
    Spell,
)

_EVIDENCE_SEGMENTS = 3  # it is that near, the opposite one farther away than REACH_SEGMENTS
_SPACING_SEC = 3.5  # from one segment to the next, on average
_OVERLAP_SEC = 0.5
_TOOL_SEC = (3.5, 4.5, 5.5)  # a tool hangs there for so long
_TRIES = 3000

_ASKING = (Look.SIT, Look.EAR)
_CASUAL = (*DRINKS, *_ASKING)  # these may flow into each other


class _Act(NamedTuple):
    look: Look
    answer: str = ""
    """What decides verb or noun: open, close, soup, paint, yes or no (of TV and phone)."""


def write_script(rng: np.random.Generator, *, seconds: int) -> Script:
    """Write the play of a film of so many seconds.

    From BOTH_SEC on, a film has an opening and a closing, soup and paint, and both answers of the
    television or of the phone. Shorter ones have one answer of one of the MEMORY questions.
    """
    for _ in range(_TRIES):
        count = max(1, round(seconds / _SPACING_SEC) + int(rng.integers(-1, 1)))
        acts = _acts(rng, count, both=seconds >= BOTH_SEC)
        times = _times(rng, acts, seconds)
        if times is None:
            continue
        tools = _tools(rng, acts, times, seconds)
        if tools is not None:
            break
    else:
        raise RuntimeError(f"no play of {seconds} s was found")
    bounds = [0.0, *(_switch(a, b) for a, b in itertools.pairwise(times)), float(seconds)]
    worker = [
        Spell(max(start, low), min(stop, high), act.look)
        for act, (start, stop), low, high in zip(acts, times, bounds, bounds[1:], strict=False)
    ]
    segments = (
        Segment(*time, act.look, *_words(act)) for act, time in zip(acts, times, strict=True)
    )
    return Script(
        seconds=seconds,
        segments=tuple(segments),
        worker=tuple(worker),
        bystander=tuple(_bystander(rng, worker, seconds)),
        tv_on=tuple(_television(rng, acts, times, seconds)),
        tools=tuple(tools),
    )


def _words(act: _Act) -> tuple[str, str]:
    """Verb and noun of an act."""
    match act.look:
        case Look.SIT:
            return ("watch", "tv") if act.answer == "yes" else ("rest", "chair")
        case Look.EAR:
            return ("answer", "phone") if act.answer == "yes" else ("scratch", "head")
        case Look.REACH_JAR | Look.REACH_BOX:
            return act.answer, act.look.name.removeprefix("REACH_").lower()
        case Look.STIR:
            return "stir", act.answer
        case _:
            verb, noun = act.look.name.lower().split("_")
            return verb, noun


def _acts(rng: np.random.Generator, count: int, *, both: bool) -> list[_Act]:
    """What is done, in order."""
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
    """Places of an opening, a closing, and one drink or two, in either order of the first two."""
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
    rng: np.random.Generator, acts: Sequence[_Act], seconds: int
) -> list[tuple[float, float]] | None:
    """Start and stop of each act, in hundredths of a second; None where they do not fit."""
    short = rng.random(len(acts)) < 0.15
    lengths = np.where(
        short, rng.uniform(0.6, 0.95, len(acts)), 1 + 4 * rng.beta(1.2, 3.2, len(acts))
    )
    gaps = [0.2]
    for place, (first, second) in enumerate(itertools.pairwise(act.look for act in acts)):
        together = (first in PAIRED and second in PAIRED) or (
            {first, second} <= set(_CASUAL) and not {first, second} <= set(_ASKING)
        )
        gap = CLEAR_SEC
        if together and rng.random() < 0.6:
            gap = -min(rng.uniform(0.1, _OVERLAP_SEC), 0.4 * min(lengths[place : place + 2]))
        gaps.append(gap)
    gaps.append(0.2)
    spare = seconds - lengths.sum() - sum(gaps)
    if spare < 0:
        return None
    wide = np.array(gaps) > 0
    shares = rng.dirichlet(np.ones(int(wide.sum())))
    spread = np.array(gaps)
    spread[wide] += spare * shares
    starts = np.cumsum(spread[:-1]) + np.concatenate([[0.0], np.cumsum(lengths)[:-1]])
    stops = starts + lengths
    return list(zip(np.round(starts, 2).tolist(), np.round(stops, 2).tolist(), strict=True))


def _switch(first: tuple[float, float], second: tuple[float, float]) -> float:
    """When the picture goes from one segment to the next."""
    return (first[1] + second[0]) / 2


def _tools(
    rng: np.random.Generator,
    acts: Sequence[_Act],
    times: Sequence[tuple[float, float]],
    seconds: int,
) -> list[Spell] | None:
    """A tool for each answer there is: near its own act, out of the other's reach."""
    stirs = {
        act.answer: time for act, time in zip(acts, times, strict=True) if act.look is Look.STIR
    }
    spells: list[Spell] = []
    starts, lengths = np.meshgrid(np.arange(0, seconds - 3, 0.5), _TOOL_SEC)
    ends = starts + lengths
    for answer, tool in (("soup", "knife"), ("paint", "brush")):
        if stirs and answer not in stirs:
            continue
        fits = ends <= seconds
        for spell in spells:
            fits &= (ends + 1 < spell.start_sec) | (starts > spell.stop_sec + 1)
        for name, (start, stop) in stirs.items():
            fits &= (ends <= start - TOOL_CLEAR_SEC) | (starts >= stop + TOOL_CLEAR_SEC)
            far = np.abs(np.stack([starts, ends]) - (start + stop) / 2)
            if name == answer:
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
    """The other act beside each of the worker's; at other times what chance brings."""
    spells = [s._replace(what=PAIRED[Look(s.what)]) for s in worker if s.what in PAIRED]
    busy = list(spells)
    start = float(rng.uniform(0.2, 1.5))
    while start < seconds:
        stop = start + float(rng.uniform(1, 3))
        if all(stop + CLEAR_SEC < s.start_sec or s.stop_sec + CLEAR_SEC < start for s in busy):
            spells.append(Spell(start, min(stop, seconds), int(rng.choice(list(PAIRED)))))
        start = stop + float(rng.uniform(0.5, 2))
    return sorted(spells)


def _television(
    rng: np.random.Generator,
    acts: Sequence[_Act],
    times: Sequence[tuple[float, float]],
    seconds: int,
) -> list[Spell]:
    """On where an answer wants it; it switches half way between two that differ."""
    asked = [
        (time, (act.answer == "yes") == (act.look is Look.SIT))
        for act, time in zip(acts, times, strict=True)
        if act.look in _ASKING
    ]
    if not asked:
        return [Spell(0.0, float(seconds), "tv")] if rng.random() < 0.5 else []
    bounds = [0.0, *(_switch(a, b) for (a, _), (b, _) in itertools.pairwise(asked)), seconds]
    return [
        Spell(low, high, "tv")
        for (_, on), low, high in zip(asked, bounds[:-1], bounds[1:], strict=True)
        if on
    ]
