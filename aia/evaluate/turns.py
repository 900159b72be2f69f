"""Order in which detections of one class on one key frame may take a ground-truth box.

Published evaluators disagree on it only between equal scores, and then only near a ground-truth
box. So everything is sorted at once, and just those few places are processed one by one, as in the
evaluator in question.
"""

import heapq
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from aia.evaluate.matching import INVERTED, Matches
from aia.evaluate.protocols import Protocol

ROWS_AT_ONCE = 1 << 22
"""Number of rows that are sorted together, if all rows of a key frame are needed."""


def within_capacity(
    matches: Matches, rows: Int[np.ndarray, " counted"], protocol: Protocol
) -> Int[np.ndarray, " kept"]:
    """Select the rows that the protocol keeps of each key frame, without those that lack an area.

    Args:
        matches: all detections.
        rows: those that count, in file order.
        protocol: capacity and order.

    Returns:
        Rows in file order; those from heaps already in turn, key frame after key frame.
    """
    if protocol.order == "heap":
        parts = [_from_heaps(matches, some, protocol.capacity) for some in _parts(matches, rows)]
        rows = np.concatenate(parts)
    elif protocol.capacity:
        parts = []
        for some in _parts(matches, rows):
            by_frame, place = _by_frame(matches, some)
            parts.append(by_frame[place < protocol.capacity])
        rows = np.sort(np.concatenate(parts))
    return rows[matches.target[rows] != INVERTED]  # they have counted towards the capacity


def in_turn(
    matches: Matches, rows: Int[np.ndarray, " n"], protocol: Protocol
) -> Int[np.ndarray, " n"]:
    """Sort rows of one class by key frame, then in the order in which they may take a box."""
    frame = matches.frame[rows]
    if protocol.frames == "labelled":  # this evaluator iterates over the ground truth's frames
        frame = matches.frame_labelled[frame]
    if protocol.order in ("file", "heap"):
        return rows[np.argsort(frame, kind="stable")]
    order = _best_first(frame, matches.score[rows])
    if protocol.order == "argsort":
        frame = frame[order]
        # The sort is unstable: to reproduce its order of equals it needs the same input, the
        # scores of one key frame in file order.
        for undecided in _undecided(matches, rows[order], frame):
            start, stop = np.searchsorted(frame, [undecided, undecided + 1])
            in_file_order = np.sort(order[start:stop])
            turns = np.argsort(matches.score[rows[in_file_order]])[::-1]
            order[start:stop] = in_file_order[turns]
    return rows[order]


def _parts(
    matches: Matches, rows: Int[np.ndarray, " counted"]
) -> Iterator[Int[np.ndarray, " some"]]:
    """Split the rows into portions of whole key frames, as sorting needs more memory."""
    count = -(-len(rows) // ROWS_AT_ONCE) or 1
    portion = matches.frame[rows] % count
    for number in range(count):
        yield rows[portion == number]


def _from_heaps(
    matches: Matches, rows: Int[np.ndarray, " counted"], capacity: int
) -> Int[np.ndarray, " kept"]:
    """Sort each key frame's best detections as a heap keeps them, best first.

    Equal scores are in the order of the heap's array; if it cannot matter, in file order.
    """
    by_frame, place = _by_frame(matches, rows)
    score, frame = matches.score[by_frame], matches.frame[by_frame]
    frames = len(matches.frame_listed)
    cell = matches.class_index[by_frame].astype(np.int64) * frames + frame
    order = np.argsort(cell, kind="stable")
    decided_by_heap = _undecided(matches, by_frame[order], cell[order]) % frames
    if capacity:
        edge = np.flatnonzero(place == capacity)  # the first that does not fit
        decided_by_heap = np.union1d(decided_by_heap, frame[edge[score[edge] == score[edge - 1]]])
    starts = np.searchsorted(frame, decided_by_heap)
    stops = np.searchsorted(frame, decided_by_heap, side="right")
    for start, stop in zip(starts, stops, strict=True):
        survivors = _heap(matches, np.sort(by_frame[start:stop]), capacity)
        by_frame[start : start + len(survivors)] = survivors
    return by_frame[place < capacity] if capacity else by_frame


def _heap(matches: Matches, rows: Int[np.ndarray, " frame"], capacity: int) -> list[int]:
    """Pass one key frame's detections through a heap of limited size, then sort by score."""
    heap: list[tuple[float, ...]] = []
    # Rows are not in the heap, they would change its order; those of one entry are equal.
    rows_of: dict[tuple[float, ...], list[int]] = {}
    for row, score, class_id, (x1, y1, x2, y2) in zip(
        rows.tolist(),
        matches.score[rows].tolist(),
        matches.class_ids[matches.class_index[rows]].tolist(),
        matches.shapes_xyxy[matches.shape[rows]].tolist(),
        strict=True,
    ):
        entry = (score, class_id, y1, x1, y2, x2)
        rows_of.setdefault(entry, []).append(row)
        if not capacity or len(heap) < capacity:
            heapq.heappush(heap, entry)
        elif score > heap[0][0]:
            heapq.heapreplace(heap, entry)
    return [rows_of[entry].pop() for entry in sorted(heap, key=lambda entry: -entry[0])]


def _undecided(
    matches: Matches, rows: Int[np.ndarray, " n"], cell: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " cells"]:
    """Find cells (a class's key frames) with equal scores near a ground-truth box.

    Rows are sorted by cell, and by score within it.
    """
    score = matches.score[rows]
    tied = np.flatnonzero((cell[1:] == cell[:-1]) & (score[1:] == score[:-1]))
    return np.intersect1d(cell[tied], cell[matches.target[rows] >= 0])


def _by_frame(
    matches: Matches, rows: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Sort rows by key frame, then best score first; return each one's place in its frame."""
    by_frame = rows[_best_first(matches.frame[rows], matches.score[rows])]
    frame = matches.frame[by_frame]
    return by_frame, np.arange(len(frame)) - np.searchsorted(frame, frame)


def _best_first(
    group: Int[np.ndarray, " n"], score: Float[np.ndarray, " n"]
) -> Int[np.ndarray, " n"]:
    """Order by group, then from the best score to the worst; equals keep their order."""
    order = np.argsort(-score)
    worse = score[order][1:] != score[order][:-1]
    rank = np.zeros(len(score), np.int64)
    rank[order[1:]] = np.cumsum(worse)
    return np.argsort(
        group.astype(np.int64) * len(score) + rank, kind="stable"
    )  # a third of np.lexsort's time
