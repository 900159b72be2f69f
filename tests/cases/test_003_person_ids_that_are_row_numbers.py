"""Case 003: rows with one box on one key frame are one person, whatever the person column says."""

import re
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


@pytest.mark.parametrize(
    ("persons", "said"),
    [
        (RIGHT, None),
        (None, None),
        ([-1, -1, -1, -1], None),
        (
            [0, 1, 2, 3],
            "lines? 2 and line 3: one box with several ids at second 1 of a, and so on 1 ",
        ),
        (
            [0, 0, 0, 0],
            "line 1 and line 2: one id with several boxes at second 1 of a, and so on 1 ",
        ),
        ([1, 0, 1, 0], "line 1 and line 3: one id with several boxes"),
    ],
)
def test_ids_that_contradict_are_told_with_their_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], persons: list[int] | None, said: str | None
) -> None:
    read_actions(table(tmp_path / "ids.csv", persons))
    err = capsys.readouterr().err
    assert not err if said is None else re.search(said.replace("lines?", "line"), err)
