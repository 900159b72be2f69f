"""Case 011: boxes that count on another clock, or in other units, are told at import."""

from pathlib import Path

import pandas as pd
import pytest

from aia.cli import main
from aia.tables import read_boxes

BOX = "0.124,0.241,0.424,0.841"


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("val.csv").write_text("".join(f"c,{second:04d},{BOX},1,0\n" for second in range(1, 11)))


def imported(seconds: list[float], capsys: pytest.CaptureFixture[str], box: str = BOX) -> str:
    Path("boxes.csv").write_text("".join(f"c,{second},{box},,0.95\n" for second in seconds))
    options = ("--kind", "persons", "--annotations", "val.csv", "--output-dir", "out")
    status = main(["boxes", "import", "boxes.csv", *options])
    said = capsys.readouterr().err
    assert status == (2 if "error: " in said else 0)
    return said


def test_case_011_boxes_on_another_clock(capsys: pytest.CaptureFixture[str]) -> None:
    said = imported(list(range(901, 911)), capsys)
    expected = "the boxes' seconds go from 901 to 910, the key frames from 1 to 10, none in common"
    assert expected in said
    assert "film_start_sec" in said
    assert not Path("out").exists()


@pytest.mark.parametrize("unit", [1000, 30])
def test_milliseconds_and_frames_are_told(unit: int, capsys: pytest.CaptureFixture[str]) -> None:
    said = imported([unit * second for second in range(1, 11)], capsys)
    assert f"go from {unit} to {10 * unit}, the key frames from 1 to 10, none in common" in said


def test_key_frames_without_a_box_are_counted(capsys: pytest.CaptureFixture[str]) -> None:
    assert "boxes.csv: 7 of 10 key frames have no box" in imported([8, 9, 10, 11], capsys)
    assert "have no box" not in imported(list(range(11)), capsys)
    assert len(read_boxes("out/c.parquet")) == 11


def test_one_video_of_several_on_another_clock_is_named(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with open("val.csv", "a") as file:
        file.write(f"d,0001,{BOX},1,0\n")
    Path("boxes.csv").write_text(f"c,1,{BOX},,0.9\nd,901,{BOX},,0.9\n")
    options = ("--kind", "persons", "--annotations", "val.csv", "--output-dir", "out")
    assert main(["boxes", "import", "boxes.csv", *options]) == 0
    said = capsys.readouterr().err
    assert "10 of 11 key frames have no box; none of 1 video (d) has one" in said


def test_boxes_in_pixels_are_told_with_their_range(capsys: pytest.CaptureFixture[str]) -> None:
    said = imported([1, 2], capsys, box="12,24,42.5,84")
    assert "pixels" in said
    assert not Path("out").exists()
    row = {"video": "c", "time_sec": 1.0, "x1": 12.0, "y1": 24.0, "x2": 42.5, "y2": 84.0}
    pd.DataFrame([row | {"score": 0.9}]).to_parquet("boxes.parquet")
    options = ("--kind", "persons", "--annotations", "val.csv", "--output-dir", "out")
    assert main(["boxes", "import", "boxes.parquet", *options]) == 2
    assert "outside 0..1 (all go from 12 to 84)" in capsys.readouterr().err
