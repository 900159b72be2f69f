"""The scripts: the evidence is there, is unambiguous, and nothing else tells."""

import itertools
from collections import Counter

import numpy as np
import pytest

from aia.playhouse.forms import AVA_CLASSES
from aia.playhouse.world import Script, State, actions, write_script

MEMORY_SEC = 15


def scripts(count: int, seconds: int = 30) -> list[Script]:
    return [
        write_script(np.random.default_rng([7, number]), seconds=seconds, blackout=False)
        for number in range(count)
    ]


def by_hand(states: list[list[State]], *, tv: bool = False, phone: bool = False) -> Script:
    columns = len(states[0])
    return Script(
        np.array(states), np.full(columns, tv), np.full(columns, phone), np.zeros(columns, bool)
    )


def moments(written: list[Script]) -> list[tuple[Script, int, int]]:
    return [
        (script, person, second)
        for script in written
        for person in range(len(script.states))
        for second in range(1, script.states.shape[1] - 1)
    ]


@pytest.mark.parametrize("seconds", [2, 3, 7, 11, 12, 21, 29, 31, 53, 80])
def test_a_video_of_any_length_has_a_valid_script(seconds: int) -> None:
    for script in scripts(5, seconds):
        assert script.states.shape == (len(script.states), seconds + 1)
        assert len(script.tv_on) == len(script.phone_lit) == len(script.dark) == seconds + 1
        for _, person, second in moments([script]):
            found = actions(script, person=person, second=second)
            assert set(AVA_CLASSES.names).issuperset(found)
            assert len({"stand", "sit", "walk"}.intersection(found)) == 1


def test_a_blackout_is_one_whole_second_of_a_clip() -> None:
    for seed in range(17):
        script = write_script(np.random.default_rng(seed), seconds=5, blackout=True)
        (second,) = np.flatnonzero(script.dark)
        assert 1 <= second <= 4


def test_who_stands_idle_listens_and_watches_what_the_others_do_in_this_second() -> None:
    script = by_hand(
        [
            [State.IDLE, State.IDLE, State.IDLE, State.IDLE],
            [State.IDLE, State.TALK, State.IDLE, State.SIT_TALK],
            [State.TALK, State.DANCE, State.CHOP, State.IDLE],
        ]
    )
    seen = [actions(script, person=0, second=second) for second in range(4)]
    assert seen == [
        ("stand", "listen"),
        ("stand", "listen", "watch_person"),
        ("stand",),
        ("stand", "listen"),
    ]
    assert actions(script, person=1, second=1) == ("stand", "talk")  # busy, so does not watch


@pytest.mark.parametrize("on", [False, True])
def test_the_wall_decides_what_sitting_and_a_hand_at_the_ear_mean(on: bool) -> None:
    script = by_hand([[State.SIT, State.SIT_TALK, State.EAR]], tv=on, phone=on)
    seen = [set(actions(script, person=0, second=second)) for second in range(3)]
    watch, answer = ({"watch_tv"}, {"answer_phone"}) if on else (set(), set())
    assert seen == [{"sit"} | watch, {"sit", "talk"} | watch, {"stand"} | answer]


def test_the_nearest_evidence_decides_an_act() -> None:
    idle = [State.IDLE] * 20
    own = [State.CHOP, *idle[:3], State.STIR, *idle, State.STIR, *idle[:3], State.BRUSH]
    script = by_hand([own])
    assert actions(script, person=0, second=4) == ("stand", "cook")
    assert actions(script, person=0, second=25) == ("stand", "paint")
    script = by_hand([[State.REACH, *idle[:3], State.DRINK, *idle, State.DRINK, State.REACH]])
    assert actions(script, person=0, second=0) == ("stand", "open")
    assert actions(script, person=0, second=26) == ("stand", "close")


def test_whatever_anybody_does_within_reach_of_memory_agrees_on_an_act() -> None:
    acts = 0
    for seconds in (12, 30, 31, 80):
        for script, person, second in moments(scripts(40, seconds)):
            state = script.states[person, second]
            if state not in (State.REACH, State.STIR):
                continue
            acts += 1
            before = set(script.states[:, max(0, second - MEMORY_SEC) : second].flat)
            after = set(script.states[:, second + 1 : second + MEMORY_SEC + 1].flat)
            if state == State.REACH:
                answers = {"open": State.DRINK in after, "close": State.DRINK in before}
            else:
                around = before | after
                answers = {"cook": State.CHOP in around, "paint": State.BRUSH in around}
            (answer,) = (name for name, holds in answers.items() if holds)
            assert answer in actions(script, person=person, second=second)
    assert acts > 1000


def test_three_idle_seconds_lie_on_both_sides_of_an_act_or_the_video_ends() -> None:
    for script in scripts(40):
        for person, own in enumerate(script.states):
            spells = [(state, len(list(run))) for state, run in itertools.groupby(own)]
            for number, (state, length) in enumerate(spells):
                if state not in (State.REACH, State.STIR):
                    continue
                # An act at the video's very end is cut by it.
                assert length >= 4 or number in (0, len(spells) - 1), (person, spells)
                for neighbour in (number - 1, number + 1):
                    if 0 < neighbour < len(spells) - 1:
                        assert spells[neighbour][0] == State.IDLE
                        assert spells[neighbour][1] >= 3


def test_every_video_of_30_seconds_holds_both_answers_by_the_same_person() -> None:
    for script in scripts(40):
        for names in (("open", "close"), ("cook", "paint")):
            doers = [
                {p for _, p, k in moments([script]) if name in actions(script, person=p, second=k)}
                for name in names
            ]
            assert doers[0] == doers[1]


def test_the_others_change_every_second_so_that_only_this_one_tells() -> None:
    written = scripts(150)
    for evidence in ({State.DANCE}, {State.TALK, State.SIT_TALK}):
        marks = np.concatenate(
            [np.isin(script.states, list(evidence)).any(axis=0)[:30] for script in written]
        )
        # Two of three times the next second is another one.
        stays = (marks[:-1] & marks[1:]).sum() / marks[:-1].sum()
        assert stays < 0.5, evidence


def test_one_state_tells_nothing_of_what_needs_the_others_the_wall_or_the_past() -> None:
    """Half of all reaches open, wherever, whenever and whoever; and so on."""
    asked = {
        "open": (State.REACH,),
        "cook": (State.STIR,),
        "watch_tv": (State.SIT, State.SIT_TALK),
        "answer_phone": (State.EAR,),
    }
    written = scripts(200)
    for name, states in asked.items():
        rows = np.array(
            [
                (name in actions(script, person=person, second=second), person, second < 15)
                for script, person, second in moments(written)
                if script.states[person, second] in states
            ]
        )
        assert abs(rows[:, 0].mean() - 0.5) < 0.03, name
        for column in (1, 2):
            for value in np.unique(rows[:, column]):
                group = rows[rows[:, column] == value, 0]
                assert abs(group.mean() - 0.5) < 0.06, (name, column, value)


def test_classes_that_are_asked_about_are_each_a_twentieth_of_the_boxes() -> None:
    boxes = moments(scripts(100))
    counts = Counter(name for script, p, k in boxes for name in actions(script, person=p, second=k))
    shares = {name: count / len(boxes) for name, count in counts.items()}
    assert all(0.04 < shares[name] < 0.09 for name in AVA_CLASSES.names[3:]), shares
    assert shares["stand"] > 0.8
    assert shares["walk"] > 0.02
