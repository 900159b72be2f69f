"""IDF1 and switches of the tracker on persons whose boxes and identities are known.

    python -m benchmarks.tracking ../shared/data/pets09/tracks.csv --fps 10

prints a line for each number of key frames a second and each disturbance of the boxes, with what
`benchmarks.tracking_oracle` recorded of the library `trackers` on the same boxes of pets09.
`--predicted FILE.parquet` takes the boxes and tracks of aia predict instead.
"""

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.optimize import linear_sum_assignment

from aia.boxes import iou_matrix
from aia.tables.annotations import read_tracks
from aia.track.bytetrack import Tracker
from aia.track.score import identity_of

SIDES = ["x1", "y1", "x2", "y2"]
ORACLE = Path(__file__).parents[1] / "tests" / "track" / "data" / "oracle.npz"


def disturbed(tracks: pd.DataFrame, *, seed: int) -> pd.DataFrame:
    """Move the boxes, leave out a tenth, lower some scores, add false ones, from a seed."""
    rng = np.random.default_rng(seed)
    boxes = tracks[rng.random(len(tracks)) > 0.1].reset_index(drop=True)
    size = (boxes[["x2", "y2"]].to_numpy() - boxes[["x1", "y1"]].to_numpy()).repeat(2, axis=0)
    moved = boxes[SIDES] + rng.normal(0, 0.04, (len(boxes), 4)) * size.reshape(-1, 4)
    boxes[SIDES] = moved
    boxes["score"] = np.where(rng.random(len(boxes)) < 0.15, 0.3, 0.9)
    false = boxes.sample(len(boxes) // 20, random_state=seed).assign(id=-1, score=0.6)
    false[["x1", "x2"]] += 0.3
    return pd.concat([boxes, false]).sort_values("frame", kind="stable", ignore_index=True)


def track(boxes: pd.DataFrame, *, fps: float, make: Callable[[], Tracker] = Tracker) -> np.ndarray:
    """Number the boxes of a video, frame after frame."""
    tracker, numbers = make(), np.full(len(boxes), -1)
    for frame, rows in boxes.groupby("frame", sort=True):
        found = tracker.update(
            float(frame) / fps, rows[SIDES].to_numpy(float), rows["score"].to_numpy(float)
        )
        numbers[rows.index] = found
    return numbers


def cases(path: Path, *, fps: float) -> dict[str, pd.DataFrame]:
    """Key frames at several rates, with exact and with disturbed boxes."""
    exact = read_tracks(path).assign(score=0.9)
    exact = exact.sort_values("frame", kind="stable", ignore_index=True)
    found = {}
    for name, boxes in (("exact", exact), ("disturbed", disturbed(exact, seed=0))):
        for rate in (10, 5, 2, 1):
            kept = boxes[boxes["frame"] % round(fps / rate) == 0]
            found[f"{name}, {rate} a second"] = kept.reset_index(drop=True)
    return found


def predicted(path: Path, tracks: pd.DataFrame, *, fps: float) -> pd.DataFrame:
    """Read the boxes of aia predict, each with its true person, and the persons that it missed.

    Pairs are those of the largest sum of IoU in a frame, from 0.5 on.
    """
    boxes = pd.read_parquet(path, columns=["time_sec", *SIDES, "score", "track"])
    boxes["frame"] = np.round(boxes.pop("time_sec") * fps).astype(int)
    boxes["id"] = -1
    missed = []
    for frame, truth in tracks[tracks["frame"].isin(boxes["frame"])].groupby("frame"):
        found = boxes[boxes["frame"] == frame]
        iou = iou_matrix(truth[SIDES].to_numpy(float), found[SIDES].to_numpy(float))
        rows, columns = linear_sum_assignment(-iou)
        paired = iou[rows, columns] >= 0.5
        boxes.loc[found.index[columns[paired]], "id"] = truth["id"].to_numpy()[rows[paired]]
        missed.append(truth[~np.isin(np.arange(len(truth)), rows[paired])])
    return pd.concat([boxes, pd.concat(missed).assign(track=-1)], ignore_index=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("tracks", type=Path)
    parser.add_argument("--fps", type=float, default=10.0)
    parser.add_argument("--predicted", type=Path)
    options = parser.parse_args()
    if options.predicted:
        boxes = predicted(options.predicted, read_tracks(options.tracks), fps=options.fps)
        found = identity_of(boxes["id"].to_numpy(), boxes["track"].to_numpy())
        missed, false = (boxes["track"] < 0).sum(), (boxes["id"] < 0).sum()
        print(f"{len(boxes) - missed} boxes  {missed} missed  {false} false", end="  ")
        print(f"IDF1 {found.idf1:.3f}  switches {found.switches}")
        return
    with np.load(ORACLE) as stored:
        oracle = dict(stored)
    for name, boxes in cases(options.tracks, fps=options.fps).items():
        found = identity_of(boxes["id"].to_numpy(), track(boxes, fps=options.fps))
        line = f"{name:26} {len(boxes):5} boxes  IDF1 {found.idf1:.3f}  switches {found.switches:3}"
        sums = boxes[SIDES].to_numpy(float).sum(axis=0)
        if name in oracle and np.allclose(sums, oracle[f"{name}: boxes"]):
            other = identity_of(boxes["id"].to_numpy(), oracle[name].astype(np.int64))
            line += f"  | trackers: IDF1 {other.idf1:.3f}  switches {other.switches:3}"
        print(line)


if __name__ == "__main__":
    main()
