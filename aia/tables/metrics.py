"""The metrics that come out, as CSV.

metric,class_id,class_name,value                 with this header; no class_id: of all classes
"""

from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pyarrow as pa

from aia.tables import csv
from aia.tables.schema import FLOAT, TEXT, Cells, Table, matching

_ID = Cells(pa.string(), matching(r"[0-9]*", "a whole number or nothing"))
_METRICS = Table(
    "metrics",
    {"metric": TEXT, "class_id": _ID, "class_name": TEXT, "value": FLOAT},
    header=True,
)


def write_metrics(path: Path | str, rows: Iterable[tuple[str, int | None, str, float]]) -> None:
    """Write metrics with every digit that tells two floats apart.

    Args:
        path: The file.
        rows: Metric, class id (None: of all classes together), class name, and value: a fraction,
            or NaN where it is not defined, as the AP of a class without ground truth.
    """
    cells = [
        (metric, "" if class_id is None else str(class_id), name, float(value))
        for metric, class_id, name, value in rows
    ]
    csv.write_frame(path, pd.DataFrame(cells, columns=list(_METRICS.columns)))


def read_metrics(path: Path | str) -> pd.DataFrame:
    """Read what `write_metrics` wrote: metric, class_id (Int64, NA for all), class_name, value."""
    frame = csv.read_frame(path, _METRICS)
    frame["class_id"] = pd.to_numeric(frame["class_id"], errors="coerce").astype("Int64")
    return frame
