"""Reading CSV fast, and saying precisely what is wrong with it when something is.

The fast way knows nothing of lines: pyarrow parses millions of rows a second into typed columns,
and checks look at whole columns. Only once something is found wrong is the file read again, slowly,
to find the line.
"""

import codecs
import csv
import math
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn, Protocol, runtime_checkable

import numpy as np
import pyarrow as pa
import pyarrow.csv as pa_csv

from aia.errors import InputError

_BLOCK_BYTES = 4 << 20  # of text; a few blocks are held at once


class Layout(NamedTuple):
    """The columns of a CSV file."""

    what: str
    """What the file is, for messages: "annotations"."""
    columns: dict[str, pa.DataType]
    header: bool = False
    markers: bool = False
    """Rows of the first two columns alone are allowed: key frames on which nothing happens."""

    @property
    def form(self) -> str:
        """The columns' names as they stand in a line."""
        return ",".join(self.columns)


class Marker(NamedTuple):
    """A row of two columns: a key frame that was annotated and holds nothing."""

    video: str
    time_sec: float


def read_blocks(
    path: Path | str, layout: Layout, markers: list[Marker] | None = None
) -> Iterator[pa.RecordBatch]:
    """The file's rows as typed record batches, in file order; markers are added to their list."""
    check_file(path, layout.what)
    if layout.markers:  # else pyarrow says so itself; to the handler of rows it could not
        _check_text(path)

    def on_wrong_row(row: pa_csv.InvalidRow) -> str:
        if row.actual_columns != 2 or markers is None:
            return "error"
        cells = next(csv.reader([row.text]))
        time_sec = _number(cells[1])
        if time_sec is None:
            return "error"
        markers.append(Marker(cells[0], time_sec))
        return "skip"

    try:
        with pa_csv.open_csv(
            path,
            read_options=pa_csv.ReadOptions(
                column_names=list(layout.columns),
                skip_rows=int(layout.header),
                block_size=_BLOCK_BYTES,
            ),
            parse_options=pa_csv.ParseOptions(
                invalid_row_handler=on_wrong_row if layout.markers else None
            ),
            convert_options=pa_csv.ConvertOptions(column_types=layout.columns, null_values=[]),
        ) as reader:
            if layout.header:
                _check_header(path, layout)
            yield from reader
    except pa.ArrowInvalid as problem:
        _explain(path, layout, problem)
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem})") from None


def read_table(path: Path | str, layout: Layout, markers: list[Marker] | None = None) -> pa.Table:
    """The whole file, as `read_blocks`; an empty file or one of markers only has no rows."""
    batches = list(read_blocks(path, layout, markers))
    return pa.Table.from_batches(batches, schema=pa.schema(list(layout.columns.items())))


def check_file(path: Path | str, what: str) -> None:
    """Stop if there is no such file."""
    if not Path(path).exists():
        raise InputError(f"{path}: there is no such file; {what} expected")
    if not Path(path).is_file():
        raise InputError(f"{path}: is not a file; {what} expected")


def first_cells(path: Path | str) -> list[str]:
    """The first line that is not a marker (of two cells), to tell variants apart; [] if none."""
    for _, cells in _lines(path):
        if len(cells) != 2:
            return cells
    return []


@runtime_checkable
class Checked(Protocol):
    """Rows that are checked, of a CSV file or a Parquet table."""

    def refuse(self, wrong: np.ndarray, message: str, *values: np.ndarray) -> None:
        """Raise about the first row that is `wrong`; its values take the place of each {}."""


class Rows(NamedTuple):
    """Consecutive data rows of a file, for saying which one is wrong."""

    path: Path | str
    layout: Layout
    start: int = 0
    """Number of the first of them, from 0, markers not counted."""

    def refuse(self, wrong: np.ndarray, message: str, *values: np.ndarray) -> None:
        """Raise about the first row that is `wrong`; its values take the place of each {}."""
        if not wrong.any():
            return
        first = int(wrong.argmax())
        found = (text_of(column[first]) for column in values)
        line = _line_of(self.path, self.layout, self.start + first)
        raise InputError(f"{self.path}, line {line}: {message.format(*found)}")

    def refuse_marker(self, number: int, message: str) -> NoReturn:
        """Raise about the marker of this number, from 0."""
        lines = [line for line, cells in _lines(self.path) if len(cells) == 2]
        raise InputError(f"{self.path}, line {lines[number]}: {message}")


