"""The canonical form of a data set's tables, `results/{dataset}/data/`, which every reader writes.

    train.parquet, val.parquet   video, time_sec, x1, y1, x2, y2, class_id, person
                                 or segment, video, start_sec, stop_sec and a column for each task
    objects.parquet              video, time_sec, x1, y1, x2, y2, label, split
    excluded.parquet             video, second, split
    videos.csv                   video,split,path,frames

Each table is read as `read_actions`, `read_segments`, `read_objects` or `read_excluded` reads the
CSV file that it was made from: same columns, types, values and order.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa

from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import annotations, csv, parquet
from aia.tables.schema import (
    INTEGER,
    SECONDS,
    SIDES,
    TEXT,
    VIDEO,
    Cells,
    Data,
    Rows,
    Table,
    among,
    matching,
)
from aia.tables.segments import SEGMENT_COLUMNS, SEGMENTS, of_task, with_tasks

_KEY = annotations.KEY_TIMES.renamed(second="time_sec")
_ACTIONS = annotations.ACTIONS.renamed(second="time_sec", action="class_id")
_ANNOTATIONS = _ACTIONS.extended(
    {
        name: cells._replace(nullable=name not in _KEY.columns)
        for name, cells in {**_ACTIONS.columns, "person": INTEGER}.items()
    }
)
_SPLIT = {"split": Cells(pa.string(), matching(r"\S+", "a name such as train or val"))}
_OBJECTS = annotations.OBJECTS.renamed(second="time_sec").extended(_SPLIT)
_EXCLUDED = Table(
    "excluded seconds", {"video": VIDEO, "second": SECONDS._replace(kind=pa.int64()), **_SPLIT}
)
_NONE = -1  # in a DataFrame: no action, unknown person


class VideoRow(NamedTuple):
    """A video of one split of a data set; one that is in two splits has two rows."""

    video: str
    split: str
    path: str = ""
    """The video's file; empty if it has none yet."""
    frames: str = ""
    """Path of its frames; empty if it has none."""


def _check_once(data: Data, rows: Rows) -> None:
    keys = data.select(["video", "split"]).to_pandas()
    again = keys.duplicated().to_numpy()
    rows.refuse(again, "{} is in split {} twice, expected once", data["video"], data["split"])


_VIDEOS = Table(
    "a list of videos",
    {"video": VIDEO, **_SPLIT, "path": TEXT, "frames": TEXT},
    (_check_once,),
    header=True,
)


def write_annotations(path: Path | str, actions: pd.DataFrame) -> None:
    """Write rows as `read_actions` gives them.

    Where nothing happens the box and the class are null; an unknown person is null, too.
    """
    ids = actions[["action", "person"]].astype("Int64")
    ids = ids.mask(ids == _NONE)
    _write(path, actions.assign(class_id=ids["action"], person=ids["person"]), _ANNOTATIONS)


def read_annotations(path: Path | str, *, labels: ClassList | None = None) -> pd.DataFrame:
    """Read what `write_annotations` wrote, in the form of `read_actions`.

    Args:
        path: The table.
        labels: The classes there are; an action that is not among them is an error.

    Raises:
        InputError: No such file, another table, no row, or a row makes no sense.
    """
    data, _ = parquet.read_table(path, _ANNOTATIONS, check=False)
    if not len(data):
        raise InputError(f"{path}: has no annotation; expected at least one")
    rows = parquet.rows_of(path)
    _KEY.check(data, rows)
    nulls = sum(data[name].is_null().to_numpy().astype(int) for name in (*SIDES, "class_id"))
    empty = nulls == len((*SIDES, "class_id"))
    rows.refuse(
        (nulls > 0) & ~empty,
        "has part of a box and class; expected all of x1, y1, x2, y2, class_id, or none of them "
        "where nothing happens",
    )
    numbers = np.flatnonzero(~empty)
    full = Rows(lambda row: rows.where(numbers[row]))
    checks = [] if labels is None else [among(labels, "class_id")]
    _ANNOTATIONS.extended({}, *checks).check(data.filter(pa.array(~empty)), full)
    ids = ("class_id", "person")
    columns = [
        data[name].fill_null(_NONE) if name in ids else data[name] for name in _ANNOTATIONS.columns
    ]
    return pa.table(columns, names=list(annotations.ACTION_COLUMNS)).to_pandas()


