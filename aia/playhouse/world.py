"""Playhouse, who does what when: short scripts that make each interaction necessary (§3.2).

    APPEARANCE  a person's own pixels tell       talk, dance, drink, chop ...
    PERSON      the others in this second tell   listen: somebody else talks
    OBJECT      a thing on the wall tells        watch_tv: sits, and the television is on
    MEMORY      the past or the future tells     open: will drink; close: has drunk

The evidence never shows in the clip of the person it tells about: persons stand too far apart to be
seen together, and seconds pass between an act and its evidence. Nor does anything else give the
answer away: each script holds both answers, and chance says where, when and by whom things are
done.

Second k of a script is the time from k - 0.5 s to k + 0.5 s, the clip around key frame k.
"""

import enum
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Int

REACH_SEC = 15
"""No second farther away decides a label, and no nearer second contradicts it."""
SPELL_SEC = 4
"""Length of an act of the memory classes, and of its evidence."""
GAP_SEC = 3
"""Idle time on both sides of an act, so that no clip shows an act and its evidence."""

_PAIR_SEC = 2 * SPELL_SEC + GAP_SEC
_TRIPLE_SEC = 3 * (SPELL_SEC + 1) + 2 * GAP_SEC
# Between two pairs, so that the later evidence is out of the earlier act's reach.
_PAUSE_SEC = REACH_SEC - GAP_SEC - SPELL_SEC
_STRETCH_SEC = 2 * _PAIR_SEC + _PAUSE_SEC


class State(enum.IntEnum):
    """Behaviour that a person's own pixels show."""

    IDLE = 0
    TALK = 1
    DANCE = 2
    SIT = 3
    SIT_TALK = 4
    WALK = 5
    EAR = 6  # a hand at the ear: answers the phone, if it is lit
    DRINK = 7
    CHOP = 8
    BRUSH = 9
    REACH = 10  # opens or closes
    STIR = 11  # cooks or paints


_FREE = -1
_TALKING = (State.TALK, State.SIT_TALK)
_OWN = {
    State.TALK: "talk",
    State.SIT_TALK: "talk",
    State.DANCE: "dance",
    State.DRINK: "drink",
    State.CHOP: "chop",
    State.BRUSH: "brush",
}
_POSES = {State.SIT: "sit", State.SIT_TALK: "sit", State.WALK: "walk"}
_FILLERS = (State.SIT, State.EAR, State.DANCE, State.WALK)
_WANTED_SEC = np.array([10.0, 10.0, 15.0, 1.5])  # of each filler in 30 s
_PARTY, _PARTY_SHARES = (State.DANCE, State.TALK, State.IDLE), (0.53, 0.33, 0.14)


class Script(NamedTuple):
    """What happens second by second; the last second is cut after its first half."""

    states: Int[np.ndarray, "persons seconds"]
    """A State for each person."""
    tv_on: Bool[np.ndarray, " seconds"]
    phone_lit: Bool[np.ndarray, " seconds"]
    dark: Bool[np.ndarray, " seconds"]
    """Seconds without light: nobody can tell what happens, so they are not counted."""

    @property
    def seconds(self) -> int:
        """Length of the video."""
        return self.states.shape[1] - 1


def write_script(rng: np.random.Generator, *, seconds: int, blackout: bool) -> Script:
    """Write the script of a video of so many seconds, with a dark second or without.

    Two or three persons. A stretch of 30 s holds both answers of each question: one person opens
    and closes, another cooks and paints. Shorter videos keep a half of it, or none. All remaining
    time is filled with what needs no memory.
    """
    persons = 2 if rng.random() < 1 / 6 else 3
    columns = seconds + 1
    states = np.full((persons, columns), _FREE)
    for stretch in _stretches(rng, columns):
        reacher, *stirrers = rng.permutation(persons).tolist()
        _open_and_close(rng, states[reacher, stretch])
        if persons > 2:  # of two, one stays free to be looked at
            both = rng.random() < 0.4
            _cook_and_paint(rng, states[:, stretch], stirrers if both else stirrers[:1])
    _stand_idle_around_acts(states)
    # From either end, so that time itself tells nothing either.
    _fill(rng, states[:, :: rng.choice((1, -1))])

    dark = np.zeros(columns, bool)
    dark[rng.integers(1, seconds)] = blackout
    return Script(states, _switched(rng, columns), _switched(rng, columns), dark)


def actions(script: Script, *, person: int, second: int) -> tuple[str, ...]:
    """Name the actions of a person in a second, its pose first."""
    own = script.states[person]
    state = State(own[second])
    others = np.delete(script.states[:, second], person).tolist()
    names = [_POSES.get(state, "stand")]
    if state in _OWN:
        names.append(_OWN[state])
    match state:
        case State.IDLE:
            if any(other in _TALKING for other in others):
                names.append("listen")
            if State.DANCE in others:
                names.append("watch_person")
        case State.SIT | State.SIT_TALK if script.tv_on[second]:
            names.append("watch_tv")
        case State.EAR if script.phone_lit[second]:
            names.append("answer_phone")
        case State.REACH:
            names.append("open" if _seconds_to(own, second, State.DRINK) > 0 else "close")
        case State.STIR:
            chops, brushes = (_seconds_to(own, second, s) for s in (State.CHOP, State.BRUSH))
            names.append("cook" if abs(chops) < abs(brushes) else "paint")
    return tuple(names)


