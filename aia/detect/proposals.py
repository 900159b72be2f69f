"""Person boxes as mmaction2 has them: a pickle of a dictionary, `video,second` to its rows.

Such are `ava_dense_proposals_val.FAIR.recall_93.9.pkl` and what its tutorials make of own videos.
Rows are x1, y1, x2, y2 as fractions of the frame, and mostly a score.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from aia.errors import InputError
from aia.pickles import read_pickle
from aia.tables import check_video_id

_SIDES = ["x1", "y1", "x2", "y2"]


def read_proposals(path: Path | str) -> tuple[pd.DataFrame, int]:
    """Read mmaction2's proposals; nothing of the pickle is executed.

    Returns:
        Columns video, time_sec, x1, y1, x2, y2, score; and how many rows have no score of their
        own (theirs is 1).

    Raises:
        InputError: It is another pickle, or a row is wrong.
    """
    found = read_pickle(Path(path), encoding="latin1")
    if not isinstance(found, dict):
        raise InputError(f"{path}: a pickle of a {type(found).__name__}, expected a dictionary")
    if not found:
        raise InputError(
            f"{path}: an empty dictionary, expected 'video,second' and its rows as mmaction2's "
            "proposals have them"
        )
    videos: list[str] = []
    times, blocks, scoreless = [], [], 0
    for key, value in found.items():
        video, time_sec = _frame_of(path, key)
        rows = _rows_of(path, key, value)
        if rows.shape[1] == 4:
            scoreless += len(rows)
            rows = np.hstack([rows, np.ones((len(rows), 1))])
        videos += [video] * len(rows)
        times += [time_sec] * len(rows)
        blocks.append(rows)
    rows = np.vstack([np.zeros((0, 5)), *blocks])
    boxes = pd.DataFrame(rows, columns=[*_SIDES, "score"])
    boxes.insert(0, "time_sec", np.array(times, np.float64))
    boxes.insert(0, "video", np.array(videos, object))
    return boxes, scoreless


def _frame_of(path: Path | str, key: Any) -> tuple[str, float]:
    """Read a key: the video and the second of a key frame."""
    video, comma, second = key.rpartition(",") if isinstance(key, str) else ("", "", "")
    try:
        time_sec = float(second)
    except ValueError:
        time_sec = -1.0
    if not (comma and video and 0 <= time_sec < np.inf):
        raise InputError(
            f"{path}: {str(key)[:80]!r} is a key of its dictionary, expected 'video,second' as "
            "mmaction2's proposals have it"
        )
    check_video_id(video, f"{path}, key {key[:80]!r}")
    return video, time_sec


def _rows_of(path: Path | str, key: str, value: Any) -> np.ndarray:
    """Return the rows of a key frame, 4 or 5 numbers each."""
    try:
        rows = np.asarray(value, np.float64)
        rows = rows.reshape(0, 5) if rows.size == 0 else rows
    except (TypeError, ValueError):
        rows = np.zeros(0)
    if rows.ndim != 2 or rows.shape[1] not in (4, 5):
        raise InputError(
            f"{path}: {key}: expected rows of x1, y1, x2, y2 and perhaps a score, all of one length"
        )
    return rows
