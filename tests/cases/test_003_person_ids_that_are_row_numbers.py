"""Case 003: rows with one box on one key frame are one person, whatever the person column says."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aia.datasets.ava import annotated_clips
from aia.evaluate.person_ap import person_ap
from aia.labels import ClassList
from aia.tables import read_actions

LABELS = ClassList.numbered(3)
ROWS = [  # the second person does two things
    "a,1,0.1,0.2,0.4,0.8,1",
    "a,1,0.5,0.2,0.8,0.8,2",
    "a,1,0.5,0.2,0.8,0.8,3",
    "a,2,0.1,0.2,0.4,0.8,1",
]
RIGHT = [0, 1, 1, 0]


def table(path: Path, persons: list[int] | None) -> Path:
    ends = [""] * len(ROWS) if persons is None else [f",{person}" for person in persons]
    path.write_text("".join(f"{row}{end}\n" for row, end in zip(ROWS, ends, strict=True)))
    return path


@pytest.mark.parametrize("persons", [[0, 1, 2, 3], [5, 5, 7, 5], [0, 0, 0, 0], None])
def test_case_003_persons_are_those_of_right_ids(tmp_path: Path, persons: list[int] | None) -> None:
    files = table(tmp_path / "right.csv", RIGHT), table(tmp_path / "other.csv", persons)
    right, other = (annotated_clips(file, labels=LABELS) for file in files)
    for one, same in zip(right, other, strict=True):
        np.testing.assert_array_equal(one.persons_xyxy, same.persons_xyxy)
        np.testing.assert_array_equal(one.labels, same.labels)
    assert other[0].labels.tolist() == [[1, 0, 0], [0, 1, 1]]
    boxes = pd.DataFrame(
        [("a", time_sec, *xyxy, "person", 0.9) for time_sec, xyxy in
         ((1.0, (0.1, 0.2, 0.4, 0.8)), (1.0, (0.5, 0.2, 0.8, 0.8)), (2.0, (0.1, 0.2, 0.4, 0.8)))],
        columns=["video", "time_sec", "x1", "y1", "x2", "y2", "label", "score"],
    )  # fmt: skip
    found = person_ap(read_actions(files[1]), [boxes])
    assert (found.ap, found.persons) == (pytest.approx(1.0), 3)


NEVER = ", whatever the column of persons says\n"


@pytest.mark.parametrize(
    ("persons", "said"),
    [
        (RIGHT, ""),
        (None, ""),
        ([-1, -1, -1, -1], ""),
        ([0, -1, 5, 0], ""),
        (
            [0, 1, 2, 3],
            "line 2 and line 3: one box with several ids at second 1 of a; it is one person"
            + NEVER,
        ),
        (
            [0, 0, 0, 0],
            "line 1 and line 2: one id with several boxes at second 1 of a; each box is a person "
            "of its own" + NEVER,
        ),
        (
            [1, 0, 1, 0],
            "line 2 and line 3: one box with several ids at second 1 of a; it is one person"
            + NEVER
            + "PATH, line 1 and line 3: one id with several boxes at second 1 of a; each box is a "
            "person of its own" + NEVER,
        ),
    ],
)
def test_ids_that_contradict_are_told_with_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], persons: list[int] | None, said: str
) -> None:
    path = table(tmp_path / "ids.csv", persons)
    read_actions(path)
    expected = f"{path}, {said}".replace("PATH", str(path)) if said else ""
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(("others", "said"), [(1, "1 more key frame;"), (2, "2 more key frames;")])
def test_further_key_frames_with_such_ids_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], others: int, said: str
) -> None:
    rows = (
        f"a,{second},{box},1,7\n"
        for second in range(1 + others)
        for box in ("0.1,0.2,0.4,0.8", "0.5,0.2,0.8,0.8")
    )
    (tmp_path / "ids.csv").write_text("".join(rows))
    read_actions(tmp_path / "ids.csv")
    assert f"at second 0 of a, and on {said} each box is" in capsys.readouterr().err


def test_a_known_id_stands_for_rows_of_the_box_without_one(tmp_path: Path) -> None:
    assert read_actions(table(tmp_path / "ids.csv", [0, -1, 5, 0]))["person"].tolist() == [
        0,
        5,
        5,
        0,
    ]
