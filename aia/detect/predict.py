"""Key frames to boxes of persons and objects (§4.1), under no threshold but the lowest.

Every box with a score of at least 0.05 is kept: the thresholds of §4.1 are applied by whoever
reads the boxes, so that trying another one runs no network.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, UInt8

from aia import boxes
from aia.clip import segment_times
from aia.config import DetectorConfig
from aia.detect.faster_rcnn import Boxes, Detector
from aia.detect.model import compute_on, load_detector
from aia.errors import InputError
from aia.files import file_digest
from aia.log import progress, say
from aia.tables import (
    BOX_COLUMNS,
    read_actions,
    read_seconds,
    read_segments,
    write_boxes,
)
from aia.video.layout import skipped_reason
from aia.video.store import FrameStore


class FilmBoxes(NamedTuple):
    """Tables of `BOX_COLUMNS`: the persons of a film, and everything else."""

    persons: pd.DataFrame
    objects: pd.DataFrame


def detect_to_files(
    *,
    store: Path | str,
    weights: Path | str,
    annotations: Sequence[Path | str] = (),
    segments: Sequence[Path | str] = (),
    seconds: Path | str | None = None,
    persons: Path | str,
    objects: Path | str,
    config: DetectorConfig,
    threads: int = 1,
) -> None:
    """Detect on the key frames of one film; write two tables of boxes.

    Args:
        store: the film's frames.
        weights: a file of `save_detector`.
        annotations: AVA CSVs, of all splits that the film is in; their seconds are key frames.
        segments: tables of segments, whose key frames are where their clips may lie.
        seconds: a list of more key frames, which need no annotation.
        persons: the table of persons to write.
        objects: the table of everything else.
        config: only `max_objects` is read; the network is what the weights say.
        threads: of the arithmetic on a CPU; more than the machine has are not used.
    """
    if skipped_reason(Path(store)) is not None:
        say(f"{store}: its film was skipped, so there is nothing to detect")
        for output in (persons, objects):
            write_boxes(output, pd.DataFrame(columns=list(BOX_COLUMNS)), provenance={})
        return
    device = compute_on(threads=threads)
    film = FrameStore(store)
    tables = [read_actions(path) for path in annotations]
    times_sec = [table.loc[table["video"] == film.video, "time_sec"] for table in tables]
    times_sec += [pd.Series(key_times(path).get(film.video, [])) for path in segments]
    if seconds is not None:
        times_sec.append(pd.Series(read_seconds(seconds)))
    if not any(map(len, times_sec)):
        names = ", ".join(map(str, [*annotations, *segments]))
        raise InputError(f"{names}: no key frame of {film.video}; is that the film's name there?")
    detector = load_detector(weights).to(device)
    found = detect_film(film, detector, np.concatenate(times_sec), max_objects=config.max_objects)
    provenance = detector_provenance(detector, weights)
    write_boxes(persons, found.persons, provenance=provenance)
    write_boxes(objects, found.objects, provenance=provenance)


def box_table(
    video: str,
    times_sec: Any,
    xyxy: Float[np.ndarray, "boxes 4"],
    label: Int[np.ndarray, " boxes"],
    score: Float[np.ndarray, " boxes"],
    detector: Detector,
) -> pd.DataFrame:
    """Boxes as a table of `BOX_COLUMNS`; `times_sec` is one for all, or one for each."""
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


def key_times(segments: Path | str) -> dict[str, list[float]]:
    """Where the clips of a table of segments may lie, of each film."""
    table = read_segments(segments)
    times: dict[str, list[float]] = {}
    columns = (table[name].tolist() for name in ("video", "start_sec", "stop_sec"))
    for video, start_sec, stop_sec in zip(*columns, strict=True):
        times.setdefault(video, []).extend(segment_times(start_sec, stop_sec))
    return times


def detect_frames(detector: Detector, frames: UInt8[np.ndarray, "frames h w 3"]) -> list[Boxes]:
    """Boxes of each frame, best first; computed where the detector is, returned on the CPU."""
    device = next(detector.parameters()).device
    with torch.inference_mode():
        found = detector.eval()(list(torch.from_numpy(frames).to(device)))
        return [Boxes(*(part.cpu() for part in result)) for result in found]


def detect_film(
    store: FrameStore,
    detector: Detector,
    times_sec: Float[np.ndarray, " times"],
    *,
    max_objects: int,
    batch: int = 4,
) -> FilmBoxes:
    """Boxes of a film's key frames, in the order of time, the best of each frame first.

    Args:
        store: the film's frames.
        detector: on the device where it is to compute; its first class is the person.
        times_sec: of the key frames; each counts once.
        max_objects: of each frame, the best ones by score.
        batch: frames a batch.
    """
    times_sec = np.unique(times_sec)
    found: list[Boxes] = []
    starts = range(0, len(times_sec), batch)
    for start in progress(starts, what=f"{store.video}: batches", total=len(starts)):
        found += detect_frames(detector, store.at(times_sec[start : start + batch]))

    counts = [len(frame.score) for frame in found]
    xyxy = torch.cat([torch.zeros(0, 4), *(frame.xyxy for frame in found)]).numpy()
    label = torch.cat([torch.zeros(0).long(), *(frame.label for frame in found)]).numpy()
    score = torch.cat([torch.zeros(0), *(frame.score for frame in found)]).numpy()
    table = box_table(store.video, np.repeat(times_sec, counts), xyxy, label, score, detector)
    kept = boxes.valid(xyxy)  # a sliver at the edge may have no width as a fraction
    persons = table[kept & (label == 0)]
    objects = table[kept & (label != 0)].groupby("time_sec").head(max_objects)
    return FilmBoxes(persons.reset_index(drop=True), objects.reset_index(drop=True))


def detector_provenance(detector: Detector, weights: Path | str) -> dict[str, str]:
    """Which detector found the boxes, for the metadata of their files.

    Args:
        detector: as loaded.
        weights: the file that it was loaded from.
    """
    return {
        "detector": detector.model,
        "detector_weights": file_digest(weights),
        "detector_classes": json.dumps(detector.classes),
        "detector_short_side": str(detector.short_side),
        "detector_score_threshold": f"{detector.network.roi_heads.score_thresh:g}",
        "detector_nms_threshold": f"{detector.network.roi_heads.nms_thresh:g}",
    }
