"""What happens in a stretch of a film, for data sets that are labelled by segment (§6).

    segment,video,start_sec,stop_sec,verb,noun         with this header

After the first four there is one column for each task, with class ids. Segments may overlap, and
may be shorter than a clip. `segment` is the number under which a data set publishes it.
"""

import csv
import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from aia.errors import InputError
from aia.files import atomic_path
from aia.labels import ClassList
from aia.tables.csv_files import LONGEST_SEC, NAME, check_videos
from aia.tables.csv_reader import Checked, Layout, Rows, check_file, first_cells, read_table

SEGMENT_COLUMNS = ("segment", "video", "start_sec", "stop_sec")
_KINDS = dict(zip(SEGMENT_COLUMNS, (pa.int64(), NAME, pa.float64(), pa.float64()), strict=True))
_FORM = f"{','.join(SEGMENT_COLUMNS)} and a column for each task, such as verb,noun"


def read_segments(
    path: Path | str, *, task: str | None = None, labels: ClassList | None = None
) -> pd.DataFrame:
    """Segments in file order.

    Args:
        path: A file of the form above.
        task: The only task whose column is wanted, such as `verb`; None: those of all.
        labels: The classes that there are of this task; another one is an error.

    Returns:
        Columns segment (int64), video (str), start_sec, stop_sec (float64, seconds of the film),
        then the tasks' class ids (int64).

    Raises:
        InputError: No such file, task or segment, or a line makes no sense: which, and why.
    """
    if labels is not None and task is None:
        raise ValueError("labels belong to one task")
    tasks = _tasks_of(path)
    if task is not None and task not in tasks:
        raise InputError(f"{path}, line 1: has no column {task}; its tasks are {', '.join(tasks)}")
    layout = Layout("segments", _KINDS | dict.fromkeys(tasks, pa.int64()), header=True)
    table, rows = read_table(path, layout), Rows(path, layout)
    if not len(table):
        raise InputError(f"{path}: has no segment")
    check_segments(table, rows, tasks)
    if task is not None and labels is not None:
        check_classes(table, rows, task, labels)
    wanted = [*SEGMENT_COLUMNS, *(tasks if task is None else [task])]
    frame = table.select(wanted).to_pandas()
    frame["video"] = frame["video"].astype(str)
    return frame


def check_segments(table: pa.Table, rows: Checked, tasks: Iterable[str]) -> None:
    """Check that numbers, times and class ids can be those of segments."""
    check_videos(table, rows)
    segment = table["segment"].to_numpy()
    rows.refuse(segment < 0, "segment is {}, expected 0 or more", segment)
    again = pd.Series(segment).duplicated().to_numpy()
    rows.refuse(again, "segment {} is on a line before; each has a number of its own", segment)
    start, stop = table["start_sec"].to_numpy(), table["stop_sec"].to_numpy()
    for name, second in (("start_sec", start), ("stop_sec", stop)):
        rows.refuse(
            ~((second >= 0) & (second <= LONGEST_SEC)),  # not a number is wrong, too
            f"{name} is {{}}, expected seconds of the film, 0 to {LONGEST_SEC:.0f}",
            second,
        )
    rows.refuse(
        stop <= start,
        "stop_sec is {}, not after start_sec, {}; a segment ends after it begins, "
        "is this its duration?",
        stop,
        start,
    )
    for name in tasks:
        ids = table[name].to_numpy()
        rows.refuse(ids < 0, f"{name} is {{}}, expected a class id, 0 or more", ids)


def check_classes(table: pa.Table, rows: Checked, task: str, labels: ClassList) -> None:
    """Check that the list knows each class of a task."""
    ids = table[task].to_numpy()
    rows.refuse(
        ~np.isin(ids, labels.ids),
        f"{task} {{}} is not a class; the list has {len(labels)}, with ids {min(labels.ids)} "
        f"to {max(labels.ids)}; does it belong to this file?",
        ids,
    )


def write_segments(path: Path | str, segments: pd.DataFrame) -> None:
    """Write segments with the columns that `read_segments` gives, whole or not at all."""
    tasks = [name for name in segments.columns if name not in SEGMENT_COLUMNS]
    columns = [*SEGMENT_COLUMNS, *tasks]
    lists = [segments[name].tolist() for name in columns]
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(columns)
        writer.writerows(zip(*lists, strict=True))


def _tasks_of(path: Path | str) -> list[str]:
    """Names of the columns after the first four."""
    check_file(path, "segments")
    cells = [cell.strip() for cell in first_cells(path)]
    first, tasks = tuple(cells[: len(SEGMENT_COLUMNS)]), cells[len(SEGMENT_COLUMNS) :]
    named = all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", task) for task in tasks)
    if first != SEGMENT_COLUMNS or not tasks or not named or len(set(cells)) < len(cells):
        found = f"the header is {','.join(cells)[:80]!r}" if cells else "there is no header"
        raise InputError(f"{path}, line 1: {found}, expected {_FORM}, each once")
    return tasks
