"""Rows of tables: a run or an ensemble, seen in one view or in several (multi-scale)."""

import re
from typing import NamedTuple

from aia.config.building import suggestion
from aia.config.runs import with_seed
from aia.errors import InputError

MULTISCALE = "multiscale"
"""The word after a name that asks for the mean over views (Table 2's "*")."""


class TableRow(NamedTuple):
    """What a row of a table scores."""

    name: str
    """A run without its seed, or one of fuse.ensembles, which has no - in it."""
    multiscale: bool

    @property
    def is_ensemble(self) -> bool:
        """Whether it is the mean of several runs, so that it has no seeds."""
        return "-" not in self.name

    @property
    def views(self) -> str:
        """What stands behind the boxes in the names of its scores and metrics."""
        return f"-{MULTISCALE}" if self.multiscale else ""


def parse_row(row: str) -> TableRow:
    """Read a row: RUN, RUN multiscale, ENSEMBLE or ENSEMBLE multiscale.

    >>> parse_row("c2d-serial-POM-amu multiscale")
    TableRow(name='c2d-serial-POM-amu', multiscale=True)
    >>> parse_row("three").is_ensemble
    True

    Raises:
        InputError: Another word than multiscale, or a name of neither kind.
    """
    name, *words = row.split() or [""]
    if words not in ([], [MULTISCALE]):
        wrong = " ".join(words)
        raise InputError(
            f"'{row}': '{wrong}' says nothing of a run{suggestion(wrong, [MULTISCALE])}; expected "
            "RUN, RUN multiscale, or one of fuse.ensembles in the run's place"
        )
    if not re.fullmatch(r"[a-z0-9_]+", name):  # not an ensemble's
        with_seed(name, 0)  # checks that it is a run's
    return TableRow(name, bool(words))
