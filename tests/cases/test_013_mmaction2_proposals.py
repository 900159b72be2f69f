"""Case 013: mmaction2's proposals are read, and nothing of the pickle is executed."""

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from aia.cli import main
from aia.tables import read_boxes, read_metrics

ROWS = [[0.124, 0.241, 0.424, 0.841, 0.95], [0.516, 0.236, 0.816, 0.836, 0.9]]


@pytest.fixture(autouse=True)
def _here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    rows = (f"{video},{second},0.1,0.2,0.4,0.8,1,0\n" for video in "cd" for second in (1, 2))
    Path("val.csv").write_text("".join(rows))


def imported(value: Any, protocol: int = 4) -> int:
    Path("proposals.pkl").write_bytes(pickle.dumps(value, protocol=protocol))
    options = ("--kind", "persons", "--annotations", "val.csv", "--output-dir", "out")
    return main(["boxes", "import", "proposals.pkl", *options])


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("kind", ["array", "float32", "list"])
@pytest.mark.parametrize("dictionary", [dict, OrderedDict])
def test_case_013_proposals_are_read(
    dictionary: type, kind: str, protocol: int, capsys: pytest.CaptureFixture[str]
) -> None:
    make = {"array": np.array, "float32": np.float32, "list": list}[kind]
    found = {"c,0001": make(ROWS), "c,0002": make(ROWS[:1]), "e,0001": make(ROWS[:1])}
    assert imported(dictionary(found), protocol) == 0
    said = capsys.readouterr().err
    assert "mmaction2's proposals, 3 persons of 1 of 2 videos; 1 video (e) skipped" in said
    assert "proposals.pkl: 2 of 4 key frames have no box" in said
    boxes = read_boxes("out/c.parquet")
    assert boxes["time_sec"].tolist() == [1.0, 1.0, 2.0]
    sides = boxes[["x1", "y1", "x2", "y2", "score"]].to_numpy()
    np.testing.assert_allclose(sides, [*ROWS, ROWS[0]], rtol=1e-6)
    assert read_boxes("out/d.parquet").empty


def test_case_013_rows_may_lack_the_score(capsys: pytest.CaptureFixture[str]) -> None:
    assert imported({"c,0001": [row[:4] for row in ROWS], "c,0002": np.zeros((0, 5))}) == 0
    assert "2 rows have no score, 1 is assumed" in capsys.readouterr().err
    assert read_boxes("out/c.parquet")["score"].tolist() == [1.0, 1.0]


class Harmful:
    """Would write a file when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (Path("executed"),)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"c,0001": Harmful()}, "this pickle would run"),
        ({"c": ROWS}, "'c' is a key of its dictionary, expected 'video,second'"),
        (
            {"c.mp4,0001": ROWS},
            "proposals.pkl, key 'c.mp4,0001': 'c.mp4' has the ending of a file; an id names the "
            "video without it, expected 'c'",
        ),
        ({"c,one": ROWS}, "'c,one' is a key of its dictionary"),
        ({"c,-1": ROWS}, "'c,-1' is a key of its dictionary"),
        ({"c,0001": [[1, 2, 3]]}, "c,0001: expected rows of x1, y1, x2, y2 and perhaps a score"),
        ({"c,0001": [[0.1] * 4, [0.1] * 5]}, "c,0001: expected rows of x1, y1, x2, y2"),
        ({"c,0001": "text"}, "c,0001: expected rows of x1, y1, x2, y2"),
        ({"c,0001": [[10, 20, 30, 40, 0.9]]}, "are these pixels?"),
        ({}, "proposals.pkl: an empty dictionary, expected 'video,second' and its rows"),
        ({"c,0901": ROWS}, "go from 901 to 901, the key frames from 1 to 2, none in common"),
    ],
)
def test_other_pickles_are_refused(
    value: Any, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported(value) == 2
    assert said in capsys.readouterr().err
    assert not Path("executed").exists()
    assert not Path("out").exists()


@pytest.mark.parametrize("protocol", range(6))
def test_a_list_is_known_as_epic_kitchens_in_every_protocol(
    protocol: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert imported([1.5], protocol) == 2
    said = "is a pickle of a list of other things, expected a list of a video's frames as epic-"
    assert said in capsys.readouterr().err


def test_texts_and_arrays_of_python_2_are_read() -> None:
    rows = np.array(ROWS)
    raw = "".join(f"\\x{byte:02x}" for byte in rows.tobytes())
    Path("proposals.pkl").write_bytes(
        b"(dp0\nS'c,0001'\np1\ncnumpy.core.multiarray\n_reconstruct\np2\n(cnumpy\nndarray\np3\n"
        b"(I0\ntp4\nS'b'\np5\ntp6\nRp7\n(I1\n(I2\nI5\ntp8\ncnumpy\ndtype\np9\n"
        b"(S'f8'\np10\nI0\nI1\ntp11\nRp12\n(I3\nS'<'\np13\nNNNI-1\nI-1\nI0\ntp14\nbI00\n"
        b"S'" + raw.encode() + b"'\np15\ntp16\nbs."
    )
    options = ("--kind", "persons", "--annotations", "val.csv", "--output-dir", "out")
    assert main(["boxes", "import", "proposals.pkl", *options]) == 0
    found = read_boxes("out/c.parquet")[["x1", "y1", "x2", "y2", "score"]]
    np.testing.assert_allclose(found, ROWS, rtol=1e-6)


RESULTS = {
    # "%s,%.03f,%.03f,%.03f,%.03f,%d,%.04f", key "%s,%04d"
    "pyslowfast": "c,0001,0.124,0.241,0.424,0.841,1,0.9000\n"
    "c,0002,0.100,0.200,0.400,0.800,1,0.8000\n",
    # each number as f"{item:.4f}", the rest as it is; the second is a text
    "mmaction2": "c,0001,0.1240,0.2410,0.4240,0.8410,1,0.9000\n"
    "c,0002,0.1000,0.2000,0.4000,0.8000,1,0.8000\n",
}


@pytest.mark.parametrize("program", RESULTS)
def test_case_013_result_files_are_evaluated_and_taken_as_boxes(program: str) -> None:
    Path("results.csv").write_text(RESULTS[program])
    Path("val.csv").write_text("".join(f"c,{second},0.1,0.2,0.4,0.8,1,0\n" for second in (1, 2)))
    found = ("--groundtruth", "val.csv", "--detections", "results.csv", "--output", "map.csv")
    assert main(["evaluate", "ava", *found]) == 0
    # overlaps are .74 and 1: of these the first is a hit at .7, not at .75
    assert read_metrics("map.csv")["value"].tolist() == [1.0, 1.0]
    assert main(["evaluate", "ava", *found, "--iou", "0.75"]) == 0
    assert read_metrics("map.csv")["value"].tolist() == [0.25, 0.25]
    options = ("--kind", "persons", "--annotations", "val.csv", "--output-dir", "out")
    assert main(["boxes", "import", "results.csv", *options]) == 0
    boxes = read_boxes("out/c.parquet")
    np.testing.assert_allclose(boxes["score"], [0.9, 0.8], rtol=1e-6)
