"""Findings: what a symptom tells, how people read it, and as a table."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from aia.doctor.detections import NO_ROWS, DetectionSet
from aia.errors import InputError
from aia.files import atomic_path

SEPARATOR = " | "
"""Between the rows of an example."""
COLUMNS = ("finding", "rows", "share", "map_before", "map_after", "example", "cause", "fix")


@dataclass(frozen=True, kw_only=True, eq=False)
class Finding:
    """A mistake in a file of detections."""

    finding: str
    """What is wrong, with the counts that show it."""
    cause: str
    fix: str
    """What the user should do."""
    where: Int[np.ndarray, " rows"] = field(default_factory=NO_ROWS.copy, repr=False)
    """Rows of the file that are concerned; none where rows are missing."""
    fixed: DetectionSet | None = field(default=None, repr=False)
    """The detections without the mistake; None if the file does not hold what is missing."""
    share: float = 0.0
    """Share of all rows."""
    map_before: float = 0.0
    """As a fraction, with the findings before it fixed."""
    map_after: float | None = None
    """With it fixed as well. A symptom gives it only as an estimate, without `fixed`."""
    example: str = ""
    """Up to three rows, with their places in the file."""

    @property
    def rows(self) -> int:
        """Number of rows that are concerned."""
        return len(self.where)

    @property
    def gain(self) -> float:
        """Difference of mAP that the fix brings."""
        return (self.map_before if self.map_after is None else self.map_after) - self.map_before


def report(findings: Sequence[Finding]) -> str:
    """Write findings as plain text, a paragraph each, in the order given."""
    paragraphs = [_paragraph(number, one) for number, one in enumerate(findings, start=1)]
    return "\n\n".join(paragraphs) or "nothing found"


def write_findings(path: Path | str, findings: Sequence[Finding]) -> None:
    """Write the columns `COLUMNS`, mAP and share as fractions; a header alone if none."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in findings:
            writer.writerow([getattr(one, column) for column in COLUMNS])


def read_findings(path: Path | str) -> pd.DataFrame:
    """Read what `write_findings` wrote.

    Raises:
        InputError: The file is not there, or holds something else.
    """
    try:
        found = pd.read_csv(path, keep_default_na=False, encoding="utf-8")
    except (OSError, ValueError) as problem:
        raise InputError(f"{path}: cannot be read as CSV ({problem})") from None
    if tuple(found) != COLUMNS:
        raise InputError(
            f"{path}: has the columns {','.join(map(str, found))[:200]}; expected "
            f"{','.join(COLUMNS)}, as `aia doctor --output` writes them"
        )
    return found


def _paragraph(number: int, one: Finding) -> str:
    about = "about " if one.fixed is None else ""
    before, gain = 100 * one.map_before, 100 * one.gain
    rows = f"{one.rows} ({100 * one.share:.1f} %)" if one.rows else "those that are missing"
    lines = [
        f"{number}. {one.finding}",
        f"   mAP    {before:.2f} -> {about}{before + gain:.2f} ({gain:+.2f})",
        f"   rows   {rows}",
        *(f"          {line}" for line in filter(None, one.example.split(SEPARATOR))),
        f"   cause  {one.cause}",
        f"   fix    {one.fix}",
    ]
    return "\n".join(lines)
