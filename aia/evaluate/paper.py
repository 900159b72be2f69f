"""The numbers of the paper's tables, to stand beside ours."""

import functools
from pathlib import Path

import pandas as pd

from aia.errors import InputError

_FILE = Path(__file__).with_name("paper_tables.csv")
ABLATED = "AVA v2.2 val"
"""The data of Table 1."""


class PaperNumbers:
    """What the paper says of the rows of one of its tables.

    Args:
        table: Such as 1a; None: of any of its tables of results on that data.
        data: What the paper calls the data at hand, such as AVA v2.2 val; None: it is not there.
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
        self._values = chosen.set_index(["row", "metric"])["value"].to_dict()
        self.comparable = data is not None and set(chosen["dataset"]) <= {data}
        """Whether the paper measured on the data at hand, so that a difference means something."""

    def value(self, row: str, metric: str) -> float:
        """The paper's number; NaN where it has none.

        >>> PaperNumbers("1e", None).value("IA (w/ AMU)", "params")
        1.35
        """
        return self._values.get((row, metric), float("nan"))


@functools.cache
def _paper_tables() -> pd.DataFrame:
    """Columns table, dataset, row, metric, value; mAP in percent, costs over the baseline's."""
    return pd.read_csv(_FILE, dtype={"table": str})
