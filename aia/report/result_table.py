"""Metrics of runs as the paper's tables: a row for each method, with our number and the paper's.

Values are percent, as in the paper; the metrics files of runs hold fractions. Seeds of a method
are averaged, with their spread. Each group of classes has its own mean, which shows what a block
is for: without memory, only the classes that need memory should fall. The cost of a method (Table
1e) is a multiple of the first row's.

The paper's number stands beside ours on any data; the difference is given only on the same data.
On other data, compare the gains over the first row. Numbers that others published on the same data
follow, with their protocol and source; there `ours` is empty.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from aia.errors import InputError
from aia.files import write_text
from aia.labels import ClassList, read_labels
from aia.log import say
from aia.report.paper import PaperNumbers
from aia.report.result_page import as_page
from aia.tables import read_metrics

TABLE_COLUMNS = (
    "method", "row", "backbone", "input", "pretraining",
    "metric", "ours", "paper", "difference", "seeds", "spread", "gain", "paper_gain",
    "protocol", "source",
)  # fmt: skip
_ANNOTATED = "annotated boxes"
_BOXES = {"val": "detected boxes", "val-gt": _ANNOTATED}


class Row(NamedTuple):
    """Method with what was measured of it."""

    method: str
    backbone: str
    input: str
    """Frames and stride of a clip, such as 32x2."""
    pretraining: str
    metrics_files: tuple[Path, ...]
    """Files of `aia evaluate`, one for each seed."""
    boxes: str = ""
    """Kind of boxes that were scored, if a table has several."""
    row: str = ""
    """Name in the paper's table."""
    cost_file: Path | None = None
    """File of `aia cost`: parameters and operations."""


class _Measured(NamedTuple):
    """Metrics of a row over seeds, in percent; NaN where not defined."""

    overall: dict[str, np.ndarray]
    """Metrics of all classes together and means of each group: a value for each seed."""
    per_class: pd.Series
    """AP by class id, the mean over seeds."""


def result_table(
    rows: Sequence[Row], labels: ClassList, paper: PaperNumbers | None = None
) -> pd.DataFrame:
    """Build the table with columns `TABLE_COLUMNS`: for each row its metrics and groups' means.

    Args:
        rows: Methods in the order of the table; gains and costs are relative to the first.
        labels: The classes and their groups.
        paper: The paper's numbers of these rows.
    """
    paper = paper or PaperNumbers(None, None)
    lines: list[dict[str, Any]] = []
    for row in rows:
        described = _described(row)
        for place, (metric, values) in enumerate(_measure(row, labels).overall.items()):
            # the paper scores the detector's boxes, and names no groups; of segments it has all
            of_segments = " top-" in metric
            comparable = of_segments or (place == 0 and row.boxes != _ANNOTATED)
            called = {"frame_mAP@0.5": "frame mAP@0.5"}.get(metric, "mAP")  # Table 3's name
            called = metric if of_segments else called
            claimed = paper.value(row.row, called) if comparable else np.nan
            spread = float(values.std(ddof=1)) if len(values) > 1 else np.nan
            numbers = {"ours": float(values.mean()), "paper": claimed, "spread": spread}
            seeds = {"metric": _with_boxes(metric, row), "seeds": len(values)}
            lines.append(described | seeds | numbers)
    lines += _cost_lines(rows, paper)
    table = pd.DataFrame(lines, columns=list(TABLE_COLUMNS))
    table[["protocol", "source"]] = ""  # of what others published
    difference = table["ours"] - table["paper"]
    first = table.groupby("metric", sort=False)[["ours", "paper"]].transform("first")
    later = table["method"] != (rows[0].method if rows else "")
    return table.assign(
        difference=difference if paper.comparable else np.nan,
        gain=(table["ours"] - first["ours"]).where(later),
        paper_gain=(table["paper"] - first["paper"]).where(later),
    )


def published_rows(paper: PaperNumbers, rows: Sequence[Row]) -> pd.DataFrame:
    """Build the rows of methods that no run stands for: `paper` is their number, `ours` empty."""
    empty = dict.fromkeys(("row", "backbone", "input", "pretraining"), "") | {"seeds": 0}
    lines = [
        empty | {"paper" if name == "value" else name: it for name, it in one._asdict().items()}
        for one in paper.without_run({row.row for row in rows})
    ]
    return pd.DataFrame(lines, columns=list(TABLE_COLUMNS))


