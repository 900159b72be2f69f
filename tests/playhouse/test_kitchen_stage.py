"""The kitchen's pixels: no feature of a small backbone sees both whose act it is and what it is."""

import itertools
from collections.abc import Sequence

import cv2
import numpy as np
import pytest

from aia.playhouse import kitchen_stage
from aia.playhouse.kitchen import PAIRED, Look, Script, Spell
from aia.playhouse.kitchen_stage import SIGHT, Cast, boxes, draw_cast, draw_picture
from aia.playhouse.pixels import STAGE_HW

PHASES = (0.0, 0.25, 0.625)
SECONDS = 3
SEEDS = range(5)


def cast(seed: int) -> Cast:
    return draw_cast(np.random.default_rng(seed))


def script(
    worker: Look = Look.IDLE,
    bystander: Look = Look.IDLE,
    *,
    tv_on: bool = True,
    tool: str | None = None,
) -> Script:
    """The same from beginning to end."""

    def always(what: object) -> tuple[Spell, ...]:
        return (Spell(0.0, float(SECONDS), what),)  # type: ignore[arg-type]

    return Script(
        seconds=SECONDS,
        segments=(),
        worker=always(worker),
        bystander=always(bystander),
        tv_on=always("tv") if tv_on else (),
        tools=always(tool) if tool else (),
    )


def picture(play: Script, actors: Cast, time_sec: float = 0.0) -> np.ndarray:
    return draw_picture(play, actors, time_sec=time_sec).astype(int)


def differ(pictures: Sequence[np.ndarray]) -> np.ndarray:
    """Pixels that are not the same in all of them."""
    return np.any([(other != pictures[0]).any(axis=2) for other in pictures[1:]], axis=0)


