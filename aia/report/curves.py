"""Curves of runs: training by step, the memory by age, the cost of a step by reach (Fig. 5).

Training curves come from each run's metrics.jsonl, one JSON object a line with its `step`: the
loss, the trust w of Eq. 2, the learning rate, and mAP where it was measured.
"""

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from aia.errors import InputError
from aia.report import style

QUANTITIES = {
    "loss": "loss (median of nearby steps)",
    "trust": "trust w in remembered features (Eq. 2)",
    "lr": "learning rate",
    "val_map": "mAP on the validation videos",
}
"""Titles of the training curves; a quantity that some run has gets a panel."""

BINS = 8
"""Groups of entries by age in which drift is averaged."""

_COSTS = {"seconds": "time of a step, s", "memory_gb": "memory of a step, GB"}
_WORDS = {"training", "device"}
"""Columns that hold words; all others hold numbers."""


def read_progress(path: Path | str) -> pd.DataFrame:
    """Read a metrics.jsonl as a table, one row a line."""
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
    _check_numbers(path, table, [name for name in ("step", *QUANTITIES, "age") if name in table])
    return table


def read_drift(path: Path | str) -> pd.DataFrame:
    """Read a table that `aia drift` wrote."""
    return _read_csv(path, {"step", "cosine_distance"}, what="drift", by="aia drift")


def read_reach(path: Path | str) -> pd.DataFrame:
    """Read measured costs by reach: training, reach, seconds, memory_gb, device."""
    columns = {"reach", *_COSTS, *_WORDS}
    return _read_csv(path, columns, what="costs by reach", by="aia cost --reaches")


def _read_csv(path: Path | str, columns: Collection[str], *, what: str, by: str) -> pd.DataFrame:
    """Read a CSV that a command wrote, and check its columns."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: is not a CSV of {what} ({problem})") from None
    missing = set(columns) - set(table.columns)
    if missing:
        raise InputError(f"{path}: has no column {min(missing)!r}; was it written by `{by}`?")
    _check_numbers(path, table, sorted(set(columns) - _WORDS))
    return table


def _check_numbers(path: Path | str, table: pd.DataFrame, names: Iterable[str]) -> None:
    """Refuse a column that holds anything but numbers; a cell may be empty.

    Raises:
        InputError: The column, and its first cell that is no number.
    """
    for name in names:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            continue
        wrong = (pd.to_numeric(column, errors="coerce").isna() & column.notna()).to_numpy(bool)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise InputError(
                f"{path}: column {name} holds {str(column.iloc[row])[:40]!r}, expected numbers"
            )


def draw_curves(
    progress: Mapping[str, pd.DataFrame],
    output: Path | str,
    *,
    final_map: Mapping[str, float] | None = None,
) -> None:
    """Draw one panel for each quantity that some run has, one colour for each run.

    Args:
        progress: Training curves, by run.
        output: PNG, SVG or PDF.
        final_map: mAP of the finished runs; a mark at each run's last step.
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
                    _draw_quantity(axes, table, name, colour[run], run)
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
    """Look up the mean AP: the line of a metrics file without a class."""
    means = metrics.loc[metrics["class_id"].isna(), "value"]
    if means.empty:
        raise InputError("a metrics file has no line of the mean (one with an empty class_id)")
    return float(means.iloc[0])


def smooth(values: np.ndarray, *, window: int) -> np.ndarray:
    """Take the median of up to `window` neighbours, which one odd batch does not move.

    >>> smooth(np.array([3.0, 9.0, 1.0, 1.0]), window=3)
    array([6., 3., 1., 1.])
    """
    series = pd.Series(values)
    return series.rolling(window, center=True, min_periods=1).median().to_numpy()


def _has(table: pd.DataFrame, name: str) -> bool:
    return name in table and bool(table[name].notna().any())


def _draw_quantity(axes: Axes, table: pd.DataFrame, name: str, colour: str, run: str) -> None:
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


