"""Style of all pictures: colours that everyone can tell apart, and canvases without a screen.

Figures are made without pyplot, which keeps state from one picture to the next.
"""

from contextlib import AbstractContextManager
from pathlib import Path

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from aia.files import atomic_path
from aia.log import say

# Okabe and Ito's palette, told apart with any kind of colour vision, in the order of use.
BLUE, ORANGE, GREEN, VERMILION = "#0072B2", "#E69F00", "#009E73", "#D55E00"
PURPLE, SKY, YELLOW, BLACK = "#CC79A7", "#56B4E9", "#F0E442", "#000000"
PALETTE = (BLUE, ORANGE, GREEN, PURPLE, SKY, VERMILION, BLACK, YELLOW)
GREY, LIGHT = "#6B6B6B", "#D9D9D9"

_LOOK = {
    "font.size": 9.0,
    "axes.titlesize": 10.0,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": GREY,
    "axes.labelcolor": "#333333",
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": "#333333",
    "ytick.labelcolor": "#333333",
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": LIGHT,
    "grid.linewidth": 0.6,
    "legend.frameon": False,
    "figure.dpi": 110.0,
    "savefig.dpi": 130.0,
    "svg.hashsalt": "aia",  # the same picture is the same file
}


def new_figure(width: float, height: float) -> Figure:
    """Make an empty figure in our look, in inches."""
    with look():
        figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def look() -> AbstractContextManager[None]:
    """Set the look as a context: axes and text take it when they are made."""
    return matplotlib.rc_context(_LOOK)


def save(figure: Figure, path: Path | str) -> None:
    """Write the figure; the ending of the name chooses PNG, SVG or PDF."""
    path = Path(path)
    kind = path.suffix.removeprefix(".").lower()
    with look(), atomic_path(path) as temporary:
        figure.savefig(temporary, format=kind, facecolor="white", metadata=_metadata(kind))
    say(f"{path}: drawn")


def colours(names: list[str]) -> dict[str, str]:
    """Choose a colour for each name, in their order; they repeat after eight."""
    return {name: PALETTE[i % len(PALETTE)] for i, name in enumerate(names)}


def write_note(axes: Axes, text: str) -> None:
    """Write into axes why they show nothing."""
    axes.set_axis_off()
    axes.text(
        0.5, 0.5, text, ha="center", va="center", color=GREY, wrap=True, transform=axes.transAxes
    )


def save_note(text: str, path: Path | str) -> None:
    """Write a picture that says why there is none."""
    with look():
        figure = new_figure(6.0, 1.5)
        write_note(figure.add_subplot(), text)
        save(figure, path)


def _metadata(kind: str) -> dict[str, str | None] | None:
    # no date and no version: the same picture is the same file
    dated: dict[str, dict[str, str | None]] = {
        "png": {"Software": None},
        "svg": {"Date": None},
        "pdf": {"CreationDate": None},
    }
    return dated.get(kind)
