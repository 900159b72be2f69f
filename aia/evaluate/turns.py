"""Who comes first: the order in which detections of one class on one key frame may take a box.

Only between equal scores do the published evaluators disagree on it, and then only where a
ground-truth box is near. So everything is sorted at once, and just those few places are gone
through one by one, the way the evaluator in question does.
"""

import heapq

import numpy as np
from jaxtyping import Int

from aia.evaluate.matching import INVERTED, Matches
from aia.evaluate.protocols import Protocol


def in_turn(
    matches: Matches, rows: Int[np.ndarray, " counted"], protocol: Protocol
) -> Int[np.ndarray, " kept"]:
    """The rows that the protocol keeps, by class, then key frame, then turn.

    Args:
        matches: all detections.
        rows: those that count, in file order.
        protocol: decides on turns, and how many of a key frame's detections are kept.
    """
    heap_place = None
    if protocol.order == "heap":
        rows, heap_place = _from_heaps(matches, rows, protocol.capacity)
    elif protocol.capacity:
        by_frame, place = _by_frame(matches, rows)
        rows = np.sort(by_frame[place < protocol.capacity])
    # boxes without an area have counted towards the capacity, but take no turn
    whole = matches.target[rows] != INVERTED
    rows = rows[whole]
    cell = _cells(matches, rows)
    if protocol.order == "file":
        return rows[np.argsort(cell, kind="stable")]
    if heap_place is not None:
        return rows[np.lexsort((heap_place[whole], -matches.score[rows], cell))]
    order = np.lexsort((-matches.score[rows], cell))
    if protocol.order == "argsort":
        _as_argsort_leaves_ties(matches, rows, cell, order)
    return rows[order]


def _as_argsort_leaves_ties(
    matches: Matches,
    rows: Int[np.ndarray, " n"],
    cell: Int[np.ndarray, " n"],
    order: Int[np.ndarray, " n"],
) -> None:
    """Sort cells anew, in place, where a tie could decide: `np.argsort` from the worst, reversed.

    The sort is unstable and its order of equals its own, so it has to be given the same numbers.
    """
    sorted_cell = cell[order]
    for undecided in _undecided(matches, rows[order], sorted_cell):
        start, stop = np.searchsorted(sorted_cell, [undecided, undecided + 1])
        in_file_order = np.sort(order[start:stop])
        turns = np.argsort(matches.score[rows[in_file_order]])[::-1]
        order[start:stop] = in_file_order[turns]


def _from_heaps(
    matches: Matches, rows: Int[np.ndarray, " counted"], capacity: int
) -> tuple[Int[np.ndarray, " kept"], Int[np.ndarray, " kept"]]:
    """Each key frame's best detections as a heap keeps them, in file order, and their places.

    Equal scores stand in the order of the heap's array; where it cannot matter, in file order.
    """
    by_frame, place = _by_frame(matches, rows)
    score, frame = matches.score[by_frame], matches.frame[by_frame]
    cell = _cells(matches, by_frame)
    order = np.argsort(cell, kind="stable")
    decided_by_heap = _undecided(matches, by_frame[order], cell[order]) % len(matches.frame_listed)
    if capacity:
        edge = np.flatnonzero(place == capacity)  # the first that does not fit
        decided_by_heap = np.union1d(decided_by_heap, frame[edge[score[edge] == score[edge - 1]]])
        kept = place < capacity
    else:
        kept = np.ones(len(by_frame), bool)

    starts = np.searchsorted(frame, decided_by_heap)
    stops = np.searchsorted(frame, decided_by_heap, side="right")
    for start, stop in zip(starts, stops, strict=True):
        in_file_order = np.sort(by_frame[start:stop])
        survivors = _heap(matches, in_file_order, capacity)
        by_frame[start : start + len(survivors)] = survivors
    by_frame, place = by_frame[kept], place[kept]
    back = np.argsort(by_frame)
    return by_frame[back], place[back]


def _heap(matches: Matches, rows: Int[np.ndarray, " frame"], capacity: int) -> list[int]:
    """One key frame's detections through a heap of limited size, then by score."""
    heap: list[tuple[float, int, float, float, float, float, int]] = []
    for row, score, kind, (x1, y1, x2, y2) in zip(
        rows.tolist(),
        matches.score[rows].tolist(),
        matches.class_ids[matches.class_index[rows]].tolist(),
        matches.shapes_xyxy[matches.shape[rows]].tolist(),
        strict=True,
    ):
        # the row comes last: it tells apart only what is equal in all the evaluator looks at
        entry = (score, kind, y1, x1, y2, x2, row)
        if not capacity or len(heap) < capacity:
            heapq.heappush(heap, entry)
        elif score > heap[0][0]:
            heapq.heapreplace(heap, entry)
    return [entry[-1] for entry in sorted(heap, key=lambda entry: -entry[0])]


def _undecided(
    matches: Matches, rows: Int[np.ndarray, " n"], cell: Int[np.ndarray, " n"]
) -> Int[np.ndarray, " cells"]:
    """Cells with a ground-truth box near and equal scores, of rows sorted by cell and score."""
    score = matches.score[rows]
    tied = np.flatnonzero((cell[1:] == cell[:-1]) & (score[1:] == score[:-1]))
    return np.intersect1d(cell[tied], cell[matches.target[rows] >= 0])


def _cells(matches: Matches, rows: Int[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Class and key frame as one number, ordered by class and then by key frame."""
    frames = len(matches.frame_listed)
    return matches.class_index[rows].astype(np.int64) * frames + matches.frame[rows]


def _by_frame(
    matches: Matches, rows: Int[np.ndarray, " n"]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Rows by key frame, then from the best score to the worst; the place of each in its frame."""
    by_frame = rows[np.lexsort((-matches.score[rows], matches.frame[rows]))]
    frame = matches.frame[by_frame]
    return by_frame, np.arange(len(frame)) - np.searchsorted(frame, frame)
