"""Numbers of the paper's tables and of methods published since, to stand beside ours."""

import functools
from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from aia.errors import InputError

_FILE = Path(__file__).with_name("paper_tables.csv")
_OTHERS = Path(__file__).with_name("published.csv")


class Published(NamedTuple):
    """Number of a method that no run stands for."""

    method: str
    metric: str
    """Name that its publishers use."""
    value: float
    """Percent."""
    protocol: str
    """Protocol of counting boxes; empty if the source does not say."""
    source: str


class PaperNumbers:
    """Numbers of the paper for the rows of one of its tables.

    Args:
        table: Table such as 1a; None: all its tables of results on that data.
        data: The paper's name of the data at hand, such as AVA v2.2 val; None: it has none.
    """

    def __init__(self, table: str | None, data: str | None) -> None:
        known = _paper_tables()
        for name, value in (("table", table), ("dataset", data)):
            if value is not None and value not in set(known[name]):
                raise InputError(
                    f"'{value}' is not a {name} of the paper's tables; expected one of "
                    f"{', '.join(dict.fromkeys(known[name]))}"
                )
        if table is not None:
            chosen = known[known["table"] == table]
        elif data is not None:
            chosen = known[(known["dataset"] == data) & ~known["table"].str.startswith("1")]
        else:
            chosen = known.iloc[:0]
        self._chosen, self._data = chosen, data
        self._others = data if table is None else None
        self.data = ", ".join(dict.fromkeys(chosen["dataset"]))
        """Data that the paper's numbers were measured on."""
        self._values = chosen.set_index(["row", "metric"])["value"].to_dict()
        self.comparable = data is not None and set(chosen["dataset"]) <= {data}
        """True if the paper measured on the data at hand, so that a difference means something."""

    def value(self, row: str, metric: str) -> float:
        """Look up the paper's number; NaN if it has none.

        >>> PaperNumbers("1e", None).value("IA (w/ AMU)", "params")
        1.35
        """
        return self._values.get((row, metric), float("nan"))

    def without_run(self, rows: Collection[str]) -> list[Published]:
        """List what is published on the data at hand of methods that are not among `rows`.

        The paper's come first; others' only for a table of results, not for a part of Table 1.
        On other data the list is empty, as the numbers do not compare.

        >>> [one.method for one in PaperNumbers("1f", "AVA v2.2 val").without_run(["Baseline"])]
        ['+NL', '+IA (w/o M)']
        """
        if not self.comparable:
            return []
        chosen = self._chosen[~self._chosen["row"].isin(list(rows))]
        chosen = chosen.assign(
            method=chosen["row"], protocol="", source="the paper, Table " + chosen["table"]
        )
        others = _published()
        others = others[others["dataset"] == self._others]
        return [
            Published(*(one[name] for name in Published._fields))
            for table in (chosen, others)
            for one in table.to_dict("records")
        ]


@functools.cache
def _published() -> pd.DataFrame:
    """Read columns dataset, method, metric, value (percent), protocol, source.

    Every number was checked at its source; none is from memory.
    """
    return pd.read_csv(_OTHERS)


@functools.cache
def _paper_tables() -> pd.DataFrame:
    """Read columns table, dataset, row, metric, value; mAP in percent, costs as multiples."""
    return pd.read_csv(_FILE, dtype={"table": str})
