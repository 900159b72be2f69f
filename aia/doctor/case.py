"""A file of detections beside its ground truth: what every symptom is looked for in."""

from collections.abc import Collection
from dataclasses import dataclass, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool

from aia.doctor.detections import Detections
from aia.doctor.overlap import Persons, Seen, distinct_persons, frame_keys, see
from aia.evaluate.frame_map import FrameMap, frame_map
from aia.evaluate.matching import Matches, match
from aia.evaluate.protocols import Protocol
from aia.labels import ClassList

_TRIAL_ROWS = 600_000  # more are thinned out by films before a mend is tried
_TRIAL_PERSONS = 20_000


class Symptom(NamedTuple):
    """What a look at the file found, and the file without it."""

    finding: str
    """What is wrong, with the counts that show it."""
    rows: np.ndarray
    """Rows of the file that are concerned, in file order; none where rows are missing."""
    cause: str
    mend: str
    mended: Detections | None = None
    """None: nothing in the file can be mended."""
    certain: bool = False
    """It is a mistake however little mending it brings."""
    least_gain: float = 0.01
    """Of mAP as a fraction, from which a symptom that is not certain counts."""
    least_ratio: float = 1.0
    """Of mAP after to before, likewise."""
    before: float | None = None
    """mAP, where it is not that of the file under the protocol."""
    after: float | None = None
    """mAP after the mend where evaluating the mended detections does not tell it."""


@dataclass(frozen=True)
class Case:
    """Detections, ground truth, and how they are held against each other."""

    detections: Detections
    truth: pd.DataFrame
    """As `aia.tables.read_actions` gives it."""
    labels: ClassList
    listed: bool
    """Whether `labels` comes from a list rather than from the ground truth."""
    excluded: Collection[tuple[str, int]]
    protocol: Protocol
    iou: float
    sizes_hw: dict[str, tuple[int, int]]
    """Frame sizes of films, where known."""

    def having(self, detections: Detections) -> "Case":
        """The same case with other detections."""
        return replace(self, detections=detections)

    @cached_property
    def films(self) -> tuple[str, ...]:
        """Films of the ground truth, in file order."""
        return tuple(pd.unique(self.truth["video"]))

    @cached_property
    def film_of_box(self) -> np.ndarray:
        """Which of `films` each box is in, or -1."""
        place = pd.Index(self.films).get_indexer(pd.Index(self.detections.videos, dtype=object))
        return place[self.detections.video] if len(place) else np.zeros(0, int)

    @cached_property
    def persons(self) -> Persons:
        """The ground truth's distinct boxes."""
        return distinct_persons(self.truth, self.films)

    @cached_property
    def trial_persons(self) -> Persons:
        """Some key frames of every film, to try what boxes could be."""
        return self.persons.thinned(_TRIAL_PERSONS)

    def seen(self, detections: Detections | None = None, *, all_of_them: bool = False) -> Seen:
        """How well boxes cover the (thinned) persons, whatever the classes."""
        boxes = detections or self.detections
        case = self if detections is None else self.having(boxes)
        persons = self.persons if all_of_them else self.trial_persons
        return see(persons, case.film_of_box, boxes.time_sec, boxes.xyxy, boxes.used())

    def matches(self, detections: Detections | None = None) -> Matches:
        """Detections held against the ground truth."""
        found = detections or self.detections
        return match(
            self.truth, found.blocks(), labels=self.labels, excluded=self.excluded, iou=self.iou
        )

    def frame_map(
        self, detections: Detections | None = None, protocol: Protocol | None = None
    ) -> FrameMap:
        """Frame mAP of detections, the case's own unless given."""
        return frame_map(
            self.matches(detections), protocol or self.protocol, labels=self.labels, iou=self.iou
        )

    def mean_ap(self, detections: Detections | None = None) -> float:
        """The mean of `frame_map`; 0 where nothing can be scored."""
        return float(np.nan_to_num(self.frame_map(detections).mean))

    def trial(self) -> "Case":
        """Whole films of it, few enough to evaluate many times; itself where it is small."""
        found = self.detections
        if len(found) <= _TRIAL_ROWS:
            return self
        rows = np.bincount(self.film_of_box[found.box] + 1, minlength=len(self.films) + 1)[1:]
        order = np.random.default_rng(0).permutation(np.flatnonzero(rows))
        fitting = np.cumsum(rows[order]) <= _TRIAL_ROWS
        fitting[:1] = True
        chosen = np.zeros(len(self.films) + 1, bool)  # the last for films that are not there
        chosen[order[fitting]] = True
        case = self.having(found.keep(found.of_boxes(chosen[self.film_of_box])))
        names = {self.films[film] for film in np.flatnonzero(chosen[:-1])}
        return replace(case, truth=self.truth[self.truth["video"].isin(names)])

    def listed_boxes(self) -> Bool[np.ndarray, " boxes"]:
        """Boxes on key frames that the ground truth lists."""
        key = frame_keys(
            pd.Index(self.films).get_indexer(pd.Index(self.truth["video"])),
            self.truth["time_sec"].to_numpy(),
        )
        return np.isin(frame_keys(self.film_of_box, self.detections.time_sec), key)


def clearly(before: float, after: float, *, ratio: float = 1.15) -> bool:
    """Whether a gain of mAP is too large for chance, of a mend that was one guess of many."""
    return after >= before + 0.02 and after >= ratio * before
