"""Record what the library `trackers` (Apache-2.0) makes of the benchmark's boxes.

In an environment of its own, as it needs an OpenCV with windows:

    pip install trackers pyarrow jaxtyping
    python -m benchmarks.tracking_oracle ../shared/data/pets09/tracks.csv

Its thresholds are ours. It is told the times, and begins a track at the first box. A lost track is
kept as long as ours is.
"""

import sys
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
import supervision as sv
from trackers import ByteTrackTracker

from benchmarks.tracking import ORACLE, SIDES, cases

FPS = 10.0
SIZE_WH = (768, 576)  # pixels of the video: noise of the library's filter is in pixels


def oracle(boxes: pd.DataFrame, *, rate: float) -> np.ndarray:
    """Number the boxes of a video; a box that begins a track has its number from the next on."""
    tracker = ByteTrackTracker(
        lost_track_buffer=round(30 * max(1.0, 2 / rate)),
        frame_rate=rate,
        track_activation_threshold=0.5,
        minimum_consecutive_frames=1,
        minimum_iou_threshold=0.1,
        high_conf_det_threshold=0.5,
    )
    numbers = np.full(len(boxes), -1)
    for frame, rows in boxes.groupby("frame", sort=True):
        given = sv.Detections(
            xyxy=rows[SIDES].to_numpy(float) * np.tile(SIZE_WH, 2),
            confidence=rows["score"].to_numpy(float),
            class_id=rows.index.to_numpy(),
        )
        found = tracker.update(given, timestamp=float(frame) / FPS)
        numbers[found.class_id] = found.tracker_id
    return numbers


def main(tracks: str) -> None:
    found = {}
    for name, boxes in cases(Path(tracks), fps=FPS).items():
        rate = float(name.split(", ")[1].split()[0])
        found[name] = oracle(boxes, rate=rate).astype(np.int16)
        found[f"{name}: boxes"] = boxes[SIDES].to_numpy(float).sum(axis=0)
    np.savez_compressed(ORACLE, made_by=f"trackers {version('trackers')}", **found)


if __name__ == "__main__":
    main(*sys.argv[1:])
