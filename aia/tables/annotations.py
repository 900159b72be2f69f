"""The CSV files of data sets in AVA's format, and tracks.

annotations   video,second,x1,y1,x2,y2,action[,person]    no header; §4.1
excluded      video,second
key times     video,second
objects       video,second,x1,y1,x2,y2,label
tracks        frame,id,x1,y1,x2,y2                        with this header
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from aia.labels import ClassList
from aia.log import say
from aia.tables import csv
from aia.tables.schema import (
    BOX,
    CLASS_ID,
    COUNT,
    HAS_AREA,
    INTEGER,
    LONGEST_SEC,
    SECONDS,
    VIDEO,
    Cells,
    Rows,
    Table,
    among,
    expect,
    matching,
)

_WHOLE_SECONDS = expect(
    lambda second: (second >= 0) & (second <= LONGEST_SEC) & (second == np.floor(second)),
    f"a whole number of seconds, 0 to {LONGEST_SEC:.0f}",
)
_NAMED = Cells(pa.string(), matching(r"(?s).*\S.*", "the name of a class"))

KEY_TIMES = Table("key times", {"video": VIDEO, "second": SECONDS})
EXCLUDED = Table(
    "excluded seconds",
    {"video": VIDEO, "second": Cells(pa.float64(), _WHOLE_SECONDS)},
    may_be_empty=True,
)
_BOXES = {**KEY_TIMES.columns, **BOX}
ACTIONS = Table("annotations", {**_BOXES, "action": CLASS_ID}, HAS_AREA, markers=True)
PERSON = {"person": INTEGER}
OBJECTS = Table("boxes of objects", {**_BOXES, "label": _NAMED}, HAS_AREA, may_be_empty=True)
TRACKS = Table("tracks", {"frame": COUNT, "id": INTEGER, **BOX}, HAS_AREA, header=True)

ACTION_COLUMNS = ("video", "time_sec", *BOX, "action", "person")


def read_actions(path: Path | str, *, labels: ClassList | None = None) -> pd.DataFrame:
    """Read who does what: one row per box and action, in file order.

    Args:
        path: Annotations in AVA's format.
        labels: The classes there are; an action that is not among them is an error.

    Returns:
        Columns video, time_sec, x1, y1, x2, y2, action, person. A line of two columns marks a key
        frame without any action: its box is NaN, its action -1; these rows come last. Person is
        -1 where the file has no such column.
    """
    data, marked, table = _checked_actions(path, labels)
    frame = csv.frame_of(data, ACTION_COLUMNS[: data.num_columns])
    if "person" in frame:
        frame["person"] = _one_a_box(frame, csv.rows_of(path, table))
    else:
        frame["person"] = -1
    if not marked.num_rows:
        return frame
    rows = csv.frame_of(marked, ("video", "time_sec")).reindex(columns=list(ACTION_COLUMNS))
    rows = rows.fillna({"action": -1, "person": -1}).astype(frame.dtypes)
    return pd.concat([frame, rows], ignore_index=True) if len(frame) else rows


def read_annotated_videos(path: Path | str) -> set[str]:
    """Read the ids of videos, with all checks of `read_actions` and nothing logged."""
    data, marked, _ = _checked_actions(path, None)
    return {*data["video"].unique().to_pylist(), *marked["video"].to_pylist()}


def _checked_actions(
    path: Path | str, labels: ClassList | None
) -> tuple[pa.Table, pa.Table, Table]:
    """Return the boxes, the key frames without one, and the form of the file."""
    csv.check_file(path, ACTIONS.what)
    table = ACTIONS
    if len(csv.first_cells(path)) != len(table.columns):
        table = table.extended(PERSON)
    if labels is not None:
        table = table.extended({}, among(labels, "action", " AVA counts from 1"))
    markers: list[list[str]] = []
    data = csv.read_table(path, table, markers)
    marked = pa.table(
        {
            "video": pa.array([video for video, _ in markers], pa.string()),
            "second": pa.array([float(text) for _, text in markers], pa.float64()),
        }
    )
    KEY_TIMES.check(marked, csv.rows_of(path, table, markers=True))
    return data, marked, table


def _one_a_box(frame: pd.DataFrame, rows: Rows) -> pd.Series:
    """Return the ids of persons, one for each box of a key frame: boxes alone tell persons apart.

    So do the authors' code, PySlowFast and mmaction2, which never look at this column. Where ids
    and boxes contradict each other is logged.
    """
    key = ["video", "time_sec"]
    pairs = frame[frame["person"] >= 0]  # -1: not known, which contradicts nothing
    pairs = pairs.reset_index(names="row").drop_duplicates([*key, *BOX, "person"])
    for what, same, means in (
        ("one box with several ids", [*key, *BOX], "it is one person"),
        ("one id with several boxes", [*key, "person"], "each box is a person of its own"),
    ):
        again = pairs[pairs.duplicated(same)]
        if again.empty:
            continue
        alike = (pairs[same] == again.iloc[0][same]).all(axis=1)
        first, second = pairs.loc[alike, "row"].iloc[:2]
        where = rows.where(int(first)), rows.where(int(second)).rpartition(", ")[2]
        others = len(again[key].drop_duplicates()) - 1
        more = f", and on {others} more key frame{'s' if others > 1 else ''}" if others else ""
        say(
            f"{where[0]} and {where[1]}: {what} at second {again.iloc[0]['time_sec']:g} of "
            f"{again.iloc[0]['video']}{more}; {means}, whatever the column of persons says"
        )
    known = frame["person"].where(frame["person"] >= 0)
    one = known.groupby([frame[name] for name in (*key, *BOX)], sort=False, observed=True)
    return one.transform("first").fillna(-1).astype(frame["person"].dtype)


def read_excluded(path: Path | str | None) -> set[tuple[str, int]]:
    """Read seconds that are neither trained nor scored; none without a file or a line."""
    if path is None:
        return set()
    frame = csv.read_frame(path, EXCLUDED)
    return set(zip(frame["video"].tolist(), frame["second"].astype(int).tolist(), strict=True))


def read_key_times(path: Path | str) -> dict[str, list[float]]:
    """Read the moments of videos that are asked for, in rising order, at least one."""
    frame = csv.read_frame(path, KEY_TIMES)
    groups = frame.groupby("video", sort=False)["second"]
    return {str(video): sorted(set(seconds.tolist())) for video, seconds in groups}


def read_objects(path: Path | str) -> pd.DataFrame:
    """Read boxes of objects on key frames: video, time_sec, x1, y1, x2, y2, label, if any."""
    return csv.read_frame(path, OBJECTS).rename(columns={"second": "time_sec"})


def read_tracks(path: Path | str) -> pd.DataFrame:
    """Read boxes of persons on every frame of one video: frame (from 0), id, x1, y1, x2, y2."""
    return csv.read_frame(path, TRACKS)
