"""The kitchen's scripts: the evidence is there, within reach, and nothing else tells."""

import itertools
from functools import cache

import numpy as np
import pytest

from aia.playhouse.kitchen import (
    DRINKS,
    NOUNS,
    PAIRED,
    REACH_SEC,
    REACH_SEGMENTS,
    REACHES,
    VERBS,
    Look,
    Script,
    Segment,
    shown,
    write_script,
)

CLIP_SEC = 1.0
CLASSES = {"verb": VERBS, "noun": NOUNS}


@cache
def written(number: int, seconds: int) -> Script:
    return write_script(np.random.default_rng([11, number]), seconds=seconds)


def scripts(count: int, seconds: int = 36) -> list[Script]:
    return [written(number, seconds) for number in range(count)]


def acts(many: list[Script], *looks: Look) -> list[tuple[Script, int, Segment]]:
    return [
        (script, place, segment)
        for script in many
        for place, segment in enumerate(script.segments)
        if segment.look in looks
    ]


def looks_around(script: Script, segment: Segment, margin: float) -> set[object]:
    """What the worker shows from `margin` before to `margin` after a segment."""
    low, high = segment.start_sec - margin, segment.stop_sec + margin
    return {
        spell.what for spell in script.worker if spell.start_sec < high and spell.stop_sec > low
    }


@pytest.mark.parametrize("seconds", [4, 5, 7, 12, 19, 29, 30, 36, 41, 60])
def test_a_video_of_any_length_has_a_valid_script(seconds: int) -> None:
    for script in scripts(7, seconds):
        assert script.seconds == seconds
        assert script.segments
        for segment in script.segments:
            assert 0 <= segment.start_sec < segment.stop_sec <= seconds
            assert 0.59 <= segment.stop_sec - segment.start_sec <= 5.01
            assert segment.verb in VERBS
            assert segment.noun in NOUNS
            assert shown(script.worker, segment.mid_sec) == segment.look
        for first, second in itertools.pairwise(script.segments):
            assert first.start_sec < second.start_sec
            assert second.start_sec - first.stop_sec > -0.51


def test_segments_are_short_and_long_and_some_overlap() -> None:
    many = scripts(100)
    lengths = np.array([s.stop_sec - s.start_sec for script in many for s in script.segments])
    gaps = np.array(
        [
            b.start_sec - a.stop_sec
            for script in many
            for a, b in itertools.pairwise(script.segments)
        ]
    )
    assert 9 < len(lengths) / len(many) < 11
    assert 0.1 < (lengths < 1).mean() < 0.2
    assert (lengths > 3).mean() > 0.1
    assert 0.03 < (gaps < 0).mean() < 0.2
    assert (gaps > 1).mean() > 0.7


def test_drinks_within_reach_are_all_on_the_side_that_the_verb_says() -> None:
    many = [*scripts(80), *scripts(80, 12), *scripts(10, 60)]
    found = acts(many, *REACHES)
    assert len(found) > 200
    for script, place, segment in found:
        drinks = [n - place for n, s in enumerate(script.segments) if s.look in DRINKS]
        near = [n for n in drinks if abs(n) <= REACH_SEGMENTS]
        assert near
        assert min(map(abs, near)) <= 3
        assert {n > 0 for n in near} == {segment.verb == "open"}
        assert looks_around(script, segment, CLIP_SEC) == {segment.look}


def test_tools_within_reach_are_all_of_the_kind_that_the_noun_says() -> None:
    many = [*scripts(80), *scripts(80, 12), *scripts(10, 60)]
    found = acts(many, Look.STIR)
    assert len(found) > 200
    for script, _, segment in found:
        seen = {
            second: shown(script.tools, float(second))
            for second in range(script.seconds)
            if abs(second - segment.mid_sec) <= REACH_SEC + 0.5
        }
        kinds = {tool for tool in seen.values() if tool}
        assert kinds == {{"soup": "knife", "paint": "brush"}[segment.noun]}
        assert sum(tool is not None for tool in seen.values()) >= 3
        for spell in script.tools:
            assert (
                spell.stop_sec <= segment.start_sec - 3 or spell.start_sec >= segment.stop_sec + 3
            )
        assert looks_around(script, segment, CLIP_SEC) == {Look.STIR}