def write_segment_table(path: Path | str, segments: pd.DataFrame) -> None:
    """Write segments with the columns that `read_segments` gives."""
    tasks = [name for name in segments.columns if name not in SEGMENT_COLUMNS]
    _write(path, segments, with_tasks(str(path), tasks))


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
    data = parquet.load_parquet(path, SEGMENT_COLUMNS, SEGMENTS.what)
    tasks = [name for name in data.column_names if name not in SEGMENT_COLUMNS]
    table = with_tasks(str(path), tasks, task=task, labels=labels)
    data = parquet.as_table(path, data, table)
    return of_task(path, parquet.frame_of(data, list(table.columns)), task)


def is_segment_table(path: Path | str) -> bool:
    """Tell a table of `write_segment_table` from one of `write_annotations`."""
    return parquet.has_columns(path, SEGMENT_COLUMNS, "annotations or segments")


def write_object_table(path: Path | str, splits: Mapping[str, pd.DataFrame]) -> None:
    """Write the objects of each split, as `read_objects` gives them."""
    frames = [objects.assign(split=split) for split, objects in splits.items()]
    none = pd.DataFrame(columns=list(_OBJECTS.columns))
    _write(path, pd.concat(frames, ignore_index=True) if frames else none, _OBJECTS)


def read_object_table(path: Path | str, *, split: str | None = None) -> pd.DataFrame:
    """Read the objects of a split (None: of all), in the form of `read_objects`.

    Raises:
        InputError: No such file, another table, or a row makes no sense.
    """
    return _read(path, _OBJECTS, split)


def write_excluded_table(path: Path | str, splits: Mapping[str, Iterable[tuple[str, int]]]) -> None:
    """Write the seconds of each split that are neither trained nor scored, in rising order."""
    rows = [(*key, split) for split, keys in splits.items() for key in sorted(keys)]
    _write(path, pd.DataFrame(rows, columns=list(_EXCLUDED.columns)), _EXCLUDED)


def read_excluded_table(path: Path | str, *, split: str | None = None) -> set[tuple[str, int]]:
    """Read the excluded seconds of a split (None: of all), in the form of `read_excluded`.

    Raises:
        InputError: No such file, another table, or a row makes no sense.
    """
    frame = _read(path, _EXCLUDED, split)
    return set(zip(frame["video"].tolist(), frame["second"].tolist(), strict=True))


def write_video_table(path: Path | str, videos: Iterable[VideoRow]) -> None:
    """Write the list of a data set's videos (CSV)."""
    csv.write_frame(path, pd.DataFrame(videos, columns=list(VideoRow._fields)))


def read_video_table(path: Path | str) -> list[VideoRow]:
    """Read what `write_video_table` wrote, in file order.

    Raises:
        InputError: No such file, another header, a video id that could not be a file's name, or a
            video twice in one split.
    """
    return [VideoRow(*row) for row in csv.read_frame(path, _VIDEOS).itertuples(index=False)]


def _write(path: Path | str, frame: pd.DataFrame, table: Table) -> None:
    parquet.write_table(path, frame, table, ours={"table": table.what})


def _read(path: Path | str, table: Table, split: str | None) -> pd.DataFrame:
    """Rows of a split (None: all of them), without its name."""
    data, _ = parquet.read_table(path, table)
    frame = parquet.frame_of(data, list(table.columns))
    if split is not None:
        frame = frame[frame["split"] == split].reset_index(drop=True)
    return frame.drop(columns="split")
