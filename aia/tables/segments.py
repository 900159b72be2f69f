"""What happens in a stretch of a video, for data sets that are labelled by segment (§6).

    segment,video,start_sec,stop_sec,verb,noun         with this header

After the first four there is one column for each task, with class ids. Segments may overlap, and
may be shorter than a clip. `segment` is the number under which a data set publishes it.
"""

import re
from collections.abc import Sequence
from pathlib import Path

import pandas as pd

from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import csv
from aia.tables.schema import CLASS_ID, COUNT, SECONDS, VIDEO, Data, Rows, Table, among


def _check_numbers(data: Data, rows: Rows) -> None:
    segment = data["segment"].to_numpy()
    again = pd.Series(segment).duplicated().to_numpy()
    rows.refuse(again, "segment {} is there twice; each has a number of its own", segment)


def _check_spans(data: Data, rows: Rows) -> None:
    start, stop = data["start_sec"].to_numpy(), data["stop_sec"].to_numpy()
    rows.refuse(
        stop <= start,
        "stop_sec is {}, not after start_sec, {}; a segment ends after it begins, "
        "is this its duration?",
        stop,
        start,
    )


SEGMENTS = Table(
    "segments",
    {"segment": COUNT, "video": VIDEO, "start_sec": SECONDS, "stop_sec": SECONDS},
    (_check_numbers, _check_spans),
    header=True,
)
"""Without a task."""
SEGMENT_COLUMNS = tuple(SEGMENTS.columns)


def read_segments(
    path: Path | str, *, task: str | None = None, labels: ClassList | None = None
) -> pd.DataFrame:
    """Read segments in file order.

    Args:
        path: A file of the form above.
        task: The only task whose column is wanted, such as `verb`; None: those of all.
        labels: The classes that there are of this task; another one is an error.

    Returns:
        Columns segment (int64), video (str), start_sec, stop_sec (float64, seconds of the video),
        then the tasks' class ids (int64).

    Raises:
        InputError: No such file, task or segment, or a line makes no sense: which, and why.
    """
    csv.check_file(path, SEGMENTS.what)
    cells = [cell.strip() for cell in csv.first_cells(path)]
    first, tasks = tuple(cells[: len(SEGMENT_COLUMNS)]), cells[len(SEGMENT_COLUMNS) :]
    named = all(re.fullmatch(r"[A-Za-z][A-Za-z0-9_]*", name) for name in tasks)
    if first != SEGMENT_COLUMNS or not tasks or not named or len(set(cells)) < len(cells):
        found = f"the header is {','.join(cells)[:80]!r}" if cells else "there is no header"
        raise InputError(
            f"{path}, line 1: {found}, expected {SEGMENTS.form} and a column for each task, such "
            "as verb,noun, each once"
        )
    table = with_tasks(f"{path}, line 1", tasks, task=task, labels=labels)
    return of_task(path, csv.read_frame(path, table), task)


def write_segments(path: Path | str, segments: pd.DataFrame) -> None:
    """Write segments with the columns that `read_segments` gives, whole or not at all."""
    tasks = [name for name in segments.columns if name not in SEGMENT_COLUMNS]
    csv.write_frame(path, segments[[*SEGMENT_COLUMNS, *tasks]])


def with_tasks(
    where: str, tasks: Sequence[str], *, task: str | None = None, labels: ClassList | None = None
) -> Table:
    """Form of segments with these tasks, one of which is wanted and may have only these classes."""
    if labels is not None and task is None:
        raise ValueError("labels belong to one task")
    if task is not None and task not in tasks:
        raise InputError(f"{where}: has no column {task}; its tasks are {', '.join(tasks)}")
    checks = [] if task is None or labels is None else [among(labels, task)]
    return SEGMENTS.extended(dict.fromkeys(tasks, CLASS_ID), *checks)


def of_task(path: Path | str, segments: pd.DataFrame, task: str | None) -> pd.DataFrame:
    """Leave out the columns of other tasks."""
    if segments.empty:
        raise InputError(f"{path}: has no segment")
    return segments if task is None else segments[[*SEGMENT_COLUMNS, task]]
