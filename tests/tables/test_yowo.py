"""Detections as YOWO writes them, a text file for each frame."""

from pathlib import Path

import pytest

from aia.cli import main
from aia.errors import InputError
from aia.tables import read_metrics, read_yowo

NAME = "Basketball_v_Basketball_g01_c01_00009.txt"


def folder(path: Path, files: dict[str, str]) -> Path:
    path.mkdir()
    for name, text in files.items():
        (path / name).write_text(text)
    return path


def test_files_are_frames_and_lines_detections(tmp_path: Path) -> None:
    files = {
        NAME: "3 0.75 10 -2 50 90\n3 0.5 20 20 60 95\n",
        "brush_hair_some_0_00001.txt": "",
        "brush_hair_some_0_00012.txt": "21 1e-05 0 0 320 240\n",
    }
    found = read_yowo(folder(tmp_path / "found", files))
    assert found.to_numpy().tolist() == [
        ["Basketball_v_Basketball_g01_c01", 8, 3, 10, -2, 50, 90, 0.75],
        ["Basketball_v_Basketball_g01_c01", 8, 3, 20, 20, 60, 95, 0.5],
        ["brush_hair_some_0", 11, 21, 0, 0, 320, 240, 1e-05],
    ]
    assert list(found) == ["video", "frame", "label", "x1", "y1", "x2", "y2", "score"]


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, ": is an empty folder; expected files as YOWO writes them, such as Basketball_v"),
        ({"00009.txt": ""}, "/00009.txt: is not the name of a frame from 1 on; expected files"),
        ({"a_b_00000.txt": ""}, "/a_b_00000.txt: is not the name of a frame from 1 on"),
        ({"detections.csv": ""}, "/detections.csv: is not the name of a frame"),
        ({NAME: "\n1,0.9,1,2,3,4\n"}, f"/{NAME}, line 2: '1,0.9,1,2,3,4', expected class score x1"),
        ({NAME: "1 0.9 1 2 3\n"}, f"/{NAME}, line 1: '1 0.9 1 2 3', expected class score x1 y1"),
        ({NAME: "0 0.9 1 2 3 4\n"}, f"/{NAME}, line 1: '0 0.9 1 2 3 4', expected class score"),
        ({NAME: "1.5 0.9 1 2 3 4\n"}, f"/{NAME}, line 1: '1.5 0.9 1 2 3 4', expected class"),
        ({NAME: "1 nan 1 2 3 4\n"}, f"/{NAME}, line 1: score is nan, expected a number"),
        ({NAME: "1 1 9 2 3 4\n"}, f"/{NAME}, line 1: x1 = 9 is above x2 = 3; a box is left, top"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, files: dict[str, str], said: str) -> None:
    path = folder(tmp_path / "found", files)
    with pytest.raises(InputError) as refused:
        read_yowo(path)
    assert str(refused.value).startswith(f"{path}{said}")


@pytest.mark.parametrize("first", [0, 1])
def test_a_folder_is_evaluated_as_the_csv_of_its_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], first: int
) -> None:
    header = "video,frame,label,x1,y1,x2,y2"
    truth, found = tmp_path / "gt.csv", tmp_path / "found.csv"
    truth.write_text(
        f"{header}\nwave/Big_wave_0,0,{first},10,10,50,90\nwave/Big_wave_0,1,{first},10,10,50,90\n"
        f"kick_ball/wave_0,0,{first + 1},10,10,50,90\n"
    )
    found.write_text(
        f"{header},score\nBig_wave_0,0,{first},10,10,50,90,0.5\n"
        f"Big_wave_0,1,{first},0,10,10,90,0.75\nwave_0,0,{first + 1},10,10,50,90,0.25\n"
    )
    files = {
        "wave_Big_wave_0_00001.txt": "1 0.5 10 10 50 90\n",
        "wave_Big_wave_0_00002.txt": "1 0.75 0 10 10 90\n",
        "kick_ball_wave_0_00001.txt": "2 0.25 10 10 50 90\n",
    }
    path = folder(tmp_path / "found", files)
    numbers = []
    for detections in (found, path):
        given = ("--groundtruth", str(truth), "--detections", str(detections))
        output = tmp_path / "map.csv"
        assert (
            main(["evaluate", "ucf24", *given, "--protocol", "yowo", "--output", str(output)]) == 0
        )
        numbers.append(read_metrics(output)["value"].tolist())
    assert numbers[0] == numbers[1] == pytest.approx([0.625, 0.25, 1.0])
    said = f"{path}: detections as YOWO writes them; its frame 1 is frame 0 here, its class 1 is "
    assert f"{said}class {first}\n" in capsys.readouterr().err


def test_a_folder_is_no_csv_of_ava(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = folder(tmp_path / "found", {NAME: "1 0.9 1 2 3 4\n"})
    truth = tmp_path / "gt.csv"
    truth.write_text("c,1,0.1,0.2,0.3,0.4,1\n")
    given = ("--groundtruth", str(truth), "--detections", str(path), "--output", str(path / "map"))
    assert main(["evaluate", "ava", *given]) == 2
    said = f"{path}: is a folder; expected a CSV or a table of scores. YOWO's detections by frame "
    assert said in capsys.readouterr().err