def test_the_bystander_does_the_other_verb_and_the_other_noun_for_as_long() -> None:
    for look, other in PAIRED.items():
        assert not set(look.name.split("_")) & set(other.name.split("_"))
        assert PAIRED[other] == look
    found = acts(scripts(80), *PAIRED)
    assert len(found) > 150
    for script, place, segment in found:
        assert f"{segment.verb}_{segment.noun}".upper() == segment.look.name
        worker = script.worker[place]
        (beside,) = [
            spell
            for spell in script.bystander
            if spell.start_sec < worker.stop_sec and spell.stop_sec > worker.start_sec
        ]
        assert beside == worker._replace(what=PAIRED[segment.look])


def test_nothing_that_one_of_the_two_does_alone_is_near_what_both_do() -> None:
    """Or the clip would show which of them it is."""
    for script in scripts(80):
        both = {s[:2] for s in script.worker if s.what in PAIRED}
        for spells in (script.worker, script.bystander):
            for spell in spells:
                for start, stop in both:
                    if spell[:2] not in both:
                        assert spell.stop_sec + CLIP_SEC < start or stop + CLIP_SEC < spell[0]


def test_television_or_phone_decide_what_sitting_and_a_hand_at_the_ear_mean() -> None:
    answers = {
        (Look.SIT, True): ("watch", "tv"),
        (Look.SIT, False): ("rest", "chair"),
        (Look.EAR, False): ("answer", "phone"),
        (Look.EAR, True): ("scratch", "head"),
    }
    for script, _, segment in acts(scripts(80), Look.SIT, Look.EAR):
        times = np.linspace(segment.start_sec - 0.5, segment.stop_sec + 0.5, 20).tolist()
        (on,) = {shown(script.tv_on, time) == "tv" for time in times if 0 <= time < script.seconds}
        assert answers[segment.look, on] == (segment.verb, segment.noun)


def test_every_video_of_30_seconds_holds_both_answers() -> None:
    for script in [*scripts(60, 30), *scripts(60)]:
        words = {word for s in script.segments for word in (s.verb, s.noun)}
        assert words >= {"open", "close", "soup", "paint", "drink"}
        assert words >= {"watch", "rest"} or words >= {"answer", "scratch"}


def test_what_a_clip_shows_tells_no_answer() -> None:
    """Half of all reaches open, whatever else is seen, and whenever; and so on."""
    many = scripts(300)
    questions = [
        (REACHES, "verb", "open"),
        ((Look.STIR,), "noun", "soup"),
        ((Look.SIT,), "verb", "watch"),
        ((Look.EAR,), "verb", "answer"),
        ((Look.TAKE_CUP, Look.WASH_POT), "verb", "take"),
        ((Look.TAKE_POT, Look.WASH_CUP), "verb", "take"),
    ]
    for looks, task, answer in questions:
        found = acts(many, *looks)
        truth = np.array([getattr(segment, task) == answer for _, _, segment in found])
        assert abs(truth.mean() - 0.5) < 0.05, answer
        seen = {
            "first half": [s.mid_sec < 18 for _, _, s in found],
            "short": [s.stop_sec - s.start_sec < 1 for _, _, s in found],
            "long": [s.stop_sec - s.start_sec > 2.5 for _, _, s in found],
        }
        if looks[0] not in PAIRED:  # there the bystander is the question
            seen["bystander"] = [shown(script.bystander, s.mid_sec) for script, _, s in found]
        if looks[0] not in (Look.SIT, Look.EAR):
            seen["television"] = [shown(script.tv_on, s.mid_sec) for script, _, s in found]
        if looks[0] in REACHES:
            seen["jar"] = [s.look == Look.REACH_JAR for _, _, s in found]
        if looks[0] != Look.STIR:
            seen["tool"] = [shown(script.tools, s.mid_sec) for script, _, s in found]
        for name, values in seen.items():
            values = list(map(str, values))
            for value in set(values):
                group = truth[[other == value for other in values]]
                # Four standard errors of a fair coin.
                assert abs(group.mean() - 0.5) < 2 / len(group) ** 0.5, (answer, name, value)


def test_no_word_is_rare_and_few_tell_the_other() -> None:
    segments = [segment for script in scripts(100) for segment in script.segments]
    for task, classes in CLASSES.items():
        shares = {
            name: np.mean([getattr(segment, task) == name for segment in segments])
            for name in classes
        }
        assert min(shares.values()) > 0.03, shares
        assert max(shares.values()) < 0.25, shares
    pairs = {(segment.verb, segment.noun) for segment in segments}
    assert len(pairs) == 16
    for verb in ("take", "wash", "drink", "open", "close", "stir"):
        assert sum(pair[0] == verb for pair in pairs) == 2
