"""Time and memory of a training step by the reach L of the memory, joint against AMU (Fig. 5)."""

from pathlib import Path

import pandas as pd
from matplotlib.ticker import MaxNLocator

from aia.errors import InputError
from aia.report import style
from aia.report.columns import check_numbers

_PANELS = (("seconds", "time of a step, s"), ("memory_gb", "memory of a step, GB"))


def draw_reach(costs: pd.DataFrame, output: Path | str) -> None:
    """Two panels, a line for each way of training.

    Args:
        costs: What `aia cost --reaches` wrote: training, reach, seconds, memory_gb, device.
        output: The picture.
    """
    if costs.empty:
        raise InputError("no training step was measured; see the log of `aia cost --reaches`")
    colour = style.colours(list(dict.fromkeys(costs["training"])))
    with style.look():
        figure = style.new_figure(7.5, 3.2)
        panels = figure.subplots(1, len(_PANELS))
        for axes, (column, words) in zip(panels, _PANELS, strict=True):
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


def read_reach(path: Path | str) -> pd.DataFrame:
    """Read measured costs by reach."""
    try:
        costs = pd.read_csv(path)
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: is not a CSV of costs by reach ({problem})") from None
    missing = {"training", "reach", "seconds", "memory_gb", "device"} - set(costs.columns)
    if missing:
        raise InputError(
            f"{path}: has no column {min(missing)!r}; expected what `aia cost --reaches` writes"
        )
    check_numbers(path, costs, ("reach", "seconds", "memory_gb"))
    return costs
