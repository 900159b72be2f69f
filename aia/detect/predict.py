"""Detect persons and objects on key frames (§4.1).

Every box with a score of at least 0.05 is kept. Readers of the boxes apply the thresholds of §4.1,
so trying another one needs no detection.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, UInt8

from aia import boxes
from aia.clip import segment_times
from aia.config import STAGE_VERSIONS, DetectorConfig
from aia.detect.faster_rcnn import Boxes, Detector
from aia.detect.model import compute_on, load_detector
from aia.errors import InputError
from aia.files import file_digest
from aia.log import progress, say
from aia.tables import (
    BOX_COLUMNS,
    read_actions,
    read_seconds_by_video,
    read_segments,
    seconds_for,
    write_boxes,
)
from aia.tables.parquet import read_description
from aia.video.layout import skipped_reason
from aia.video.store import Frames, FrameStore


class VideoBoxes(NamedTuple):
    """Persons and objects of a video, as tables of `BOX_COLUMNS`."""

    persons: pd.DataFrame
    objects: pd.DataFrame


def detect_to_files(
    stores: Sequence[tuple[Path, Path | None, Path | None]],
    *,
    weights: Path | str,
    annotations: Sequence[Path | str] = (),
    segments: Sequence[Path | str] = (),
    seconds: Path | str | None = None,
    config: DetectorConfig,
    threads: int = 1,
) -> None:
    """Detect on the key frames of some videos; write a table of persons and one of objects each.

    Existing tables of the same frames, weights and settings are kept, so interrupted jobs resume.

    Args:
        stores: Each a video's frame store, the table of persons and the table of objects to write;
            None: this table is not needed.
        weights: A file of `save_detector`.
        annotations: AVA CSVs of all splits that the videos are in; their seconds are key frames.
        segments: Tables of segments; the times of their clips are key frames.
        seconds: A list of more key frames (of all videos, or video,second), without annotation.
        config: Only `max_objects` is read; the network is that of the weights.
        threads: Threads on a CPU, at most the number of its cores.
    """
    device = compute_on(threads=threads)
    sources = [*map(_annotated_times, annotations), *map(key_times, segments)]
    listed = {} if seconds is None else read_seconds_by_video(seconds)
    detector: Detector | None = None
    weights_digest = file_digest(weights)
    for store, persons, objects in stores:
        outputs = [
            (path, kind) for path, kind in ((persons, "persons"), (objects, "objects")) if path
        ]
        if skipped_reason(Path(store)) is not None:
            say(f"{store}: its video was skipped, nothing to detect")
            for output, _ in outputs:
                write_boxes(output, pd.DataFrame(columns=list(BOX_COLUMNS)), provenance={})
            continue
        video = FrameStore(store)
        times_sec = [time for times in sources for time in times.get(video.video, ())]
        times_sec += seconds_for(video.video, listed)
        key_frames = np.unique(np.array(times_sec, np.float64))
        if not len(key_frames):
            names = ", ".join(map(str, [*annotations, *segments]))
            raise InputError(
                f"{names}: no key frame of {video.video}; is that the video's name there?"
            )
        made_of = digest_of(video, weights_digest, key_frames.tobytes(), config.max_objects)
        if all(is_made_of(output, made_of) for output, _ in outputs):
            continue
        detector = detector or load_detector(weights).to(device)
        found = detect_video(video, detector, key_frames, max_objects=config.max_objects)
        provenance = detector_provenance(detector, weights) | {"made_of": made_of}
        for output, kind in outputs:
            write_boxes(output, getattr(found, kind), provenance=provenance)


def digest_of(video: FrameStore, weights_digest: str, *settings: object) -> str:
    """Hash what a detector's output depends on: frames, weights, settings, version."""
    frames = sorted((name, str(value)) for name, value in video.about.items())
    what = (frames, weights_digest, settings, STAGE_VERSIONS["detector"])
    return hashlib.sha256(repr(what).encode()).hexdigest()


def is_made_of(path: Path, made_of: str) -> bool:
    """Return True if a file of the detector exists with this digest of its inputs."""
    try:
        about = read_description(path, (), "boxes").get("provenance", {})
        return about.get("made_of") == made_of
    except InputError:
        return False


