"""The canonical form of a data set's tables, `results/{dataset}/data/`, which every reader writes.

    train.parquet, val.parquet   video, time_sec, x1, y1, x2, y2, class_id, person
                                 or segment, video, start_sec, stop_sec and a column for each task
    objects.parquet              video, time_sec, x1, y1, x2, y2, label, split
    excluded.parquet             video, second, split
    videos.csv                   video,split,path,frames

Each table is read as `read_actions`, `read_segments`, `read_objects` or `read_excluded` reads the
CSV file that it was made from: same columns, types, values and order.
"""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from aia.errors import InputError
from aia.files import atomic_path
from aia.labels import ClassList
from aia.tables.csv_files import (
    ACTION_COLUMNS,
    OBJECT_COLUMNS,
    check_actions,
    check_boxes,
    check_video_id,
    check_videos_and_times,
)
from aia.tables.csv_reader import Layout, Rows, read_table, text_of
from aia.tables.parquet_reader import OURS, check_full, load_parquet, typed
from aia.tables.sealed import write_parquet
from aia.tables.segments import SEGMENT_COLUMNS, check_classes, check_segments

_PLACE = {"video": pa.string(), "time_sec": pa.float64()}
_XYXY = {side: pa.float64() for side in ("x1", "y1", "x2", "y2")}
_ANNOTATIONS = _PLACE | _XYXY | {"class_id": pa.int64(), "person": pa.int64()}
_OBJECTS = _PLACE | _XYXY | {"label": pa.string(), "split": pa.string()}
_EXCLUDED = {"video": pa.string(), "second": pa.int64(), "split": pa.string()}
_SEGMENTS = dict(
    zip(SEGMENT_COLUMNS, (pa.int64(), pa.string(), pa.float64(), pa.float64()), strict=True)
)
_VIDEOS = {name: pa.string() for name in ("video", "split", "path", "frames")}
_NONE = -1  # in a DataFrame: no action, unknown person


class VideoRow(NamedTuple):
    """A video of one split of a data set; one that is in two splits has two rows."""

    video: str
    split: str
    path: str = ""
    """The video's file; empty if it has none."""
    frames: str = ""
    """Where its frames are; empty if it has none."""


class _ParquetRows(NamedTuple):
    """Rows of a Parquet file, for saying which one is wrong."""

    path: Path | str
    numbers: np.ndarray
    """Of each row that is checked, its number in the file, from 0."""

    def refuse(self, wrong: np.ndarray, message: str, *values: np.ndarray) -> None:
        """Raise about the first row that is `wrong`; its values take the place of each {}."""
        if wrong.any():
            first = int(wrong.argmax())
            found = (text_of(column[first]) for column in values)
            raise InputError(
                f"{self.path}, row {self.numbers[first]} (from 0): {message.format(*found)}"
            )


def write_annotations(path: Path | str, actions: pd.DataFrame) -> None:
    """Write rows as `read_actions` gives them.

    Where nothing happens the box and the class are null; an unknown person is null, too.
    """
    columns = {name: _array(actions[name], kind) for name, kind in (_PLACE | _XYXY).items()}
    for name, column in (("class_id", "action"), ("person", "person")):
        ids = actions[column].to_numpy()
        columns[name] = pa.array(ids, pa.int64(), mask=ids == _NONE)
    _write(path, "annotations", columns)


def read_annotations(path: Path | str, *, labels: ClassList | None = None) -> pd.DataFrame:
    """Read what `write_annotations` wrote, in the form of `read_actions`.

    Args:
        path: The table.
        labels: The classes there are; an action that is not among them is an error.

    Raises:
        InputError: No such file, another table, no row, or a row makes no sense.
    """
    table = _read(path, _ANNOTATIONS, "annotations")
    check_full(path, table, _PLACE)
    if not len(table):
        raise InputError(f"{path}: has no annotation; expected at least one")
    box_and_class = np.stack([_is_null(table[name]) for name in (*_XYXY, "class_id")])
    empty = box_and_class.all(axis=0)
    rows = _ParquetRows(path, np.arange(len(table)))
    rows.refuse(
        box_and_class.any(axis=0) & ~empty,
        "has part of a box and class; expected all of x1, y1, x2, y2, class_id, or none of them "
        "where nothing happens",
    )
    table = table.rename_columns(["video", "second", *_XYXY, "action", "person"])
    check_videos_and_times(table, rows)
    full = table.filter(pa.array(~empty))
    check_boxes(full, rows_of_full := _ParquetRows(path, np.flatnonzero(~empty)))
    check_actions(full, rows_of_full, labels)
    for column in ("action", "person"):
        place = table.column_names.index(column)
        table = table.set_column(place, column, table[column].fill_null(_NONE))
    return table.rename_columns(list(ACTION_COLUMNS)).to_pandas()


def write_segment_table(path: Path | str, segments: pd.DataFrame) -> None:
    """Write segments with the columns that `read_segments` gives."""
    tasks = [name for name in segments.columns if name not in SEGMENT_COLUMNS]
    kinds = _SEGMENTS | dict.fromkeys(tasks, pa.int64())
    _write(path, "segments", {name: _array(segments[name], kind) for name, kind in kinds.items()})


