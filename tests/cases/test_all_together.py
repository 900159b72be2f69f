"""Cases 001 to 013 in one data set: for each, the right number or a line on what was assumed.

Not here, since they are of the machine: 008 (little shared memory) and what `./run` does of 010.
"""

import csv
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest

from aia.cli import main
from aia.video.store import FrameStore
from tests.cases.test_004_sound_begins_first import VIDEO
from tests.video.soak import cut, number_of, write
from tests.workflow import made, message, overlay, planned, snakemake

SECONDS = range(4, 8)
PERSONS = ((0.1, 0.2, 0.4, 0.8), (0.5, 0.2, 0.8, 0.8))
TARGET = "results/street/metrics/persons.csv"
TARGETS = (TARGET, "results/street/films.csv")
FRAMES = {"fps": 10, "short_side": 96, "film_start_sec": 0}
IMPORT = ("boxes", "import", "proposals.pkl", "--kind", "persons", "--annotations", "val.csv",
          "--output-dir", "imported")  # fmt: skip
STEP = ("frames", "--settings", "results/street/settings.yaml")
SETTINGS = {
    "data": {
        "films": "films/{video}.*",
        "labels": "actions.pbtxt",
        "annotations": {"train": "train.csv", "val": "val.csv"},
        "excluded": {"train": None, "val": None},
        "objects": {"train": None, "val": None},
        "person_boxes": {"train": None, "val": "proposals.pkl"},
    },
    "detector": {"classes": ["person"]},
    "frames": FRAMES,
    "memory": {"reach": 2},
    "results": {"runs": ["slowfast_tiny-none"]},
}


def rows(*videos: str) -> list[str]:
    """Two persons a key frame, one of them with two actions; ids are row numbers (003)."""
    found = []
    for video in videos:
        for second in SECONDS:
            for person, box in enumerate(PERSONS):
                for action in (1, 2)[: 2 - person]:
                    sides = ",".join(map(str, box))
                    found.append(f"{video},{second},{sides},{action},{len(found)}")
    return found


