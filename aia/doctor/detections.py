"""A whole file of detections in memory, boxes apart from rows, so that mending is cheap.

A box usually stands in as many rows as there are classes. Times and corners are kept once a box;
a row holds its box, class and score. Mends make new objects that share what they leave alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from aia.tables import DetectionBlock

_ROWS = 1 << 19  # of a block
_FAR_SEC = 4.0e6
"""No key frame is here; where times go that no evaluator could hold."""


@dataclass(frozen=True)
class Detections:
    """Boxes, and the rows that give them classes and scores, in file order."""

    videos: tuple[str, ...]
    video: Int[np.ndarray, " boxes"]
    """Index into `videos`."""
    time_sec: Float[np.ndarray, " boxes"]
    xyxy: Float[np.ndarray, "boxes 4"]
    box: Int[np.ndarray, " rows"]
    """Index of each row's box."""
    action: Int[np.ndarray, " rows"]
    score: Float[np.ndarray, " rows"]
    row: Int[np.ndarray, " rows"]
    """Which row of the file, from 0; a table of scores counts as one row a score."""

    def __len__(self) -> int:
        return len(self.box)

    def keep(self, kept: Bool[np.ndarray, " rows"] | Int[np.ndarray, " kept"]) -> "Detections":
        """These rows alone, in the order given; boxes stay."""
        return replace(
            self,
            box=self.box[kept],
            action=self.action[kept],
            score=self.score[kept],
            row=self.row[kept],
        )

    def of_boxes(self, chosen: Bool[np.ndarray, " boxes"]) -> Bool[np.ndarray, " rows"]:
        """The rows of chosen boxes."""
        return chosen[self.box]

    def used(self) -> Bool[np.ndarray, " boxes"]:
        """Boxes that have a row."""
        used = np.zeros(len(self.video), bool)
        used[self.box] = True
        return used

    def best_score(self) -> Float[np.ndarray, " boxes"]:
        """The highest score of each box; -inf for one without a row."""
        best = np.full(len(self.video), -np.inf)
        np.maximum.at(best, self.box, self.score)
        return best

    def blocks(self) -> Iterator[DetectionBlock]:
        """As `aia.tables.read_detections` gives them."""
        time_sec = np.where(self.time_sec >= 0, np.minimum(self.time_sec, _FAR_SEC), _FAR_SEC)
        for start in range(0, max(len(self), 1), _ROWS):
            box = self.box[start : start + _ROWS]
            yield DetectionBlock(
                videos=self.videos,
                video=self.video[box],
                time_sec=time_sec[box],
                xyxy=self.xyxy[box],
                action=self.action[start : start + _ROWS],
                score=self.score[start : start + _ROWS],
            )


def from_rows(
    videos: tuple[str, ...],
    video: Int[np.ndarray, " rows"],
    time_sec: Float[np.ndarray, " rows"],
    xyxy: Float[np.ndarray, "rows 4"],
    action: Int[np.ndarray, " rows"],
    score: Float[np.ndarray, " rows"],
    row: Int[np.ndarray, " rows"],
) -> Detections:
    """Take boxes out of rows: equal ones of a key frame are one box."""
    columns = np.column_stack([video, time_sec, xyxy]) + 0.0  # -0 is 0
    new = np.ones(len(columns), bool)
    new[1:] = (columns[1:] != columns[:-1]).any(axis=1)
    runs = columns[new]
    key = np.zeros(len(runs), np.uint64)
    for column in runs.T:
        mixed = pd.util.hash_array(np.ascontiguousarray(column))
        key = key * np.uint64(0x9E3779B97F4A7C15) + mixed
    number, _ = pd.factorize(key)
    first = np.unique(number, return_index=True)[1]
    boxes = runs[first]
    return Detections(
        videos=videos,
        video=boxes[:, 0].astype(np.int32),
        time_sec=boxes[:, 1],
        xyxy=boxes[:, 2:],
        box=number[np.cumsum(new) - 1].astype(np.int32),
        action=action.astype(np.int64),
        score=score,
        row=row,
    )
