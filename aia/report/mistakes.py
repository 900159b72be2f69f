"""Annotated persons against scored boxes: what is right, wrong and missed, and the worst of it.

On each key frame annotated persons and scored boxes are paired, the best overlaps first. An action
is a mistake if it costs AP, which is a matter of order: a wrong one counts if an annotated one of
its class scores no higher or has no box, an annotated one if a wrong one scores no lower.
"""

import functools
from collections.abc import Collection
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from aia.boxes import iou_matrix
from aia.labels import ClassList
from aia.report.choice import Second, places_by_second, second_of
from aia.report.drawing import XYXY
from aia.tables import ScoreTable

SAME_IOU = 0.5
"""Overlap from which a scored box is an annotated person's (§4.1)."""


class Judged(NamedTuple):
    """Person of a key frame with their actions, each with its score."""

    xyxy: Float[np.ndarray, "4"]
    right: dict[str, float]
    """Actions predicted and true."""
    wrong: dict[str, float]
    """Actions predicted and not true."""
    missed: dict[str, float]
    """Actions true and not predicted; NaN where the person has no box."""
    known: bool
    """True if a person is annotated here; else the detector alone sees one."""
    box: int
    """Row of the scores; -1: the person has no box."""


class Example(NamedTuple):
    """Action of one box, with its score."""

    second: Second
    box: int
    """Row of the scores."""
    action: str
    score: float


class Counts(NamedTuple):
    """What there is on the annotated key frames."""

    key_frames: int
    empty: int
    """Key frames with persons, none of whom has a scored box."""
    persons: int
    found: int
    """Persons with a scored box."""
    invented: int
    """Scored boxes where no person is annotated."""


@dataclass(frozen=True, eq=False)
class Comparison:
    """Annotated persons and scored boxes of the annotated key frames, paired."""

    names: tuple[str, ...]
    """Names of the classes, in the order of columns."""
    persons_xyxy: Float[np.ndarray, "persons 4"]
    does: Bool[np.ndarray, "persons classes"]
    xyxy: Float[np.ndarray, "boxes 4"]
    scores: Float[np.ndarray, "boxes classes"]
    box_of: Int[np.ndarray, " persons"]
    """-1: none."""
    person_of: Int[np.ndarray, " boxes"]
    """-1: none; boxes off the annotated key frames are of no second."""
    seconds: dict[Second, tuple[Int[np.ndarray, " some"], Int[np.ndarray, " few"]]]
    """Persons and boxes of each key frame."""

    def judge(self, second: Second, *, threshold: float) -> list[Judged]:
        """Judge the persons of a key frame: annotated ones, then those the detector made up.

        Args:
            second: The key frame.
            threshold: Score from which a class counts as predicted.
        """
        persons, boxes = self.seconds[second]
        judged = []
        for person in persons:
            box = int(self.box_of[person])
            xyxy = self.persons_xyxy[person] if box < 0 else self.xyxy[box]
            judged.append(self._judged(xyxy, box, self.does[person], threshold, known=True))
        nothing = np.zeros(len(self.names), bool)
        for box in boxes[self.person_of[boxes] < 0]:
            judged.append(self._judged(self.xyxy[box], int(box), nothing, threshold, known=False))
        return judged

    def _judged(
        self,
        xyxy: Float[np.ndarray, "4"],
        box: int,
        does: Bool[np.ndarray, " classes"],
        threshold: float,
        *,
        known: bool,
    ) -> Judged:
        values = np.full(len(self.names), np.nan) if box < 0 else self.scores[box]
        predicted = values >= threshold  # NaN is not

        def named(chosen: Bool[np.ndarray, " classes"]) -> dict[str, float]:
            order = sorted(np.flatnonzero(chosen), key=lambda k: -np.nan_to_num(values[k]))
            return {self.names[k]: float(values[k]) for k in order}

        return Judged(
            xyxy, named(predicted & does), named(predicted & ~does), named(~predicted & does),
            known, box,
        )  # fmt: skip

    def counts(self) -> Counts:
        """Count key frames, persons and boxes."""
        pairs = self.seconds.values()
        boxes = np.concatenate([np.zeros(0, int), *(some for _, some in pairs)])
        return Counts(
            key_frames=len(pairs),
            empty=len(self.empty_seconds()),
            persons=len(self.box_of),
            found=int((self.box_of >= 0).sum()),
            invented=int((self.person_of[boxes] < 0).sum()),
        )

    def empty_seconds(self) -> list[Second]:
        """List the key frames with persons, none of whom has a scored box."""
        return [
            second
            for second, (persons, _) in self.seconds.items()
            if (self.box_of[persons] < 0).all()
        ]

    def wrong(self, *, most: int, among: Collection[str]) -> list[Example]:
        """Choose wrong actions with the highest scores, one of each class.

        Args:
            most: Number of examples.
            among: Videos that may be shown.
        """
        behind = self._lowest_right()
        return self._best(~self._true() & (self.scores >= behind), self.scores, most, among)

    def missed(self, *, most: int, among: Collection[str]) -> list[Example]:
        """Choose annotated actions of boxes with the lowest scores, one of each class."""
        wrong = np.where(~self._true() & self._shown(None)[:, None], self.scores, -np.inf)
        before = wrong.max(axis=0, initial=-np.inf)
        return self._best(self._true() & (self.scores <= before), -self.scores, most, among)

    def right(self, action: str, *, unlike: Second, among: Collection[str]) -> Example | None:
        """Choose the annotated action of a class with the highest score on another key frame."""
        chosen = self._true() & (np.array(self.names) == action)
        chosen[self.seconds[unlike][1]] = False
        return next(iter(self._best(chosen, self.scores, 1, among)), None)

    def unfound(self, *, most: int, among: Collection[str]) -> list[Second]:
        """Choose key frames by how many persons have no box, first those where nobody has one.

        A video comes again only after all others.
        """
        lost = {
            second: int((self.box_of[persons] < 0).sum())
            for second, (persons, _) in self.seconds.items()
            if second.video in among and (self.box_of[persons] < 0).any()
        }
        empty = set(self.empty_seconds())
        ranked = sorted(lost, key=lambda second: (second not in empty, -lost[second], second))
        seen: dict[str, int] = {}
        turns = {}
        for second in ranked:
            turns[second] = seen[second.video] = seen.get(second.video, -1) + 1
        return sorted(ranked, key=lambda second: (turns[second], ranked.index(second)))[:most]

    def nearest_complete(self, second: Second) -> Second | None:
        """Return the nearest key frame of the same video on which every person has a box."""
        complete = [
            other
            for other, (persons, _) in self.seconds.items()
            if other.video == second.video and (self.box_of[persons] >= 0).all()
        ]
        return min(complete, key=lambda other: abs(other.t - second.t), default=None)

    def _true(self) -> Bool[np.ndarray, "boxes classes"]:
        """Mark the annotated actions of each box."""
        known = self.person_of >= 0
        true = np.zeros(self.scores.shape, bool)
        true[known] = self.does[self.person_of[known]]
        return true

    def _lowest_right(self) -> Float[np.ndarray, " classes"]:
        """Find the lowest score of an annotated action; a person without a box has none."""
        lowest = np.where(self._true(), self.scores, np.inf).min(axis=0, initial=np.inf)
        lowest[self.does[self.box_of < 0].any(axis=0)] = -np.inf
        return lowest

    def _shown(self, among: Collection[str] | None) -> Bool[np.ndarray, " boxes"]:
        """Mark the boxes on annotated key frames, of some videos."""
        shown = np.zeros(len(self.xyxy), bool)
        for second, (_, boxes) in self.seconds.items():
            shown[boxes] = among is None or second.video in among
        return shown

    def _best(
        self,
        chosen: Bool[np.ndarray, "boxes classes"],
        order: Float[np.ndarray, "boxes classes"],
        most: int,
        among: Collection[str],
    ) -> list[Example]:
        """List the chosen box with the highest order of each class, the highest of all first."""
        values = np.where(chosen & self._shown(among)[:, None], order, -np.inf)
        if not len(values):
            return []
        box, height = values.argmax(axis=0), values.max(axis=0)
        columns = [k for k in np.argsort(-height, kind="stable") if np.isfinite(height[k])][:most]
        return [
            Example(
                self._second_of[int(box[k])],
                int(box[k]),
                self.names[k],
                float(self.scores[box[k], k]),
            )
            for k in columns
        ]

    @functools.cached_property
    def _second_of(self) -> dict[int, Second]:
        return {int(b): second for second, (_, boxes) in self.seconds.items() for b in boxes}


