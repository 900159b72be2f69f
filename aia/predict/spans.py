"""Actions with a beginning and an end, from scores at key frames.

An action of a person begins at a key frame whose score reaches `start_at`, lasts while scores stay
at or above `stop_below` (hysteresis), and goes on after a gap of at most `gap_sec`. A key frame at
t stands for the time from t - 1/2r to t + 1/2r, at r key frames a second.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int, Shaped

from aia.files import atomic_path
from aia.labels import ClassList
from aia.tables.scores import ScoreTable

SPAN_COLUMNS = ("video", "track", "start_sec", "stop_sec", "action", "name", "score")


def spans_of(
    table: ScoreTable,
    classes: ClassList,
    *,
    start_at: float,
    stop_below: float,
    gap_sec: float,
    per_sec: float,
) -> pd.DataFrame:
    """Find the actions of each person of each video; persons without a track stand alone.

    Args:
        table: Boxes with tracks, and scores.
        classes: Names of the table's classes.
        start_at: Score at which an action begins.
        stop_below: Score below which it ends, at most `start_at`.
        gap_sec: Longest gap within one action.
        per_sec: Key frames of a second.

    Returns:
        Columns `SPAN_COLUMNS`, by video and start: action is the class's id, score the mean over
        the person's key frames from start to stop.
    """
    rows = _by_person(table.boxes)
    scores = table.scores[rows.order]
    step_sec = 1 / per_sec
    breaks = rows.begins | (np.diff(rows.time_sec, prepend=-np.inf) > 1.5 * step_sec)
    on = _hysteresis(scores, breaks, start_at=start_at, stop_below=stop_below)
    before = np.vstack([np.zeros((1, on.shape[1]), bool), on[:-1]])
    after = np.vstack([on[1:], np.zeros((1, on.shape[1]), bool)])
    ends = np.append(breaks[1:], True)
    # column by column, so that the runs of one class follow each other
    column, first = np.nonzero((on & (~before | breaks[:, None])).T)
    last = np.nonzero((on & (~after | ends[:, None])).T)[1]
    start_sec = np.maximum(rows.time_sec[first] - step_sec / 2, 0)
    stop_sec = rows.time_sec[last] + step_sec / 2
    apart = np.ones(len(first), bool)
    apart[1:] = (
        (column[1:] != column[:-1])
        | (rows.person[first[1:]] != rows.person[first[:-1]])
        | (start_sec[1:] - stop_sec[:-1] > gap_sec + 1e-6)
    )
    heads = np.flatnonzero(apart)
    tails = np.append(heads[1:], len(apart))[: len(heads)] - 1
    first, last, column = first[heads], last[tails], column[heads]
    sums = np.vstack([np.zeros((1, on.shape[1])), np.cumsum(scores, axis=0, dtype=np.float64)])
    mean = (sums[last + 1, column] - sums[first, column]) / np.maximum(last + 1 - first, 1)
    ids = np.array(table.class_ids, np.int64)[column]
    names = np.array([*classes.names, ""], dtype=object)
    boxes = table.boxes.iloc[rows.order[first]]
    found = pd.DataFrame(
        {
            "video": boxes["video"].to_numpy(dtype=object),
            "track": _tracks(boxes),
            "start_sec": start_sec[heads],
            "stop_sec": stop_sec[tails],
            "action": ids,
            "name": names[[classes.index.get(class_id, -1) for class_id in ids.tolist()]],
            "score": mean,
        }
    )
    return found.sort_values(["video", "start_sec", "track", "action"], ignore_index=True)


def smoothed(table: ScoreTable, *, window_sec: float) -> ScoreTable:
    """Replace each score by the mean over the person's key frames within half a window around it.

    Persons without a track keep their scores.
    """
    rows = _by_person(table.boxes)
    sums = np.cumsum(table.scores[rows.order], axis=0, dtype=np.float64)
    sums = np.vstack([np.zeros((1, sums.shape[1])), sums])
    # one axis for all persons, each far from the others
    offset = rows.person * (np.ptp(rows.time_sec) + window_sec + 1.0 if len(sums) > 1 else 0.0)
    place = rows.time_sec + offset
    low = np.searchsorted(place, place - window_sec / 2 - 1e-9)
    high = np.searchsorted(place, place + window_sec / 2 + 1e-9)
    means = np.empty_like(table.scores)
    means[rows.order] = (sums[high] - sums[low]) / (high - low)[:, None]
    return table._replace(scores=means.clip(0, 1))


def write_spans(path: Path | str, spans: pd.DataFrame) -> None:
    """Write actions as CSV with a header: seconds and scores with three digits."""
    text = spans.reindex(columns=list(SPAN_COLUMNS))
    with atomic_path(path) as temporary:
        text.to_csv(temporary, index=False, float_format="%.3f")


def read_spans(path: Path | str) -> pd.DataFrame:
    """Read what `write_spans` wrote."""
    spans = pd.read_csv(path, dtype={"video": str, "name": str})
    return spans.astype({"track": "Int32"})


@dataclass(frozen=True)
class _Rows:
    """Rows of a table in the order of persons, then time."""

    order: Int[np.ndarray, " rows"]
    person: Int[np.ndarray, " rows"]
    begins: Bool[np.ndarray, " rows"]
    """True for the first row of each person."""
    time_sec: Float[np.ndarray, " rows"]


def _by_person(boxes: pd.DataFrame) -> _Rows:
    videos = pd.factorize(boxes["video"])[0].astype(np.int64)
    track = _tracks(boxes)
    alone = -1 - np.arange(len(boxes))  # a box without a track is a person of its own
    tracks = np.where(track.isna(), alone, track.fillna(0).astype(np.int64))
    time_sec = boxes["time_sec"].to_numpy(np.float64)
    order = np.lexsort((time_sec, tracks, videos))
    videos, tracks = videos[order], tracks[order]
    begins = np.ones(len(order), bool)
    begins[1:] = (videos[1:] != videos[:-1]) | (tracks[1:] != tracks[:-1])
    return _Rows(order, np.cumsum(begins), begins, time_sec[order])


def _tracks(boxes: pd.DataFrame) -> pd.Series:
    if "track" in boxes:
        return pd.Series(boxes["track"].to_numpy(), dtype="Int32")
    return pd.Series([pd.NA] * len(boxes), dtype="Int32")


def _hysteresis(
    scores: Float[np.ndarray, "rows classes"],
    breaks: Shaped[np.ndarray, " rows"],
    *,
    start_at: float,
    stop_below: float,
) -> Bool[np.ndarray, "rows classes"]:
    """Tell at which rows each class is on; at a break everything is off before."""
    number = np.arange(1, len(scores) + 1)[:, None]
    started = np.maximum.accumulate(np.where(scores >= start_at, number, 0), axis=0)
    off = np.where(breaks[:, None], number - 0.5, 0.0)
    stopped = np.maximum.accumulate(np.where(scores < stop_below, number, off), axis=0)
    return started > stopped
