"""Reading detections with values that make no sense, such as pixels: those are looked for here.

A file that cannot be taken apart into rows of numbers is an error, as it is for evaluators.
"""

from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Int

from aia.doctor.detections import DetectionSet, from_rows
from aia.errors import InputError
from aia.tables import read_scores
from aia.tables.csv import check_file, has_lines, read_table, rows_of
from aia.tables.schema import NAME, Cells, Table

_COLUMNS = ("video", "second", "x1", "y1", "x2", "y2", "action", "score")
_TABLE = Table(
    "detections",
    {name: Cells(kind) for name, kind in zip(_COLUMNS, [NAME, *[pa.float64()] * 7], strict=True)},
)
_LARGEST_ID = 1e9


def read_detection_set(path: Path) -> DetectionSet:
    """Read AVA's CSV of detections or (named *.parquet) a table of scores, whatever its numbers.

    Raises:
        InputError: the file is not there, its rows have another form or hold no numbers.
    """
    return _from_parquet(path) if path.suffix == ".parquet" else _from_csv(path)


def lines_of(path: Path, found: DetectionSet, rows: Int[np.ndarray, " few"]) -> list[str]:
    """Say where rows of the file stand and what they hold."""
    if path.suffix == ".parquet":
        return [_score_row(found, int(row)) for row in rows]
    with open(path, encoding="utf-8-sig", errors="replace") as lines:
        filled = (
            f"line {line}: {text.rstrip()}"
            for line, text in enumerate(lines, start=1)
            if text.strip()
        )
        some = enumerate(islice(filled, max(rows, default=-1) + 1))
        return [text for row, text in some if row in rows]


def _from_csv(path: Path) -> DetectionSet:
    check_file(path, "detections")
    if not has_lines(path):
        return from_rows((), np.zeros((0, 8)))
    table = read_table(path, _TABLE).unify_dictionaries()
    video = table["video"].combine_chunks()
    values = np.column_stack([video.indices, *(table[name] for name in _COLUMNS[1:])])
    rows = rows_of(path, _TABLE)
    for name, column in zip(_COLUMNS[1:], values.T[1:], strict=True):
        wrong = ~np.isfinite(column)
        rows.refuse(wrong, f"{name} is {{}}, expected a number; did training diverge?", column)
    action = values[:, 6]
    wrong = (action != np.floor(action)) | (np.abs(action) > _LARGEST_ID)
    rows.refuse(wrong, "action is {}, expected a whole number", action)
    return from_rows(tuple(video.dictionary.to_pylist()), values)


def _from_parquet(path: Path) -> DetectionSet:
    table, scores, class_ids, _ = read_scores(path, check=False)
    video, names = pd.factorize(table["video"])  # -1: no name
    sides = table[["time_sec", "x1", "y1", "x2", "y2"]].to_numpy(np.float64)
    boxes = np.column_stack([video, sides])
    wrong = ~np.isfinite(boxes).all(axis=1) | ~np.isfinite(scores).all(axis=1) | (video < 0)
    if wrong.any():
        raise InputError(
            f"{path}, row {wrong.argmax()}: a value is missing or no number; did training diverge?"
        )
    actions = np.tile(np.array(class_ids, np.float64), len(table))
    boxes = boxes.repeat(len(class_ids), axis=0)
    values = np.column_stack([boxes, actions, scores.ravel()])
    return from_rows(tuple(map(str, names)), values)


def _score_row(found: DetectionSet, row: int) -> str:
    classes = len(np.unique(found.action))
    box = found.box[row]
    corners = ",".join(f"{side:.4g}" for side in found.xyxy[box])
    return (
        f"row {row // classes} (from 0), score {row % classes}: {found.videos[found.video[box]]},"
        f"{found.time_sec[box]:g},{corners},{found.action[row]},{found.score[row]:.4g}"
    )