def compare(
    actions: pd.DataFrame,
    scores: ScoreTable,
    labels: ClassList,
    *,
    excluded: Collection[tuple[str, int]] = (),
) -> Comparison:
    """Pair annotated persons with scored boxes on each annotated key frame.

    Args:
        actions: Annotations, one row a person and action; those of other classes are left out.
        scores: Scores of a network.
        labels: Classes that count.
        excluded: Key frames that are not scored.
    """
    columns = [k for k, class_id in enumerate(scores.class_ids) if class_id in labels.index]
    ids = [scores.class_ids[k] for k in columns]
    times = map(second_of, actions["video"], actions["time_sec"].astype(float))
    counts = np.array([second not in excluded for second in times], bool)
    rows = actions[(actions["action"] >= 0) & counts]
    person = rows.groupby(["video", "time_sec", *XYXY], sort=False).ngroup().to_numpy(int)
    persons = rows.iloc[np.unique(person, return_index=True)[1]]
    column = pd.Index(ids).get_indexer(pd.Index(rows["action"].astype(int)))
    does = np.zeros((len(persons), len(ids)), bool)
    does[person[column >= 0], column[column >= 0]] = True
    persons_xyxy, xyxy = persons[XYXY].to_numpy(float), scores.boxes[XYXY].to_numpy(float)
    box_of, person_of = np.full(len(persons), -1), np.full(len(xyxy), -1)
    boxes_at = places_by_second(scores.boxes)
    seconds = {
        second: (np.array(people), np.array(boxes_at.get(second, []), int))
        for second, people in places_by_second(persons).items()
    }
    for people, boxes in seconds.values():
        for one, box in _matches(persons_xyxy[people], xyxy[boxes]).items():
            box_of[people[one]], person_of[boxes[box]] = boxes[box], people[one]
    return Comparison(
        names=tuple(labels.names[labels.index[i]] or f"class {i}" for i in ids),
        persons_xyxy=persons_xyxy,
        does=does,
        xyxy=xyxy,
        scores=scores.scores[:, columns].astype(float),
        box_of=box_of,
        person_of=person_of,
        seconds=seconds,
    )


def _matches(true: Float[np.ndarray, "a 4"], found: Float[np.ndarray, "b 4"]) -> dict[int, int]:
    """Pair annotated boxes with found ones, the best overlaps first."""
    overlap = iou_matrix(true, found)
    pairs: dict[int, int] = {}
    for flat in np.argsort(-overlap, axis=None, kind="stable"):
        person, box = np.unravel_index(flat, overlap.shape)
        if overlap[person, box] < SAME_IOU:
            break
        if int(person) not in pairs and int(box) not in pairs.values():
            pairs[int(person)] = int(box)
    return pairs
