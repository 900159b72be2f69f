"""How training went: loss, the trust w of Eq. 2, the learning rate, and mAP where it was measured.

The curves come from each run's metrics.jsonl, one JSON object a line with its `step`.
"""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aia.errors import InputError
from aia.report import style
from aia.report.columns import check_numbers

QUANTITIES = {
    "loss": "loss (median of nearby steps)",
    "trust": "trust w in remembered features (Eq. 2)",
    "lr": "learning rate",
    "val_map": "mAP on the validation films",
}
"""What is drawn where a run's lines have it; each is one panel."""


def read_progress(path: Path | str) -> pd.DataFrame:
    """A metrics.jsonl as a table, one row a line."""
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
        rows = [json.loads(line) for line in lines if line.strip()]
    except FileNotFoundError:
        raise InputError(
            f"{path}: there is no such file; metrics.jsonl of a run expected"
        ) from None
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InputError(
            f"{path}: expected one JSON object a line, as `aia train` writes them ({error})"
        ) from None
    if not all(isinstance(row, dict) and "step" in row for row in rows):
        raise InputError(f"{path}: a line has no 'step'; was it written by `aia train`?")
    table = pd.DataFrame(rows, columns=None if rows else ["step"])
    check_numbers(path, table, [name for name in ("step", *QUANTITIES, "age") if name in table])
    return table


def draw_curves(
    progress: Mapping[str, pd.DataFrame],
    output: Path | str,
    *,
    final_map: Mapping[str, float] | None = None,
) -> None:
    """One panel for each quantity that some run has, one colour for each run.

    Args:
        progress: Of each run, by name.
        output: The picture.
        final_map: mAP of the finished runs; a dot at each run's last step.
    """
    final_map = final_map or {}
    panels = [
        name
        for name in QUANTITIES
        if any(_has(table, name) for table in progress.values())
        or (name == "val_map" and final_map)
    ]
    colour = style.colours(list(progress))
    columns = 1 if len(panels) < 2 else 2
    rows = max(-(-len(panels) // columns), 1)
    with style.look():
        figure = style.new_figure(4.6 * columns, 3.1 * rows)
        if not panels:
            style.write_note(figure.add_subplot(), "No run has written any step yet.")
        for number, name in enumerate(panels, start=1):
            axes = figure.add_subplot(rows, columns, number)
            axes.set_title(QUANTITIES[name])
            axes.set_xlabel("step")
            for run, table in progress.items():
                if _has(table, name):
                    _draw_one(axes, table, name, colour[run], run)
                if name == "val_map" and run in final_map:
                    last = float(table["step"].max()) if len(table) else 0.0
                    _mark_final(axes, last, final_map[run], colour[run])
            _set_range(axes, name)
        handles = {
            label: line
            for axes in figure.axes
            for line, label in zip(*axes.get_legend_handles_labels(), strict=True)
        }
        if handles:
            ordered = [run for run in progress if run in handles]
            figure.legend(
                [handles[run] for run in ordered],
                ordered,
                loc="outside lower center",
                ncols=1 if max(map(len, ordered)) > 30 else 2,
            )
        style.save(figure, output)


def mean_of_classes(metrics: pd.DataFrame) -> float:
    """The mean AP: the line of a metrics file that is of no single class."""
    means = metrics.loc[metrics["class_id"].isna(), "value"]
    if means.empty:
        raise InputError("a metrics file has no line of the mean (one with an empty class_id)")
    return float(means.iloc[0])


def smooth(values: np.ndarray, *, window: int) -> np.ndarray:
    """The median of up to `window` neighbours, which one odd batch does not move.

    >>> smooth(np.array([3.0, 9.0, 1.0, 1.0]), window=3)
    array([6., 3., 1., 1.])
    """
    series = pd.Series(values)
    return series.rolling(window, center=True, min_periods=1).median().to_numpy()


def _has(table: pd.DataFrame, name: str) -> bool:
    return name in table and bool(table[name].notna().any())


def _draw_one(axes: Axes, table: pd.DataFrame, name: str, colour: str, run: str) -> None:
    rows = table[table[name].notna()]
    steps, values = rows["step"].to_numpy(float), rows[name].to_numpy(float)
    if name == "loss" and len(values) > 20:
        axes.plot(steps, values, color=colour, linewidth=0.6, alpha=0.25)
        values = smooth(values, window=max(3, len(values) // 25))
    many = name != "val_map"
    axes.plot(
        steps,
        100 * values if name == "val_map" else values,
        color=colour,
        linewidth=1.6,
        marker=None if many and len(values) > 1 else "o",
        markersize=4,
        label=run,
    )


def _mark_final(axes: Axes, step: float, value: float, colour: str) -> None:
    axes.plot([step], [100 * value], color=colour, marker="D", markersize=6, linestyle="none")
    axes.annotate(
        f"{100 * value:.1f}",
        (step, 100 * value),
        textcoords="offset points",
        xytext=(4, -8),
        ha="right",
        va="top",
        color=colour,
    )


def _set_range(axes: Axes, name: str) -> None:
    if name == "loss":
        axes.set_yscale("log")
    if name == "trust":
        axes.set_ylim(0, 1.02)
    if name == "val_map":
        axes.set_ylim(0, 105)
        axes.set_xlim(left=0)
        axes.set_ylabel("%")
