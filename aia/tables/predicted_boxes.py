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
from aia.tables.csv_files import NAME, check_videos_and_times
from aia.tables.csv_reader import Layout, Rows, first_cells, has_lines, read_table

_SIDES = ("x1", "y1", "x2", "y2")
_LAYOUT = Layout(
    "predicted boxes",
    {
        "video": NAME,
        "second": pa.float64(),
        **{side: pa.float64() for side in _SIDES},
        "action": pa.string(),
        "score": pa.float64(),
    },
)
_ANNOTATIONS = "are these annotations, whose last column is a person?"
FARTHEST = 1.0
"""How far beyond the frame a side may lie, in frames; farther ones are no fractions."""


def read_predicted_boxes(path: Path | str) -> pd.DataFrame:
    """Boxes in file order, each once: video, time_sec, x1, y1, x2, y2, score.

    Boxes may reach beyond the frame and may be empty; a rounded sliver is.

    Raises:
        InputError: the file has another layout, or values that are no boxes or scores.
    """
    if Path(path).is_file() and not has_lines(path):
        return pd.DataFrame({name: [] for name in ("video", "time_sec", *_SIDES, "score")})
    table = read_table(path, _LAYOUT)
    rows = Rows(path, _LAYOUT)
    check_videos_and_times(table, rows)
    for name in _SIDES:
        side = table[name].to_numpy()
        rows.refuse(
            ~((side >= -FARTHEST) & (side <= 1 + FARTHEST)),
            f"{name} = {{}} is outside 0..1; boxes are fractions of the frame, are these pixels?",
            side,
        )
    for low, high in (("x1", "x2"), ("y1", "y2")):
        low_side, high_side = table[low].to_numpy(), table[high].to_numpy()
        rows.refuse(
            low_side > high_side,
            f"{low} = {{}} is above {high} = {{}}; a box is left, top, right, bottom, "
            "is this one left, top, width, height?",
            low_side,
            high_side,
        )
    action = table["action"].to_pandas().str.strip()
    rows.refuse(
        ~action.str.fullmatch(r"-1|\d*").to_numpy(bool),
        "action is not a whole number, -1 or empty",
    )
    score = table["score"].to_numpy()
    rows.refuse(
        ~((score >= 0) & (score <= 1)),
        f"score is {{}}, expected 0 to 1; {_ANNOTATIONS}",
        score,
    )
    if (action != "").all() and np.isin(score, (0, 1)).all() and _whole(first_cells(path)[-1]):
        raise InputError(f"{path}: all scores are 0 or 1; {_ANNOTATIONS}")
    frame = table.drop(["action"]).rename_columns(["video", "time_sec", *_SIDES, "score"])
    return _each_once(frame.to_pandas())


def _whole(text: str) -> bool:
    return text.strip().isdigit()


def _each_once(rows: pd.DataFrame) -> pd.DataFrame:
    """One row of each box, with its best score."""
    rows["video"] = rows["video"].astype(str)
    best_first = rows.iloc[np.argsort(-rows["score"].to_numpy(), kind="stable")]
    kept = best_first.drop_duplicates(["video", "time_sec", *_SIDES])
    return kept.sort_index().reset_index(drop=True)