def box_table(
    video: str,
    times_sec: Any,
    xyxy: Float[np.ndarray, "boxes 4"],
    label: Int[np.ndarray, " boxes"],
    score: Float[np.ndarray, " boxes"],
    detector: Detector,
) -> pd.DataFrame:
    """Make a table of `BOX_COLUMNS`; `times_sec` is one time for all boxes, or one for each."""
    return pd.DataFrame(
        {
            "video": pd.Series([video] * len(score), dtype=str),
            "time_sec": np.broadcast_to(np.asarray(times_sec, np.float64), len(score)),
            **{name: xyxy[:, column] for column, name in enumerate(("x1", "y1", "x2", "y2"))},
            "score": score,
            "label": pd.Series([detector.classes[position] for position in label], dtype=str),
            "track": pd.Series([pd.NA] * len(score), dtype="Int32"),
        }
    )[list(BOX_COLUMNS)]


def _annotated_times(annotations: Path | str) -> dict[str, list[float]]:
    """Return the annotated times of an AVA CSV, by video."""
    times = read_actions(annotations).groupby("video", observed=True)["time_sec"]
    return {str(video): group.tolist() for video, group in times}


def key_times(segments: Path | str) -> dict[str, list[float]]:
    """Return the times of all clips of a table of segments, by video."""
    table = read_segments(segments)
    times: dict[str, list[float]] = {}
    columns = (table[name].tolist() for name in ("video", "start_sec", "stop_sec"))
    for video, start_sec, stop_sec in zip(*columns, strict=True):
        times.setdefault(video, []).extend(segment_times(start_sec, stop_sec))
    return times


def detect_frames(detector: Detector, frames: UInt8[np.ndarray, "frames h w 3"]) -> list[Boxes]:
    """Detect boxes of each frame, best first, on the detector's device; return them on the CPU."""
    device = next(detector.parameters()).device
    with torch.inference_mode():
        found = detector.eval()(list(torch.from_numpy(frames).to(device)))
        return [Boxes(*(part.cpu() for part in result)) for result in found]


def detect_video(
    store: Frames,
    detector: Detector,
    times_sec: Float[np.ndarray, " times"],
    *,
    max_objects: int,
    batch: int = 4,
    tell: bool = True,
) -> VideoBoxes:
    """Detect boxes on a video's key frames, by time, the best of each frame first.

    Args:
        store: The video's frames.
        detector: The detector on its device; the first class is the person.
        times_sec: Times of the key frames; duplicates are ignored.
        max_objects: Most objects of a frame, the best by score.
        batch: Frames of a batch.
        tell: Log the progress.
    """
    times_sec = np.unique(times_sec)
    found: list[Boxes] = []
    starts: Iterable[int] = range(0, len(times_sec), batch)
    if tell:
        total = -(-len(times_sec) // batch)
        starts = progress(starts, what=f"{store.video}: batches", total=total)
    for start in starts:
        found += detect_frames(detector, store.at(times_sec[start : start + batch]))

    counts = [len(frame.score) for frame in found]
    xyxy = torch.cat([torch.zeros(0, 4), *(frame.xyxy for frame in found)]).numpy()
    label = torch.cat([torch.zeros(0).long(), *(frame.label for frame in found)]).numpy()
    score = torch.cat([torch.zeros(0), *(frame.score for frame in found)]).numpy()
    table = box_table(store.video, np.repeat(times_sec, counts), xyxy, label, score, detector)
    kept = boxes.valid(xyxy)  # a thin box at the edge may have zero width as a fraction
    persons = table[kept & (label == 0)]
    objects = table[kept & (label != 0)].groupby("time_sec").head(max_objects)
    return VideoBoxes(persons.reset_index(drop=True), objects.reset_index(drop=True))


def detector_provenance(detector: Detector, weights: Path | str) -> dict[str, str]:
    """Describe the detector, for the metadata of the boxes' files.

    Args:
        detector: The detector as loaded.
        weights: The file that it was loaded from.
    """
    return {
        "detector": detector.model,
        "detector_weights": file_digest(weights),
        "detector_classes": json.dumps(detector.classes),
        "detector_short_side": str(detector.short_side),
        "detector_score_threshold": f"{detector.network.roi_heads.score_thresh:g}",
        "detector_nms_threshold": f"{detector.network.roi_heads.nms_thresh:g}",
    }