def runs(marks: Bool[np.ndarray, " seconds"]) -> list[tuple[int, int]]:
    """List start and stop of each unbroken run of True.

    >>> runs(np.array([True, False, True, True]))
    [(0, 1), (2, 4)]
    """
    edges = np.flatnonzero(np.diff(np.concatenate([[False], marks, [False]])))
    return [(start, stop) for start, stop in edges.reshape(-1, 2).tolist()]


def _seconds_to(own: Int[np.ndarray, " seconds"], second: int, state: State) -> float:
    """Return the time from `second` to the nearest one with a state; inf if there is none."""
    (times,) = np.nonzero(own == state)
    return float(min(times - second, key=abs)) if times.size else float("inf")


def _stretches(rng: np.random.Generator, columns: int) -> Iterator[slice]:
    """Place the stretches that hold acts, out of each other's reach.

    A video too short for one is a single stretch.
    """
    if columns < _STRETCH_SEC:
        yield slice(0, columns)
        return
    count = max(1, (columns + REACH_SEC) // (_STRETCH_SEC + REACH_SEC))
    spare = columns - count * _STRETCH_SEC - (count - 1) * REACH_SEC
    for number, shift in enumerate(np.sort(rng.integers(0, spare + 1, count)).tolist()):
        start = shift + number * (_STRETCH_SEC + REACH_SEC)
        yield slice(start, start + _STRETCH_SEC)


def _open_and_close(rng: np.random.Generator, own: Int[np.ndarray, " seconds"]) -> None:
    """Reach before a drink (open) and after one (close), in either order of the two."""
    reach, drink = State.REACH, State.DRINK
    if own.size >= _STRETCH_SEC and rng.random() < 0.5:
        _perform(own[:_PAIR_SEC], drink, reach)
        _perform(own[-_PAIR_SEC:], reach, drink)
    elif own.size >= _TRIPLE_SEC:
        _perform(_anywhere(rng, own, _TRIPLE_SEC), reach, drink, reach)
    else:
        _perform(_anywhere(rng, own, _PAIR_SEC), *rng.permutation((reach, drink)).tolist())


def _cook_and_paint(
    rng: np.random.Generator, states: Int[np.ndarray, "persons seconds"], persons: list[int]
) -> None:
    """Stir and chop (cook), stir and brush (paint), all persons in step.

    The same persons do both, so that looks tell nothing, and each out of the other's reach.
    """
    first, second = rng.permutation((State.CHOP, State.BRUSH)).tolist()
    if states.shape[1] >= _STRETCH_SEC:
        order = slice(None, None, rng.choice((1, -1)))  # both evidence outside, or both inside
        for person in persons:
            _perform(states[person, :_PAIR_SEC], *[first, State.STIR][order])
            _perform(states[person, -_PAIR_SEC:], *[State.STIR, second][order])
    else:
        own = _anywhere(rng, states[persons[0]], _PAIR_SEC)
        _perform(own, *rng.permutation((State.STIR, first)).tolist())


def _anywhere(
    rng: np.random.Generator, own: Int[np.ndarray, " seconds"], length: int
) -> Int[np.ndarray, " some"]:
    """Choose a view of so many seconds; of none where they do not fit."""
    if own.size < length:
        return own[:0]
    start = rng.integers(own.size - length + 1)
    return own[start : start + length]


def _perform(own: Int[np.ndarray, " seconds"], *spells: int) -> None:
    """Do one thing after the other for equal times, with idle gaps between them."""
    if not own.size:
        return
    own[:] = State.IDLE
    length = (own.size - (len(spells) - 1) * GAP_SEC) // len(spells)
    for number, state in enumerate(spells):
        own[number * (length + GAP_SEC) :][:length] = state


def _stand_idle_around_acts(states: Int[np.ndarray, "persons seconds"]) -> None:
    # On both sides, so that the idle side does not betray where the evidence is.
    for person, second in np.argwhere(np.isin(states, (State.REACH, State.STIR))):
        around = states[person, max(0, second - GAP_SEC) : second + GAP_SEC + 1]
        around[around == _FREE] = State.IDLE


def _fill(rng: np.random.Generator, states: Int[np.ndarray, "persons seconds"]) -> None:
    """Fill free time, one spell at a time, with what is most missing."""
    missing = _WANTED_SEC * states.shape[1] / 30
    free = [(person, *run) for person, own in enumerate(states) for run in runs(own == _FREE)]
    for number in rng.permutation(len(free)):
        person, start, stop = free[number]
        while start < stop:
            spell = slice(start, min(stop, start + int(rng.integers(2, 6))))
            seen = (np.delete(states[:, spell], person, axis=0) == State.IDLE).any(axis=0)
            weights = np.clip(missing, 0.5, None)
            weights[_FILLERS.index(State.DANCE)] *= 2 * seen.mean()  # dance for somebody
            state = State(rng.choice(_FILLERS, p=weights / weights.sum()))
            own = states[person, spell]
            match state:
                case State.DANCE:  # a party: drawn each second, or memory would tell this one
                    own[:] = rng.choice(_PARTY, own.size, p=_PARTY_SHARES)
                case State.SIT:
                    own[:] = rng.choice((State.SIT, State.SIT_TALK), own.size, p=(0.65, 0.35))
                case _:
                    own[:] = state
            missing[_FILLERS.index(state)] -= own.size
            start += own.size


def _switched(rng: np.random.Generator, columns: int) -> Bool[np.ndarray, " seconds"]:
    """Switch on and off by turns of 2 to 5 s."""
    turns = np.repeat(np.arange(columns) % 2 == rng.integers(2), rng.integers(2, 6, columns))
    first = rng.integers(5)
    return turns[first : first + columns]