def class_table(rows: Sequence[Row], labels: ClassList) -> pd.DataFrame:
    """Build a table of each class's AP: columns class, group and one for each row."""
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
    paper: PaperNumbers | None = None,
) -> None:
    """Write the table of rows that are described as JSON.

    Args:
        rows: A list of {"method": name, "metrics": {boxes: [a file for each seed]}}, each with
            "backbone", "input", "pretraining", "row" (the paper's name of it) and "cost" (a file)
            if they are known.
        labels: The classes, as pbtxt.
        output: results/{name}.csv.
        persons: Metrics of the person detector, which become rows of their own.
        skipped: Unreadable videos, and why; their annotations count as missed.
        paper: The paper's numbers of these rows.

    Raises:
        InputError: The rows are not such a list, or their files do not fit.
    """
    made = _rows_from_json(rows)
    classes = read_labels(labels)
    table = result_table(made, classes, paper)
    if persons is not None:
        detector = Row("person detector", "", "", "", (Path(persons),))
        table = pd.concat(
            [table, result_table([detector], classes).astype(table.dtypes)], ignore_index=True
        )
    notes = [f"{video} was skipped: {why}" for video, why in (skipped or {}).items()]
    if notes:
        notes.append("Persons annotated in skipped videos that were to be scored count as missed.")
    for note in notes:
        say(note)
    if paper and table["paper"].notna().any() and table["difference"].isna().all():
        notes.append(
            f"The paper's numbers are of {paper.data}, not of this data: compare gains over the "
            "first row, not the numbers."
        )
    if paper is not None and len(others := published_rows(paper, made)):
        table = pd.concat([table, others.astype(table.dtypes)], ignore_index=True)
    write_result_table(output, table, class_table(made, classes), notes=notes)


def _rows_from_json(text: str) -> list[Row]:
    """Parse the rows of a table, one for each method and kind of boxes."""
    try:
        return [
            Row(
                method=one["method"],
                backbone=one.get("backbone", one["method"].split("-")[0]),
                input=one.get("input", ""),
                pretraining=one.get("pretraining", ""),
                metrics_files=tuple(map(Path, files)),
                boxes=_BOXES.get(kind, kind) if len(one["metrics"]) > 1 else "",
                row=one.get("row", ""),
                cost_file=Path(one["cost"]) if one.get("cost") else None,
            )
            for one in json.loads(text)
            for kind, files in one["metrics"].items()
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise InputError(
            f"--rows: is not a list of rows as JSON ({problem!r}); expected "
            '[{"method": "...", "metrics": {"val": ["a file for each seed"]}}]'
        ) from None


def _described(row: Row) -> dict[str, Any]:
    """Describe a row in the table's first five columns."""
    return {name: getattr(row, name) for name in TABLE_COLUMNS[:5]}


def _cost_lines(rows: Sequence[Row], paper: PaperNumbers) -> list[dict[str, Any]]:
    """Compute parameters and operations of each method, as multiples of the first's."""
    costs = {row.method: (row, row.cost_file) for row in rows if row.cost_file}
    lines: list[dict[str, Any]] = []
    first: dict[str, float] = {}
    for row, path in costs.values():
        metrics = read_metrics(path)
        found = dict(zip(metrics["metric"], metrics["value"], strict=True))
        missing = {"params", "FLOPs"} - found.keys()
        if missing:
            raise InputError(f"{path}: has no {missing.pop()}; expected what `aia cost` writes")
        first = first or found
        for metric in ("params", "FLOPs"):
            ratio = found[metric] / first[metric]
            numbers = {"ours": ratio, "paper": paper.value(row.row, metric), "seeds": 1}
            lines.append(_described(row) | {"metric": f"{metric}, times the first row's"} | numbers)
    return lines


def _measure(row: Row, labels: ClassList) -> _Measured:
    if not row.metrics_files:
        raise InputError(f"{row.method}: no metrics file is named for it")
    overall: list[dict[str, float]] = []
    per_class: list[pd.Series] = []
    for path in row.metrics_files:
        metrics = read_metrics(path)
        of_all = metrics[metrics["class_id"].isna()]
        of_class = metrics[metrics["class_id"].notna()]
        # a file may have several metrics; the first has the classes
        of_class = of_class[of_class["metric"] == next(iter(of_class["metric"]), None)]
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
    """Compute the mean AP of each group of classes, in the order of the list."""
    group = np.array(labels.groups)
    return {
        f"{metric} {name}": float(values[group == name].mean())
        for name in dict.fromkeys(labels.groups)
        if name
    }


def _with_boxes(name: str, row: Row) -> str:
    return f"{name} ({row.boxes})" if row.boxes else name
