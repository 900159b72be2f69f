"""AP of each class, for each method, grouped by kind of class (Fig. 6)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from aia.errors import InputError
from aia.labels import ClassList
from aia.report import style

BAR = 0.8
"""Share of a class's height that its bars take."""


def class_values(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Compute mean, lowest and highest AP of each class over the seeds of one method.

    Args:
        tables: Metrics of each seed (metric, class_id, class_name, value).

    Returns:
        Columns mean, low, high, in percent, indexed by class id.
    """
    rows = pd.concat([table[table["class_id"].notna()] for table in tables])
    values = rows["value"].groupby(rows["class_id"].astype(int))
    return 100 * pd.DataFrame({"mean": values.mean(), "low": values.min(), "high": values.max()})


def draw_per_class(
    methods: Mapping[str, Sequence[pd.DataFrame]], labels: ClassList, output: Path | str
) -> None:
    """Draw bars for each class, a colour for each method, the classes of a group together.

    Within a group the classes that gained most stand first. A line over a bar spans its seeds.
    """
    values = {name: class_values(tables) for name, tables in methods.items()}
    known = [
        class_id
        for class_id in labels.ids
        if any(class_id in table.index for table in values.values())
    ]
    if not known:
        raise InputError("no class of the class list has an AP; do metrics and labels belong?")
    order = class_order(known, labels, list(values.values()))
    colour = style.colours(list(values))
    height = BAR / len(values)
    with style.look():
        figure = style.new_figure(8.0, 1.2 + len(order) * (0.12 + 0.15 * len(values)))
        axes = figure.add_subplot()
        groups = [labels.groups[labels.index[class_id]] for class_id in order]
        places = _places(groups)
        for number, (name, table) in enumerate(values.items()):
            picked = table.reindex(order)
            at = places + (number - (len(values) - 1) / 2) * height
            axes.barh(at, picked["mean"], height=0.92 * height, color=colour[name], label=name)
            for y, mean, low, high in np.column_stack((at, picked[["mean", "low", "high"]])):
                if np.isfinite(mean):
                    axes.text(high + 0.8, y, f"{mean:.1f}", va="center", fontsize=6.5)
                if high > low:
                    axes.plot([low, high], [y, y], color="black", linewidth=0.9)
        axes.set_yticks(places, [labels.names[labels.index[class_id]] for class_id in order])
        axes.set_ylim(places[-1] + 0.6, places[0] - 1.1)
        axes.set_xlim(0, 106)
        axes.set_xlabel("AP, %")
        axes.grid(visible=False, axis="y")
        for first, group in _starts(groups):
            axes.text(0.6, places[first] - 0.62, _words(group), fontweight="bold", va="center")
        figure.legend(loc="outside lower center", ncols=1 if len(values) > 2 else len(values))
        style.save(figure, output)


def class_order(known: list[int], labels: ClassList, values: list[pd.DataFrame]) -> list[int]:
    """Order class ids by group, and within a group by gain of the last method over the first."""
    group_rank = {group: rank for rank, group in enumerate(dict.fromkeys(labels.groups))}
    first, last = values[0]["mean"], values[-1]["mean"]

    def key(class_id: int) -> tuple[int, float]:
        gain = last.get(class_id, 0.0) - first.get(class_id, 0.0)
        return group_rank[labels.groups[labels.index[class_id]]], -float(np.nan_to_num(gain))

    return sorted(known, key=key)


def _places(groups: Sequence[str]) -> np.ndarray:
    """Place the classes one apart, with room for a heading before each named group."""
    heading = [group != before and bool(group) for group, before in zip(groups, [None, *groups])]  # noqa: B905
    return np.arange(len(groups)) + 0.8 * np.cumsum(heading)


def _starts(groups: Sequence[str]) -> list[tuple[int, str]]:
    return [(i, g) for i, g in enumerate(groups) if g and (i == 0 or groups[i - 1] != g)]


def _words(group: str) -> str:
    return group.replace("_", " ").lower()
