"""The pixels: what tells about a person is out of sight of a small backbone."""

import itertools

import numpy as np
import pytest

from aia.playhouse.pixels import STAGE_HW, Box, filmed
from aia.playhouse.stage import Cast, draw_cast, person_box, pictures
from aia.playhouse.world import Script, State

FPS = 4
SECONDS = len(State)
# A feature of the small backbone sees 15 pixels to each side, RoIAlign mixes in the next feature
# beyond the box, 8 pixels on, and jittered boxes reach a fifth of their width farther.
MARGIN = 15 + 8 + 6
EVERY_STATE = np.append(np.arange(SECONDS), 0)
"""One a second; the video ends half a second later."""


def cast(seed: int = 0, persons: int = 3) -> Cast:
    return draw_cast(np.random.default_rng(seed), persons=persons, seconds=SECONDS + 1)


def script(*states: int | np.ndarray, on: bool = False) -> Script:
    """Each person in one state throughout, or in one state a second."""
    columns = SECONDS + 1
    lights = np.full(columns, on)
    rows = np.array([np.broadcast_to(state, columns) for state in states])
    return Script(rows, lights, lights, np.zeros(columns, bool))


def script_of(target: int, others: State, *, on: bool = False) -> Script:
    """One of three persons in every state, the others in one."""
    return script(*(EVERY_STATE if n == target else int(others) for n in range(3)), on=on)


def frames(play: Script, actors: Cast) -> np.ndarray:
    rng = np.random.default_rng(11)
    return np.stack(list(filmed(pictures(play, actors, fps=FPS), rng=rng, size_hw=STAGE_HW)))


def boxes_of(play: Script, actors: Cast, person: int) -> list[Box]:
    """A box at each key frame."""
    return [
        person_box(play, actors, person=person, frame=second * FPS, fps=FPS)
        for second in range(SECONDS)
    ]


def around(box: Box, margin: int) -> tuple[slice, slice]:
    x1, y1, x2, y2 = box.xyxy
    return slice(max(0, y1 - margin), y2 + margin), slice(max(0, x1 - margin), x2 + margin)


@pytest.mark.parametrize("target", [0, 1, 2])
def test_neither_others_nor_the_wall_change_a_pixel_that_a_persons_feature_sees(
    target: int,
) -> None:
    actors = cast(target)
    calm_script = script_of(target, State.IDLE)
    calm, boxes = frames(calm_script, actors), boxes_of(calm_script, actors, target)
    for other in State:
        busy = frames(script_of(target, other, on=True), actors)
        assert (calm != busy).any()
        for second, box in enumerate(boxes):
            clip = slice(max(0, second * FPS - FPS // 2), second * FPS + FPS // 2)
            seen = (clip, *around(box, MARGIN))
            np.testing.assert_array_equal(calm[seen], busy[seen], err_msg=f"{second} {other.name}")


@pytest.mark.parametrize("person", [0, 1, 2])
def test_a_box_holds_the_person_tightly_at_its_key_frame(person: int) -> None:
    actors = cast(3)
    play = script_of(person, State.IDLE)
    others = [number for number in range(3) if number != person]
    without = actors._replace(
        persons=tuple(actors.persons[number] for number in others),
        facing_right=tuple(actors.facing_right[number] for number in others),
    )
    rest = script(State.IDLE, State.IDLE)
    differs = (frames(play, actors) != frames(rest, without)).any(axis=3)[::FPS]
    for box, pixels in zip(boxes_of(play, actors, person), differs, strict=True):
        # Each side touches the person, but for a pixel that happens to match the wall.
        ys, xs = np.nonzero(pixels)
        seen = np.array([xs.min(), ys.min(), xs.max() + 1, ys.max() + 1])
        assert (box.xyxy[:2] <= seen[:2]).all()
        assert (box.xyxy[2:] >= seen[2:]).all()
        np.testing.assert_allclose(box.xyxy, seen, atol=1)
        np.testing.assert_allclose(box.fractions() * (160, 112, 160, 112), box.xyxy)


def test_every_two_states_differ_in_a_persons_pixels_all_through_a_clip() -> None:
    actors = cast(4, persons=2)
    shown = {s: frames(script(s, State.IDLE), actors)[: 2 * FPS].astype(int) for s in State}
    for a, b in itertools.combinations(State, 2):
        changed = (abs(shown[a] - shown[b]).max(axis=3) > 60).sum(axis=(1, 2))
        assert changed.min() >= (5 if State.WALK in (a, b) else 25), (a.name, b.name, changed)
        assert changed.mean() >= 25, (a.name, b.name, changed)


def test_things_on_the_wall_show_whether_they_are_on_within_their_boxes() -> None:
    actors, idle = cast(5), [State.IDLE] * 3
    off, on = (frames(script(*idle, on=lit), actors) for lit in (False, True))
    changed = (off != on).any(axis=(0, 3))
    for thing in actors.things:
        share = changed[around(thing, 0)].mean()
        assert (share > 0.3) == (thing.label != "picture")
        changed[around(thing, 0)] = False
    assert not changed.any()
    assert sorted(thing.label for thing in actors.things) == ["phone", "picture", "tv"]


def test_a_dark_second_is_dark_from_half_a_second_before_its_key_frame_to_half_after() -> None:
    play = script(*[State.IDLE] * 3)
    play.dark[2] = True
    brightness = frames(play, cast(6)).mean(axis=(1, 2, 3))
    np.testing.assert_array_equal(np.flatnonzero(brightness < 60), np.arange(6, 10))
