"""Boxes that a detector found (Parquet), with where they come from: model, weights' hash, settings.

video, time_sec, x1, y1, x2, y2, score, label, track       boxes as fractions of the frame
"""

from collections.abc import Mapping
from pathlib import Path

import pandas as pd
import pyarrow as pa

from aia.tables import parquet
from aia.tables.schema import (
    BOX,
    FLOAT,
    NOT_INVERTED,
    SECONDS,
    VIDEO,
    Cells,
    Table,
    expect,
    is_probability,
)

SCORE = Cells(pa.float32(), expect(is_probability, "0 to 1; is it a logit?"))
KEY = {"video": VIDEO, "time_sec": SECONDS} | {
    side: cells._replace(kind=pa.float32()) for side, cells in BOX.items()
}
_MORE = {"label": Cells(pa.string()), "track": Cells(pa.int32(), nullable=True)}
BOXES = Table("boxes", {**KEY, "score": SCORE, **_MORE}, NOT_INVERTED)
BOX_COLUMNS = tuple(BOXES.columns)
_FOREIGN = Table("boxes", KEY | dict.fromkeys(BOX, FLOAT) | {"score": Cells(pa.float32())})


def write_boxes(path: Path | str, boxes: pd.DataFrame, *, provenance: Mapping[str, str]) -> None:
    """Write boxes with the columns `BOX_COLUMNS`; `track` may be missing or null."""
    ours = {"provenance": dict(provenance)}
    parquet.write_table(path, with_track(boxes), BOXES, ours=ours)


def read_boxes(path: Path | str) -> pd.DataFrame:
    """Read boxes with the columns `BOX_COLUMNS`; `attrs["provenance"]` says whose they are."""
    data, ours = parquet.read_table(path, BOXES)
    frame = parquet.frame_of(data, BOX_COLUMNS)
    frame.attrs["provenance"] = ours.get("provenance", {})
    return frame


def read_foreign_boxes(path: Path | str) -> tuple[pd.DataFrame, list[str]]:
    """Read boxes of any table with the columns video, time_sec, x1, y1, x2, y2 and score.

    Returns:
        These columns, with label and track where the table has them; and the names of the others.
        Boxes may reach beyond the frame and may be empty.
    """
    data = parquet.load_parquet(path, _FOREIGN.columns, _FOREIGN.what)
    more = {name: cells for name, cells in _MORE.items() if name in data.column_names}
    table = _FOREIGN.extended(more)
    frame = parquet.frame_of(parquet.as_table(path, data, table), list(table.columns))
    return frame, [name for name in data.column_names if name not in table.columns]


def with_track(boxes: pd.DataFrame) -> pd.DataFrame:
    """Add the column `track` without any number, if it is missing."""
    if "track" in boxes:
        return boxes
    return boxes.assign(track=pd.array([pd.NA] * len(boxes), dtype="Int32"))
