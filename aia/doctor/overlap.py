"""How well boxes cover the persons of the ground truth, whatever they do.

Without classes and scores this tells whether films, times and corners are right; so it also works
where a wrong class list makes every mAP zero.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

_MICRO = 1_000_000
_FILM_BITS = 45
_PAIRS = 4_000_000  # held at once


class Persons(NamedTuple):
    """Distinct boxes of the ground truth, by film and time."""

    film: Int[np.ndarray, " persons"]
    time_sec: Float[np.ndarray, " persons"]
    xyxy: Float[np.ndarray, "persons 4"]
    films: int

    def thinned(self, most: int) -> "Persons":
        """Those of every nth key frame, so that at most about `most` are left."""
        if len(self.film) <= most:
            return self
        number = pd.factorize(frame_keys(self.film, self.time_sec))[0]
        return self._kept(number % -(-len(self.film) // most) == 0)

    def of_films(self, chosen: Int[np.ndarray, " chosen"]) -> "Persons":
        """Those of some films."""
        return self._kept(np.isin(self.film, chosen))

    def _kept(self, kept: Bool[np.ndarray, " persons"]) -> "Persons":
        return Persons(self.film[kept], self.time_sec[kept], self.xyxy[kept], self.films)


class Seen(NamedTuple):
    """For each person the box that covers it best."""

    iou: Float[np.ndarray, " persons"]
    """0 where there is no box on the key frame."""
    box: Int[np.ndarray, " persons"]
    """-1 where there is none that overlaps."""
    film: Int[np.ndarray, " persons"]
    films: int

    def mean(self) -> float:
        """Mean of the best IoU."""
        return float(self.iou.mean()) if len(self.iou) else 0.0

    def found(self, iou: float) -> float:
        """Share of persons that a box covers by `iou` at least."""
        return float((self.iou >= iou).mean()) if len(self.iou) else 0.0

    def by_film(self, values: np.ndarray) -> Float[np.ndarray, " films"]:
        """Mean by film of a value for each person; 0 where there is no person."""
        count = np.bincount(self.film, minlength=self.films)
        return np.bincount(self.film, values, minlength=self.films) / np.maximum(count, 1)

    def persons_by_film(self) -> Int[np.ndarray, " films"]:
        """How many persons there are."""
        return np.bincount(self.film, minlength=self.films)


def distinct_persons(truth: pd.DataFrame, films: tuple[str, ...]) -> Persons:
    """The boxes of annotations, each once, by film and time."""
    sides = ["x1", "y1", "x2", "y2"]
    boxes = truth[truth["action"] >= 0].drop_duplicates(["video", "time_sec", *sides])
    film = pd.Index(films).get_indexer(pd.Index(boxes["video"]))
    time_sec = boxes["time_sec"].to_numpy(np.float64)
    order = np.argsort(frame_keys(film, time_sec), kind="stable")
    xyxy = boxes[sides].to_numpy(np.float64)
    return Persons(film[order], time_sec[order], xyxy[order], len(films))


def frame_keys(
    film: Int[np.ndarray, " n"], time_sec: Float[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Key frames as numbers, those of one film after another; of no film (-1): negative."""
    limited = np.clip(time_sec, -1e6, 1e7)
    return (film.astype(np.int64) << _FILM_BITS) + np.rint(limited * _MICRO).astype(np.int64)


def see(
    persons: Persons,
    film: Int[np.ndarray, " boxes"],
    time_sec: Float[np.ndarray, " boxes"],
    xyxy: Float[np.ndarray, "boxes 4"],
    used: Bool[np.ndarray, " boxes"] | None = None,
) -> Seen:
    """Find the box of the same film and time that covers each person best."""
    best = np.zeros(len(persons.film))
    box = np.full(len(persons.film), -1)
    for person, candidate in pairs(persons, film, time_sec, used):
        overlap = pair_iou(persons.xyxy[person], xyxy[candidate])
        order = np.lexsort((-overlap, person))
        first = order[np.unique(person[order], return_index=True)[1]]
        better = overlap[first] > best[person[first]]
        first = first[better]
        best[person[first]], box[person[first]] = overlap[first], candidate[first]
    return Seen(best, box, persons.film, persons.films)


def pairs(
    persons: Persons,
    film: Int[np.ndarray, " boxes"],
    time_sec: Float[np.ndarray, " boxes"],
    used: Bool[np.ndarray, " boxes"] | None = None,
) -> list[tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]]:
    """Each person with each box of its key frame, in portions: places of persons, of boxes."""
    known = film >= 0 if used is None else (film >= 0) & used
    boxes = np.flatnonzero(known)
    key = frame_keys(film[boxes], time_sec[boxes])
    key_of_person = frame_keys(persons.film, persons.time_sec)
    low = np.searchsorted(key_of_person, key)
    count = np.searchsorted(key_of_person, key, side="right") - low
    boxes, low, count = boxes[count > 0], low[count > 0], count[count > 0]
    portions = []
    bounds = np.searchsorted(np.cumsum(count), np.arange(_PAIRS, count.sum() + _PAIRS, _PAIRS))
    start = 0
    for stop in np.minimum(bounds + 1, len(boxes)):
        some = slice(start, stop)
        total = int(count[some].sum())
        within = np.arange(total) - np.repeat(np.cumsum(count[some]) - count[some], count[some])
        if total:
            portions.append(
                (np.repeat(low[some], count[some]) + within, np.repeat(boxes[some], count[some]))
            )
        start = int(stop)
    return portions


def pair_iou(
    a_xyxy: Float[np.ndarray, "pairs 4"], b_xyxy: Float[np.ndarray, "pairs 4"]
) -> Float[np.ndarray, " pairs"]:
    """Intersection over union, pair by pair; 0 with a box whose corners are swapped."""
    low = np.maximum(a_xyxy[:, :2], b_xyxy[:, :2])
    high = np.minimum(a_xyxy[:, 2:], b_xyxy[:, 2:])
    inner = np.maximum(high - low, 0).prod(axis=1)
    areas = [np.maximum(box[:, 2:] - box[:, :2], 0).prod(axis=1) for box in (a_xyxy, b_xyxy)]
    union = areas[0] + areas[1] - inner
    return np.divide(inner, union, out=np.zeros(len(inner)), where=union > 0)