@pytest.fixture(scope="module")
def street(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set as people have it, run up to the detection of its persons."""
    top = tmp_path_factory.mktemp("Straße mit [Klammern]")
    (top / "films").mkdir()
    plain = VIDEO._replace(sound_sec=None, start_sec=0.0)
    write(VIDEO, top / "films" / "late.mp4")  # 004
    write(plain._replace(ending="ts", sound_sec=0.6, start_sec=0.6), top / "whole.ts")
    cut(top / "whole.ts", top / "films" / "broadcast.ts", 2.6)  # 005
    write(plain, top / "films" / "cam1.mp4")
    shutil.copy(top / "films" / "late.mp4", top / "films" / "cam1.night.mp4")  # 006
    (top / "films" / "cam1.info.json").write_text("{}")
    shutil.copy(top / "films" / "cam1.mp4", top / "films" / "train.mp4")
    labels = 'label {{ name: "{}" label_id: {} }}\n'
    (top / "actions.pbtxt").write_text(labels.format("walk", 1) + labels.format("wave", 2))
    (top / "train.csv").write_text("\n".join(rows("train")) + "\n")
    told = "\r\n".join([*rows("late", "broadcast", "cam1"), "   ", ""])
    (top / "val.csv").write_bytes(b"\xef\xbb\xbf" + told.encode())  # 009
    write_boxes(top)  # 013
    (top / "config").mkdir()
    overlay(top / "config" / "street.yaml", SETTINGS)
    made(*TARGETS, "--config", "dataset=street", "--cores", "2", cwd=top)
    return top


def write_boxes(top: Path, *, first_sec: int = 0) -> None:
    boxes = {
        f"{video},{first_sec + second:04d}": np.array([[*box, 0.95] for box in PERSONS])
        for video in ("late", "broadcast", "cam1")
        for second in SECONDS
    }
    (top / "proposals.pkl").write_bytes(pickle.dumps(boxes))


def log(street: Path, rule: str) -> str:
    found = sorted((street / "logs" / "street").rglob("*.log"))
    return "".join(path.read_text() for path in found if rule in str(path))


def frame(street: Path, video: str, second: float) -> int:
    with FrameStore(street / "results" / "street" / "frames" / f"{video}.h5") as store:
        return number_of(store.read(np.array([store.nearest(float(second))]))[0])


def test_what_has_a_right_number_has_it(street: Path) -> None:
    with open(street / TARGET, newline="") as file:
        scores = {row["metric"]: float(row["value"]) for row in csv.DictReader(file)}
    assert scores["person AP@0.5"] == pytest.approx(1), (
        "003, 009, 013: two persons a key frame, all found"
    )
    assert frame(street, "late", 5) == 30, "004: the picture that a player shows"
    assert frame(street, "cam1", 5) == 50, "006: not cam1.night.mp4, which begins late"


def test_what_is_assumed_is_told(street: Path) -> None:
    said = log(street, "store_frames")
    assert "late.mp4: its picture begins 2.00 s after the file's start" in said  # 004
    assert "broadcast.ts: its picture begins" in said  # 005
    assert "of its video cannot be decoded" in said
    assert "breaks off" not in said


@pytest.fixture
def again(street: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the finished data set, as the present folder, to spoil."""
    top = tmp_path / "again"
    shutil.copytree(street, top)
    monkeypatch.chdir(top)
    return top


def workflow(*more: str) -> str:
    """Ask the workflow for the finished target, which must refuse it and leave it as it is."""
    before = Path(TARGET).read_bytes()
    said = message(snakemake(*TARGETS, "--config", "dataset=street", *more, cwd=Path(".")))
    assert Path(TARGET).read_bytes() == before
    return said


def command(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    """Call a command, which must refuse its input; return its error."""
    capsys.readouterr()
    assert main(list(words)) == 2
    return capsys.readouterr().err.splitlines()[-1].removeprefix("error: ")


def test_case_001_a_missing_video_is_the_same_message(again, capsys) -> None:
    with open("val.csv", "a") as file:
        file.write("\n".join(rows("gone")) + "\n")
    said = command(capsys, *STEP, "--part", "val.000")
    assert "films/gone.*" in said
    assert said in workflow("-n")


def test_case_002_an_older_table_is_noticed(again) -> None:
    assert planned(snakemake(*TARGETS, "-n", "--config", "dataset=street", cwd=again)) == {}
    Path("val.csv").write_text("\n".join(rows("late", "broadcast", "cam1")[1:]) + "\n")
    os.utime("val.csv", (1.7e9, 1.7e9))
    jobs = planned(snakemake(*TARGETS, "-n", "--config", "dataset=street", cwd=again))
    assert jobs["evaluate_persons"] == 1


def test_case_007_a_key_twice_is_the_same_message(again, capsys) -> None:
    with open("config/street.yaml", "a") as file:
        file.write("frames: {fps: 25}\n")
    said = command(capsys, "frames", "films/cam1.mp4", "--output", "a.h5", "--settings",
                   "config/street.yaml")  # fmt: skip
    assert "frames" in said
    assert said in workflow("-n")


def test_case_009_a_header_is_the_same_message(again, capsys) -> None:
    table = Path("val.csv").read_text(encoding="utf-8-sig")
    Path("val.csv").write_text("video_id,timestamp,x1,y1,x2,y2,action,person\n" + table)
    said = command(capsys, *IMPORT)
    assert "val.csv" in said
    assert said in workflow("-n")


def test_case_011_boxes_on_another_clock_are_the_same_message(again, capsys) -> None:
    write_boxes(again, first_sec=900)
    said = command(capsys, *IMPORT)
    assert "from 904 to 907" in said
    assert said in workflow("--cores", "1")
