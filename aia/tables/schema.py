"""Tables as data: which columns there are, what is in them, and which values make no sense.

A table is declared once. `csv.py` and `parquet.py` read and write any of them; each says in its own
way where a wrong row is, in a line of text or a row of a column store.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from aia.config import LONGEST_NAME, VIDEO_ID, is_video_name
from aia.errors import InputError
from aia.labels import ClassList

NAME = pa.dictionary(pa.int32(), pa.string())
"""Text of which there are many rows but few values; Parquet files have it as plain text."""

LONGEST_SEC = 4.0e6
"""No video lasts longer (46 days); times above are frames or milliseconds."""

Data: TypeAlias = pa.Table | pa.RecordBatch


class Rows(NamedTuple):
    """Rows of a file, to say which one is wrong."""

    where: Callable[[int], str]
    """Place of a row for messages: its file, and line or number."""

    def refuse(
        self, wrong: np.ndarray, message: str, *values: np.ndarray | pa.Array | pa.ChunkedArray
    ) -> None:
        """Raise about the first row that is `wrong`; its values take the place of each {}."""
        if wrong.any():
            row = int(wrong.argmax())
            found = (text_of(column[row]) for column in values)
            raise InputError(f"{self.where(row)}: {message.format(*found)}")


Check = Callable[[Data, str, Rows], None]
"""Check of one column, by its name."""

TableCheck = Callable[[Data, Rows], None]
"""Check of several columns together."""


class Cells(NamedTuple):
    """Contents of a column: the type of its values, and what they may be."""

    kind: pa.DataType
    check: Check | None = None
    nullable: bool = False
    """True if cells of a Parquet file may be empty; those of a CSV file never are."""


@dataclass(frozen=True)
class Table:
    """A form of table."""

    what: str
    """What its rows are, for messages: "annotations"."""
    columns: Mapping[str, Cells]
    """What is in each column, by its name in files and in order."""
    checks: tuple[TableCheck, ...] = ()
    header: bool = field(default=False, kw_only=True)
    """True if the first line of a CSV file names the columns."""
    markers: bool = field(default=False, kw_only=True)
    """True if a line may have the first two columns alone: a key frame on which nothing happens."""
    may_be_empty: bool = field(default=False, kw_only=True)
    """True if a CSV file without any line is a table without rows."""

    @property
    def form(self) -> str:
        """Names of the columns as they stand in a line."""
        return ",".join(self.columns)

    @property
    def schema(self) -> pa.Schema:
        """Types of the columns."""
        return pa.schema([(name, cells.kind) for name, cells in self.columns.items()])

    def check(self, data: Data, rows: Rows) -> None:
        """Raise about the first wrong value, column by column, then of columns together."""
        for name, cells in self.columns.items():
            if cells.check is not None:
                cells.check(data, name, rows)
        for check in self.checks:
            check(data, rows)

    def renamed(self, **names: str) -> "Table":
        """The same table with other names of some columns."""
        columns = {names.get(name, name): cells for name, cells in self.columns.items()}
        return replace(self, columns=columns)

    def extended(self, columns: Mapping[str, Cells], *checks: TableCheck) -> "Table":
        """The same table with more columns and checks after its own."""
        return replace(self, columns={**self.columns, **columns}, checks=(*self.checks, *checks))


def expect(good: Callable[[np.ndarray], np.ndarray], words: str) -> Check:
    """A check that all values are `good`; what is not a number must not be."""

    def check(data: Data, name: str, rows: Rows) -> None:
        values = data[name].to_numpy()
        rows.refuse(~good(values), f"{name} is {{}}, expected {words}", values)

    return check


def among(labels: ClassList, name: str, hint: str = "") -> TableCheck:
    """A check that the list has each class of a column."""

    def check(data: Data, rows: Rows) -> None:
        ids = data[name].to_numpy()
        rows.refuse(
            ~np.isin(ids, labels.ids),
            f"{name} {{}} is not a class; the list has {len(labels)}, with ids {min(labels.ids)} "
            f"to {max(labels.ids)}; does it belong to this file?{hint}",
            ids,
        )

    return check


def ordered(*, strictly: bool) -> TableCheck:
    """A check that boxes are left, top, right, bottom; strictly: and have an area."""

    def check(data: Data, rows: Rows) -> None:
        for low, high in (("x1", "x2"), ("y1", "y2")):
            a, b = data[low].to_numpy(), data[high].to_numpy()
            rows.refuse(
                a >= b if strictly else a > b,
                f"{low} = {{}} is {'not below' if strictly else 'above'} {high} = {{}}; a box is "
                "left, top, right, bottom, is this one left, top, width, height?",
                a,
                b,
            )

    return check


def fraction(beyond: float = 0.0) -> Check:
    """A check that sides of boxes lie in the frame, or at most so many frames beyond it."""

    def check(data: Data, name: str, rows: Rows) -> None:
        side = data[name].to_numpy()
        outside = f"{name} = {{}} is outside 0..1; boxes are fractions of the frame"
        rows.refuse(side > 2, f"{outside}, these look like pixels", side)
        rows.refuse(~((side >= -beyond) & (side <= 1 + beyond)), outside, side)

    return check


def matching(pattern: str, words: str) -> Check:
    """A check that texts match a regular expression as a whole."""

    def check(data: Data, name: str, rows: Rows) -> None:
        texts = data[name].cast(pa.string())
        good = pc.match_substring_regex(texts, f"^(?:{pattern})$")
        rows.refuse(~_mask(good), f"{name} is {{}}, expected {words}", texts)

    return check


def check_videos(data: Data, name: str, rows: Rows) -> None:
    """Check that each video id can be the name of a file."""
    for video in data[name].unique().to_pylist():
        try:
            check_video_id(video, "")
        except InputError as problem:
            row = int(_mask(pc.equal(data[name].cast(pa.string()), video)).argmax())
            raise InputError(f"{rows.where(row)}{problem}") from None


def check_video_id(video: str, where: object) -> None:
    """Stop at a video id that could not be a file's name, as which it stands under results/.

    One with a video's ending is refused, too: it would mean c.mp4.mp4.
    """
    if is_video_name(video) and re.fullmatch(VIDEO_ID, video):
        raise InputError(
            f"{where}: '{video}' has the ending of a file; an id names the video without it, "
            f"expected '{video.rpartition('.')[0]}'"
        )
    if re.fullmatch(VIDEO_ID, video):
        return
    plain = re.fullmatch(r"[A-Za-z0-9_.-]+", video) and set(video) != {"."}
    if plain and len(video) > LONGEST_NAME:
        raise InputError(
            f"{where}: video id {video[:20]}… has {len(video)} characters, expected at most "
            f"{LONGEST_NAME}; files are called after it. Give the video a shorter name"
        )
    if plain and video.startswith("."):
        raise InputError(
            f"{where}: video id is {video!r}, expected one that does not begin with '.'; such "
            "files are hidden. Give the video another name"
        )
    if not plain:
        found = repr(video[:LONGEST_NAME]) if video else "empty"
        raise InputError(
            f"{where}: video id is {found}, expected letters, digits, '_', '-' and '.' only; "
            f"{_id_hint(video)}"
        )


def _id_hint(video: str) -> str:
    """Guess why an id has other characters; those that look like others, or like none, by code."""
    if "/" not in video and (other := [mark for mark in video if not mark.isascii()]):
        return f"{other[0]!r} is U+{ord(other[0]):04X}"
    return "is it a path? the folder belongs to the settings, not to the table"


def is_probability(values: np.ndarray) -> np.ndarray:
    """Tell which values are between 0 and 1."""
    return (values >= 0) & (values <= 1)


def plain_kind(kind: pa.DataType) -> pa.DataType:
    """Type of a column's values, be they in a dictionary or not."""
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def text_of(value: Any) -> str:
    """A value for a message: a number as short as it can be written, or a quoted text."""
    if isinstance(value, pa.Scalar):
        value = value.as_py()
    if isinstance(value, str):
        return f"{value!r:.80}" if value.strip() else "empty"
    return str(int(value)) if np.isfinite(value) and value == int(value) else str(value)


def _mask(values: pa.Array | pa.ChunkedArray) -> np.ndarray:
    array = values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
    return array.to_numpy(zero_copy_only=False)


SIDES = ("x1", "y1", "x2", "y2")
TEXT, INTEGER, FLOAT = Cells(pa.string()), Cells(pa.int64()), Cells(pa.float64())
VIDEO = Cells(NAME, check_videos)
SECONDS = Cells(
    pa.float64(),
    expect(
        lambda second: (second >= 0) & (second <= LONGEST_SEC),
        f"seconds of the video, 0 to {LONGEST_SEC:.0f}",
    ),
)
COUNT = Cells(pa.int64(), expect(lambda number: number >= 0, "0 or more"))
CLASS_ID = Cells(pa.int64(), expect(lambda number: number >= 0, "a class id, 0 or more"))
FINITE = Cells(pa.float64(), expect(np.isfinite, "a number"))
BOX = dict.fromkeys(SIDES, Cells(pa.float64(), fraction()))
HAS_AREA, NOT_INVERTED = (ordered(strictly=True),), (ordered(strictly=False),)
