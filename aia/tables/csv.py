"""Reading CSV fast, and saying precisely what is wrong with it when something is.

The fast way knows nothing of lines: pyarrow parses millions of rows a second into typed columns,
and checks look at whole columns. Only once something is found wrong is the file read again, slowly,
to find the line.
"""

import csv
import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv

from aia import lines
from aia.errors import InputError
from aia.files import atomic_path
from aia.lines import check_utf8, form_hint, header_problem, is_header, number
from aia.tables.schema import Rows, Table, plain_kind, text_of

_BLOCK_BYTES = 4 << 20  # of text; a few blocks are held at once


def read_table(path: Path | str, table: Table, markers: list[list[str]] | None = None) -> pa.Table:
    """Read and check a file, in its order.

    Args:
        path: The file.
        table: Its form.
        markers: Where to add the cells of the lines that have the first two columns alone.

    Raises:
        InputError: No such file, another form, no row where one is needed, or a wrong value.
    """
    data = pa.Table.from_batches(_parsed(path, table, markers), schema=table.schema)
    table.check(data, rows_of(path, table))
    return data


def read_blocks(path: Path | str, table: Table) -> Iterator[pa.RecordBatch]:
    """Read and check a file of any size, as `read_table`, block by block."""
    start = 0
    for batch in _parsed(path, table):
        table.check(batch, rows_of(path, table, start=start))
        start += len(batch)
        yield batch


def read_frame(path: Path | str, table: Table) -> pd.DataFrame:
    """Read and check a whole file as a DataFrame."""
    return frame_of(read_table(path, table), list(table.columns))


def frame_of(data: pa.Table, names: Sequence[str]) -> pd.DataFrame:
    """Turn a table into a DataFrame with these names of its columns, in order."""
    kinds = [(name, plain_kind(kind)) for name, kind in zip(names, data.schema.types, strict=True)]
    return data.rename_columns(list(names)).cast(pa.schema(kinds)).to_pandas()


def write_frame(path: Path | str, frame: pd.DataFrame) -> None:
    """Write a DataFrame with a header, and with every digit that tells two floats apart."""
    with atomic_path(path) as temporary:
        frame.to_csv(temporary, index=False, lineterminator="\n", na_rep="nan")


def rows_of(path: Path | str, table: Table, *, start: int = 0, markers: bool = False) -> Rows:
    """Rows of a file from row `start` on, by their lines: its markers, or those that are none."""

    def where(row: int) -> str:
        numbers = (
            line
            for line, cells in lines.rows(path)
            if not table.markers or (len(cells) == 2) == markers
        )
        return f"{path}, line {next(islice(numbers, start + row + table.header, None))}"

    return Rows(where)


def check_file(path: Path | str, what: str) -> None:
    """Stop if there is no such file."""
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file; {what} expected")
    if not Path(path).is_file():
        raise InputError(f"{path}: is not a file; {what} expected")


def first_cells(path: Path | str) -> list[str]:
    """Read the first line that is not a marker (of two cells), to tell forms apart; [] if none."""
    return next((cells for _, cells in lines.rows(path) if len(cells) != 2), [])


def has_lines(path: Path | str) -> bool:
    """Tell if the file holds anything but white space."""
    with open(path, "rb") as file:
        return any(line.strip() for line in file)


def _parsed(
    path: Path | str, table: Table, markers: list[list[str]] | None = None
) -> Iterator[pa.RecordBatch]:
    """Rows with the types of their columns, whatever their values."""
    check_file(path, table.what)
    if table.may_be_empty and not has_lines(path):
        return
    several = len(table.columns) > 1
    if several:  # pyarrow could not say so to the handler of rows
        check_utf8(path)
    short = markers if markers is not None else []

    def on_wrong_row(row: pa_csv.InvalidRow) -> str:
        if not row.text.strip():  # a line of blanks
            return "skip"
        if not table.markers:
            return "error"
        cells = next(csv.reader([row.text])) if row.actual_columns == 2 else []
        if len(cells) != 2 or number(cells[1]) is None:
            return "error"
        short.append(cells)
        return "skip"

    start = 0
    try:
        with pa_csv.open_csv(
            path,
            read_options=pa_csv.ReadOptions(
                column_names=list(table.columns),
                skip_rows=int(table.header),
                block_size=_BLOCK_BYTES,
            ),
            parse_options=pa_csv.ParseOptions(
                invalid_row_handler=on_wrong_row if several else None
            ),
            convert_options=pa_csv.ConvertOptions(column_types=table.schema, null_values=[]),
        ) as reader:
            if table.header:
                _check_header(path, table)
            for batch in reader:
                start += len(batch)
                yield batch
    except pa.ArrowInvalid as problem:
        _explain(path, table, problem)
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem})") from None
    if not (start or short or table.header):
        _refuse_empty(path, table)


def _check_header(path: Path | str, table: Table) -> None:
    cells = next(lines.rows(path), (0, []))[1]
    if [cell.strip() for cell in cells] != list(table.columns):
        raise InputError(
            f"{path}, line 1: the header is {','.join(cells)!r}, expected {table.form}"
        )


def _refuse_empty(path: Path | str, table: Table) -> NoReturn:
    raise InputError(f"{path}: is empty; expected lines of {table.form}")


def _explain(path: Path | str, table: Table, problem: Exception) -> NoReturn:
    """Find the first line that does not have the table's form and raise about it."""
    check_utf8(path)
    if table.header:
        _check_header(path, table)
    empty = True
    for line, cells in islice(lines.rows(path), int(table.header), None):
        empty = False
        if wrong := _wrong_with(cells, table):
            raise InputError(f"{path}, line {line}: {wrong}")
    if empty:
        _refuse_empty(path, table)
    raise InputError(f"{path}: is not {table.what} of the form {table.form} ({problem})")


def _wrong_with(cells: Sequence[str], table: Table) -> str:
    """Say what keeps a line from having the table's form; "" if nothing does."""
    marker = table.markers and len(cells) == 2
    count = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
    wrong = f"{count}, expected {len(table.columns)}: {table.form}{form_hint(cells)}"
    for (name, column), text in zip(table.columns.items(), cells, strict=False):
        if _is_of(column.kind, text):
            continue
        if is_header(cells) and not marker:
            again = f"{','.join(cells)!r} is a header again; are these several tables in one file?"
            return again if table.header else header_problem(cells, table.form)
        if len(cells) == len(table.columns) or marker:
            expected = "a whole number" if pa.types.is_integer(column.kind) else "a number"
            hint = form_hint(cells) or f" (the line is {','.join(cells)[:80]!r})"
            return f"{name} is {text_of(text)}, expected {expected}{hint}"
    return "" if len(cells) == len(table.columns) or marker else wrong


def _is_of(kind: pa.DataType, text: str) -> bool:
    """Tell if a cell can be read as a value of this type."""
    if pa.types.is_integer(kind):
        return bool(re.fullmatch(r"-?[0-9]{1,18}", text.strip()))  # of int64
    return not pa.types.is_floating(kind) or number(text) is not None
