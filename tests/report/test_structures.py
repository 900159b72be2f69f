import pandas as pd
import pytest

from aia.errors import InputError
from aia.report.attention import draw_structures, shown_targets

from .conftest import LABELS, LEFT, RIGHT

XYXY = ("x1", "y1", "x2", "y2")
BOXES = (LEFT, RIGHT)


def attention(*, last: str, targets: tuple[int, ...] = (0, 1), video: str = "red") -> pd.DataFrame:
    rows = [
        {
            "video": video, "time_sec": t, "target": target, "block": block, "slot_sec": t,
            "slot": slot, "weight": 0.75 if slot == target else 0.25,
            **dict(zip(XYXY, BOXES[slot], strict=True)),
            **{f"target_{n}": side for n, side in zip(XYXY, BOXES[target], strict=True)},
        }
        for t in (2.0, 4.0)
        for block in ("P1", last)
        for target in targets
        for slot in (0, 1)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_one_person_of_each_key_frame_is_shown_first_who_acts_on_a_person(scene) -> None:
    both = {"Parallel": attention(last="P2"), "Serial": attention(last="P3")}
    shown = shown_targets(both, scene.actions, LABELS, most=4)
    # LEFT listens (a class of PERSON), RIGHT sits
    assert [(target.time_sec, target.number) for target in shown] == [(2.0, 0), (4.0, 0)]
    assert len(shown_targets(both, scene.actions, LABELS, most=1)) == 1


def test_only_persons_that_all_networks_have_are_shown(scene) -> None:
    some = {"Parallel": attention(last="P2"), "Serial": attention(last="P2", targets=(1,))}
    shown = shown_targets(some, scene.actions, LABELS, most=4)
    assert {target.number for target in shown} == {1}
    alone = attention(last="P2")
    alone = alone[alone["slot"] == alone["target"]]
    assert shown_targets({"Serial": alone}, scene.actions, LABELS, most=4) == []
    with pytest.raises(InputError, match="no attention is given"):
        shown_targets({}, scene.actions, LABELS, most=4)


def test_there_is_a_picture_with_and_without_anyone_to_show(scene, tmp_path) -> None:
    both = {"Parallel": attention(last="P2"), "Serial": attention(last="P3")}
    draw_structures(both, scene.videos, scene.actions, LABELS, tmp_path / "a.png")
    nobody = {"Serial": attention(last="P2").iloc[:0]}
    draw_structures(nobody, scene.videos, scene.actions, LABELS, tmp_path / "b.png")
    assert (tmp_path / "a.png").stat().st_size > (tmp_path / "b.png").stat().st_size > 1000
