"""A name before: `aia.tables.csv`, whose tables are declared in `aia.tables.schema`."""

from collections.abc import Mapping

import pyarrow as pa

from aia.tables.csv import check_file, first_cells, has_lines, read_table
from aia.tables.schema import Cells, Table

__all__ = ["Layout", "check_file", "first_cells", "has_lines", "read_table"]


def Layout(what: str, columns: Mapping[str, pa.DataType], header: bool = False) -> Table:  # noqa: N802
    """Declare a table without checks."""
    return Table(what, {name: Cells(kind) for name, kind in columns.items()}, header=header)
