"""The pixels: what tells about a person is out of sight of a small backbone."""

import itertools

import numpy as np
import pytest

from aia.datasets.playhouse_draw import (
    OBJECTS,
    STAGE_HW,
    Cast,
    draw_cast,
    frames,
    person_xyxy,
    thing_xyxy,
)
from aia.datasets.playhouse_script import Script, State

FPS = 4
SECONDS = len(State)
# A feature of the small backbone sees 15 pixels to each side, RoIAlign mixes in the next feature
# beyond the box, 8 pixels on, and jittered boxes reach a fifth of their width farther.
MARGIN = 15 + 8 + 6
EVERY_STATE = np.append(np.arange(SECONDS), 0)
"""One a second; the film ends half a second later."""


def cast(seed: int = 0, persons: int = 3) -> Cast:
    return draw_cast(np.random.default_rng(seed), persons=persons, seconds=SECONDS + 1)


def script(*states: int | np.ndarray, on: bool = False) -> Script:
    """Each person in one state throughout, or in one state a second."""
    columns = SECONDS + 1
    lights = np.full(columns, on)
    rows = np.array([np.broadcast_to(state, columns) for state in states])
    return Script(rows, lights, lights, np.zeros(columns, bool))


def film(play: Script, actors: Cast, size_hw: tuple[int, int] = STAGE_HW) -> np.ndarray:
    rng = np.random.default_rng(11)
    return np.stack(list(frames(play, actors, rng=rng, fps=FPS, size_hw=size_hw)))


def around(xyxy: np.ndarray, margin: int) -> tuple[slice, slice]:
    height, width = STAGE_HW
    x1, y1, x2, y2 = np.rint(xyxy * (width, height, width, height)).astype(int)
    return (
        slice(max(0, y1 - margin), y2 + margin),
        slice(max(0, x1 - margin), x2 + margin),
    )


@pytest.mark.parametrize("target", [0, 1, 2])
def test_neither_others_nor_the_wall_change_a_pixel_that_a_persons_feature_sees(
    target: int,
) -> None:
    actors = cast(target)
    states: list = [int(State.IDLE)] * 3
    states[target] = EVERY_STATE
    calm = film(script(*states), actors)
    boxes = [
        person_xyxy(script(*states), actors, person=target, frame=second * FPS, fps=FPS)
        for second in range(SECONDS)
    ]
    for other in State:
        busy = film(
            script(*(s if s is EVERY_STATE else int(other) for s in states), on=True), actors
        )
        assert (calm != busy).any()
        for second, box in enumerate(boxes):
            clip = slice(max(0, second * FPS - FPS // 2), second * FPS + FPS // 2)
            seen = (clip, *around(box, MARGIN))
            np.testing.assert_array_equal(calm[seen], busy[seen], err_msg=f"{second} {other.name}")


def test_a_box_holds_the_person_tightly_at_its_key_frame() -> None:
    actors = cast(3)
    for person in range(3):
        states: list = [int(State.IDLE)] * 3
        states[person] = EVERY_STATE
        others = [number for number in range(3) if number != person]
        without = actors._replace(
            persons=tuple(actors.persons[number] for number in others),
            facing_right=tuple(actors.facing_right[number] for number in others),
        )
        play, rest = script(*states), script(*[int(State.IDLE)] * 2)
        differs = (film(play, actors) != film(rest, without)).any(axis=3)[::FPS]
        for second in range(SECONDS):
            box = person_xyxy(play, actors, person=person, frame=second * FPS, fps=FPS)
            # Each side touches the person, but for a pixel that happens to match the wall.
            ys, xs = np.nonzero(differs[second])
            drawn = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
            pixels = np.rint(box * (160, 112, 160, 112))
            assert (pixels[:2] <= drawn[:2]).all()
            assert (pixels[2:] >= drawn[2:]).all()
            np.testing.assert_allclose(pixels, drawn, atol=1)


def test_every_two_states_differ_in_a_persons_pixels_all_through_a_clip() -> None:
    actors = cast(4, persons=2)
    films = {}
    for state in State:
        play = script(int(state), int(State.IDLE))
        films[state] = film(play, actors)[: 2 * FPS].astype(int)
    for a, b in itertools.combinations(State, 2):
        changed = (abs(films[a] - films[b]).max(axis=3) > 60).sum(axis=(1, 2))
        assert changed.min() >= (5 if State.WALK in (a, b) else 25), (a.name, b.name, changed)
        assert changed.mean() >= 25, (a.name, b.name, changed)


def test_things_on_the_wall_show_whether_they_are_on_within_their_boxes() -> None:
    actors = cast(5)
    idle = [int(State.IDLE)] * 3
    off, on = film(script(*idle), actors), film(script(*idle, on=True), actors)
    changed = (off != on).any(axis=(0, 3))
    for thing in actors.things:
        share = changed[around(thing_xyxy(thing), 0)].mean()
        assert (share > 0.3) == (thing.name != "picture")
        changed[around(thing_xyxy(thing), 0)] = False
    assert not changed.any()
    assert sorted(thing.name for thing in actors.things) == sorted(OBJECTS)


def test_a_dark_second_is_dark_from_half_a_second_before_its_key_frame_to_half_after() -> None:
    play = script(*[int(State.IDLE)] * 3)
    play.dark[2] = True
    brightness = film(play, cast(6)).mean(axis=(1, 2, 3))
    np.testing.assert_array_equal(np.flatnonzero(brightness < 60), np.arange(6, 10))


@pytest.mark.parametrize("size_hw", [(56, 80), (224, 320), (112, 162)])
def test_the_stage_is_scaled_to_the_size_asked_for(size_hw: tuple[int, int]) -> None:
    play = script(*[int(State.IDLE)] * 2)
    assert film(play, cast(7, persons=2), size_hw).shape == (SECONDS * FPS, *size_hw, 3)
