"""Columns of numbers in the tables that figures are drawn from."""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
import pandas as pd

from aia.errors import InputError


def check_numbers(path: Path | str, table: pd.DataFrame, names: Iterable[str]) -> None:
    """Stop at a column that holds anything but numbers; a cell may be empty.

    Raises:
        InputError: Which column, and its first cell that is no number.
    """
    for name in names:
        column = table[name]
        if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column):
            continue
        wrong = (pd.to_numeric(column, errors="coerce").isna() & column.notna()).to_numpy(bool)
        if wrong.any():
            row = int(np.flatnonzero(wrong)[0])
            raise InputError(
                f"{path}: column {name} holds {str(column.iloc[row])[:40]!r}, expected numbers"
            )
