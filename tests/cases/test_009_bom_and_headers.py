"""Case 009: annotations as spreadsheets and scripts save them, told alike early and late."""

from pathlib import Path

import pytest

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


def told(text: bytes) -> str:
    """Both the plan and the reader of tables refuse it, in the same words."""
    with pytest.raises(InputError) as early:
        videos(text)
    with pytest.raises(InputError) as late:
        read_actions("val.csv")
    assert str(early.value).partition(";")[0] == str(late.value).partition(";")[0]
    return str(early.value)


def test_case_009_a_header_is_told_as_a_header() -> None:
    said = told(("video_id,timestamp,x1,y1,x2,y2,action_id,person_id\n" + ROWS[0]).encode())
    assert (
        "val.csv, line 1: 'video_id,timestamp,x1,y1,x2,y2,action_id,person_id' looks like a "
        in said
    )


def test_case_009_utf_16_is_told() -> None:
    assert "line 1: is not UTF-8 (byte 0xff); it is UTF-16: save it" in told(
        ROWS[0].encode("utf-16")
    )


def test_case_009_an_id_with_an_ending_is_told_with_its_first_line() -> None:
    with pytest.raises(InputError) as early:
        videos("\n".join(["", *(row.replace("c,", "c.mp4,", 1) for row in ROWS)]).encode())
    assert "val.csv, line 2: 'c.mp4' has the ending of a file" in str(early.value)


@pytest.mark.parametrize(
    "row",
    [
        ROWS[0].replace(",", ";"),
        ROWS[0].replace(",", "\t"),
        "c;0001;0,124;0,241;0,424;0,841;2;0",
        "c\t0001\t0,124\t0,241\t0,424\t0,841\t2\t0",
    ],
)
def test_other_separators_and_decimal_commas_are_told(row: str) -> None:
    for read in (lambda: videos(row.encode()), lambda: read_actions("val.csv")):
        with pytest.raises(
            InputError, match=r"line 1.*separated by something else than commas\? Save"
        ):
            read()


def test_a_comma_too_many_is_told() -> None:
    assert videos((ROWS[0] + ",\n").encode()) == ["films/c.mp4"]
    with pytest.raises(
        InputError, match="line 1: 9 columns, .*is there a comma too many at its end"
    ):
        read_actions("val.csv")


def test_a_messages_line_is_the_first_one() -> None:
    with pytest.raises(InputError, match=r"val\.csv, line 2: 'films/c' is not a video's id"):
        videos("\n".join([ROWS[0], *(row.replace("c,", "films/c,", 1) for row in ROWS)]).encode())
