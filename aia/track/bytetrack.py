"""Online tracking by ByteTrack (Zhang et al., ECCV 2022, Algorithm 1).

Each track predicts its box by a Kalman filter of constant velocity. Boxes of high score are matched
first, those of low score to the tracks that are left: a person who is half hidden keeps the number.
Key frames may be a second apart, so time enters the filter, and boxes that moved are matched by
enlarged boxes (as in C-BIoU, Yang et al., WACV 2023).
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.optimize import linear_sum_assignment

from aia.boxes import iou_matrix

POSITION, VELOCITY, RATE = 1 / 20, 1 / 160, 30.0
"""Noise of the filter in heights of the box, each frame at 30 a second (SORT's and ByteTrack's)."""

GROWTH, MOST_GROWTH = 0.5, 0.5
"""Growth of boxes that are matched: share of their size for each second between two frames."""


PATIENCE = 2.0
"""Key frames for which a track without a box is kept at least."""


@dataclass
class _Track:
    """A person: the filter's state and what is known of it."""

    number: int
    mean: Float[np.ndarray, " 8"]
    """Centre x and y, width over height, height; and how they change in a second."""
    covariance: Float[np.ndarray, "8 8"]
    seen_sec: float
    """Time of the last box."""


class Tracker:
    """Tracker of the persons of one video, key frame after key frame.

    Args:
        high: Score of a box that begins a track, and is matched first.
        low: Least score of a box that continues one.
        least_iou: Overlap below which a box of high score is no match for a track.
        least_iou_low: The same of a box of low score.
        patience_sec: Time for which a track without a box is kept.
    """

    def __init__(
        self,
        *,
        high: float = 0.5,
        low: float = 0.1,
        least_iou: float = 0.1,
        least_iou_low: float = 0.5,
        patience_sec: float = 1.0,
    ) -> None:
        self.high, self.low = high, min(low, high)
        self.least_iou, self.least_iou_low = least_iou, least_iou_low
        self.patience_sec = patience_sec
        self._tracks: list[_Track] = []
        self._next, self._time_sec, self._step_sec = 1, -np.inf, 0.0

    def update(
        self,
        time_sec: float,
        xyxy: Float[np.ndarray, "boxes 4"],
        score: Float[np.ndarray, " boxes"],
    ) -> Int[np.ndarray, " boxes"]:
        """Match the boxes of the next key frame to tracks, and begin new ones.

        Args:
            time_sec: Time of the key frame, later than that of the last one.
            xyxy: Boxes of persons, in any unit.
            score: The detector's.

        Returns:
            Number of each box's track, from 1 in the order of appearance; -1: none.
        """
        if time_sec <= self._time_sec:
            raise ValueError(f"second {time_sec:g} after {self._time_sec:g}: expected a later one")
        step_sec = time_sec - self._time_sec if self._tracks else 0.0
        self._time_sec, self._step_sec = time_sec, step_sec
        patience_sec = max(self.patience_sec, PATIENCE * step_sec)
        self._tracks = [
            track for track in self._tracks if time_sec - track.seen_sec <= patience_sec + 1e-9
        ]
        for track in self._tracks:
            _predict(track, step_sec)
        numbers = np.full(len(score), -1, np.int64)
        boxes = np.asarray(xyxy, np.float64)
        high = np.flatnonzero(score >= self.high)
        low = np.flatnonzero((score >= self.low) & (score < self.high))
        free = list(self._tracks)
        free = self._match(free, boxes, high, numbers, self.least_iou)
        # those that were lost before are not brought back by a doubtful box
        recent = [track for track in free if time_sec - track.seen_sec <= step_sec + 1e-9]
        self._match(recent, boxes, low, numbers, self.least_iou_low)
        for box in high[numbers[high] < 0].tolist():
            self._tracks.append(_begun(self._next, boxes[box], time_sec))
            numbers[box] = self._next
            self._next += 1
        return numbers

    def _match(
        self,
        tracks: list[_Track],
        boxes: Float[np.ndarray, "boxes 4"],
        chosen: Int[np.ndarray, " _chosen"],
        numbers: Int[np.ndarray, " boxes"],
        least_iou: float,
    ) -> list[_Track]:
        """Assign some boxes to tracks, as much overlap in all as possible; return those left."""
        if not tracks or not len(chosen):
            return tracks
        growth = min(GROWTH * self._step_sec, MOST_GROWTH)
        expected = np.stack([_xyxy(track.mean) for track in tracks])
        overlap = iou_matrix(_grown(expected, growth), _grown(boxes[chosen], growth))
        rows, columns = linear_sum_assignment(-overlap)
        matched = set()
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            if overlap[row, column] >= least_iou:
                track, box = tracks[row], int(chosen[column])
                _correct(track, boxes[box], self._time_sec)
                numbers[box] = track.number
                matched.add(row)
        return [track for row, track in enumerate(tracks) if row not in matched]


def _begun(number: int, xyxy: Float[np.ndarray, " 4"], time_sec: float) -> _Track:
    state = _state(xyxy)
    height = state[3]
    deviation = np.array(
        [*[2 * POSITION * height] * 2, 1e-2, 2 * POSITION * height]
        + [*[10 * VELOCITY * RATE * height] * 2, 1e-5 * RATE, 10 * VELOCITY * RATE * height]
    )
    return _Track(number, np.append(state, np.zeros(4)), np.diag(deviation**2), time_sec)


def _predict(track: _Track, step_sec: float) -> None:
    """Move a track to the present; its noise grows as that of a random walk, frame by frame."""
    motion = np.eye(8)
    motion[:4, 4:] = np.eye(4) * step_sec
    height, frames = track.mean[3], max(step_sec * RATE, 0.0)
    deviation = np.array(
        [*[POSITION * height] * 2, 1e-2, POSITION * height]
        + [*[VELOCITY * RATE * height] * 2, 1e-5 * RATE, VELOCITY * RATE * height]
    )
    track.mean = motion @ track.mean
    track.covariance = motion @ track.covariance @ motion.T + np.diag(deviation**2 * frames)
    track.mean[2:4] = np.maximum(track.mean[2:4], 1e-6)


def _correct(track: _Track, xyxy: Float[np.ndarray, " 4"], time_sec: float) -> None:
    """Take a matched box into the filter."""
    height = track.mean[3]
    noise = np.array([POSITION * height, POSITION * height, 1e-1, POSITION * height]) ** 2
    covariance = track.covariance
    gain = np.linalg.solve(covariance[:4, :4] + np.diag(noise), covariance[:4]).T
    track.mean = track.mean + gain @ (_state(xyxy) - track.mean[:4])
    track.covariance = covariance - gain @ covariance[:4]
    track.seen_sec = time_sec


def _state(xyxy: Float[np.ndarray, " 4"]) -> Float[np.ndarray, " 4"]:
    x1, y1, x2, y2 = xyxy
    height = max(y2 - y1, 1e-6)
    return np.array([(x1 + x2) / 2, (y1 + y2) / 2, (x2 - x1) / height, height])


def _xyxy(mean: Float[np.ndarray, " 8"]) -> Float[np.ndarray, " 4"]:
    x, y, aspect, height = mean[:4]
    half = aspect * height / 2
    return np.array([x - half, y - height / 2, x + half, y + height / 2])


def _grown(xyxy: Float[np.ndarray, "boxes 4"], by: float) -> Float[np.ndarray, "boxes 4"]:
    """Enlarge boxes on each side by a share of their width and height."""
    size = np.tile(xyxy[:, 2:] - xyxy[:, :2], 2)
    return xyxy + size * by * np.array([-1, -1, 1, 1])