def seen_from(pixels: np.ndarray) -> np.ndarray:
    """Pixels that some feature sees together with one of these."""
    reach = 2 * (SIGHT - 1) + 1
    return cv2.dilate(pixels.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0


def edges(pixels: np.ndarray) -> tuple[int, int, int, int]:
    ys, xs = np.nonzero(pixels)
    return int(xs.min()), int(ys.min()), int(xs.max()) + 1, int(ys.max()) + 1


@pytest.mark.parametrize("seed", SEEDS)
def test_no_feature_sees_a_glove_and_what_its_pole_does(seed: int) -> None:
    actors = cast(seed)
    swapped = actors._replace(worker_x=actors.bystander_x, bystander_x=actors.worker_x)
    for phase in PHASES:
        tips = differ([picture(script(look, PAIRED[look]), actors, phase) for look in PAIRED])
        # Whoever stands there does the same, but the other one wears the gloves.
        gloves = np.zeros(STAGE_HW, bool)
        for look, other in PAIRED.items():
            gloves |= differ(
                [
                    picture(script(look, other), actors, phase),
                    picture(script(other, look), swapped, phase),
                ]
            )
        assert tips.sum() > 200
        assert 50 < gloves.sum() < 80
        assert not (seen_from(gloves) & tips).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_around_a_tool_and_around_a_hand_nothing_tells_the_two_persons_apart(seed: int) -> None:
    """Or a feature that sees a glove could name the place, and another find it at the tool."""
    actors = cast(seed)
    side = 12 if actors.facing_right else -12
    for look, phase in itertools.product((*PAIRED, Look.IDLE), PHASES):
        shown = picture(script(look, look), actors, phase)
        views = []
        for x in (actors.worker_x, actors.bystander_x):
            low, high = x + side - 6 - (SIGHT - 1), x + side + 6 + SIGHT
            assert 0 <= low < high <= STAGE_HW[1]  # the picture's edges are out of sight
            views.append(shown[56:, low:high])  # from below the hands on
        np.testing.assert_array_equal(*views)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_feature_sees_which_thing_it_is_and_whether_it_is_lit(seed: int) -> None:
    actors = cast(seed)
    slots = actors.slots
    exchanged = dict(slots, tv=slots["phone"], phone=slots["tv"])
    swapped = actors._replace(
        slots=exchanged, backdrop=kitchen_stage._backdrop(np.random.default_rng(seed), exchanged)
    )
    actors = actors._replace(backdrop=kitchen_stage._backdrop(np.random.default_rng(seed), slots))
    on, off = (picture(script(tv_on=state), actors) for state in (True, False))
    lamps = differ([on, off])
    heads = differ([on, picture(script(tv_on=False), swapped)])
    assert lamps.sum() > 100
    assert heads.sum() > 100
    assert not (seen_from(heads) & lamps).any()
    for xs in itertools.combinations(sorted(slots.values()), 2):
        assert xs[1] - (xs[0] + 12 - 1) >= SIGHT  # nor two things at once
    assert min(slots.values()) >= SIGHT - 1
    assert max(slots.values()) + 12 <= STAGE_HW[1] - (SIGHT - 1)


def test_one_thing_is_lit_as_brightly_as_the_other() -> None:
    for seed in SEEDS:
        actors = cast(seed)
        lit = {}
        for name, state in (("tv", True), ("phone", False)):
            x = actors.slots[name]
            lit[name] = picture(script(tv_on=state), actors, 0.375)[36:48, x : x + 12]
        np.testing.assert_array_equal(lit["tv"], lit["phone"])


@pytest.mark.parametrize("look", list(Look))
def test_the_box_of_the_hand_is_tight_around_the_glove_and_what_it_holds(
    look: Look, monkeypatch: pytest.MonkeyPatch
) -> None:
    figure_at = kitchen_stage._figure_at

    def without(*args: object, gloved: bool, **kwargs: object) -> object:
        figure, left_top = figure_at(*args, gloved=gloved, **kwargs)  # type: ignore[arg-type]
        nothing = figure.held._replace(mask=np.zeros_like(figure.held.mask))
        return (figure._replace(held=nothing) if gloved else figure), left_top

    for seed, phase in itertools.product(SEEDS, PHASES):
        actors, play = cast(seed), script(look, Look.WASH_CUP)
        hand, *_ = boxes(play, actors, time_sec=phase)
        with_hand = picture(play, actors, phase)
        monkeypatch.setattr(kitchen_stage, "_figure_at", without)
        held = differ([with_hand, picture(play, actors, phase)])
        monkeypatch.setattr(kitchen_stage, "_figure_at", figure_at)
        assert hand.label == "hand"
        # A pixel of what is held may happen to have the colour of what is behind it.
        np.testing.assert_allclose(hand.xyxy, edges(held), atol=1)
        glove = (with_hand == kitchen_stage._GLOVE).all(axis=2)
        assert (glove & held).sum() >= 9
        x1, y1, x2, y2 = hand.xyxy
        assert glove[y1:y2, x1:x2].sum() == glove.sum()  # nobody else has one
        assert min(x2 - x1, y2 - y1) >= 11


@pytest.mark.parametrize("seed", SEEDS)
def test_the_boxes_of_things_are_tight(seed: int) -> None:
    actors = cast(seed)
    for tool in ("knife", "brush"):
        pictures = [picture(script(tool=name), actors) for name in (None, tool)]
        found = {box.label: box.xyxy for box in boxes(script(tool=tool), actors, time_sec=0.0)}
        assert set(found) == {"hand", "tv", "phone", tool}
        assert found[tool] == edges(differ(pictures))
    assert "knife" not in {box.label for box in boxes(script(), actors, time_sec=0.0)}
    slots = actors.slots
    room = kitchen_stage._backdrop(np.random.default_rng(seed), slots).astype(int)
    for name in ("tv", "phone"):
        rest = {other: x for other, x in slots.items() if other != name}
        without = kitchen_stage._backdrop(np.random.default_rng(seed), rest).astype(int)
        assert found[name] == edges(differ([room, without]))


def test_every_two_looks_of_the_worker_differ_visibly() -> None:
    for seed in SEEDS:
        shown = {look: picture(script(look), cast(seed), 0.25) for look in Look}
        for a, b in itertools.combinations(Look, 2):
            changed = (abs(shown[a] - shown[b]).max(axis=2) > 60).sum()
            assert changed >= 20, (a.name, b.name, changed)


def test_places_and_directions_are_left_to_chance() -> None:
    casts = [cast(seed) for seed in range(200)]
    assert 0.4 < np.mean([c.facing_right for c in casts]) < 0.6
    assert 0.4 < np.mean([c.worker_x < c.bystander_x for c in casts]) < 0.6
    assert len({tuple(c.slots.items()) for c in casts}) == 6