def read_segment_table(
    path: Path | str, *, task: str | None = None, labels: ClassList | None = None
) -> pd.DataFrame:
    """Read what `write_segment_table` wrote, in the form of `read_segments`.

    Args:
        path: The table.
        task: The only task whose column is wanted, such as `verb`; None: those of all.
        labels: The classes of this task; another one is an error.

    Raises:
        InputError: No such file, another table, no such task or segment, or a row makes no sense.
    """
    if labels is not None and task is None:
        raise ValueError("labels belong to one task")
    table = load_parquet(path, _SEGMENTS, "segments")
    tasks = [name for name in table.column_names if name not in _SEGMENTS]
    if task is not None and task not in tasks:
        raise InputError(f"{path}: has no column {task}; its tasks are {', '.join(tasks)}")
    table = typed(path, table, _SEGMENTS | dict.fromkeys(tasks, pa.int64()))
    check_full(path, table, table.column_names)
    if not len(table):
        raise InputError(f"{path}: has no segment")
    rows = _ParquetRows(path, np.arange(len(table)))
    check_segments(table, rows, tasks)
    if task is not None and labels is not None:
        check_classes(table, rows, task, labels)
    wanted = [*SEGMENT_COLUMNS, *(tasks if task is None else [task])]
    return table.select(wanted).replace_schema_metadata(None).to_pandas()


def is_segment_table(path: Path | str) -> bool:
    """Tell a table of `write_segment_table` from one of `write_annotations`."""
    try:
        return set(SEGMENT_COLUMNS) <= set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as problem:
        raise InputError(f"{path}: is not Parquet or is damaged ({problem})") from None


def write_object_table(path: Path | str, splits: Mapping[str, pd.DataFrame]) -> None:
    """Write the objects of each split, as `read_objects` gives them."""
    frames = [pd.DataFrame(columns=list(_OBJECTS))]
    frames += [objects.assign(split=split) for split, objects in splits.items()]
    objects = pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True)
    _write(path, "objects", {name: _array(objects[name], kind) for name, kind in _OBJECTS.items()})


def read_object_table(path: Path | str, *, split: str | None = None) -> pd.DataFrame:
    """Read the objects of a split (None: of all), in the form of `read_objects`.

    Raises:
        InputError: No such file, another table, or a row makes no sense.
    """
    table = _read(path, _OBJECTS, "objects")
    check_full(path, table, _OBJECTS)
    rows = _ParquetRows(path, np.arange(len(table)))
    table = table.rename_columns(["video", "second", *_XYXY, "label", "split"])
    check_videos_and_times(table, rows)
    check_boxes(table, rows)
    unnamed = np.array([not label.strip() for label in table["label"].to_pylist()], bool)
    rows.refuse(unnamed, "label is empty, expected the name of a class")
    table = _of_split(table, split).drop_columns(["split"])
    return table.rename_columns(list(OBJECT_COLUMNS)).to_pandas()


def write_excluded_table(path: Path | str, splits: Mapping[str, Iterable[tuple[str, int]]]) -> None:
    """Write the seconds of each split that are neither trained nor scored, in rising order."""
    found = [(*key, split) for split, keys in splits.items() for key in sorted(keys)]
    columns = list(zip(*found, strict=True)) or [[] for _ in _EXCLUDED]
    kinds = zip(columns, _EXCLUDED.items(), strict=True)
    _write(path, "excluded seconds", {name: pa.array(cells, kind) for cells, (name, kind) in kinds})


def read_excluded_table(path: Path | str, *, split: str | None = None) -> set[tuple[str, int]]:
    """Read the excluded seconds of a split (None: of all), in the form of `read_excluded`.

    Raises:
        InputError: No such file, another table, or a row makes no sense.
    """
    table = _read(path, _EXCLUDED, "excluded seconds")
    check_full(path, table, _EXCLUDED)
    check_videos_and_times(table, _ParquetRows(path, np.arange(len(table))))
    table = _of_split(table, split)
    return set(zip(table["video"].to_pylist(), table["second"].to_pylist(), strict=True))


def write_video_table(path: Path | str, videos: Iterable[VideoRow]) -> None:
    """Write the list of a data set's videos (CSV)."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(VideoRow._fields)
        writer.writerows(videos)


def read_video_table(path: Path | str) -> list[VideoRow]:
    """Read what `write_video_table` wrote, in file order.

    Raises:
        InputError: No such file, another header, a video id that could not be a file's name, or a
            video twice in one split.
    """
    rows = Rows(path, Layout("a list of videos", _VIDEOS, header=True))
    found = [VideoRow(*cells.values()) for cells in read_table(path, rows.layout).to_pylist()]
    seen: set[tuple[str, str]] = set()
    for number, row in enumerate(found):
        this = np.arange(len(found)) == number
        try:
            check_video_id(row.video, "")
        except InputError as problem:
            message = str(problem).removeprefix(": ").replace("{", "{{").replace("}", "}}")
            rows.refuse(this, message)
        if not row.split:
            rows.refuse(this, "split is empty, expected a name such as train or val")
        if (row.video, row.split) in seen:
            rows.refuse(this, f"{row.video} is in {row.split} twice, expected once")
        seen.add((row.video, row.split))
    return found


def _write(path: Path | str, what: str, columns: Mapping[str, pa.Array]) -> None:
    metadata = {OURS: json.dumps({"table": what}).encode()}
    write_parquet(path, pa.table(dict(columns)).replace_schema_metadata(metadata))


def _read(path: Path | str, kinds: Mapping[str, pa.DataType], what: str) -> pa.Table:
    table = typed(path, load_parquet(path, kinds, what), kinds)
    return table.select(list(kinds)).replace_schema_metadata(None)


def _array(column: pd.Series, kind: pa.DataType) -> pa.Array:
    array = pa.Array.from_pandas(column, type=kind)
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array


def _is_null(column: pa.ChunkedArray) -> np.ndarray:
    return column.is_null().to_numpy()


def _of_split(table: pa.Table, split: str | None) -> pa.Table:
    if split is None:
        return table
    return table.filter(pa.array([one == split for one in table["split"].to_pylist()], pa.bool_()))
