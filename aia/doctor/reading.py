"""Reading detections without refusing: what the strict readers stop at is what is looked for here.

Only a file that cannot be taken apart into rows is an error.
"""

from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Int

from aia.doctor.detections import Detections, from_rows
from aia.tables import read_scores
from aia.tables.csv_files import NAME
from aia.tables.csv_reader import Layout, check_file, first_cells, has_lines, read_table

_COLUMNS = ("video", "second", "x1", "y1", "x2", "y2", "action", "score")
_LARGEST_ID = 1e9


class ScoreFile(NamedTuple):
    """What a file of detections holds."""

    detections: Detections
    """Rows all of whose values are numbers."""
    no_numbers: Int[np.ndarray, " rows"]
    """The rows that are left out, since a value in them is none."""
    header: bool
    """Whether the CSV begins with the names of its columns, which no evaluator expects."""
    classes: int
    """Scores in a row of a table of scores; 1 of a CSV file."""


def read_score_file(path: Path | str) -> ScoreFile:
    """Read AVA's CSV of detections or (named *.parquet) a table of scores, whatever its values.

    Raises:
        InputError: the file is not there, or its rows have another form.
    """
    if Path(path).suffix == ".parquet":
        return _from_parquet(path)
    return _from_csv(path)


def lines_of(path: Path | str, file: ScoreFile, rows: Int[np.ndarray, " few"]) -> list[str]:
    """Say where rows of the file stand and what they hold."""
    if Path(path).suffix == ".parquet":
        return [_score_row(file, int(row)) for row in rows]
    wanted = {int(row) + int(file.header) for row in rows}
    found = []
    with open(path, encoding="utf-8-sig", errors="replace") as lines:
        filled = ((line, text.rstrip()) for line, text in enumerate(lines, start=1) if text.strip())
        for place, (line, text) in enumerate(islice(filled, max(wanted, default=-1) + 1)):
            if place in wanted:
                found.append(f"line {line}: {text}")
    return found


def _from_csv(path: Path | str) -> ScoreFile:
    check_file(path, "detections")
    if not has_lines(path):
        return _nothing()
    kinds = [NAME, *[pa.float64()] * 7]
    cells = [cell.strip() for cell in first_cells(path)]
    header = len(set(cells)) == len(_COLUMNS) and not any(map(_is_number, cells[1:]))
    names = cells if header else _COLUMNS
    layout = Layout("detections", dict(zip(names, kinds, strict=True)), header=header)
    table = read_table(path, layout).unify_dictionaries().rename_columns(list(_COLUMNS))
    if not len(table):
        return _nothing()
    video = table["video"].combine_chunks()
    numbers = {name: table[name].to_numpy() for name in _COLUMNS[1:]}
    del table
    action, score = numbers["action"], numbers["score"]
    good = np.isfinite(score) & (np.abs(action) < _LARGEST_ID) & (action == np.floor(action))
    for name in ("second", "x1", "y1", "x2", "y2"):
        good &= np.isfinite(numbers[name])
    kept = np.flatnonzero(good)
    detections = from_rows(
        tuple(video.dictionary.to_pylist()),
        video.indices.to_numpy()[kept],
        numbers["second"][kept],
        np.column_stack([numbers[side][kept] for side in ("x1", "y1", "x2", "y2")]),
        action[kept].astype(np.int64),
        score[kept],
        kept,
    )
    return ScoreFile(detections, np.flatnonzero(~good), header, 1)


def _from_parquet(path: Path | str) -> ScoreFile:
    table, scores, class_ids, _ = read_scores(path, check=False)
    if not len(table):
        return _nothing()
    classes = len(class_ids)
    columns = table[["time_sec", "x1", "y1", "x2", "y2"]].to_numpy(np.float64)
    good = np.isfinite(scores) & np.isfinite(columns).all(axis=1)[:, None]
    good &= table["video"].notna().to_numpy()[:, None]
    good = good.ravel()
    kept = np.flatnonzero(good)
    video, names = pd.factorize(table["video"])
    box = kept // classes
    detections = from_rows(
        tuple(map(str, names)),
        video[box],
        columns[box, 0],
        columns[box, 1:],
        np.array(class_ids)[kept % classes],
        scores.ravel()[kept].astype(np.float64),
        kept,
    )
    return ScoreFile(detections, np.flatnonzero(~good), False, classes)


def _nothing() -> ScoreFile:
    no_row = np.zeros(0, np.int64)
    no_number = np.zeros(0)
    empty = from_rows((), no_row, no_number, np.zeros((0, 4)), no_row, no_number, no_row)
    return ScoreFile(empty, no_row, False, 1)


def _score_row(file: ScoreFile, row: int) -> str:
    found = file.detections
    where = f"row {row // file.classes} (from 0), score {row % file.classes}"
    place = int(np.searchsorted(found.row, row))
    if place == len(found) or found.row[place] != row:
        return where
    box = found.box[place]
    corners = ",".join(f"{side:.4g}" for side in found.xyxy[box])
    return (
        f"{where}: {found.videos[found.video[box]]},{found.time_sec[box]:g},{corners},"
        f"{found.action[place]},{found.score[place]:.4g}"
    )


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
