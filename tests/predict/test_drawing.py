"""Boxes and labels on pictures."""

import numpy as np
import pytest

from aia.labels import ClassList
from aia.predict.drawing import Action, Person, annotate, class_colours, missing_letters

RED, BLUE = (250, 10, 20), (20, 30, 240)
SIZE_HW = (211, 307)


def grey(level: int = 128, size_hw: tuple[int, int] = SIZE_HW) -> np.ndarray:
    return np.full((*size_hw, 3), level, np.uint8)


def person(xyxy, track=None, rgb=RED, *, names=("walk",)) -> Person:
    return Person(xyxy, track, [Action(name, 0.75, rgb) for name in names])


def count(rgb: np.ndarray, colour: tuple[int, int, int]) -> int:
    """Pixels of exactly this colour."""
    return int((rgb == colour).all(axis=2).sum())


def test_nobody_leaves_the_picture_as_it_is() -> None:
    assert np.array_equal(annotate(grey(), []), grey())


def test_the_given_picture_stays_as_it_is() -> None:
    rgb = grey()
    annotate(rgb, [person((0.1, 0.1, 0.9, 0.9), 1)])
    assert np.array_equal(rgb, grey())


def test_a_person_without_track_and_action_gets_a_box_and_no_label() -> None:
    x1, y1, x2, y2 = 31, 43, 101, 149
    height, width = SIZE_HW
    drawn = annotate(grey(), [Person((x1 / width, y1 / height, x2 / width, y2 / height), None, [])])
    ys, xs = np.nonzero((drawn != 128).any(axis=2))
    edge = 3  # pixels: half of the line and its dark edge
    assert abs(int(xs.min()) - x1) <= edge
    assert abs(int(xs.max()) - x2) <= edge
    assert abs(int(ys.min()) - y1) <= edge
    assert abs(int(ys.max()) - y2) <= edge
    assert np.array_equal(drawn[y1 + 5 : y2 - 5, x1 + 5 : x2 - 5], grey()[y1 + 5 : y2 - 5, 36:96])
    assert drawn[y1 : y2 + 1, x1].mean() > 200  # light on a dark edge


def test_boxes_beyond_the_frame_are_drawn_at_its_edge() -> None:
    drawn = annotate(grey(), [Person((-0.2, -0.1, 1.3, 1.2), None, [])])
    assert (drawn[0, :, 0] != 128).all()
    assert (drawn[:, -1, 0] != 128).all()


@pytest.mark.parametrize("x", [0.0, 0.4, 0.85])
@pytest.mark.parametrize("y", [0.0, 0.4, 0.8])
def test_labels_are_whole_wherever_the_box_is(x: float, y: float) -> None:
    def area(x: float, y: float) -> int:
        boxed = Person((x, y, x + 0.15, y + 0.2), None, [])
        labelled = person((x, y, x + 0.15, y + 0.2), 23, BLUE, names=["walk to and fro", "sit"])
        box = (annotate(grey(), [boxed]) != 128).any(axis=2)
        return int(((annotate(grey(), [labelled]) != 128).any(axis=2) & ~box).sum())

    assert area(x, y) == pytest.approx(area(0.4, 0.4), rel=0.02)


def test_labels_of_neighbours_do_not_cover_each_other() -> None:
    names = ["talk to (e.g., self)", "stand"]
    left, right = (0.3, 0.4, 0.4, 0.6), (0.42, 0.4, 0.52, 0.6)
    alone = [
        count(annotate(grey(), [person(left, 1, RED, names=names)]), RED),
        count(annotate(grey(), [person(right, 2, BLUE, names=names)]), BLUE),
    ]
    both = annotate(
        grey(), [person(left, 1, RED, names=names), person(right, 2, BLUE, names=names)]
    )
    assert count(both, RED) >= alone[0] - 4
    assert count(both, BLUE) >= alone[1] - 4  # more: a line may join it to its box


@pytest.mark.parametrize("level", [0, 128, 255])
def test_letters_are_light_on_dark_on_any_picture(level: int) -> None:
    drawn = annotate(grey(level), [person((0.4, 0.4, 0.6, 0.9), None, names=["WWWWWWWW"])])
    label = drawn[68:76, 130:170]  # above the box
    assert label.min() < 80
    assert label.max() > 230


def test_a_bar_is_as_long_as_its_score() -> None:
    def length(score: float) -> int:
        one = Person(
            (0.3, 0.5, 0.5, 0.9), None, [Action("walk", 1, BLUE), Action("sit", score, RED)]
        )
        return count(annotate(grey(), [one]), RED)

    assert length(0.25) / length(1.0) == pytest.approx(0.25, abs=0.05)
    assert length(0.5) / length(1.0) == pytest.approx(0.5, abs=0.05)


def test_letters_grow_with_the_frame() -> None:
    def label_height(size_hw: tuple[int, int]) -> int:
        drawn = annotate(grey(128, size_hw), [person((0.4, 0.5, 0.6, 0.9), 7, RED)])
        above = drawn[: size_hw[0] // 2 - 3]  # without the box
        return int((above == RED).all(axis=2).any(axis=1).sum())

    assert label_height((1080, 1920)) / label_height((540, 960)) == pytest.approx(2, abs=0.2)
    assert label_height((1920, 1080)) == label_height((1080, 1920))


def test_a_label_never_takes_more_than_half_of_a_tiny_frame() -> None:
    names = ["talk to (e.g., self, a person, a group)", "stand", "walk"]
    drawn = annotate(grey(255, (47, 61)), [person((0.3, 0.3, 0.31, 0.31), 1, names=names)])
    assert 0 < (drawn != 255).any(axis=2).mean() < 0.6


def test_a_label_stays_on_its_side_from_picture_to_picture() -> None:
    one = person((0.4, 0.4, 0.6, 0.6), 7)
    above = count(annotate(grey(), [one], sides={})[:80], RED)
    sides = {7: 1}  # below
    drawn = annotate(grey(), [one], sides=sides)
    assert above > 0
    assert count(drawn[:80], RED) == 0
    assert sides == {7: 1}


@pytest.mark.parametrize("name", ["Größe prüfen", "два\nслова", "跑 \x00", "", "…" * 300])
def test_any_name_can_be_drawn(name: str) -> None:
    drawn = annotate(grey(), [person((0.4, 0.4, 0.6, 0.6), 7, names=[name])])
    assert (drawn != 128).any()


def test_letters_with_umlauts_differ_from_those_without() -> None:
    with_them, without = (
        annotate(grey(), [person((0.4, 0.6, 0.6, 0.9), None, names=[name])])
        for name in ("prüfen", "prufen")
    )
    assert not np.array_equal(with_them, without)


def test_letters_that_the_font_lacks_are_named() -> None:
    assert missing_letters(["Größe prüfen", "два слова", "walk\tto"]) == ""
    assert missing_letters(["跑 run", "跑"]) == "跑"


def test_classes_are_coloured_by_group() -> None:
    grouped = class_colours(ClassList((1, 2, 3), ("a", "b", "c"), ("MOVE", "HOLD", "MOVE")))
    assert grouped[0] == grouped[2] != grouped[1]


def test_classes_without_groups_have_a_colour_each() -> None:
    assert len(set(class_colours(ClassList((1, 2, 3), ("a", "b", "c"), ("", "", ""))))) == 3
