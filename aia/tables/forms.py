"""Annotations in either form: the CSV that people write, or a table of results/{dataset}/data/."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

from aia.labels import ClassList
from aia.tables import annotations, data, segments


def read_actions(path: Path | str, *, labels: ClassList | None = None) -> pd.DataFrame:
    """Read who does what: `aia.tables.annotations.read_actions` says how it is given."""
    return _either(path, data.read_annotations, annotations.read_actions)(path, labels=labels)


def read_objects(path: Path | str) -> pd.DataFrame:
    """Read boxes of objects: `aia.tables.annotations.read_objects` says how they are given."""
    return _either(path, data.read_object_table, annotations.read_objects)(path)


def read_excluded(path: Path | str | None) -> set[tuple[str, int]]:
    """Read seconds that are neither trained nor scored; none where there is no file or no line."""
    if path is None:
        return set()
    return _either(path, data.read_excluded_table, annotations.read_excluded)(path)


def read_segments(
    path: Path | str, *, task: str | None = None, labels: ClassList | None = None
) -> pd.DataFrame:
    """Read segments: `aia.tables.segments.read_segments` says how they are given."""
    read = _either(path, data.read_segment_table, segments.read_segments)
    return read(path, task=task, labels=labels)


def _either(path: Path | str, ours: Callable[..., Any], csv: Callable[..., Any]) -> Any:
    return ours if Path(path).suffix == ".parquet" else csv
