"""Detections as YOWO and its followers write them: a folder with a text file for each frame.

    Basketball_v_Basketball_g01_c01_00009.txt      folder of the video, video, frame from 1
    1 0.8731 96 52 141 187                         class from 1, score, x1, y1, x2, y2

Boxes are pixels of 320 x 240, which UCF101-24's and JHMDB's videos have. A file without a line is a
frame without detections.
"""

import re
from pathlib import Path

import pandas as pd
import pyarrow as pa

from aia.errors import InputError
from aia.lines import number
from aia.tables.frame_boxes import DETECTIONS_BY_FRAME
from aia.tables.schema import Rows

_NAME = re.compile(r"(.+)_([0-9]{5,})\.txt")
_FORM = "class score x1 y1 x2 y2"


def read_yowo(folder: Path | str) -> pd.DataFrame:
    """Read a folder of detections.

    Returns:
        Columns video (with its folder, joined by `_`), frame (from 0), label (from 1), x1, y1, x2,
        y2, score; in the order of the files' names.

    Raises:
        InputError: A file is called otherwise, or has another form.
    """
    files = sorted(file for file in Path(folder).iterdir() if not file.name.startswith("."))
    if not files:
        raise InputError(f"{folder}: is an empty folder; {_expected()}")
    rows: list[tuple[str, int, int, float, float, float, float, float]] = []
    places: list[str] = []
    for file in files:
        named = _NAME.fullmatch(file.name)
        if named is None or int(named[2]) < 1:
            raise InputError(f"{file}: is not the name of a frame from 1 on; {_expected()}")
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as problem:
            raise InputError(f"{file}: cannot be read as text ({problem})") from None
        for place, line in enumerate(lines, start=1):
            if not line.strip():
                continue
            label, *values = (number(cell) for cell in line.split())
            score, x1, y1, x2, y2 = values if len(values) == 5 else [None] * 5
            if (
                label is None or score is None or x1 is None or y1 is None or x2 is None
                or y2 is None or not (label.is_integer() and 1 <= label < 1e9)
            ):  # fmt: skip
                raise InputError(
                    f"{file}, line {place}: {line[:80]!r}, expected {_FORM}, six numbers with "
                    "blanks between them, classes from 1"
                )
            rows.append((named[1], int(named[2]) - 1, int(label), x1, y1, x2, y2, score))
            places.append(f"{file}, line {place}")
    frame = pd.DataFrame(rows, columns=list(DETECTIONS_BY_FRAME.columns))
    data = pa.Table.from_pandas(frame, DETECTIONS_BY_FRAME.schema, preserve_index=False)
    DETECTIONS_BY_FRAME.check(data, Rows(lambda row: places[row]))
    return frame


def _expected() -> str:
    return (
        "expected files as YOWO writes them, such as Basketball_v_Basketball_g01_c01_00009.txt, "
        f"with lines of {_FORM}"
    )
