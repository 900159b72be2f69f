"""Frame mAP at AVA's size: ours against a loop over key frames and classes, in one run.

    python -m benchmarks.evaluate                 # 64 films, minutes
    python -m benchmarks.evaluate --films 4       # seconds
    python -m benchmarks.evaluate --per-frame 110 --only-ours    # 6.3 million detections

`usual` is built as the evaluators in use are: dicts of key frames, and for each key frame and
class NumPy arrays of its boxes. `lean` is the tests' oracle, which skips what is not there. Each
reads the same CSV files in a process of its own, so that its memory can be told.
"""

import argparse
import csv
import multiprocessing
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv

from aia.boxes import iou_matrix
from aia.evaluate.all_protocols import evaluate_protocols
from aia.evaluate.frame_map import evaluate_ava
from aia.evaluate.protocols import PROTOCOLS
from tests.oracles import frame_map_by_loops

CLASSES = tuple(range(1, 61))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=64)
    parser.add_argument("--seconds", type=int, default=900, help="key frames of a film")
    parser.add_argument("--per-frame", type=float, default=17.4, help="detections of a key frame")
    parser.add_argument("--decimals", type=int, default=7, help="of scores; few make many ties")
    parser.add_argument("--rounds", type=int, default=5, help="of ours; the median counts")
    parser.add_argument("--only-ours", action="store_true", help="for big files")
    given = parser.parse_args(arguments)

    with tempfile.TemporaryDirectory() as folder:
        files = str(Path(folder) / "gt.csv"), str(Path(folder) / "det.csv")
        truths, detections = write_files(*files, given)
        print(f"{given.films} films x {given.seconds} key frames, ", end="")
        print(f"{truths:,} ground-truth rows, {detections:,} detections")
        ours = [apart(by_aia, *files) for _ in range(given.rounds)]
        median = {key: statistics.median(run[key] for run in ours) for key in ("wall", "cpu")}
        ours = ours[0] | median
        report("aia", ours, ours)
        one_pass(*files)
        if not given.only_ours:
            report("usual", apart(by_arrays, *files), ours)
            report("lean", apart(by_lists, *files), ours)


def one_pass(groundtruth: str, detections: str) -> None:
    """All five protocols at once, against one after the other."""
    times = []
    for work in (
        lambda: [evaluate_ava(groundtruth, detections, protocol=name).mean for name in PROTOCOLS],
        lambda: evaluate_protocols(groundtruth, detections)["value"].tolist(),
    ):
        start = time.process_time()
        values = work()
        times.append((time.process_time() - start, values))
    (apart_sec, alone), (together_sec, together) = times
    assert alone == together
    print(
        f"five protocols in one pass {together_sec:.2f} s CPU, one by one {apart_sec:.2f} s: "
        f"{apart_sec / together_sec:.1f}x"
    )


def report(name: str, run: dict, ours: dict) -> None:
    ap, our_ap = (np.array([some["ap"][kind] for kind in CLASSES]) for some in (run, ours))
    ratio = {key: run[key] / max(ours[key], 1e-9) for key in ("wall", "cpu", "added_mib")}
    print(
        f"{name:6s}{run['wall']:7.2f} s wall ({ratio['wall']:5.1f}x) "
        f"{run['cpu']:7.2f} s CPU ({ratio['cpu']:5.1f}x) "
        f"{run['added_mib']:6.0f} MiB ({ratio['added_mib']:4.1f}x) "
        f"beside {run['peak_mib'] - run['added_mib']:.0f} of imports  "
        f"mAP {np.nanmean(ap):.6f}, AP differ by {np.nanmax(np.abs(ap - our_ap)):.0e}"
    )


def by_aia(groundtruth: str, detections: str) -> dict[int, float]:
    return evaluate_ava(groundtruth, detections).per_class


def by_lists(groundtruth: str, detections: str) -> dict[int, float]:
    return frame_map_by_loops(groundtruth, detections, class_ids=CLASSES)


def by_arrays(groundtruth: str, detections: str) -> dict[int, float]:
    truth, found = _by_key_frame(groundtruth), _by_key_frame(detections)
    scores, hits = defaultdict(list), defaultdict(list)
    truths = sum(np.bincount(rows[:, 4].astype(int), minlength=61) for rows in truth.values())
    for key, rows in found.items():
        of_frame = truth.get(key, np.zeros((0, 6)))
        for kind in CLASSES:
            some = rows[rows[:, 4] == kind]
            some = some[(some[:, 0] < some[:, 2]) & (some[:, 1] < some[:, 3])]
            some = some[np.argsort(some[:, 5])[::-1]]
            boxes = of_frame[of_frame[:, 4] == kind]
            hit = np.zeros(len(some), bool)
            if len(some) and len(boxes):
                overlap = iou_matrix(some[:, :4], boxes[:, :4])
                taken = np.zeros(len(boxes), bool)
                for row, best in enumerate(overlap.argmax(axis=1)):
                    if overlap[row, best] >= 0.5 and not taken[best]:
                        hit[row] = taken[best] = True
            scores[kind].append(some[:, 5])
            hits[kind].append(hit)
    return {
        kind: _average_precision(
            np.concatenate(scores[kind]), np.concatenate(hits[kind]), truths[kind]
        )
        for kind in CLASSES
    }


