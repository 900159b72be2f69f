"""The memory's life: its age and trust while training, and how far it is off at the end."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from aia.errors import InputError
from aia.report import style
from aia.report.columns import check_numbers

BINS = 8
"""Groups of entries by age in which drift is averaged."""


def draw_memory(
    progress: Mapping[str, pd.DataFrame], drift: Mapping[str, pd.DataFrame], output: Path | str
) -> None:
    """Three panels: age and trust over the steps, drift against age.

    Args:
        progress: metrics.jsonl of each run, by name; runs with a frozen bank have neither curve.
        drift: What `aia drift` wrote of each run.
        output: The picture.
    """
    if not drift:
        raise InputError("no drift is given; expected RUN=FILE of at least one run with a memory")
    colour = style.colours(list(drift))
    with style.look():
        figure = style.new_figure(11.0, 3.6)
        age, trust, off = figure.subplots(1, 3)
        for run, table in progress.items():
            for axes, name in ((age, "age"), (trust, "trust")):
                if name in table and table[name].notna().any():
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
    """Median and quartiles of the cosine distance by age; a frozen bank is one group.

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
    if len(table) == 1:  # a bank has no age: a level for all
        axes.axhline(float(table["median"].iloc[0]), color=colour, linestyle="--", label=run)
        low, high = table[["low", "high"]].to_numpy(float)[0]
        axes.axhspan(low, high, color=colour, alpha=0.15)
        return
    axes.plot(table["age"], table["median"], "o-", color=colour, label=run, markersize=4)
    axes.fill_between(table["age"], table["low"], table["high"], color=colour, alpha=0.15)


def read_drift(path: Path | str) -> pd.DataFrame:
    """Read what `aia drift` wrote."""
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: is not a CSV of drift ({problem})") from None
    missing = {"step", "cosine_distance"} - set(table.columns)
    if missing:
        raise InputError(f"{path}: has no column {min(missing)!r}; was it written by `aia drift`?")
    check_numbers(path, table, ("step", "cosine_distance"))
    return table