def has_lines(path: Path | str) -> bool:
    """Whether the file holds anything but white space."""
    with open(path, "rb") as file:
        return any(line.strip() for line in file)


def text_of(value: float | np.integer | np.floating) -> str:
    """A number as short as it can be written."""
    return str(int(value)) if math.isfinite(value) and value == int(value) else repr(float(value))


def _line_of(path: Path | str, layout: Layout, row: int) -> int:
    """Line of data row `row`."""
    seen = -int(layout.header)
    for line, cells in _lines(path):
        if layout.markers and len(cells) == 2:
            continue
        if seen == row:
            return line
        seen += 1
    raise AssertionError(f"{path} has no row {row}")


def _lines(path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """First line and cells of each row that is not blank."""
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        line = 1
        try:
            for cells in reader:
                if cells:
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as problem:
            message = f"{path}, line {line}: is not CSV ({problem}); a binary file?"
            raise InputError(message) from None


def _check_text(path: Path | str) -> None:
    """Stop at the first line that is not UTF-8."""
    decoder, line = codecs.getincrementaldecoder("utf-8")(), 1
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                decoder.decode(block)
                line += block.count(b"\n")
            block = b""
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as problem:
        line += block[: problem.start].count(b"\n")
        raise InputError(
            f"{path}, line {line}: is not UTF-8 (byte {problem.object[problem.start]:#04x}); save "
            "it as UTF-8, or is it no text?"
        ) from None
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem})") from None


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _check_header(path: Path | str, layout: Layout) -> None:
    cells = next(_lines(path), (0, []))[1]
    if [cell.strip() for cell in cells] != list(layout.columns):
        raise InputError(
            f"{path}, line 1: the header is {','.join(cells)!r}, expected {layout.form}"
        )


def _explain(path: Path | str, layout: Layout, problem: Exception) -> NoReturn:
    """Find the first line that does not have the layout and raise about it."""
    _check_text(path)
    names, types = list(layout.columns), list(layout.columns.values())
    if layout.header:
        _check_header(path, layout)
    empty = True
    for order, (line, cells) in enumerate(_lines(path)):
        if layout.header and order == 0:
            continue
        empty = False
        marker = layout.markers and len(cells) == 2
        if len(cells) != len(names) and not marker:
            count = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
            raise InputError(
                f"{path}, line {line}: {count}, expected {len(names)}: "
                f"{layout.form}{_separator_hint(cells)}"
            )
        for name, kind, text in zip(names, types, cells, strict=False):
            _check_cell(path, line, layout, name, kind, text, cells, first=order == 0)
    if empty:
        raise InputError(f"{path}: is empty; expected lines of {layout.form}")
    raise InputError(f"{path}: is not {layout.what} of the form {layout.form} ({problem})")


def _check_cell(
    path: Path | str,
    line: int,
    layout: Layout,
    name: str,
    kind: pa.DataType,
    text: str,
    cells: Sequence[str],
    *,
    first: bool,
) -> None:
    if pa.types.is_string(kind) or pa.types.is_dictionary(kind):
        return
    value = _number(text)
    whole = pa.types.is_integer(kind)
    # Python reads 1_000 and ٣ as numbers, files do not mean them
    plain = text.strip().isascii() and "_" not in text
    fits = not whole or bool(re.fullmatch(r"-?\d{1,18}", text.strip()))  # of int64
    if value is not None and plain and fits:
        return
    words = (
        not any(_number(cell) is not None for cell in cells) and cells[1].replace("_", "").isalpha()
    )
    if first and not layout.header and words:
        raise InputError(
            f"{path}, line {line}: {','.join(cells)!r} looks like a header; "
            f"this file has none, its lines are {layout.form}"
        )
    expected = "a whole number" if whole else "a number"
    found = repr(text) if text.strip() else "empty"
    hint = _cut(cells) if "\n" not in text else "; is a quotation mark never closed?"
    raise InputError(f"{path}, line {line}: {name} is {found:.80}, expected {expected}{hint}")


def _cut(cells: Sequence[str]) -> str:
    return f" (the line is {','.join(cells)[:80]!r})"


def _separator_hint(cells: Sequence[str]) -> str:
    if len(cells) == 1 and any(mark in cells[0] for mark in ";\t "):
        return "; are the cells separated by something else than commas?"
    if any('"' in cell or "\n" in cell for cell in cells):
        return "; is a quotation mark never closed?"
    return ""
