"""Match of each detection with the ground-truth box it overlaps most, for all protocols.

A detection's best box depends on the two files alone, so detections are read in blocks and reduced
to a few numbers each, in nameless files: a large split has too many for memory. Protocols
(frame_map.py) then choose among them and order them.
"""

import tempfile
from collections.abc import Collection, Iterable
from typing import IO, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int

from aia.boxes import pair_iou
from aia.labels import ClassList
from aia.tables import DetectionBlock

NOTHING, INVERTED = -1, -2  # in place of a ground-truth box
_BLOCK_ROWS = 1 << 20
_TIME_BITS = 42  # microseconds of 50 days


class Matches(NamedTuple):
    """Detections of evaluated classes in file order, with their ground truth."""

    frame: Int[np.ndarray, " detections"]
    """Index into `frames_*`, in order of first appearance."""
    class_index: Int[np.ndarray, " detections"]
    score: Float[np.ndarray, " detections"]
    target: Int[np.ndarray, " detections"]
    """Ground-truth box of the same class with the largest overlap, if enough; else NOTHING, or
    INVERTED if the detection has no area."""
    shape: Int[np.ndarray, " detections"]
    """Index into `shapes`: consecutive detections are often one box with many classes."""
    shapes_xyxy: Float[np.ndarray, "shapes 4"]
    frame_excluded: Bool[np.ndarray, " frames"]
    frame_listed: Bool[np.ndarray, " frames"]
    frame_labelled: Int[np.ndarray, " frames"]
    """Place among the key frames with evaluated ground truth, in file order; -1 for others."""
    class_ids: Int[np.ndarray, " classes"]
    truth_class: Int[np.ndarray, " boxes"]
    truth_excluded: Bool[np.ndarray, " boxes"]
    dropped: int
    """Number of detections of classes that are not evaluated."""

    def repeated(self) -> int:
        """Count detections with the key frame, box and class of an earlier one.

        The distinct ones are marked in a table of boxes by classes, so many classes at once that
        it takes at most four bytes a detection.
        """
        count = len(self.frame)
        if not count:
            return 0
        begins = np.ones(count, bool)
        begins[1:] = (self.frame[1:] != self.frame[:-1]) | (self.shape[1:] != self.shape[:-1])
        start = np.flatnonzero(begins)
        runs = pd.DataFrame(self.shapes_xyxy[self.shape[start]]).assign(frame=self.frame[start])
        boxes, different = pd.factorize(pd.util.hash_pandas_object(runs, index=False))  # 64 bits
        box = np.repeat(boxes.astype(np.int32), np.diff(np.append(start, count)))
        rows = len(different)
        classes = len(self.class_ids)
        at_once = max(1, min(classes, 4 * count // rows))
        distinct = 0
        for first in range(0, classes, at_once):
            seen = np.zeros((rows, at_once), bool)
            for part in range(0, count, _BLOCK_ROWS):
                block = slice(part, part + _BLOCK_ROWS)
                place = self.class_index[block] - first
                some = (place >= 0) & (place < at_once)
                seen[box[block][some], place[some]] = True
            distinct += int(np.count_nonzero(seen))
        return count - distinct


class _Part(NamedTuple):
    """Part of `Matches` from one block of detections."""

    frame: Int[np.ndarray, " detections"]
    class_index: Int[np.ndarray, " detections"]
    score: Float[np.ndarray, " detections"]
    target: Int[np.ndarray, " detections"]
    shape: Int[np.ndarray, " detections"]
    shapes_xyxy: Float[np.ndarray, "shapes 4"]
    dropped: int


def match(
    groundtruth: pd.DataFrame,
    detections: Iterable[DetectionBlock],
    *,
    labels: ClassList,
    excluded: Collection[tuple[str, int]],
    iou: float,
) -> Matches:
    """Find the best ground-truth box of every detection.

    Args:
        groundtruth: table of `aia.tables.read_actions`.
        detections: in file order.
        labels: the classes that are evaluated; rows of others are dropped on both sides.
        excluded: key frames that protocols may leave out.
        iou: the least intersection over union of a match.
    """
    keys_of = _KeyFrames()
    number, names = pd.factorize(groundtruth["video"])
    listed = keys_of(names, number, groundtruth["time_sec"].to_numpy())
    class_index = pd.Index(labels.ids).get_indexer(pd.Index(groundtruth["action"]))
    evaluated = class_index >= 0
    key, class_index = listed[evaluated], class_index[evaluated]
    xyxy = groundtruth[["x1", "y1", "x2", "y2"]].to_numpy()[evaluated]
    truth = _Truth(key, class_index, xyxy, len(labels))
    left_out_videos = pd.Index([video for video, _ in excluded], dtype=object)
    number, names = pd.factorize(left_out_videos)
    left_out = keys_of(names, number, np.array([second for _, second in excluded], float))

    spool = _Spool()
    frames: dict[int, int] = {}
    shapes, dropped = 0, 0
    for block in detections:
        part = _match_block(block, keys_of, truth, labels, iou, frames, shapes)
        spool.add(part)
        shapes += len(part.shapes_xyxy)
        dropped += part.dropped
    appeared = np.fromiter(frames, np.int64)
    return Matches(
        **spool.columns(),
        frame_excluded=np.isin(appeared, left_out),
        frame_listed=np.isin(appeared, listed),
        frame_labelled=pd.Index(pd.unique(key)).get_indexer(pd.Index(appeared)),
        class_ids=np.array(labels.ids),
        truth_class=class_index,
        truth_excluded=np.isin(key, left_out),
        dropped=dropped,
    )


class _Spool:
    """Columns of all parts, each in its own file.

    The system caches them in memory as far as there is room.
    """

    def __init__(self) -> None:
        self._files: dict[str, tuple[IO[bytes], np.ndarray]] = {}

    def add(self, part: _Part) -> None:
        for name, array in part._asdict().items():
            if name == "dropped":
                continue
            if name not in self._files:
                file = tempfile.TemporaryFile()  # noqa: SIM115 (`columns` closes it)
                self._files[name] = file, array[:0]
            self._files[name][0].write(np.ascontiguousarray(array).data)

    def columns(self) -> dict[str, np.ndarray]:
        """Map each column's file as one array."""
        arrays = {}
        for name, (file, like) in self._files.items():
            file.flush()
            arrays[name] = like
            if file.tell():  # an empty file cannot be mapped
                mapped = np.memmap(file, like.dtype, "r")
                arrays[name] = np.asarray(mapped).reshape(-1, *like.shape[1:])
            file.close()
        return arrays


def _match_block(
    block: DetectionBlock,
    keys_of: "_KeyFrames",
    truth: "_Truth",
    labels: ClassList,
    iou: float,
    frames: dict[int, int],
    shapes: int,
) -> _Part:
    """Match one block; new key frames are added to `frames`, shapes are counted from `shapes`."""
    class_index = pd.Index(labels.ids).get_indexer(pd.Index(block.action))
    kept = np.flatnonzero(class_index >= 0)
    xyxy, class_index = block.xyxy[kept], class_index[kept]
    key = keys_of(block.videos, block.video, block.time_sec)[kept]
    flat = (xyxy[:, 0] >= xyxy[:, 2]) | (xyxy[:, 1] >= xyxy[:, 3])
    target = np.full(len(kept), INVERTED, np.int32)
    target[~flat] = truth.best(key[~flat], class_index[~flat], xyxy[~flat], iou)
    new = np.ones(len(kept), bool)
    new[1:] = (xyxy[1:] != xyxy[:-1]).any(axis=1)
    local, here = pd.factorize(key)
    numbers = np.array([frames.setdefault(k, len(frames)) for k in here.tolist()], np.int32)
    return _Part(
        frame=numbers[local],
        class_index=class_index.astype(np.int16),
        score=block.score[kept],
        target=target,
        shape=(shapes - 1 + np.cumsum(new)).astype(np.int32),
        shapes_xyxy=xyxy[new],
        dropped=len(block.action) - len(kept),
    )


class _KeyFrames:
    """Key frames as one integer each: the video's number and the time in microseconds.

    902, 0902 and 902.0 are the same key frame, 902.5 is another.
    """

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def __call__(
        self,
        names: Iterable[str],
        video: Int[np.ndarray, " rows"],
        time_sec: Float[np.ndarray, " rows"],
    ) -> Int[np.ndarray, " rows"]:
        """Compute the keys of rows whose videos are `names[video]`."""
        known = [self._numbers.setdefault(name, len(self._numbers)) for name in names]
        microseconds = np.rint(time_sec * 1e6).astype(np.int64)
        return (np.array(known, np.int64)[video] << _TIME_BITS) + microseconds


class _Truth:
    """Ground-truth boxes by cell: a key frame and a class."""

    def __init__(
        self,
        key: Int[np.ndarray, " boxes"],
        class_index: Int[np.ndarray, " boxes"],
        xyxy: Float[np.ndarray, "boxes 4"],
        classes: int,
    ) -> None:
        self._keys = np.unique(key)
        self._classes = classes
        cell = np.searchsorted(self._keys, key) * classes + class_index
        self._order = np.argsort(cell, kind="stable")  # the first of a cell stays the first
        self._xyxy = xyxy[self._order]
        self._cells, self._first, self._count = np.unique(
            cell[self._order], return_index=True, return_counts=True
        )

    def best(
        self,
        key: Int[np.ndarray, " detections"],
        class_index: Int[np.ndarray, " detections"],
        xyxy: Float[np.ndarray, "detections 4"],
        iou: float,
    ) -> Int[np.ndarray, " detections"]:
        """Find the box that each overlaps most, the first of equals; NOTHING if below `iou`."""
        rows, place = _found(key, self._keys)
        within, cell = _found(place * self._classes + class_index[rows], self._cells)
        rows = rows[within]
        best, overlap = np.zeros(len(rows), np.int64), np.zeros(len(rows))
        busy = np.arange(len(rows))
        # a cell rarely has more than a few boxes: one pass for each, over all detections
        for turn in range(int(self._count.max(initial=0))):
            busy = busy[self._count[cell[busy]] > turn]
            box = self._first[cell[busy]] + turn
            now = pair_iou(xyxy[rows[busy]], self._xyxy[box])
            better = now > overlap[busy]
            best[busy[better]], overlap[busy[better]] = box[better], now[better]
        target = np.full(len(key), NOTHING, np.int32)
        enough = overlap >= iou
        target[rows[enough]] = self._order[best[enough]]
        return target


def _found(
    values: Int[np.ndarray, " n"], among: Int[np.ndarray, " m"]
) -> tuple[Int[np.ndarray, " found"], Int[np.ndarray, " found"]]:
    """Find the values that are in the sorted array, and their places in it."""
    if not len(among):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    place = np.minimum(np.searchsorted(among, values), len(among) - 1)
    rows = np.flatnonzero(among[place] == values)
    return rows, place[rows]
