from pathlib import Path

import pandas as pd
import pytest

from aia.errors import InputError
from aia.tables.attention import ATTENTION_COLUMNS, read_attention, write_attention


def _row(target: int, block: str, slot: int, weight: float) -> dict[str, object]:
    boxes = dict.fromkeys(("target_x1", "target_y1", "x1", "y1"), 0.25)
    boxes |= dict.fromkeys(("target_x2", "target_y2", "x2", "y2"), 0.5)
    return {"video": "a", "time_sec": 2.0, "target": target, "block": block, "slot_sec": 2.0,
            "slot": slot, "weight": weight, **boxes}  # fmt: skip


def test_a_network_without_interactions_has_an_empty_table(tmp_path: Path) -> None:
    write_attention(tmp_path / "none.parquet", pd.DataFrame())
    frame = read_attention(tmp_path / "none.parquet")
    assert frame.empty
    assert tuple(frame.columns) == ATTENTION_COLUMNS


def test_what_padding_attended_to_is_shared_out_within_each_softmax(tmp_path: Path) -> None:
    rows = [
        _row(0, "P1", 0, 0.1),
        _row(0, "P1", 1, 0.3),
        _row(0, "P2", 0, 0.5),
        _row(1, "P1", 0, 1),
    ]
    write_attention(tmp_path / "some.parquet", pd.DataFrame(rows))
    frame = read_attention(tmp_path / "some.parquet")
    assert frame["weight"].tolist() == pytest.approx([0.25, 0.75, 1.0, 1.0])


def test_a_softmax_that_saw_padding_alone_stays_zero(tmp_path: Path) -> None:
    write_attention(tmp_path / "zero.parquet", pd.DataFrame([_row(0, "O1", 0, 0.0)]))
    assert read_attention(tmp_path / "zero.parquet")["weight"].tolist() == [0.0]


@pytest.mark.parametrize("content", [None, b"not parquet"], ids=["missing", "damaged"])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "attention.parquet"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=r"attention\.parquet"):
        read_attention(path)


def test_another_table_is_refused(tmp_path: Path) -> None:
    pd.DataFrame({"video": ["a"]}).to_parquet(tmp_path / "boxes.parquet")
    with pytest.raises(InputError, match="has no column 'time_sec'"):
        read_attention(tmp_path / "boxes.parquet")
