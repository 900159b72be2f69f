"""Metrics of runs put together as the paper's tables are: a row for each method, its number, ours.

Values are percent here, as in the paper; the metrics files of runs hold fractions. Several seeds of
a method become their mean and their spread, and each group of classes its own mean, which shows
what a block is for: without memory, only the classes that need memory should fall.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from aia.errors import InputError
from aia.evaluate.result_page import as_page
from aia.files import write_text
from aia.labels import ClassList, read_labels
from aia.log import say
from aia.tables import read_metrics

TABLE_COLUMNS = (
    "method", "backbone", "input", "pretraining",
    "metric", "ours", "paper", "difference", "seeds", "spread",
)  # fmt: skip
_ANNOTATED = "annotated boxes"
_BOXES = {"val": "detected boxes", "val-gt": _ANNOTATED}


class Row(NamedTuple):
    """One method with what was measured of it."""

    method: str
    backbone: str
    input: str
    """Frames and stride of a clip, such as 32x2."""
    pretraining: str
    metrics_files: tuple[Path, ...]
    """One for each seed, as `aia evaluate` writes them."""
    boxes: str = ""
    """Which boxes were scored, where a table has several kinds."""


class _Measured(NamedTuple):
    """One row's metrics over seeds, in percent; NaN where not defined."""

    overall: dict[str, np.ndarray]
    """Each metric of all classes together, and the mean of each group: a value per seed."""
    per_class: pd.Series
    """By class id, the mean over seeds."""


def result_table(
    rows: Sequence[Row], labels: ClassList, paper: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """The table with columns `TABLE_COLUMNS`: for each row its metrics, then its groups' means.

    Args:
        rows: methods in the order of the table.
        labels: the classes and their groups.
        paper: by method, what the paper says of the mean over classes, in percent.
    """
    lines = []
    for row in rows:
        measured = _measure(row, labels)
        for place, (metric, values) in enumerate(measured.overall.items()):
            # the paper scores the detector's boxes, and names no groups
            comparable = place == 0 and row.boxes != _ANNOTATED
            claimed = (paper or {}).get(row.method, np.nan) if comparable else np.nan
            ours = float(values.mean())
            spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
            numbers = (ours, claimed, ours - claimed, len(values), spread)
            lines.append((*row[:4], _with_boxes(metric, row), *numbers))
    return pd.DataFrame(lines, columns=list(TABLE_COLUMNS))


def class_table(rows: Sequence[Row], labels: ClassList) -> pd.DataFrame:
    """AP of each class: columns class, group and one for each row."""
    columns: dict[str, Any] = {"class": labels.names, "group": labels.groups}
    for row in rows:
        columns[_with_boxes(row.method, row)] = _measure(row, labels).per_class.to_numpy()
    return pd.DataFrame(columns)


def write_result_table(
    path: Path | str,
    table: pd.DataFrame,
    classes: pd.DataFrame,
    *,
    title: str | None = None,
    notes: Sequence[str] = (),
) -> None:
    """Write {name}.csv, {name}.classes.csv and {name}.html, each whole or not at all."""
    path = Path(path)
    if path.suffix != ".csv":
        raise InputError(f"{path}: a table is written as {{name}}.csv")
    write_text(path.with_suffix(".html"), as_page(title or path.stem, table, classes, notes))
    write_text(path.with_suffix(".classes.csv"), classes.to_csv(index=False, lineterminator="\n"))
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def table_from_json(
    rows: str,
    *,
    labels: Path | str,
    output: Path | str,
    persons: Path | str | None = None,
    skipped: Mapping[str, str] | None = None,
) -> None:
    """Write the table of rows that are described as JSON.

    Args:
        rows: a list of {"method": name, "metrics": {boxes: [a file for each seed]}}, each with
            "backbone", "input", "pretraining" and "paper" (percent) where they are known.
        labels: the classes, as pbtxt.
        output: results/{name}.csv.
        persons: metrics of the person detector, which become rows of their own.
        skipped: films that could not be read, and why; what is annotated in them counts as missed.
    """
    try:
        described = json.loads(rows)
        made = [
            Row(
                method=one["method"],
                backbone=one.get("backbone", one["method"].split("-")[0]),
                input=one.get("input", ""),
                pretraining=one.get("pretraining", ""),
                metrics_files=tuple(map(Path, files)),
                boxes=_BOXES.get(kind, kind) if len(one["metrics"]) > 1 else "",
            )
            for one in described
            for kind, files in one["metrics"].items()
        ]
        paper = {one["method"]: float(one["paper"]) for one in described if one.get("paper")}
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise InputError(
            f"--rows: is not a list of rows as JSON ({problem!r}); expected "
            '[{"method": "...", "metrics": {"val": ["a file for each seed"]}}]'
        ) from None
    classes = read_labels(labels)
    table = result_table(made, classes, paper)
    if persons is not None:
        detector = Row("person detector", "", "", "", (Path(persons),))
        table = pd.concat([table, result_table([detector], classes)], ignore_index=True)
    notes = [f"{video} was skipped: {why}" for video, why in (skipped or {}).items()]
    if notes:
        notes.append("Persons annotated in skipped films that were to be scored count as missed.")
    for note in notes:
        say(note)
    write_result_table(output, table, class_table(made, classes), notes=notes)


def _measure(row: Row, labels: ClassList) -> _Measured:
    if not row.metrics_files:
        raise InputError(f"{row.method}: no metrics file is named for it")
    overall: list[dict[str, float]] = []
    per_class: list[pd.Series] = []
    for path in row.metrics_files:
        metrics = read_metrics(path)
        of_all = metrics[metrics["class_id"].isna()]
        of_class = metrics[metrics["class_id"].notna()]
        unknown = of_class[~of_class["class_id"].isin(labels.ids)]
        if len(unknown):
            raise InputError(
                f"{path}: class {unknown['class_id'].iloc[0]} is not in the list of classes; "
                "was it scored with another one?"
            )
        if not len(of_all):
            raise InputError(f"{path}: has no metric of all classes together (class_id empty)")
        values = pd.Series(
            of_class["value"].to_numpy(), index=of_class["class_id"].to_numpy(np.int64), dtype=float
        ).reindex(list(labels.ids))
        per_class.append(100 * values)
        means = dict(zip(of_all["metric"], 100 * of_all["value"], strict=True))
        if len(of_class):
            means |= _group_means(str(of_all["metric"].iloc[0]), 100 * values, labels)
        overall.append(means)
    for path, means in zip(row.metrics_files, overall, strict=True):
        if means.keys() != overall[0].keys():
            raise InputError(
                f"{path}: has the metrics {', '.join(means)}, but {row.metrics_files[0]}, of "
                f"another seed, has {', '.join(overall[0])}"
            )
    by_metric = {name: np.array([means[name] for means in overall]) for name in overall[0]}
    return _Measured(by_metric, pd.concat(per_class, axis=1).mean(axis=1))


def _group_means(metric: str, values: pd.Series, labels: ClassList) -> dict[str, float]:
    """Mean AP of each group of classes, in the order in which the list names them."""
    group = np.array(labels.groups)
    return {
        f"{metric} {name}": float(values[group == name].mean())
        for name in dict.fromkeys(labels.groups)
        if name
    }


def _with_boxes(name: str, row: Row) -> str:
    return f"{name} ({row.boxes})" if row.boxes else name
