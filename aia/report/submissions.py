"""List of files for AVA's evaluation server (Table 2b's rows on the test videos).

The test videos' labels are not published, so we cannot compute a metric: each file is to be sent,
and the server's answer is to be compared with the paper's number.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from aia.errors import InputError
from aia.files import write_text
from aia.report.paper import PaperNumbers

SUBMISSION_COLUMNS = ("method", "row", "file", "metric", "paper", "to_do")
_METRIC = "mAP"


class Submission(NamedTuple):
    """File of one method and seed."""

    method: str
    row: str
    """Name in the paper's table; empty if it has no such row."""
    file: Path
    """CSV that `aia submit` wrote."""


def write_submission_list(
    path: Path | str, submissions: Sequence[Submission], paper: PaperNumbers
) -> pd.DataFrame:
    """Write and return a line for each file, with columns `SUBMISSION_COLUMNS`; mAP in percent.

    Raises:
        InputError: A file is missing or empty, which the server would refuse much later.
    """
    lines = []
    for one in submissions:
        if not one.file.is_file() or not one.file.stat().st_size:
            raise InputError(f"{one.file}: is not there or empty; `aia submit` writes it")
        number = paper.value(one.row, _METRIC)
        lines.append((*one[:2], str(one.file), _METRIC, number, _to_do(number)))
    table = pd.DataFrame(lines, columns=list(SUBMISSION_COLUMNS))
    write_text(path, table.to_csv(index=False, lineterminator="\n"))
    return table


def submissions_from_json(text: str) -> list[Submission]:
    """Parse a list of {"method": name, "row": the paper's, "files": [paths]}.

    Raises:
        InputError: The text is no such list.
    """
    try:
        return [
            Submission(one["method"], one.get("row", ""), Path(file))
            for one in json.loads(text)
            for file in one["files"]
        ]
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        raise InputError(
            f"--rows: is not a list of submissions as JSON ({problem!r}); expected "
            '[{"method": "...", "files": ["a file for each seed"]}]'
        ) from None


def _to_do(number: float) -> str:
    sent = "send the file to AVA's evaluation server"
    return sent if number != number else f"{sent}; hold its mAP against the paper's {number:.2f}"
