"""The old names of `aia.tables.csv` and of what it needs of `aia.tables.schema`."""

from collections.abc import Mapping

import pyarrow as pa

from aia.tables.csv import check_file, first_cells, has_lines, read_table
from aia.tables.csv import rows_of as Rows  # noqa: N812
from aia.tables.schema import Cells, Table

__all__ = ["Layout", "Rows", "check_file", "first_cells", "has_lines", "read_table"]


def Layout(what: str, columns: Mapping[str, pa.DataType], header: bool = False) -> Table:  # noqa: N802
    """Declare a table without checks."""
    return Table(what, {name: Cells(kind) for name, kind in columns.items()}, header=header)
