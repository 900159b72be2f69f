"""Ground truth, and how detections are held against it: by box alone, and by mAP.

How well boxes cover persons, whatever the classes, tells whether videos, times and corners are
right; so it also works where a wrong class list makes every mAP zero.
"""

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from aia.boxes import pair_iou
from aia.doctor.detections import DetectionSet
from aia.evaluate.frame_map import FrameMap, frame_map
from aia.evaluate.matching import Matches, match
from aia.evaluate.protocols import Protocol
from aia.labels import ClassList

SIDES = ["x1", "y1", "x2", "y2"]
FEW = 8  # persons; a video with fewer does not speak for itself
_TRIAL_ROWS = 600_000  # of whole videos, to try many fixes
_VIDEO_BITS = 45  # above the microseconds of a key frame's number
_CLEAR = 0.15  # more persons found, as a share of all
_GAINING = 0.02  # of a video's mean best IoU


class Overlap(NamedTuple):
    """For each person the box that covers it best."""

    iou: Float[np.ndarray, " persons"]
    """0 where there is no box on the key frame."""
    box: Int[np.ndarray, " persons"]
    """-1 where there is none that overlaps."""


class Pairs(NamedTuple):
    """Persons and boxes of the same key frames, paired once for many trials of corners."""

    persons_xyxy: Float[np.ndarray, "persons 4"]
    person: Int[np.ndarray, " pairs"]
    box: Int[np.ndarray, " pairs"]

    def overlap(self, xyxy: Float[np.ndarray, "boxes 4"]) -> Overlap:
        """Find the box that covers each person best."""
        iou = pair_iou(self.persons_xyxy[self.person], xyxy[self.box])
        order = np.lexsort((-iou, self.person))
        order = order[np.unique(self.person[order], return_index=True)[1]]
        order = order[iou[order] > 0]
        best, box = np.zeros(len(self.persons_xyxy)), np.full(len(self.persons_xyxy), -1)
        best[self.person[order]], box[self.person[order]] = iou[order], self.box[order]
        return Overlap(best, box)


@dataclass(frozen=True, eq=False, kw_only=True)
class GroundTruth:
    """Annotations that are right, and how detections are evaluated."""

    table: pd.DataFrame
    """As `aia.tables.read_actions` gives it."""
    labels: ClassList
    listed: bool
    """True if `labels` come from a list rather than from the annotations."""
    protocol: Protocol
    iou: float
    excluded: Collection[tuple[str, int]] = ()
    sizes_wh: dict[str, tuple[int, int]] = field(default_factory=dict)
    """Frame sizes of videos, where known."""

    @cached_property
    def videos(self) -> pd.Index:
        """Names of the annotated videos, in file order."""
        return pd.Index(pd.unique(self.table["video"]))

    @cached_property
    def annotations(self) -> pd.DataFrame:
        """The table by key frame, with `key` (the key frame) and `place` (the video)."""
        place = self.videos.get_indexer(pd.Index(self.table["video"]))
        key = frame_key(place, self.table["time_sec"].to_numpy(np.float64))
        return self.table.assign(place=place, key=key).sort_values("key", kind="stable")

    @cached_property
    def persons(self) -> pd.DataFrame:
        """All distinct boxes, by key frame."""
        annotations = self.annotations[self.annotations["action"] >= 0]
        return annotations.drop_duplicates(["key", *SIDES])

    def place(self, scores: DetectionSet) -> Int[np.ndarray, " boxes"]:
        """Index of each box's video in `videos`, or -1."""
        index = self.videos.get_indexer(pd.Index(scores.videos, dtype=object))
        return index[scores.video]

    def key(self, scores: DetectionSet) -> Int[np.ndarray, " boxes"]:
        """Number of each box's key frame; negative where the video is unknown or no row is left."""
        return frame_key(np.where(scores.used(), self.place(scores), -1), scores.time_sec)

    def pairs(self, scores: DetectionSet, persons: pd.DataFrame | None = None) -> Pairs:
        """Pair persons (all without a choice) with the boxes of their key frames."""
        persons = self.persons if persons is None else persons
        person, box = pairs(persons["key"].to_numpy(), self.key(scores))
        return Pairs(persons[SIDES].to_numpy(np.float64), person, box)

    def overlap(self, scores: DetectionSet) -> Overlap:
        """Find the box that covers each person best."""
        return self.pairs(scores).overlap(scores.xyxy)

    def found(self, scores: DetectionSet) -> float:
        """Measure the share of persons that a box covers."""
        return float((self.overlap(scores).iou >= self.iou).mean())

    def by_video(self, values: np.ndarray) -> Float[np.ndarray, " videos"]:
        """Average a value of each person by video; 0 where there is no person."""
        place = self.persons["place"]
        sums, counts = (np.bincount(place, some, len(self.videos)) for some in (values, None))
        return sums / np.maximum(counts, 1)

    def matches(self, scores: DetectionSet) -> Matches:
        """Match detections with the annotations of their class."""
        return match(
            self.table, scores.blocks(), labels=self.labels, excluded=self.excluded, iou=self.iou
        )

    def frame_map(self, scores: DetectionSet) -> FrameMap:
        """Evaluate detections."""
        return frame_map(self.matches(scores), self.protocol, labels=self.labels, iou=self.iou)

    def mean_ap(self, scores: DetectionSet) -> float:
        """Frame mAP; 0 where nothing can be scored."""
        return float(np.nan_to_num(self.frame_map(scores).mean)) if len(scores) else 0.0

    def trial_map(self, scores: DetectionSet) -> float:
        """Frame mAP of whole videos, few enough to evaluate many times; of all where few."""
        if len(scores) <= _TRIAL_ROWS:
            return self.mean_ap(scores)
        place = self.place(scores)
        rows = np.bincount(place[scores.box] + 1, minlength=len(self.videos) + 1)[1:]
        order = np.random.default_rng(0).permutation(np.flatnonzero(rows))
        fitting = np.cumsum(rows[order]) <= _TRIAL_ROWS
        fitting[:1] = True
        kept = scores.keep(np.isin(place, order[fitting])[scores.box])
        return self.of_videos(self.videos[order[fitting]]).mean_ap(kept)

    def of_videos(self, chosen: Collection[str]) -> "GroundTruth":
        """Select the annotations of some videos."""
        return replace(self, table=self.table[self.table["video"].isin(chosen)])

    def evidence(self, scores: DetectionSet, fixed: DetectionSet) -> str:
        """Compare before and after as counts."""
        iou = [self.overlap(some).iou for some in (scores, fixed)]
        hits = [int((some >= self.iou).sum()) for some in iou]
        return (
            f"{hits[0]} of {len(iou[0])} persons have a box on them at their time, {hits[1]} after "
            f"the fix, mean best IoU {iou[0].mean():.2f} and {iou[1].mean():.2f}"
        )