def _by_key_frame(path: str) -> dict[str, np.ndarray]:
    rows = defaultdict(list)
    with open(path, newline="") as file:
        for row in csv.reader(file):
            rows[f"{row[0]},{int(row[1]):04d}"].append([float(cell) for cell in row[2:]])
    return {key: np.array(some) for key, some in rows.items()}


def _average_precision(score: np.ndarray, hit: np.ndarray, truths: int) -> float:
    hits = np.cumsum(hit[np.argsort(score)[::-1]])
    recall = np.concatenate([[0.0], hits / truths, [1.0]])
    precision = np.concatenate([[0.0], hits / np.arange(1, len(hits) + 1), [0.0]])
    for place in range(len(precision) - 1, 0, -1):
        precision[place - 1] = max(precision[place - 1], precision[place])
    return float(np.sum(np.diff(recall) * precision[1:]))


def apart(evaluator: Callable[[str, str], dict[int, float]], *files: str) -> dict:
    """Run in a fresh process: seconds, memory and the classes' AP."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_measure, (evaluator, *files))


def _measure(evaluator: Callable[[str, str], dict[int, float]], *files: str) -> dict:
    before, wall, cpu = _peak_mib(), time.perf_counter(), time.process_time()
    values = evaluator(*files)
    return {
        "wall": time.perf_counter() - wall,
        "cpu": time.process_time() - cpu,
        "peak_mib": _peak_mib(),
        "added_mib": _peak_mib() - before,
        "ap": values,
    }


def _peak_mib() -> float:
    # getrusage would also count the parent, whose image the new process starts from
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def write_files(
    groundtruth: str, detections: str, given: argparse.Namespace, seed: int = 0
) -> tuple[int, int]:
    """Two persons a key frame with a few frequent actions; detections right, doubled and wrong."""
    rng = np.random.default_rng(seed)
    frames = given.films * given.seconds
    frequency = 1 / np.arange(1, len(CLASSES) + 1)
    frequency /= frequency.sum()

    frame = np.repeat(np.arange(frames), rng.integers(1, 4, frames))
    low = rng.uniform(0, 0.6, (len(frame), 2))
    persons = np.concatenate([low, low + rng.uniform(0.1, 0.4, (len(frame), 2))], axis=1)
    who = np.repeat(np.arange(len(frame)), rng.integers(1, 3, len(frame)))
    who = who[rng.random(len(who)) < 0.94]
    kind = rng.choice(CLASSES, len(who), p=frequency)
    _write(groundtruth, given, frame[who], persons[who].round(3), kind, np.zeros(len(who), int))

    # a detected box has scores for several actions, in consecutive rows
    actions = max(1, round(given.per_frame / 3))
    boxes = round(given.per_frame * frames / actions)
    guess = np.sort(rng.integers(0, len(who), boxes))  # a row of the ground truth
    near = np.clip(persons[who[guess]] + rng.normal(0, 0.03, (boxes, 4)), 0, 1).round(4)
    guess, near, count = guess.repeat(actions), near.repeat(actions, axis=0), boxes * actions
    right = rng.random(count) < 0.2
    kind = np.where(right, kind[guess], rng.choice(CLASSES, count, p=frequency))
    score = np.where(right, rng.beta(3, 4, count), rng.beta(1, 6, count)).round(given.decimals)
    _write(detections, given, frame[who[guess]], near, kind, score)
    return len(who), count


def _write(
    path: str,
    given: argparse.Namespace,
    frame: np.ndarray,
    xyxy: np.ndarray,
    kind: np.ndarray,
    last: np.ndarray,
) -> None:
    films = np.array([f"film{number:04d}" for number in range(given.films)])
    columns = [films[frame // given.seconds], 902 + frame % given.seconds, *xyxy.T.copy(), kind]
    table = pa.table([*columns, last], names=list("abcdefgh"))
    options = pyarrow.csv.WriteOptions(include_header=False, quoting_style="none")
    pyarrow.csv.write_csv(table, path, options)


if __name__ == "__main__":
    main()
