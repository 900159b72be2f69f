"""Tubes from the detections of single frames, for video mAP (§5).

Frame after frame, for each class, as in Singh et al. (Online Real-time Multiple Spatiotemporal
Action Localisation, 2017) and ACT: open tubes choose in the order of their scores, each the best
box of the next frame that overlaps its last one; a box that no tube chose starts a new tube; a tube
without a box for some frames is closed. Boxes of frames in between are interpolated.
"""

from dataclasses import dataclass, field, replace
from typing import cast

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from torch import from_numpy
from torchvision.ops import box_iou

from aia.datasets.ucf101_24 import FPS
from aia.tables import Tube

_XYXY = ["x1", "y1", "x2", "y2"]


@dataclass(frozen=True, kw_only=True)
class LinkRules:
    """Rules of linking. The paper reports frame mAP alone, so all of them are ours."""

    score_floor: float = 0.05
    """Least score of a detection: lower ones would only make long tubes of background."""
    per_frame: int = 10
    """Number of best boxes of a class on a frame; ACT's number."""
    iou: float = 0.3
    """Smallest overlap of a tube's last box and its next; 0.2 in ACT, 0.1 in Singh et al."""
    patience: int = 5
    """Frames without a box after which a tube is closed."""
    shortest: int = 8
    """Tubes of fewer frames are dropped; ACT has 15."""
    best: int = 40
    """Number of a tube's best boxes whose mean score is the tube's; Singh et al."""

    def at(self, fps: float) -> "LinkRules":
        """Adapt the rules to another frame rate; the defaults are for UCF101-24's 25.

        >>> LinkRules().at(4.0).patience, LinkRules().at(25.0) == LinkRules()
        (1, True)
        """
        frames = {
            name: max(1, round(getattr(self, name) * fps / FPS))
            for name in ("patience", "shortest", "best")
        }
        return replace(self, **frames)


@dataclass
class _Open:
    """Tube that may get more boxes."""

    frames: list[int] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    total: float = 0.0

    @property
    def mean(self) -> float:
        return self.total / len(self.rows)

    def take(self, frame: int, row: int, score: float) -> None:
        self.frames.append(frame)
        self.rows.append(row)
        self.total += score


def link(detections: pd.DataFrame, rules: LinkRules) -> list[Tube]:
    """Link detections of single frames.

    Args:
        detections: Columns video, frame, label, x1, y1, x2, y2 (in any unit) and score.
        rules: Rules of linking.

    Returns:
        Tubes by video and label, in the order in which they end.
    """
    kept = detections[detections["score"] >= rules.score_floor]
    tubes: list[Tube] = []
    for key, rows in kept.groupby(["video", "label"], sort=True):
        video, label = cast(tuple[str, int], key)  # the stubs know no pairs
        ordered = rows.sort_values(["frame", "score"], ascending=[True, False], kind="stable")
        xyxy, score = ordered[_XYXY].to_numpy(float), ordered["score"].to_numpy(float)
        for one in _link_class(ordered["frame"].to_numpy(np.int64), xyxy, score, rules):
            if one.frames[-1] - one.frames[0] + 1 >= rules.shortest:
                tubes.append(_closed(one, video, int(label), xyxy, score, rules))
    return tubes


def _link_class(
    frame: Int[np.ndarray, " boxes"],
    xyxy: Float[np.ndarray, "boxes 4"],
    score: Float[np.ndarray, " boxes"],
    rules: LinkRules,
) -> list[_Open]:
    """Link boxes of one video and class, sorted by frame and then by score."""
    numbers, starts = np.unique(frame, return_index=True)
    ends = np.append(starts[1:], len(frame))
    open_tubes: list[_Open] = []
    ended: list[_Open] = []
    for number, start, end in zip(numbers.tolist(), starts.tolist(), ends.tolist(), strict=True):
        ended += [one for one in open_tubes if number - one.frames[-1] > rules.patience]
        open_tubes = [one for one in open_tubes if number - one.frames[-1] <= rules.patience]
        open_tubes.sort(key=lambda one: -one.mean)
        rows = np.arange(start, min(end, start + rules.per_frame))
        free = np.ones(len(rows), bool)
        if open_tubes:
            last = np.stack([xyxy[one.rows[-1]] for one in open_tubes])
            near = box_iou(from_numpy(last), from_numpy(xyxy[rows])).numpy() >= rules.iou
            for one, reached in zip(open_tubes, near, strict=True):
                choice = np.flatnonzero(reached & free)
                if len(choice):
                    free[choice[0]] = False  # the best of them by score
                    row = int(rows[choice[0]])
                    one.take(number, row, float(score[row]))
        for row in rows[free].tolist():
            new = _Open()
            new.take(number, row, float(score[row]))
            open_tubes.append(new)
    return ended + open_tubes


def _closed(
    one: _Open,
    video: str,
    label: int,
    xyxy: Float[np.ndarray, "boxes 4"],
    score: Float[np.ndarray, " boxes"],
    rules: LinkRules,
) -> Tube:
    found = np.array(one.frames)
    every = np.arange(found[0], found[-1] + 1)
    boxes = np.stack([np.interp(every, found, xyxy[one.rows, i]) for i in range(4)], axis=1)
    best = np.sort(score[one.rows])[::-1][: rules.best]
    return Tube(video, label, int(found[0]), boxes, float(best.mean()))