def frame_key(
    video: Int[np.ndarray, " n"], time_sec: Float[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Number key frames, those of one video after another; of no video (-1): negative."""
    microseconds = np.rint(np.clip(time_sec, -1e6, 1e7) * 1e6).astype(np.int64)
    return (video.astype(np.int64) << _VIDEO_BITS) + microseconds


def pairs(
    keys: Int[np.ndarray, " n"], others: Int[np.ndarray, " m"]
) -> tuple[Int[np.ndarray, " pairs"], Int[np.ndarray, " pairs"]]:
    """Index all pairs of equal numbers; `keys` are sorted.

    >>> pairs(np.array([1, 1, 3]), np.array([3, 0, 1]))
    (array([2, 0, 1]), array([0, 2, 2]))
    """
    low = np.searchsorted(keys, others)
    count = np.searchsorted(keys, others, side="right") - low
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return np.repeat(low, count) + within, np.repeat(np.arange(len(others)), count)


def clearly(before: float, after: float, *, ratio: float = 1.15) -> bool:
    """Return True if a gain of mAP is too large for chance, when a fix was one guess of many."""
    return after >= before + 0.02 and after >= ratio * before


def where_better(
    scores: DetectionSet, changed: DetectionSet, truth: GroundTruth
) -> DetectionSet | None:
    """Take over a change of times or corners where it covers persons better.

    Some videos must gain clearly; then all that are not harmed change, or, if any is, those that
    gain. Where no video is clear, all change if the mAP rises clearly and no person is lost.
    """
    before, after = (truth.overlap(some).iou for some in (scores, changed))
    more = (after >= truth.iou).astype(int) - (before >= truth.iou)
    persons = np.bincount(truth.persons["place"], minlength=len(truth.videos))
    gain = truth.by_video(after - before)
    clear = (truth.by_video(more) >= _CLEAR) & (persons >= FEW)
    harmed = (gain <= -2 * _GAINING) & (persons >= FEW)
    enough = more.mean() >= _CLEAR or 2 * persons[clear].sum() >= persons.sum()
    if enough and not harmed.any():
        return changed
    if clear.any():
        gaining = (gain >= _GAINING) & (persons >= FEW) | clear
        boxes = np.append(gaining, False)[truth.place(scores)]
        return replace(
            changed,
            time_sec=np.where(boxes, changed.time_sec, scores.time_sec),
            xyxy=np.where(boxes[:, None], changed.xyxy, scores.xyxy),
        )
    rise = after.mean() - before.mean()
    if rise < -0.01 or more.sum() < 0:
        return None
    ratio = 1.0 if rise >= 5 * _GAINING else 1.15  # boxes that lie so much better are no luck
    better = clearly(truth.trial_map(scores), truth.trial_map(changed), ratio=ratio)
    return changed if better else None
