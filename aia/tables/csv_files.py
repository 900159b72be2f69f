"""The CSV files of data sets in AVA's format, checked; and the metrics that come out.

annotations   video,second,x1,y1,x2,y2,action[,person]    no header; §4.1
excluded      video,second
key times     video,second
objects       video,second,x1,y1,x2,y2,label
tracks        frame,id,x1,y1,x2,y2                        with this header
metrics       metric,class_id,class_name,value            with this header
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from aia.config import LONGEST_NAME, VIDEO_ID
from aia.errors import InputError
from aia.files import atomic_path
from aia.labels import ClassList
from aia.tables.csv_reader import (
    Checked,
    Layout,
    Marker,
    Rows,
    check_file,
    first_cells,
    has_lines,
    read_table,
)

ACTION_COLUMNS = ("video", "time_sec", "x1", "y1", "x2", "y2", "action", "person")
OBJECT_COLUMNS = ("video", "time_sec", "x1", "y1", "x2", "y2", "label")
TRACK_COLUMNS = ("frame", "id", "x1", "y1", "x2", "y2")
METRIC_COLUMNS = ("metric", "class_id", "class_name", "value")

NAME = pa.dictionary(pa.int32(), pa.string())  # many rows, few names
_BOX = {name: pa.float64() for name in ("x1", "y1", "x2", "y2")}
LONGEST_SEC = 4.0e6
"""No film lasts longer (46 days); times above are frames or milliseconds."""


def check_video_id(video: str, where: object) -> None:
    """Stop at a video id that could not be a file's name: it becomes one, under results/."""
    if re.fullmatch(VIDEO_ID, video):
        return
    plain = re.fullmatch(r"[A-Za-z0-9_.-]+", video) and set(video) != {"."}
    if plain and len(video) > LONGEST_NAME:
        raise InputError(
            f"{where}: video id {video[:20]}… has {len(video)} characters, expected at most "
            f"{LONGEST_NAME}; files are called after it. Give the film a shorter name"
        )
    if plain and video.startswith("."):
        raise InputError(
            f"{where}: video id is {video!r}, expected one that does not begin with '.'; such "
            "files are hidden. Give the film another name"
        )
    found = repr(video[:LONGEST_NAME]) if video else "empty"
    raise InputError(
        f"{where}: video id is {found}, expected letters, digits, '_', '-' and '.' only; "
        "is it a path? the folder belongs to the settings, not to the table"
    )


def read_actions(path: Path | str, *, labels: ClassList | None = None) -> pd.DataFrame:
    """Who does what: one row per box and action, in file order.

    Args:
        path: annotations in AVA's format.
        labels: the classes there are; an action that is not among them is an error.

    Returns:
        Columns video, time_sec, x1, y1, x2, y2, action, person. A line of two columns marks a key
        frame without any action: its box is NaN, its action -1; these rows come last. Person is
        -1 where the file has no such column.
    """
    columns = {"video": NAME, "second": pa.float64(), **_BOX, "action": pa.int64()}
    check_file(path, "annotations")
    with_person = len(first_cells(path)) != len(columns)
    if with_person:
        columns["person"] = pa.int64()
    rows = Rows(path, Layout("annotations", columns, markers=True))

    markers: list[Marker] = []
    table = read_table(path, rows.layout, markers)
    if not len(table) and not markers:
        raise InputError(f"{path}: is empty; expected lines of {rows.layout.form}")
    check_videos_and_times(table, rows)
    check_boxes(table, rows)
    check_actions(table, rows, labels)
    if not with_person:
        table = table.append_column("person", pa.array(np.full(len(table), -1)))
    frame = table.rename_columns(list(ACTION_COLUMNS)).to_pandas()
    frame["video"] = frame["video"].astype(str)
    return _with_markers(frame, markers, rows)


def read_excluded(path: Path | str | None) -> set[tuple[str, int]]:
    """Seconds that are neither trained nor scored; none where there is no file or no line."""
    if path is None:
        return set()
    check_file(path, "excluded seconds")
    if not has_lines(path):
        return set()
    rows = Rows(path, Layout("excluded seconds", {"video": NAME, "second": pa.float64()}))
    table = read_table(path, rows.layout)
    check_videos_and_times(table, rows)
    second = table["second"].to_numpy()
    rows.refuse(second != np.floor(second), "second is {}, expected a whole number", second)
    return set(zip(table["video"].to_pylist(), second.astype(int).tolist(), strict=True))


def read_key_times(path: Path | str) -> dict[str, list[float]]:
    """Moments of films that are asked for, in rising order: lines of video,second, at least one."""
    rows = Rows(path, Layout("key times", {"video": NAME, "second": pa.float64()}))
    check_file(path, rows.layout.what)
    table = read_table(path, rows.layout)
    check_videos_and_times(table, rows)
    times: dict[str, set[float]] = {}
    pairs = zip(table["video"].to_pylist(), table["second"].to_pylist(), strict=True)
    for video, second in pairs:
        times.setdefault(video, set()).add(second)
    return {video: sorted(seconds) for video, seconds in times.items()}


def read_objects(path: Path | str) -> pd.DataFrame:
    """Boxes of objects on key frames: video, time_sec, x1, y1, x2, y2, label; may be empty."""
    columns = {"video": NAME, "second": pa.float64(), **_BOX, "label": pa.string()}
    rows = Rows(path, Layout("boxes of objects", columns))
    check_file(path, rows.layout.what)
    if not has_lines(path):
        table = pa.schema(list(columns.items())).empty_table()
    else:
        table = read_table(path, rows.layout)
    check_videos_and_times(table, rows)
    check_boxes(table, rows)
    frame = table.rename_columns(list(OBJECT_COLUMNS)).to_pandas()
    frame["video"] = frame["video"].astype(str)
    unnamed = (frame["label"].str.strip() == "").to_numpy(bool)
    rows.refuse(unnamed, "label is empty, expected the name of a class")
    return frame


