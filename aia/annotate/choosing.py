"""What to label next: stretches of person tracks by what their labels would teach.

A stretch is worth the more, the less sure the model is of it and the more its scores differ from
those of the seconds beside it; and the farther it lies from what is chosen already:

    uncertainty     mean over classes of the entropy of a score (entropy sampling: Settles, 2009)
    disagreement    mean distance of a score from the mean of its neighbours in time (Aghdam et al.,
                    ICCV 2019)
    spread          greedy k-centre on looks and scores (Sener & Savarese, ICLR 2018); of a video
                    that has many, each further one counts less

No use of it was measured against choice at random.
"""

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from aia.tables.schema import SIDES
from aia.tables.scores import ScoreTable
from aia.video.decode import VideoFile

LONGEST = 10
"""Key frames of one stretch at most: a longer one teaches little more."""
_GRID = 2


class Stretch(NamedTuple):
    """Key frames of one person in a row."""

    video: str
    track: int
    rows: np.ndarray
    """Rows of the table, in the order of time."""
    value: float
    """Uncertainty and disagreement, mean over its key frames."""


def stretches(table: ScoreTable, *, labelled: Collection[tuple[str, float]] = ()) -> list[Stretch]:
    """Cut tracks into stretches, without key frames that are labelled already.

    Args:
        table: Boxes with tracks, and scores.
        labelled: Key frames (video, second) that have labels.
    """
    boxes = table.boxes.reset_index(drop=True)
    scores = table.scores.astype(np.float64)
    sure = np.clip(scores, 1e-6, 1 - 1e-6)
    entropy = -(sure * np.log2(sure) + (1 - sure) * np.log2(1 - sure)).mean(axis=1)
    known = {(video, round(float(second), 3)) for video, second in labelled}
    found = []
    tracked = boxes[boxes["track"].notna()]
    groups: Any = tracked.groupby(["video", "track"], sort=True)
    for (video, track), one in groups:
        order = one.sort_values("time_sec").index.to_numpy()
        value = entropy[order] + _disagreement(scores[order])
        new = [(video, round(float(t), 3)) not in known for t in boxes["time_sec"][order]]
        for rows in _runs(order, np.array(new)):
            places = np.isin(order, rows)
            found.append(Stretch(str(video), int(track), rows, float(value[places].mean())))
    return found


def _disagreement(scores: Float[np.ndarray, "rows classes"]) -> Float[np.ndarray, " rows"]:
    """Return how far each row is from the mean of the rows beside it."""
    if len(scores) < 2:
        return np.zeros(len(scores))
    padded = np.concatenate([scores[1:2], scores, scores[-2:-1]])
    return np.abs(scores - (padded[:-2] + padded[2:]) / 2).mean(axis=1)


def _runs(order: np.ndarray, wanted: np.ndarray) -> list[np.ndarray]:
    """Cut rows in order where one is not wanted, and every `LONGEST`."""
    cuts = np.flatnonzero(np.diff(np.concatenate([[0], wanted.astype(int), [0]])))
    return [
        order[first : min(first + LONGEST, stop)]
        for start, stop in zip(cuts[::2], cuts[1::2], strict=True)
        for first in range(start, stop, LONGEST)
    ]


def looks(table: ScoreTable, videos: Mapping[str, Path]) -> Float[np.ndarray, "rows d"]:
    """Return the colours of each box, 2 x 2 of them, beside its scores."""
    boxes = table.boxes.reset_index(drop=True)
    colours = np.zeros((len(boxes), 3 * _GRID * _GRID))
    for video, path in videos.items():
        mine = boxes[boxes["video"] == video].sort_values("time_sec")
        waiting = [(float(t), rows.index) for t, rows in mine.groupby("time_sec", sort=True)]  # type: ignore[arg-type]
        for frame in VideoFile(path).frames(fps=4.0, short_side=96):
            while waiting and waiting[0][0] <= frame.time_sec + 0.125:
                for row in waiting.pop(0)[1]:
                    colours[row] = _colours(frame.rgb, mine.loc[row, list(SIDES)].to_numpy(float))
            if not waiting:
                break
    return np.hstack([colours / 255, table.scores])


def _colours(rgb: np.ndarray, xyxy: np.ndarray) -> np.ndarray:
    height, width = rgb.shape[:2]
    left, top = (xyxy[:2] * [width, height]).astype(int)
    right, bottom = np.maximum(np.ceil(xyxy[2:] * [width, height]).astype(int), [left + 1, top + 1])
    crop = rgb[top:bottom, left:right].astype(float)
    parts = [
        cell for rows in np.array_split(crop, _GRID) for cell in np.array_split(rows, _GRID, axis=1)
    ]
    means = [part.mean(axis=(0, 1)) if part.size else crop.mean(axis=(0, 1)) for part in parts]
    return np.concatenate(means)


def choose(
    candidates: Sequence[Stretch], features: Float[np.ndarray, "rows d"], *, budget: int
) -> list[Stretch]:
    """Choose stretches one after the other, until the budget of key frames is spent.

    Args:
        candidates: Stretches.
        features: Looks and scores of all rows.
        budget: Key frames of persons, over all stretches.
    """
    if not candidates:
        return []
    means = np.stack([features[one.rows].mean(axis=0) for one in candidates])
    scale = np.sqrt(((means - means.mean(axis=0)) ** 2).sum(axis=1).mean()) or 1.0
    apart = np.full(len(candidates), np.inf)
    seen: dict[str, int] = {}
    left, chosen = budget, []
    free = np.ones(len(candidates), bool)
    while left > 0 and free.any():
        spread = np.where(np.isinf(apart), 1.0, 1 - np.exp(-apart / scale))
        share = np.array([1 / (1 + seen.get(one.video, 0) / max(budget, 1)) for one in candidates])
        values = np.array([one.value for one in candidates]) * spread * share
        best = int(np.where(free, values, -1.0).argmax())
        one = candidates[best]
        one = one._replace(rows=one.rows[:left])
        chosen.append(one)
        free[best] = False
        left -= len(one.rows)
        seen[one.video] = seen.get(one.video, 0) + len(one.rows)
        apart = np.minimum(apart, np.linalg.norm(means - means[best], axis=1))
    return chosen


def joined(tables: Sequence[ScoreTable]) -> ScoreTable:
    """Put the tables of several videos, of one model, into one."""
    boxes = pd.concat([table.boxes for table in tables], ignore_index=True)
    return tables[0]._replace(
        boxes=boxes, scores=np.concatenate([table.scores for table in tables])
    )


def table_of(chosen: Sequence[Stretch], boxes: pd.DataFrame) -> pd.DataFrame:
    """List what was chosen, the most worth first: video, track, first and last second, value."""
    times = boxes["time_sec"].to_numpy(float)
    return pd.DataFrame(
        [
            (one.video, one.track, times[one.rows[0]], times[one.rows[-1]], round(one.value, 4))
            for one in chosen
        ],
        columns=["video", "track", "start_sec", "stop_sec", "value"],
    )