def draw_memory(
    progress: Mapping[str, pd.DataFrame], drift: Mapping[str, pd.DataFrame], output: Path | str
) -> None:
    """Draw how old and how trusted the memory is over the steps, and its drift at the end by age.

    Args:
        progress: Training curves, by run; runs with a frozen bank have neither age nor trust.
        drift: Drift of the memory (read_drift), by run.
        output: PNG, SVG or PDF.
    """
    if not drift:
        raise InputError("no drift is given; expected RUN=FILE of at least one run with a memory")
    colour = style.colours(list(drift))
    with style.look():
        figure = style.new_figure(11.0, 3.6)
        age, trust, off = figure.subplots(1, 3)
        for run, table in progress.items():
            for axes, name in ((age, "age"), (trust, "trust")):
                if _has(table, name):
                    rows = table[table[name].notna()]
                    axes.plot(rows["step"], rows[name], color=colour[run], linewidth=1.2)
        for axes, title in ((age, "age of what is read, steps"), (trust, "its weight w (Eq. 2)")):
            axes.set_title(title)
            axes.set_xlabel("step")
            axes.set_ylim(bottom=0)
            if not axes.lines:
                style.write_note(axes, "no run with AMU")
        if trust.lines:
            trust.set_ylim(0, 1.02)
        off.set_title("drift at the end")
        for run, table in drift.items():
            _draw_drift(off, table, colour[run], run)
        off.set_xlabel("age, steps")
        off.set_ylabel("cosine distance to fresh features")
        off.set_ylim(bottom=0)
        figure.legend(*off.get_legend_handles_labels(), loc="outside lower center", ncols=2)
        style.save(figure, output)


def by_age(drift: pd.DataFrame) -> pd.DataFrame:
    """Compute median and quartiles of the cosine distance by age; a frozen bank is one group.

    Returns:
        Columns age, low, median, high.
    """
    age = drift["step"].max() - drift["step"]
    groups = 0 * age
    if age.nunique() > 1:
        groups = pd.qcut(age, min(BINS, age.nunique()), duplicates="drop")
    parts = drift["cosine_distance"].groupby(groups, observed=True)
    table = parts.quantile(np.array([0.25, 0.5, 0.75])).unstack()
    table.columns = ["low", "median", "high"]
    middle = age.groupby(groups, observed=True).median()
    return table.assign(age=middle).reset_index(drop=True)[["age", "low", "median", "high"]]


def _draw_drift(axes: Axes, drift: pd.DataFrame, colour: str, run: str) -> None:
    table = by_age(drift)
    if len(table) == 1:  # a bank has no age: one level
        axes.axhline(float(table["median"].iloc[0]), color=colour, linestyle="--", label=run)
        low, high = table[["low", "high"]].to_numpy(float)[0]
        axes.axhspan(low, high, color=colour, alpha=0.15)
        return
    axes.plot(table["age"], table["median"], "o-", color=colour, label=run, markersize=4)
    axes.fill_between(table["age"], table["low"], table["high"], color=colour, alpha=0.15)


def draw_reach(costs: pd.DataFrame, output: Path | str) -> None:
    """Draw time and memory of a training step by the reach L, joint against AMU (Fig. 5).

    Args:
        costs: Measured steps (read_reach).
        output: PNG, SVG or PDF.
    """
    if costs.empty:
        raise InputError("no training step was measured; see the log of `aia cost --reaches`")
    colour = style.colours(list(dict.fromkeys(costs["training"])))
    with style.look():
        figure = style.new_figure(7.5, 3.2)
        panels = figure.subplots(1, len(_COSTS))
        for axes, (column, words) in zip(panels, _COSTS.items(), strict=True):
            for training, rows in costs.groupby("training", sort=False):
                name = str(training)
                axes.plot(rows["reach"], rows[column], "o-", label=name, color=colour[name])
            axes.set_xlabel("reach L, seconds on each side")
            axes.set_ylabel(words)
            axes.set_ylim(bottom=0)
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        panels[0].legend()
        panels[1].set_title(costs["device"].iloc[0], loc="right", fontsize=8, fontweight="normal")
        style.save(figure, output)
