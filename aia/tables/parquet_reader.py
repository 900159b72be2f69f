"""Reading Parquet that anybody may have written: columns of the right types, boxes that are boxes.

Parquet checks little by itself: a reader gets whatever types a file has, and numbers
without meaning.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from aia.errors import InputError
from aia.tables.csv_files import LONGEST_SEC, check_video_id
from aia.tables.sealed import check_seal

OURS = b"aia"  # key of our entry in a file's metadata
_SIDES = ("x1", "y1", "x2", "y2")


def load_parquet(path: Path | str, columns: Iterable[str], what: str) -> pa.Table:
    """A Parquet file that has these columns, each once; they may be of any type."""
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file; {what} (Parquet) expected")
    try:
        check_seal(path)
        file = pq.ParquetFile(path, page_checksum_verification=True)
        names = file.schema_arrow.names
        if again := [name for name in names if names.count(name) > 1]:
            raise InputError(f"{path}: has column {again[0]!r} twice; expected each once")
        table = file.read()
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{path}: is not Parquet or is damaged ({problem})") from None
    _check_columns(path, names, columns, what)
    return table


def typed(path: Path | str, table: pa.Table, kinds: Mapping[str, pa.DataType]) -> pa.Table:
    """The table with some columns as these types; a text is never read as a number."""
    for place, name in enumerate(table.column_names):
        if name not in kinds:
            continue
        kind, found = kinds[name], table[name].type
        reason = ""
        if not _alike(found, kind):
            reason = " "
        else:
            try:
                table = table.set_column(place, name, table[name].cast(kind))
            except pa.ArrowException as problem:
                reason = f" ({problem})"
        if reason:
            raise InputError(
                f"{path}: column {name} holds {found}, expected {kind}{reason.rstrip()}; "
                "is it another table?"
            )
    return table


def read_description(path: Path | str, columns: Iterable[str], what: str) -> dict[str, Any]:
    """What our programs wrote about a file that has these columns; its rows are not read."""
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file; {what} (Parquet) expected")
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{path}: is not Parquet or is damaged ({problem})") from None
    _check_columns(path, schema.names, columns, what)
    return describes_itself(path, schema)


def describes_itself(path: Path | str, schema: pa.Schema) -> dict[str, Any]:
    """What our programs wrote into a file about it; nothing of other files."""
    raw = (schema.metadata or {}).get(OURS, b"{}")
    try:
        ours = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise InputError(
            f"{path}: what it says of itself is not JSON ({problem}); is it damaged?"
        ) from None
    if not isinstance(ours, dict):
        raise InputError(f"{path}: what it says of itself is no JSON object; is it damaged?")
    return ours


def check_full(path: Path | str, table: pa.Table, names: Iterable[str]) -> None:
    """Stop at an empty cell in these columns."""
    for name in names:
        if table[name].null_count:
            raise InputError(f"{path}: column {name} has empty cells, expected a value in each")


def check_keys(path: Path | str, table: pa.Table) -> None:
    """Stop at a video that could not be a file's name, or a time that no film has."""
    for video in table["video"].unique().to_pylist():
        check_video_id(video, path)
    time_sec = table["time_sec"].to_numpy()
    wrong = ~((time_sec >= 0) & (time_sec <= LONGEST_SEC))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}, row {row}: time_sec is {time_sec[row]}, expected seconds of the film, "
            f"0 to {LONGEST_SEC:.0f}"
        )


def check_sides(path: Path | str, table: pa.Table) -> None:
    """Stop at a box that reaches out of the frame, or is none."""
    sides = np.stack([table[side].to_numpy() for side in _SIDES], axis=1)
    outside = ~((sides >= 0) & (sides <= 1)).all(axis=1)
    if outside.any():
        row = int(outside.argmax())
        raise InputError(
            f"{path}, row {row}: box {sides[row].tolist()} is outside 0..1; boxes are fractions "
            "of the frame"
        )


def check_detected(path: Path | str, table: pa.Table) -> None:
    """Stop at a detector's box that is inside out, or has no score."""
    sides = np.stack([table[side].to_numpy() for side in _SIDES], axis=1)
    inverted = (sides[:, :2] > sides[:, 2:]).any(axis=1)
    if inverted.any():
        row = int(inverted.argmax())
        raise InputError(
            f"{path}, row {row}: box {sides[row].tolist()} is not left, top, right, bottom; is it "
            "left, top, width, height?"
        )
    score = table["score"].to_numpy()
    wrong = ~((score >= 0) & (score <= 1))
    if wrong.any():
        row = int(wrong.argmax())
        raise InputError(
            f"{path}, row {row}: score is {score[row]}, expected 0 to 1; is it a logit?"
        )


def number_lists(
    path: Path | str, table: pa.Table, name: str
) -> tuple[np.ndarray, np.ndarray] | None:
    """The numbers of a column of lists, one after another, and how many each row has (-1: no list).

    None: the column holds something else. An empty cell is not a number.
    """
    column = table[name].combine_chunks()
    kind = column.type
    lists = (
        pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind)
    )
    if not lists or not (
        pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    ):
        return None
    lengths = column.value_lengths().fill_null(-1).to_numpy(zero_copy_only=False)
    return column.flatten().to_numpy(zero_copy_only=False), lengths


def _check_columns(
    path: Path | str, names: Sequence[str], columns: Iterable[str], what: str
) -> None:
    missing = [name for name in columns if name not in names]
    if missing:
        raise InputError(
            f"{path}: has no column {missing[0]!r}; {what} have {', '.join(columns)}; "
            f"is it another table? (it has {', '.join(names)})"
        )


def _alike(found: pa.DataType, kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(found):
        found = found.value_type
    if pa.types.is_null(found):  # nothing in it, whatever it was meant to be
        return True
    if pa.types.is_string(kind):
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    return pa.types.is_integer(found) or pa.types.is_floating(found)