def read_tracks(path: Path | str) -> pd.DataFrame:
    """Boxes of persons on every frame of one film: frame (from 0), id, x1, y1, x2, y2."""
    columns = {"frame": pa.int64(), "id": pa.int64(), **_BOX}
    rows = Rows(path, Layout("tracks", columns, header=True))
    table = read_table(path, rows.layout)
    check_boxes(table, rows)
    frame = table["frame"].to_numpy()
    rows.refuse(frame < 0, "frame is {}, expected 0 or more", frame)
    return table.to_pandas()


class Metric(NamedTuple):
    """One line of a metrics file."""

    metric: str
    class_id: int | None
    """None: of all classes together."""
    class_name: str
    value: float
    """A fraction; NaN where it is not defined, as the AP of a class without ground truth."""


def write_metrics(
    path: Path | str, rows: Iterable[Metric | tuple[str, int | None, str, float]]
) -> None:
    """Write metrics with every digit that tells two floats apart."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(METRIC_COLUMNS)
        for metric, class_id, class_name, value in rows:
            identity = "" if class_id is None else class_id
            writer.writerow([metric, identity, class_name, repr(float(value))])


def read_metrics(path: Path | str) -> pd.DataFrame:
    """Read what `write_metrics` wrote: metric, class_id (Int64, NA for all), class_name, value."""
    columns = {
        "metric": pa.string(), "class_id": pa.string(), "class_name": pa.string(),
        "value": pa.float64(),
    }  # fmt: skip
    frame = read_table(path, Layout("metrics", columns, header=True)).to_pandas()
    wrong = ~frame["class_id"].str.fullmatch(r"\d*").to_numpy(bool)
    if wrong.any():
        found = frame["class_id"][wrong].iloc[0]
        raise InputError(f"{path}: class_id is {found!r}, expected a whole number or nothing")
    frame["class_id"] = pd.to_numeric(frame["class_id"], errors="coerce").astype("Int64")
    return frame


def check_videos(table: pa.Table | pa.RecordBatch, rows: Checked) -> None:
    """Check the column video."""
    for video in table["video"].unique().to_pylist():
        try:
            check_video_id(video, "")
        except InputError as problem:
            same = pc.equal(table["video"].cast(pa.string()), video).to_numpy(zero_copy_only=False)
            message = str(problem).removeprefix(": ").replace("{", "{{").replace("}", "}}")
            rows.refuse(same, message)


def check_videos_and_times(table: pa.Table | pa.RecordBatch, rows: Checked) -> None:
    """Check the columns video and second."""
    check_videos(table, rows)
    second = table["second"].to_numpy()
    wrong = ~((second >= 0) & (second <= LONGEST_SEC))  # not a number is wrong, too
    rows.refuse(
        wrong, f"second is {{}}, expected seconds of the film, 0 to {LONGEST_SEC:.0f}", second
    )


def check_boxes(
    table: pa.Table | pa.RecordBatch, rows: Checked, *, inverted_is_wrong: bool = True
) -> None:
    """Check that boxes lie in the frame and have an area."""
    for name in _BOX:
        side = table[name].to_numpy()
        outside = f"{name} = {{}} is outside 0..1; boxes are fractions of the frame"
        rows.refuse(side > 2, f"{outside}, these look like pixels", side)
        rows.refuse(~((side >= 0) & (side <= 1)), outside, side)
    if inverted_is_wrong:
        for low, high in (("x1", "x2"), ("y1", "y2")):
            low_side, high_side = table[low].to_numpy(), table[high].to_numpy()
            rows.refuse(
                low_side >= high_side,
                f"{low} = {{}} is not below {high} = {{}}; a box is left, top, right, bottom, "
                "is this one left, top, width, height?",
                low_side,
                high_side,
            )


def check_actions(
    table: pa.Table | pa.RecordBatch, rows: Checked, labels: ClassList | None = None
) -> None:
    """Check that actions are not negative and, where a class list is given, that it knows them."""
    action = table["action"].to_numpy()
    rows.refuse(action < 0, "action is {}, expected 0 or more", action)
    if labels is not None:
        rows.refuse(
            ~np.isin(action, labels.ids),
            f"action {{}} is not a class; the list has {len(labels)}, with ids {min(labels.ids)} "
            f"to {max(labels.ids)}; does it belong to this file? AVA counts from 1",
            action,
        )


def _with_markers(frame: pd.DataFrame, markers: list[Marker], rows: Rows) -> pd.DataFrame:
    for number, (video, time_sec) in enumerate(markers):
        try:
            check_video_id(video, "")
        except InputError as problem:
            rows.refuse_marker(number, str(problem).removeprefix(": "))
        if not 0 <= time_sec <= LONGEST_SEC:
            rows.refuse_marker(
                number,
                f"second is {time_sec}, expected seconds of the film, 0 to {LONGEST_SEC:.0f}",
            )
    if not markers:
        return frame
    empty = pd.DataFrame(markers, columns=["video", "time_sec"])
    empty[["x1", "y1", "x2", "y2"]] = np.nan
    empty[["action", "person"]] = -1
    empty = empty.astype(frame.dtypes)
    return pd.concat([frame, empty], ignore_index=True) if len(frame) else empty
