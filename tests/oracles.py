"""Slow, independent versions of what aia computes; tests and benchmarks hold aia against them."""

import csv
import heapq
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np


def frame_map_by_loops(
    groundtruth: Path | str,
    detections: Path | str,
    *,
    class_ids: Sequence[int],
    excluded: Path | str | None = None,
    order: str = "argsort",
    frames: str = "all",
    capacity: int = 0,
    score_floor: float = -1.0,
    iou: float = 0.5,
    tie_sort: str = "quicksort",
) -> dict[int, float]:
    """AP of each class the usual way: a dict of key frames, a loop over frames and classes."""
    evaluated = set(class_ids)
    left_out = {(row[0], float(row[1])) for row in _csv_rows(excluded)} if excluded else set()

    listed, truth = set(), defaultdict(list)
    for row in _csv_rows(groundtruth):
        key = row[0], float(row[1])
        listed.add(key)
        if len(row) > 2 and int(row[6]) in evaluated and key not in left_out:
            truth[key].append((int(row[6]), [float(side) for side in row[2:6]]))

    found = defaultdict(list)
    for row in _csv_rows(detections):
        key, kind, score = (row[0], float(row[1])), int(row[6]), float(row[7])
        if kind not in evaluated or key in left_out:
            continue
        if (frames == "listed" and key not in listed) or (
            frames == "labelled" and key not in truth
        ):
            continue
        found[key] += []  # it has appeared
        if score <= score_floor:
            continue
        x1, y1, x2, y2 = (float(side) for side in row[2:6])
        entry = score, kind, y1, x1, y2, x2
        if order != "heap":
            found[key].append(entry)
        elif not capacity or len(found[key]) < capacity:
            heapq.heappush(found[key], entry)
        elif score > found[key][0][0]:
            heapq.heapreplace(found[key], entry)

    scores, hits = defaultdict(list), defaultdict(list)
    for key in truth if frames == "labelled" else found:
        entries = found.get(key, [])
        if order in ("heap", "stable"):
            entries = sorted(entries, key=lambda entry: -entry[0])
        for kind in {entry[1] for entry in entries}:
            some = [e for e in entries if e[1] == kind and e[3] < e[5] and e[2] < e[4]]
            if order == "argsort":
                some = [some[i] for i in np.argsort([entry[0] for entry in some])[::-1]]
            boxes = [box for label, box in truth.get(key, ()) if label == kind]
            taken = set()
            for score, _, y1, x1, y2, x2 in some:
                overlaps = [_overlap((x1, y1, x2, y2), box) for box in boxes]
                best = int(np.argmax(overlaps)) if boxes else -1
                hit = best >= 0 and overlaps[best] >= iou and best not in taken
                if hit:
                    taken.add(best)
                scores[kind].append(score)
                hits[kind].append(hit)

    truths = Counter(kind for boxes in truth.values() for kind, _ in boxes)
    return {
        kind: _ap_by_loop(scores[kind], hits[kind], truths[kind], tie_sort) for kind in class_ids
    }


def _csv_rows(path: Path | str) -> Iterator[list[str]]:
    with open(path, newline="") as file:
        yield from csv.reader(file)


def _overlap(a: Sequence[float], b: Sequence[float]) -> float:
    width = max(min(a[2], b[2]) - max(a[0], b[0]), 0.0)
    height = max(min(a[3], b[3]) - max(a[1], b[1]), 0.0)
    inner = width * height
    areas = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1])
    return inner / (areas - inner)


def _ap_by_loop(scores: list[float], hits: list[bool], truths: int, tie_sort: str) -> float:
    """Every-point AP, one detection after the other, from the worst to the best."""
    if not truths:
        return math.nan
    order = np.argsort(np.array(scores, float), kind=tie_sort)[::-1]
    ap, best_precision, so_far = 0.0, 0.0, sum(hits)
    for place in range(len(order) - 1, -1, -1):
        best_precision = max(best_precision, so_far / (place + 1))
        if hits[order[place]]:
            ap += best_precision / truths
            so_far -= 1
    return ap
