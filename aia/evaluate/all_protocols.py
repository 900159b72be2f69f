"""Frame mAP of one file under all named protocols, and whose numbers each compares with.

Files are read and matched once; each protocol takes a moment.
"""

from pathlib import Path

import numpy as np
import pandas as pd

from aia.errors import InputError
from aia.evaluate.frame_map import counted, frame_map, match_files
from aia.evaluate.protocols import PROTOCOLS, USED_BY
from aia.evaluate.turns import within_capacity
from aia.files import write_text

PROTOCOL_COLUMNS = (
    "protocol", "value", "difference", "detections", "key_frames", "compares_with",
)  # fmt: skip


def evaluate_protocols(
    groundtruth: Path | str,
    detections: Path | str,
    *,
    excluded: Path | str | None = None,
    labels: Path | str | None = None,
    iou: float = 0.5,
) -> pd.DataFrame:
    """Compute frame mAP under every protocol, each as `evaluate_ava` does.

    Args:
        groundtruth: annotations in AVA's format.
        detections: AVA's CSV or a table of scores.
        excluded: key frames (video,second) that some protocols leave out.
        labels: the classes that are evaluated.
        iou: least intersection over union of a hit.

    Returns:
        Columns `PROTOCOL_COLUMNS`: mAP as a fraction, its difference to the paper's protocol, the
        numbers of detections and key frames that count, and whose numbers it compares with.
    """
    matches, classes = match_files(
        groundtruth, detections, excluded=excluded, labels=labels, iou=iou
    )
    lines = []
    for name, protocol in PROTOCOLS.items():
        rows = within_capacity(matches, counted(matches, protocol), protocol)
        lines.append(
            {
                "protocol": name,
                "value": frame_map(matches, protocol, labels=classes, iou=iou).mean,
                "detections": len(rows),
                "key_frames": len(np.unique(matches.frame[rows])),
                "compares_with": USED_BY[name],
            }
        )
    table = pd.DataFrame(lines)
    if table["value"].isna().all():
        raise InputError(f"{groundtruth}: every key frame is excluded, nothing is left to score")
    table["difference"] = table["value"] - table["value"].iloc[0]
    return table[list(PROTOCOL_COLUMNS)]


def write_protocols(path: Path | str, table: pd.DataFrame) -> None:
    """Write the result of `evaluate_protocols`, whole or not at all."""
    write_text(path, table.to_csv(index=False, lineterminator="\n"))


def in_words(table: pd.DataFrame) -> list[str]:
    """Format the table as lines, in percent."""
    return [
        f"{row['protocol']:12s} {100 * row['value']:7.3f}  {100 * row['difference']:+7.3f}  "
        f"{row['detections']:9d} detections on {row['key_frames']:6d} key frames  "
        f"{row['compares_with']}"
        for row in table.to_dict("records")
    ]
