"""Reading Parquet that anybody may have written, and writing it: sealed, with a description.

Parquet checks little by itself: a reader gets whatever types a file has, and numbers without
meaning. Our entry in a file's metadata, `aia`, is a JSON object that says where the table is from.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aia.errors import InputError
from aia.tables.schema import Rows, Table, plain_kind
from aia.tables.sealed import check_seal, write_parquet

_OURS = b"aia"  # key of our entry in a file's metadata


def read_table(
    path: Path | str, table: Table, *, more: Iterable[str] = (), check: bool = True
) -> tuple[pa.Table, dict[str, Any]]:
    """Read a table and what the file says of itself.

    Args:
        path: The file.
        table: Its form; columns beside those are kept as they are.
        more: Names of further columns that it must have, of any type.
        check: False also takes values that make no sense, but no empty cell.

    Raises:
        InputError: No such file, it is damaged, another table, or a wrong value.
    """
    data = load_parquet(path, [*table.columns, *more], table.what)
    data = as_table(path, data, table, check=check)
    return data, _description(path, data.schema)


def write_table(
    path: Path | str,
    frame: pd.DataFrame,
    table: Table,
    *,
    more: Mapping[str, pa.Array] | None = None,
    ours: Mapping[str, Any] | None = None,
) -> None:
    """Write the table's columns of a DataFrame, whole or not at all.

    Args:
        path: The file.
        frame: The rows.
        table: Their form.
        more: Further columns.
        ours: What the file says of itself; None: nothing.
    """
    columns = {name: array_of(frame[name], cells.kind) for name, cells in table.columns.items()}
    metadata = None if ours is None else {_OURS: json.dumps(ours, sort_keys=True).encode()}
    write_parquet(path, pa.table(columns | dict(more or {})).replace_schema_metadata(metadata))


def load_parquet(path: Path | str, columns: Iterable[str], what: str) -> pa.Table:
    """Read a Parquet file that has these columns, each once; they may be of any type."""
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file; {what} (Parquet) expected")
    try:
        check_seal(path)
        file = pq.ParquetFile(path, page_checksum_verification=True)
        names = file.schema_arrow.names
        if again := [name for name in names if names.count(name) > 1]:
            raise InputError(f"{path}: has column {again[0]!r} twice; expected each once")
        data = file.read()
    except (pa.ArrowException, OSError) as problem:
        raise _damaged(path, problem) from None
    _check_columns(path, names, columns, what)
    return data


def as_table(path: Path | str, data: pa.Table, table: Table, *, check: bool = True) -> pa.Table:
    """Cast the table's columns to their types and check them; text is never read as a number."""
    for name, wanted in table.columns.items():
        found, kind = data[name], plain_kind(wanted.kind)
        problem = "" if _alike(found.type, kind) else " "
        try:
            cast = found.cast(kind) if not problem else found
        except pa.ArrowException as error:
            problem = f" ({error})"
        if problem:
            raise InputError(
                f"{path}: column {name} holds {found.type}, expected {kind}{problem.rstrip()}; "
                "is it another table?"
            )
        if cast.null_count and not wanted.nullable:
            raise InputError(f"{path}: column {name} has empty cells, expected a value in each")
        data = data.set_column(data.column_names.index(name), name, cast)
    if check:
        table.check(data, rows_of(path))
    return data


def rows_of(path: Path | str) -> Rows:
    """Rows of a file by their numbers, from 0."""
    return Rows(lambda row: f"{path}, row {row}")


def read_description(path: Path | str, columns: Iterable[str], what: str) -> dict[str, Any]:
    """Read what a file that has these columns says of itself, without its rows."""
    schema = _schema_of(path, what)
    _check_columns(path, schema.names, columns, what)
    return _description(path, schema)


def has_columns(path: Path | str, columns: Iterable[str], what: str) -> bool:
    """Tell if a Parquet file has these columns."""
    return set(columns) <= set(_schema_of(path, what).names)


def frame_of(data: pa.Table, columns: Sequence[str]) -> pd.DataFrame:
    """Turn columns into a DataFrame; whole numbers of which some are missing stay whole numbers."""
    kinds = {pa.int32(): pd.Int32Dtype()}  # of `track`, the one column of this kind
    return data.select(columns).replace_schema_metadata(None).to_pandas(types_mapper=kinds.get)


def array_of(column: pd.Series, kind: pa.DataType) -> pa.Array:
    """Turn a DataFrame's column into one array."""
    array = pa.Array.from_pandas(column, type=plain_kind(kind), safe=False)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def number_lists(data: pa.Table, name: str) -> tuple[np.ndarray, np.ndarray] | None:
    """The numbers of a column of lists, one after another, and how many each row has (-1: no list).

    None: the column holds something else. An empty cell is not a number.
    """
    column = data[name].combine_chunks()
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


def _schema_of(path: Path | str, what: str) -> pa.Schema:
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file; {what} (Parquet) expected")
    try:
        return pq.read_schema(path)
    except (pa.ArrowException, OSError) as problem:
        raise _damaged(path, problem) from None


def _description(path: Path | str, schema: pa.Schema) -> dict[str, Any]:
    """What our programs wrote into a file about it; {} of other files."""
    raw = (schema.metadata or {}).get(_OURS, b"{}")
    try:
        ours = json.loads(raw)
    except (ValueError, RecursionError) as problem:
        raise InputError(
            f"{path}: what it says of itself is not JSON ({problem}); is it damaged?"
        ) from None
    if not isinstance(ours, dict):
        raise InputError(f"{path}: what it says of itself is no JSON object; is it damaged?")
    return ours


def _damaged(path: Path | str, problem: Exception) -> InputError:
    return InputError(f"{path}: is not Parquet or is damaged ({problem})")


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
    found = plain_kind(found)
    if pa.types.is_null(found):  # nothing in it, whatever it was meant to be
        return True
    if pa.types.is_string(kind):
        return pa.types.is_string(found) or pa.types.is_large_string(found)
    return pa.types.is_integer(found) or pa.types.is_floating(found)
