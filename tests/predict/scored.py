"""Scored videos for tests of what is made from scores."""

import numpy as np
import pandas as pd

from aia.labels import ClassList
from aia.tables.scores import ScoreTable

SIDES = ["x1", "y1", "x2", "y2"]


def table_of(
    rows: list[tuple[float, int | None, tuple[float, float, float, float], list[float]]],
    class_ids: tuple[int, ...],
    video: str = "street",
) -> ScoreTable:
    """Make a table from rows of time, track, box and scores."""
    boxes = pd.DataFrame(
        {
            "video": pd.Series([video] * len(rows), dtype=object),
            "time_sec": np.array([row[0] for row in rows], float),
            **{side: np.float32([row[2][k] for row in rows]) for k, side in enumerate(SIDES)},
            "score": np.ones(len(rows), np.float32),
            "track": pd.array([row[1] for row in rows], dtype="Int32"),
        }
    )
    scores = np.float32([row[3] for row in rows]).reshape(len(rows), len(class_ids))
    return ScoreTable(boxes, scores, class_ids, {})


def spans_where(table: ScoreTable, classes: ClassList, least: float = 0.5) -> pd.DataFrame:
    """Make a span of a second of each score from `least` on: the simplest there can be."""
    box, position = np.nonzero(table.scores >= least)
    time_sec = table.boxes["time_sec"].to_numpy()[box]
    ids = np.array(table.class_ids, int)[position]
    return pd.DataFrame(
        {
            "video": table.boxes["video"].to_numpy()[box],
            "track": table.boxes["track"].array[box],
            "start_sec": (time_sec - 0.5).clip(0),
            "stop_sec": time_sec + 0.5,
            "action": ids,
            "name": [classes.names[classes.index[one]] for one in ids],
            "score": table.scores[box, position],
        }
    )


def hour(persons: int, classes: int, seconds: int = 3600) -> ScoreTable:
    """Make a long video: persons who walk about, each with a handful of scores that matter."""
    rng = np.random.default_rng(7)
    time_sec, track = np.divmod(np.arange(seconds * persons), persons)
    across = 0.1 + 0.8 * (0.5 + 0.5 * np.sin(time_sec / 40 + track))
    left, top = np.float32(across - 0.05), np.float32(0.1 + 0.15 * track)
    boxes = pd.DataFrame({"video": "street", "time_sec": time_sec.astype(float)})
    for side, values in zip(SIDES, (left, top, left + 0.1, top + 0.3), strict=True):
        boxes[side] = np.float32(values)
    boxes["score"], boxes["track"] = np.float32(0.9), pd.array(track + 1, dtype="Int32")
    scores = np.float32(rng.beta(0.1, 4, (len(boxes), classes)))  # 12 of 80 are above 0.05
    acting = (time_sec // 11 + 3 * track) % classes
    scores[np.arange(len(boxes)), acting] = np.float32(rng.uniform(0.6, 1, len(boxes)))
    return ScoreTable(boxes, scores, tuple(range(1, classes + 1)), {})
