"""Lines of CSV files, slowly, to say what is wrong with one; without pandas and pyarrow."""

import codecs
import csv
from collections.abc import Iterator, Sequence
from pathlib import Path

from aia.errors import InputError

_BLOCK_BYTES = 4 << 20


def rows(path: Path | str) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of each row that is not blank, without a byte order mark.

    Raises:
        InputError: It is no CSV.
    """
    with open(path, encoding="utf-8-sig", errors="replace", newline="") as file:
        reader = csv.reader(file)
        line = 1
        try:
            for cells in reader:
                if len(cells) > 1 or (cells and cells[0].strip()):
                    yield line, cells
                line = reader.line_num + 1
        except csv.Error as problem:
            message = f"{path}, line {line}: is not CSV ({problem}); a binary file?"
            raise InputError(message) from None


def check_utf8(path: Path | str) -> None:
    """Stop at the first line that is not UTF-8.

    Raises:
        InputError: There is one, or the file cannot be read.
    """
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
        byte = problem.object[problem.start]
        likely = "it is UTF-16: " if byte in (0xFE, 0xFF) and line == 1 else ""
        raise InputError(
            f"{path}, line {line}: is not UTF-8 (byte {byte:#04x}); {likely}save it as UTF-8, "
            "or is it no text?"
        ) from None
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem})") from None


def number(text: str) -> float | None:
    """Return the number that a cell means; Python also reads 1_000 and ٣ as numbers."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def is_header(cells: Sequence[str]) -> bool:
    """Return True for cells that are names and not values."""
    named = len(cells) > 1 and cells[1].strip().replace("_", "").isalpha()
    return named and all(number(cell) is None for cell in cells)


def header_problem(cells: Sequence[str], form: str) -> str:
    """Say that a line is a header where there must be none."""
    return f"{','.join(cells)!r} looks like a header; this file has none, its lines are {form}"


def form_hint(cells: Sequence[str]) -> str:
    """Guess why a line has another number of cells than expected."""
    if any(mark in cell for cell in cells for mark in ";\t|"):
        return (
            "; are the cells separated by something else than commas? Save the table with commas "
            "between cells and points in numbers"
        )
    if len(cells) == 1 and " " in cells[0].strip():
        return "; are the cells separated by something else than commas?"
    if any('"' in cell or "\n" in cell for cell in cells):
        return "; is a quotation mark never closed?"
    if len(cells) > 1 and not cells[-1].strip():
        return "; is there a comma too many at its end?"
    return ""
