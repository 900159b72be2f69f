"""Actions with a beginning and an end, from scores at key frames.

An action of a person begins at a key frame whose score reaches `start_at`, lasts while scores stay
at or above `stop_below` (hysteresis), and goes on after a gap of at most `gap_sec`. A key frame at
t stands for the time from t - 1/2r to t + 1/2r, at r key frames a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
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


def append_spans(path: Path | str, spans: pd.DataFrame) -> None:
    """Append actions to a file of `write_spans`, which others may read meanwhile."""
    if len(spans):
        text = spans.reindex(columns=list(SPAN_COLUMNS))
        lines = text.to_csv(None, index=False, header=False, float_format="%.3f")
        with open(path, "ab", buffering=0) as file:
            file.write(lines.encode())  # at once: an interrupt leaves no half of a line


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


@dataclass
class _Person:
    """Actions of a person that have not ended, an entry for each class."""

    on: Bool[np.ndarray, " classes"]
    """Acting at the last key frame."""
    begun: Bool[np.ndarray, " classes"]
    """Has an action that may go on."""
    start_sec: Float[np.ndarray, " classes"]
    stop_sec: Float[np.ndarray, " classes"]
    total: Float[np.ndarray, "2 classes"]
    """Sum and number of the scores since the start, and up to `stop_sec`."""
    kept: Float[np.ndarray, "2 classes"]


@dataclass(kw_only=True)
class OngoingSpans:
    """Actions of a video whose end is not known, each returned once it has ended.

    They are those of `spans_of` where no key frame is missing. A key frame that was dropped,
    because scoring was slow, ends no action: two that follow each other stand for the time between
    them, up to `longest_sec`.
    """

    video: str
    classes: ClassList
    start_at: float
    stop_below: float
    gap_sec: float
    per_sec: float
    longest_sec: float = 5.0
    _persons: dict[int, _Person] = field(default_factory=dict)
    _time_sec: float = -np.inf
    _alone: int = 0

    def update(
        self,
        time_sec: float,
        track: Int[np.ndarray, " persons"],
        scores: Float[np.ndarray, "persons classes"],
    ) -> pd.DataFrame:
        """Take the scores of the next key frame, and return the actions that have ended.

        Args:
            time_sec: Its time.
            track: Number of each person; -1: none.
            scores: In the order of the classes.
        """
        elapsed_sec, step_sec = time_sec - self._time_sec, 1 / self.per_sec
        follows = elapsed_sec <= max(self.longest_sec, 1.5 * step_sec)
        half_sec = (elapsed_sec if follows else step_sec) / 2
        rows: list[tuple[int, int, float, float, float]] = []
        if follows:
            for person in self._persons.values():
                person.stop_sec[person.on] += half_sec - step_sec / 2
        self._time_sec = time_sec
        seen = set()
        for number, found in zip(track.tolist(), scores.astype(np.float64), strict=True):
            if number < 0:
                self._alone -= 1
            number = number if number >= 0 else self._alone
            seen.add(number)
            person = self._persons.setdefault(number, _nothing(len(found)))
            before = person.on & follows
            on = (found >= self.start_at) | (before & (found >= self.stop_below))
            start_sec = max(time_sec - half_sec, 0.0)
            apart = on & person.begun & (start_sec - person.stop_sec > self.gap_sec + 1e-6)
            rows += self._ended(number, person, apart)
            new = on & ~person.begun
            person.start_sec[new] = start_sec
            person.total[:, new] = 0
            person.begun |= on
            person.total += np.stack([found, np.ones(len(found))])
            person.stop_sec[on] = time_sec + step_sec / 2
            person.kept[:, on] = person.total[:, on]
            person.on = on
        next_sec = time_sec + step_sec / 2
        for number, person in list(self._persons.items()):
            if number not in seen:
                person.on[:] = False
            over = person.begun & ~person.on & (next_sec - person.stop_sec > self.gap_sec + 1e-6)
            rows += self._ended(number, person, over if number >= 0 else person.begun)
            if not person.begun.any():
                del self._persons[number]
        return self._table(rows)

    def end(self) -> pd.DataFrame:
        """Return the actions that lasted to the end."""
        rows = []
        for number, person in self._persons.items():
            rows += self._ended(number, person, person.begun)
        self._persons.clear()
        return self._table(rows)

    def _ended(
        self, number: int, person: _Person, over: Bool[np.ndarray, " classes"]
    ) -> list[tuple[int, int, float, float, float]]:
        """Remove some actions of a person, and return their rows."""
        person.begun = person.begun & ~over
        return [
            (
                number,
                column,
                float(person.start_sec[column]),
                float(person.stop_sec[column]),
                float(person.kept[0, column] / person.kept[1, column]),
            )
            for column in np.flatnonzero(over).tolist()
        ]

    def _table(self, rows: Sequence[tuple[int, int, float, float, float]]) -> pd.DataFrame:
        track = pd.Series([row[0] if row[0] >= 0 else pd.NA for row in rows], dtype="Int32")
        found = pd.DataFrame(
            {
                "video": pd.Series([self.video] * len(rows), dtype=object),
                "track": track,
                "start_sec": np.array([row[2] for row in rows], np.float64),
                "stop_sec": np.array([row[3] for row in rows], np.float64),
                "action": np.array([self.classes.ids[row[1]] for row in rows], np.int64),
                "name": pd.Series([self.classes.names[row[1]] for row in rows], dtype=object),
                "score": np.array([row[4] for row in rows], np.float64),
            }
        )
        return found.sort_values(["start_sec", "track", "action"], ignore_index=True)


def _nothing(classes: int) -> _Person:
    off, zeros = np.zeros(classes, bool), np.zeros(classes)
    return _Person(
        off, off.copy(), zeros, zeros.copy(), np.zeros((2, classes)), np.zeros((2, classes))
    )
