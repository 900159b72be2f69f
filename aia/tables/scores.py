"""Scores that a network gave to boxes (Parquet): what every metric of a run is computed from.

video, time_sec, x1, y1, x2, y2, score[, segment][, track], scores     scores: a list for each box
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float

from aia.errors import InputError
from aia.tables import parquet
from aia.tables.boxes import KEY
from aia.tables.schema import INTEGER, Cells, Table

_SCORES = Table("scores", {**KEY, "score": Cells(pa.float32())})
_MORE = {"segment": INTEGER, "track": Cells(pa.int32(), nullable=True)}


class ScoreTable(NamedTuple):
    """Boxes with a score for each class."""

    boxes: pd.DataFrame
    """Columns video, time_sec, x1, y1, x2, y2, score (the detector's); segment, its number, where
    the data are labelled by segment; and track (Int32), the person's number in its video, where
    persons were tracked."""
    scores: Float[np.ndarray, "boxes classes"]
    class_ids: tuple[int, ...]
    provenance: dict[str, str]


def write_scores(
    path: Path | str,
    *,
    boxes: pd.DataFrame,
    scores: Float[np.ndarray, "boxes classes"],
    class_ids: tuple[int, ...],
    provenance: Mapping[str, str],
) -> None:
    """Write one row per box, its scores as a list in the order of `class_ids`."""
    if scores.shape != (len(boxes), len(class_ids)):
        raise ValueError(f"scores {scores.shape}, {len(boxes)} boxes, {len(class_ids)} classes")
    flat = pa.array(scores.astype(np.float32).ravel())
    parquet.write_table(
        path,
        boxes,
        _SCORES.extended({name: cells for name, cells in _MORE.items() if name in boxes}),
        more={"scores": pa.FixedSizeListArray.from_arrays(flat, max(len(class_ids), 1))},
        ours={"class_ids": list(class_ids), "provenance": dict(provenance)},
    )


def read_scores(path: Path | str, *, check: bool = True) -> ScoreTable:
    """Read what `write_scores` wrote, checking that it can be scored.

    Args:
        path: The file.
        check: False also takes values that make no sense, for those who explain them.
    """
    data, ours = parquet.read_table(path, _SCORES, more=["scores"], check=check)
    class_ids = ours.get("class_ids")
    if not class_ids:
        raise InputError(f"{path}: says nothing of its classes; was it written by `aia score`?")
    if not isinstance(class_ids, list) or not all(type(one) is int for one in class_ids):
        raise InputError(f"{path}: its class_ids are {class_ids!r:.80}, expected whole numbers")
    found = parquet.number_lists(data, "scores")
    if found is None:
        kind = data["scores"].type
        raise InputError(f"{path}: column scores holds {kind}, expected a list of numbers")
    numbers, lengths = found
    if (lengths != len(class_ids)).any():
        raise InputError(f"{path}: rows do not have {len(class_ids)} scores each; is it damaged?")
    scores = numbers.astype(np.float32).reshape(-1, len(class_ids))
    wrong = ~np.all((scores >= 0) & (scores < np.inf), axis=1)
    if check and wrong.any():
        parquet.rows_of(path).refuse(
            wrong,
            "a score is {}, expected numbers from 0 on; did training diverge?",
            scores.min(axis=1),
        )
    names = [name for name in (*_SCORES.columns, *_MORE) if name in data.column_names]
    frame = parquet.frame_of(data, names)
    return ScoreTable(frame, scores, tuple(class_ids), ours.get("provenance", {}))


def is_score_table(path: Path | str) -> bool:
    """Tell if a Parquet file is one of `write_scores`."""
    return parquet.has_columns(path, ["scores"], "scores")
