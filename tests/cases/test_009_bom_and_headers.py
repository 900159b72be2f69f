"""Case 009: annotations as spreadsheets and scripts save them, told alike early and late."""

import subprocess
import sys
from pathlib import Path

import pytest

from aia.cli import main
from aia.errors import InputError
from aia.plan import DataSet
from aia.tables import read_actions
from tests.workflow import ANNOTATED, project

ROWS = ["c,0001,0.124,0.241,0.424,0.841,2,0", "c,0002,0.128,0.201,0.428,0.801,1,0"]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("films").mkdir()
    Path("films/c.mp4").touch()


def videos(content: bytes) -> list[str]:
    """Plan with these annotations, as the workflow does before any job."""
    Path("val.csv").write_bytes(content)
    raw = {**project().raw("playhouse"), "dataset": "own"}
    raw["data"] = {**raw["data"], **ANNOTATED, "films": "films/{video}.*"}
    data = DataSet(raw)
    return [data.videos.path(video) for video in data.videos.ids("val")]


READ = {
    "as it should be": "\n".join(ROWS) + "\n",
    "byte order mark, CR LF": "\ufeff" + "\r\n".join(ROWS) + "\r\n",
    "no end of the last line": "\n".join(ROWS),
    "blank lines and lines of blanks": "\n   \n" + "\n \t \n\n".join(ROWS) + "\n   \n",
    "quoted": "\n".join(",".join(f'"{cell}"' for cell in row.split(",")) for row in ROWS),
}


@pytest.mark.parametrize("text", READ.values(), ids=READ)
def test_case_009_is_read(text: str) -> None:
    assert videos(text.encode()) == ["films/c.mp4"]
    found = read_actions("val.csv")
    assert found["video"].tolist() == ["c", "c"]
    assert found["time_sec"].tolist() == [1.0, 2.0]
    assert found["x2"].tolist() == [0.424, 0.428]


