"""A whole file of detections in memory, boxes apart from rows, so that fixes are cheap.

A box usually stands in as many rows as there are classes. Times and corners are kept once a box;
a row holds its box, class and score. Fixes make new objects that share what they leave alone.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from aia.tables import DetectionBlock

NO_ROWS = np.zeros(0, np.int64)
_BLOCK_ROWS = 1 << 19
_FAR_SEC = 4.0e6  # stands for times that no evaluator could hold; no key frame is here


@dataclass(frozen=True, eq=False)
class DetectionSet:
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
    """Number of the file's row, from 0; a table of scores counts as one row a score."""

    def __len__(self) -> int:
        return len(self.box)

    def keep(self, kept: Bool[np.ndarray, " rows"]) -> "DetectionSet":
        """Select rows; boxes stay."""
        columns = {name: getattr(self, name)[kept] for name in ("box", "action", "score", "row")}
        return replace(self, **columns)

    def rows_of(self, boxes: Bool[np.ndarray, " boxes"]) -> Int[np.ndarray, " some"]:
        """List the file's rows of some boxes."""
        return self.row[boxes[self.box]]

    def used(self) -> Bool[np.ndarray, " boxes"]:
        """Mark the boxes that have a row."""
        used = np.zeros(len(self.video), bool)
        used[self.box] = True
        return used

    def present(self) -> set[str]:
        """Collect the videos that have a row."""
        return {self.videos[video] for video in np.unique(self.video[self.used()])}

    def blocks(self) -> Iterator[DetectionBlock]:
        """Yield what `aia.tables.read_detections` gives of a good file."""
        time_sec = np.where(self.time_sec >= 0, np.minimum(self.time_sec, _FAR_SEC), _FAR_SEC)
        for start in range(0, max(len(self), 1), _BLOCK_ROWS):
            some = slice(start, start + _BLOCK_ROWS)
            box = self.box[some]
            yield DetectionBlock(
                videos=self.videos,
                video=self.video[box],
                time_sec=time_sec[box],
                xyxy=self.xyxy[box],
                action=self.action[some],
                score=self.score[some],
            )


def from_rows(videos: tuple[str, ...], values: Float[np.ndarray, "rows 8"]) -> DetectionSet:
    """Take boxes out of rows: equal ones of a key frame are one box.

    Args:
        videos: their names.
        values: index into `videos`, time, corners, class id and score of each row.
    """
    columns = values[:, :6]
    new = np.ones(len(columns), bool)
    new[1:] = (columns[1:] != columns[:-1]).any(axis=1)
    runs = pd.DataFrame(columns[new])
    number = runs.groupby(list(runs), sort=False).ngroup().to_numpy(np.int64)
    boxes = columns[new][np.unique(number, return_index=True)[1]]
    return DetectionSet(
        videos=videos,
        video=boxes[:, 0].astype(np.int64),
        time_sec=boxes[:, 1],
        xyxy=boxes[:, 2:],
        box=number[np.cumsum(new) - 1],
        action=values[:, 6].astype(np.int64),
        score=values[:, 7],
        row=np.arange(len(values)),
    )
