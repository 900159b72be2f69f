"""Findings as people read them, and as a table."""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from aia.files import atomic_path

SEPARATOR = " | "
"""Between the rows of an example."""
COLUMNS = ("finding", "rows", "share", "map_before", "map_after", "example", "cause", "mend")


class Finding(NamedTuple):
    """A mistake in a file of detections."""

    finding: str
    """What is wrong, with the counts that show it."""
    rows: int
    """Rows of the file that are concerned; 0 where rows are missing."""
    share: float
    """Of all rows."""
    map_before: float
    map_after: float
    """As fractions: with the findings before it mended, and with it mended as well."""
    example: str
    """Up to three rows, with their places in the file."""
    cause: str
    mend: str
    estimated: bool = False
    """Whether `map_after` is an estimate, since the file does not hold what is missing."""

    @property
    def gain(self) -> float:
        """What mending it brings."""
        return self.map_after - self.map_before


def report(findings: Sequence[Finding], *, left: Sequence[str] = ()) -> str:
    """Plain text: each finding as a paragraph, in the order given.

    Args:
        findings: the greatest gain first.
        left: lines about the whole file that come last.
    """
    if not findings:
        return "\n".join(["nothing found", *left])
    paragraphs = [_paragraph(number, one) for number, one in enumerate(findings, start=1)]
    return "\n\n".join([*paragraphs, *(["\n".join(left)] if left else [])])


def write_findings(path: Path | str, findings: Sequence[Finding]) -> None:
    """Write the columns `COLUMNS`, mAP and share as fractions; a header alone if none."""
    with atomic_path(path) as temporary, open(temporary, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for one in findings:
            writer.writerow([getattr(one, column) for column in COLUMNS])


def _paragraph(number: int, one: Finding) -> str:
    about = "about " if one.estimated else ""
    before, after = 100 * one.map_before, 100 * one.map_after
    change = f"{before:.2f} -> {about}{after:.2f} ({after - before:+.2f})"
    rows = f"{one.rows} ({100 * one.share:.1f} %)" if one.rows else "those that are missing"
    lines = [
        f"{number}. {one.finding}",
        f"   mAP    {change}",
        f"   rows   {rows}",
        *(f"          {line}" for line in filter(None, one.example.split(SEPARATOR))),
        f"   cause  {one.cause}",
        f"   mend   {one.mend}",
    ]
    return "\n".join(lines)