HEADER = "video_id,timestamp,x1,y1,x2,y2,action_id,person_id"
FORM = "video,second,x1,y1,x2,y2,action"
A_HEADER = f" looks like a header; this file has none, its lines are {FORM}"
SEPARATED = (
    "; are the cells separated by something else than commas? Save the table with commas between "
    "cells and points in numbers"
)
DECIMAL = "; are there decimal commas? Save the table with points in numbers"
TOLD = {
    "header": (f"{HEADER}\n{ROWS[0]}", f"line 1: '{HEADER}'{A_HEADER},person"),
    "header after a mark": (f"\ufeff{HEADER}\n{ROWS[0]}", f"line 1: '{HEADER}'{A_HEADER},person"),
    "header with a unit": (
        f"Video,Sekunde (s),x0,y0,x1,y1,Aktion\n{ROWS[0][:-2]}",
        f"line 1: 'Video,Sekunde (s),x0,y0,x1,y1,Aktion'{A_HEADER}",
    ),
    "header with a digit": (
        f"id,t0,x1,y1,x2,y2,action\n{ROWS[0][:-2]}",
        f"line 1: 'id,t0,x1,y1,x2,y2,action'{A_HEADER}",
    ),
    "header in the middle": (f"{ROWS[0]}\n{HEADER}\n", f"line 2: '{HEADER}'{A_HEADER},person"),
    "pandas with its index": (
        f",video,second,x1,y1,x2,y2,action\n0,{ROWS[0][:-2]}",
        f"line 1: ',video,second,x1,y1,x2,y2,action'{A_HEADER},person; its first column is the "
        "index of pandas, leave it out",
    ),
    "index without a header": (
        f"0,{ROWS[0]}",
        f"line 1: 9 columns, expected 8: {FORM},person; is its first column the number of the row "
        "(the index of pandas)? Leave it out",
    ),
    "empty": ("", f"is empty; expected lines of {FORM},person"),
    "only blanks": (" \n\n \n", f"is empty; expected lines of {FORM},person"),
    "semicolons": (ROWS[0].replace(",", ";"), f"line 1: 1 column, expected 8: {FORM},person"
                   + SEPARATED),
    "tabs": (ROWS[0].replace(",", "\t"), f"line 1: 1 column, expected 8: {FORM},person"
             + SEPARATED),
    "blanks": (ROWS[0].replace(",", " "), f"line 1: 1 column, expected 8: {FORM},person"
               + SEPARATED),
    "semicolons, decimal commas": (
        "c;0001;0,124;0,241;0,424;0,841;2;0",
        f"line 1: 5 columns, expected 8: {FORM},person{SEPARATED}",
    ),
    "tabs, decimal commas": (
        "c\t0001\t0,124\t0,241\t0,424\t0,841\t2\t0",
        f"line 1: 5 columns, expected 8: {FORM},person{SEPARATED}",
    ),
    "decimal commas": (
        ROWS[0].replace(".", ","), f"line 1: 12 columns, expected 8: {FORM},person{DECIMAL}"
    ),
    "quoted decimal commas": (
        'c,0001,"0,124","0,241","0,424","0,841",2,0',
        f"line 1: x1 is '0,124', expected a number{DECIMAL}",
    ),
    "a comma too many": (
        f"{ROWS[0]},\n",
        f"line 1: 9 columns, expected 8: {FORM},person; is there a comma too many at its end?",
    ),
    "a column less in the middle": (
        f"{ROWS[0]}\n{ROWS[1][:-2]}\n", f"line 2: 7 columns, expected 8: {FORM},person"
    ),
    "UTF-16": (
        ROWS[0].encode("utf-16"),
        "line 1: is not UTF-8 (byte 0xff); it is UTF-16: save it as UTF-8, or is it no text?",
    ),
    "UTF-32": (
        ROWS[0].encode("utf-32"),
        "line 1: is not UTF-8 (byte 0xff); it is UTF-32: save it as UTF-8, or is it no text?",
    ),
    "UTF-16 without a mark": (
        ROWS[0].encode("utf-16-le"),
        "line 1: has a NUL byte; it is UTF-16 without a byte order mark: save it as UTF-8, or is "
        "it no text?",
    ),
    "UTF-32 without a mark": (
        ROWS[0].encode("utf-32-be"),
        "line 1: has a NUL byte; it is UTF-32 without a byte order mark: save it as UTF-8, or is "
        "it no text?",
    ),
    "a NUL byte": (
        f"{ROWS[0]}\nc,0002,0.1\0,0.2,0.3,0.4,1,0\n",
        "line 2: has a NUL byte; save it as UTF-8, or is it no text?",
    ),
    "zero-width characters": (
        f"{ROWS[0]}\n\u200b{ROWS[1]}",
        "line 2: video id is '\\u200bc', expected letters, digits, '_', '-' and '.' only; "
        "'\\u200b' is U+200B",
    ),
    "a Cyrillic letter": (
        ROWS[0].replace("c", "\u0441"),
        "line 1: video id is '\u0441', expected letters, digits, '_', '-' and '.' only; "
        "'\u0441' is U+0441",
    ),
    "a path": (
        f"{ROWS[0]}\nfilms/{ROWS[1]}\nfilms/{ROWS[1]}\n",
        "line 2: video id is 'films/c', expected letters, digits, '_', '-' and '.' only; is it a "
        "path? the folder belongs to the settings, not to the table",
    ),
    "an ending": (
        "\n".join(["", *(row.replace("c,", "c.mp4,", 1) for row in ROWS)]),
        "line 2: 'c.mp4' has the ending of a file; an id names the video without it, expected 'c'",
    ),
    "pixels": (
        "c,1,12,24,42,84,2,0",
        "line 1: x1 = 12 is outside 0..1; boxes are fractions of the frame, these look like pixels",
    ),
    "left, top, width, height": (
        "c,1,0.424,0.241,0.300,0.600,2,0",
        "line 1: x1 = 0.424 is not below x2 = 0.3; a box is left, top, right, bottom, is this one "
        "left, top, width, height?",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("content", "said"), TOLD.values(), ids=TOLD)
def test_case_009_is_told_before_any_job_as_by_the_commands(
    content: str | bytes, said: str
) -> None:
    with pytest.raises(InputError) as early:
        videos(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InputError) as late:
        read_actions("val.csv")
    joint = ": " if said.startswith("is ") else ", "
    assert str(early.value) == str(late.value) == f"val.csv{joint}{said}"


@pytest.mark.parametrize("table", ["annotations", "detections", "boxes"])
def test_case_009_an_id_with_an_ending_is_told_by_each_command(
    table: str, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = {
        "annotations": ROWS[0],
        "detections": ROWS[0] + ".9",
        "boxes": ROWS[0] + ".9",
    }
    for name, text in texts.items():
        id_ = "c.mp4," if name == table else "c,"
        Path(f"{name}.csv").write_text(text.replace("c,", id_, 1))
    evaluate = ("--groundtruth", "annotations.csv", "--detections", "detections.csv")
    given = ("--kind", "persons", "--annotations", "annotations.csv", "--output-dir", "out")
    assert (
        main(["boxes", "import", "boxes.csv", *given])
        if table == "boxes"
        else main(["evaluate", "ava", *evaluate, "--output", "map.csv"])
    ) == 2
    assert (
        f"{table}.csv, line 1: 'c.mp4' has the ending of a file; an id names the video without it, "
        "expected 'c'\n"
    ) in capsys.readouterr().err


def test_plain_annotations_are_planned_without_the_readers_of_tables() -> None:
    Path("val.csv").write_text("\n".join(["\ufeffd,902", *ROWS, "b,3.5"]) + "\r\n \n")
    code = (
        "import sys; from aia.plan.videos import _annotated_videos as read; "
        "print(read('val.csv', ''), 'pandas' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "('b', 'c', 'd') False\n"
