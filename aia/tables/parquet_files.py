"""The two Parquet tables: boxes that a detector found, and scores that the network gave them.

Both carry where they come from (`provenance`: model, hash of its weights, settings) in the file
itself, so that a number can be traced back to its boxes.
"""

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from jaxtyping import Float

from aia.errors import InputError
from aia.tables.parquet_reader import (
    OURS,
    check_detected,
    check_full,
    check_keys,
    check_sides,
    describes_itself,
    load_parquet,
    number_lists,
    typed,
)
from aia.tables.sealed import write_parquet

_KEY = {
    "video": pa.string(),
    "time_sec": pa.float64(),
    "x1": pa.float32(),
    "y1": pa.float32(),
    "x2": pa.float32(),
    "y2": pa.float32(),
    "score": pa.float32(),
}
_BOXES = _KEY | {"label": pa.string(), "track": pa.int32()}
BOX_COLUMNS = tuple(_BOXES)
_SEGMENT = "segment"  # one more column of scores, where the data are labelled by segment


class ScoreTable(NamedTuple):
    """Boxes with a score for each class: what every metric of a run is computed from."""

    boxes: pd.DataFrame
    """Columns video, time_sec, x1, y1, x2, y2, score (the detector's); and segment, its number,
    where the data are labelled by segment."""
    scores: Float[np.ndarray, "boxes classes"]
    class_ids: tuple[int, ...]
    provenance: dict[str, str]


def write_boxes(path: Path | str, boxes: pd.DataFrame, *, provenance: Mapping[str, str]) -> None:
    """Write boxes with the columns `BOX_COLUMNS`; `track` may be missing or null."""
    write_table(path, boxes, {}, {"provenance": dict(provenance)})


def write_table(
    path: Path | str, boxes: pd.DataFrame, more: dict[str, pa.Array], ours: dict[str, Any]
) -> None:
    """Write boxes with more columns beside theirs, and what is said of the file in `ours`."""
    if "track" not in boxes:
        boxes = boxes.assign(track=pd.array([pd.NA] * len(boxes), dtype="Int32"))
    _write(path, {name: _array(boxes[name], kind) for name, kind in _BOXES.items()} | more, ours)


def read_table(
    path: Path | str, what: str, *, more: Iterable[str] = ()
) -> tuple[pa.Table, dict[str, Any]]:
    """Boxes with more columns beside theirs, checked, and what the file says of itself.

    Args:
        path: The file.
        what: What it should hold, for messages.
        more: Names of the further columns.
    """
    table, ours = _read(path, [*_BOXES, *more], _BOXES, what)
    check_full(path, table, [*_KEY, "label"])
    check_detected(path, table)
    return table, ours


def read_boxes(path: Path | str) -> pd.DataFrame:
    """Boxes with the columns `BOX_COLUMNS`; `attrs["provenance"]` says where they come from."""
    table, ours = read_table(path, "boxes")
    frame = table.select(BOX_COLUMNS).to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
    frame.attrs["provenance"] = ours.get("provenance", {})
    return frame


def read_foreign_boxes(path: Path | str) -> tuple[pd.DataFrame, list[str]]:
    """Boxes of any table with the columns video, time_sec, x1, y1, x2, y2 and score.

    Returns:
        These columns, with label and track where the table has them; and the names of the others.
        Boxes may reach beyond the frame and may be empty.
    """
    table = load_parquet(path, _KEY, "boxes")
    known = [name for name in _BOXES if name in table.column_names]
    kinds = _BOXES | {side: pa.float64() for side in ("x1", "y1", "x2", "y2")}
    found = typed(path, table.select(known), kinds)
    check_full(path, found, [name for name in known if name != "track"])
    check_keys(path, found)
    frame = found.to_pandas(types_mapper={pa.int32(): pd.Int32Dtype()}.get)
    return frame, [name for name in table.column_names if name not in known]


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
    columns = {name: _array(boxes[name], kind) for name, kind in _KEY.items()}
    if _SEGMENT in boxes:
        columns[_SEGMENT] = _array(boxes[_SEGMENT], pa.int64())
    flat = pa.array(scores.astype(np.float32).ravel())
    columns["scores"] = pa.FixedSizeListArray.from_arrays(flat, max(len(class_ids), 1))
    _write(path, columns, {"class_ids": list(class_ids), "provenance": dict(provenance)})


def read_scores(path: Path | str, *, check: bool = True) -> ScoreTable:
    """Read what `write_scores` wrote, checking that it can be scored.

    Args:
        path: the file.
        check: False also takes values that make no sense, for those who explain them.
    """
    table, ours = _read(path, [*_KEY, "scores"], _KEY, "scores", check=check)
    class_ids = ours.get("class_ids")
    if not class_ids:
        raise InputError(f"{path}: says nothing of its classes; was it written by `aia score`?")
    if not isinstance(class_ids, list) or not all(type(one) is int for one in class_ids):
        raise InputError(f"{path}: its class_ids are {class_ids!r:.80}, expected whole numbers")
    found = number_lists(path, table, "scores")
    if found is None:
        kind = table["scores"].type
        raise InputError(f"{path}: column scores holds {kind}, expected a list of numbers")
    numbers, lengths = found
    if (lengths != len(class_ids)).any():
        raise InputError(f"{path}: rows do not have {len(class_ids)} scores each; is it damaged?")
    scores = numbers.astype(np.float32).reshape(-1, len(class_ids))
    wrong = ~((scores >= 0) & (scores < np.inf)).all(axis=1)
    if check and wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}, row {row}: a score is {scores[row].min()}, expected numbers from 0 on; "
            "did training diverge?"
        )
    kept = [*_KEY, _SEGMENT] if _SEGMENT in table.column_names else [*_KEY]
    frame = table.select(kept).to_pandas()
    return ScoreTable(frame, scores, tuple(class_ids), ours.get("provenance", {}))


def is_score_table(path: Path | str) -> bool:
    """Whether a Parquet file is one of `write_scores`."""
    try:
        return "scores" in pq.read_schema(path).names
    except (pa.ArrowInvalid, OSError) as problem:
        raise InputError(f"{path}: is not Parquet or is damaged ({problem})") from None


def _array(column: pd.Series, kind: pa.DataType) -> pa.Array:
    array = pa.Array.from_pandas(column, type=kind, safe=False)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _write(path: Path | str, columns: dict[str, pa.Array], ours: dict[str, Any]) -> None:
    metadata = {OURS: json.dumps(ours, sort_keys=True).encode()}
    write_parquet(path, pa.table(columns).replace_schema_metadata(metadata))


def _read(
    path: Path | str,
    columns: Iterable[str],
    kinds: Mapping[str, pa.DataType],
    what: str,
    *,
    check: bool = True,
) -> tuple[pa.Table, dict[str, Any]]:
    table = typed(path, load_parquet(path, columns, what), kinds)
    check_full(path, table, _KEY)
    if check:
        check_keys(path, table)
        check_sides(path, table)
    return table, describes_itself(path, table.schema)
