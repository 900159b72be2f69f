"""Lines of CSV files, slowly, to say what is wrong with one; without pandas and pyarrow."""

import codecs
import csv
import re
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
    """Stop at the first line that is not UTF-8, or has a NUL byte, as no text has.

    Raises:
        InputError: There is one, or the file cannot be read.
    """
    decoder, line, start = codecs.getincrementaldecoder("utf-8")(), 1, b""
    try:
        with open(path, "rb") as file:
            while block := file.read(_BLOCK_BYTES):
                start = start or block[:64]
                decoder.decode(block)
                if b"\0" in block:
                    line += block[: block.index(b"\0")].count(b"\n")
                    raise InputError(
                        f"{path}, line {line}: has a NUL byte; {_encoding(start)}save it as UTF-8, "
                        "or is it no text?"
                    )
                line += block.count(b"\n")
            block = b""
            decoder.decode(b"", final=True)
    except UnicodeDecodeError as problem:
        line += block[: problem.start].count(b"\n")
        byte = problem.object[problem.start]
        raise InputError(
            f"{path}, line {line}: is not UTF-8 (byte {byte:#04x}); {_encoding(start)}save it as "
            "UTF-8, or is it no text?"
        ) from None
    except OSError as problem:
        raise InputError(f"{path}: cannot be read ({problem})") from None


def _encoding(start: bytes) -> str:
    """Name the encoding of a text that is not UTF-8 by its first bytes; "" if it is unknown."""
    for marks, name in (
        ((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "UTF-32"),  # the longer mark first
        ((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE), "UTF-16"),
    ):
        if start.startswith(marks):
            return f"it is {name}: "
    for size, name in ((4, "UTF-32"), (2, "UTF-16")):
        one = start[: size * 4]
        if len(one) == size * 4 and one.count(0) == (size - 1) * 4:
            return f"it is {name} without a byte order mark: "
    return ""


def number(text: str) -> float | None:
    """Return the number that a cell means; Python also reads 1_000 and ٣ as numbers."""
    try:
        return float(text) if text.isascii() and "_" not in text else None
    except ValueError:
        return None


def is_header(cells: Sequence[str]) -> bool:
    """Return True for cells that are names and not values; pandas leaves that of its index empty.

    >>> is_header(["video", "Sekunde (s)", "x1"]), is_header(["", "video", "t0"])
    (True, True)
    """
    names = cells[1:] if cells and not cells[0].strip() else cells
    return len(cells) > 1 and all(
        number(cell) is None and re.fullmatch(r"\s*[^\W\d_][\w ()\[\]/%.:#-]*", cell)
        for cell in names
    )


def header_problem(cells: Sequence[str], form: str) -> str:
    """Say that a line is a header where there must be none."""
    index = "" if cells[0].strip() else "; its first column is the index of pandas, leave it out"
    return (
        f"{','.join(cells)!r} looks like a header; this file has none, its lines are {form}{index}"
    )


def form_hint(cells: Sequence[str]) -> str:
    """Guess why a line does not have the form that is expected; "" if nothing is telling."""
    line = ",".join(cells)
    if any(mark in line for mark in ";\t|") or (len(cells) == 1 and " " in line.strip()):
        return (
            "; are the cells separated by something else than commas? Save the table with commas "
            "between cells and points in numbers"
        )
    if any('"' in cell or "\n" in cell for cell in cells):
        return "; is a quotation mark never closed?"
    if any(re.fullmatch(r"\s*-?[0-9]+,[0-9]+\s*", cell) for cell in cells):
        return "; are there decimal commas? Save the table with points in numbers"
    if len(cells) > 1 and not cells[-1].strip():
        return "; is there a comma too many at its end?"
    if len(cells) > 2 and cells[0].strip().isdigit() and number(cells[1]) is None:
        return "; is its first column the number of the row (the index of pandas)? Leave it out"
    if len(cells) > 8 and all(cell.strip().isdigit() for cell in cells[1:]):
        return "; are there decimal commas? Save the table with points in numbers"
    return ""
