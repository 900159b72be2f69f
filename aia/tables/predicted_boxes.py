"""Predicted persons as PySlowFast and LFB publish them for AVA: a CSV without a header.

    video,second,x1,y1,x2,y2,action,score        boxes as fractions of the frame

The action is empty or -1 where a box has none (ava_{train,val}_predicted_boxes.csv). Where it has
some, it stands once for each of them (ava_detection_*_boxes_and_labels*.csv): such rows are one
person.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from aia.errors import InputError
from aia.tables import csv
from aia.tables.annotations import KEY_TIMES
from aia.tables.schema import (
    NOT_INVERTED,
    SIDES,
    Cells,
    Table,
    expect,
    fraction,
    is_probability,
    matching,
)

FARTHEST = 1.0
"""How far beyond the frame a side may lie, in frames; farther ones are no fractions."""

_ANNOTATIONS = "are these annotations, whose last column is a person?"
_ACTION = matching(r"\s*(-1|[0-9]*)\s*", "a whole number, -1 or nothing")
_PREDICTED = Table(
    "predicted boxes",
    {
        **KEY_TIMES.columns,
        **dict.fromkeys(SIDES, Cells(pa.float64(), fraction(FARTHEST))),
        "action": Cells(pa.string(), _ACTION),
        "score": Cells(pa.float64(), expect(is_probability, f"0 to 1; {_ANNOTATIONS}")),
    },
    NOT_INVERTED,
    may_be_empty=True,
)


def read_predicted_boxes(path: Path | str) -> pd.DataFrame:
    """Read boxes in file order, each once: video, time_sec, x1, y1, x2, y2, score.

    Boxes may reach beyond the frame and may be empty; a rounded sliver is.

    Raises:
        InputError: The file has another form, or values that are no boxes or scores.
    """
    frame = csv.read_frame(path, _PREDICTED).rename(columns={"second": "time_sec"})
    if (frame.pop("action").str.strip() != "").all() and frame["score"].isin([0, 1]).all():
        cells = csv.first_cells(path)
        if cells and cells[-1].strip().isdigit():
            raise InputError(f"{path}: all scores are 0 or 1; {_ANNOTATIONS}")
    return _each_once(frame)


def _each_once(rows: pd.DataFrame) -> pd.DataFrame:
    """One row of each box, with its best score."""
    best_first = rows.iloc[np.argsort(-rows["score"].to_numpy(), kind="stable")]
    kept = best_first.drop_duplicates(["video", "time_sec", *SIDES])
    return kept.sort_index().reset_index(drop=True)
