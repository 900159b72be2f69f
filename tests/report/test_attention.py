from pathlib import Path

import pandas as pd
import pytest

from aia.report.attention import draw_attention, is_target, last_block
from aia.tables.attention import read_attention, write_attention

from .conftest import LABELS, LEFT, RIGHT

XYXY = ("x1", "y1", "x2", "y2")


def row(block: str, slot_sec: float, slot: int, box: tuple, weight: float, target: int = 0) -> dict:
    target_box = (LEFT, RIGHT)[target]
    return {
        "video": "red", "time_sec": 4.0, "target": target, "block": block, "slot_sec": slot_sec,
        "slot": slot, "weight": weight, **dict(zip(XYXY, box, strict=True)),
        **{f"target_{name}": side for name, side in zip(XYXY, target_box, strict=True)},
    }  # fmt: skip


@pytest.fixture
def attention(tmp_path: Path) -> pd.DataFrame:
    rows = [row("P1", 4, 0, LEFT, 0.5), row("P1", 4, 1, RIGHT, 0.25)]
    rows += [row("O1", 4, 0, (0.4, 0.0, 0.6, 0.2), 1.0)]
    rows += [
        row("M1", t, slot, box, 0.1) for t in range(2, 7) for slot, box in ((0, LEFT), (1, RIGHT))
    ]
    write_attention(tmp_path / "attention.parquet", pd.DataFrame(rows))
    return read_attention(tmp_path / "attention.parquet")


def test_a_network_without_blocks_gives_a_picture_that_says_so(scene, tmp_path: Path) -> None:
    write_attention(tmp_path / "none.parquet", pd.DataFrame())
    attention = read_attention(tmp_path / "none.parquet")
    draw_attention(attention, scene.videos, scene.actions, scene.scores, LABELS, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


@pytest.mark.parametrize("kinds", ["POM", "PO", "M", "O"])
def test_whatever_blocks_there_are_get_their_panels(
    scene, attention: pd.DataFrame, tmp_path: Path, kinds: str
) -> None:
    some = attention[attention["block"].str[0].isin(list(kinds))]
    draw_attention(some, scene.videos, scene.actions, scene.scores, LABELS, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_a_person_alone_attends_to_no_other_and_is_no_example(scene, tmp_path: Path) -> None:
    write_attention(tmp_path / "alone.parquet", pd.DataFrame([row("P1", 4, 0, LEFT, 1.0)]))
    attention = read_attention(tmp_path / "alone.parquet")
    draw_attention(attention, scene.videos, scene.actions, scene.scores, LABELS, tmp_path / "a.png")
    assert (tmp_path / "a.png").stat().st_size > 1000


def test_the_last_block_of_a_kind_is_the_one_with_the_highest_number() -> None:
    blocks = pd.DataFrame({"block": ["P2", "P10", "O11", "P9"]})
    assert last_block(blocks, "P")["block"].tolist() == ["P10"]
    assert last_block(blocks, "M").empty


def test_the_target_is_found_again_in_other_seconds_by_its_number(
    scene, attention: pd.DataFrame
) -> None:
    memory = attention[attention["block"] == "M1"]
    assert is_target(memory, scene.actions).tolist() == [True, False] * 5
    assert is_target(memory, scene.actions.assign(person=-1)) is None
