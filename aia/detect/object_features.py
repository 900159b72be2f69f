"""Extract features of a video's objects, second by second: the noun models' memory (§6.1).

The features are the box head's output for the detected boxes. They do not depend on any run, so
they are computed once.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from aia import boxes
from aia.config import DetectorConfig
from aia.detect.faster_rcnn import Detector
from aia.detect.model import compute_on, load_detector
from aia.detect.predict import box_table, detector_provenance, digest_of, is_made_of
from aia.files import file_digest
from aia.log import progress, say
from aia.tables import BOX_COLUMNS, ObjectFeatures, write_object_features
from aia.video.layout import skipped_reason
from aia.video.store import FrameStore


def extract_to_files(
    outputs: Sequence[tuple[Path, Path]],
    *,
    weights: Path | str,
    config: DetectorConfig,
    threads: int = 1,
) -> None:
    """Write the object features of some videos; an empty file for a skipped video.

    Existing files of the same frames, weights and settings are kept, so interrupted jobs resume.

    Args:
        outputs: Each a video's frame store and the file to write.
        weights: A file of `save_detector`.
        config: Only `max_objects` and `object_threshold` are read.
        threads: Threads on a CPU, at most the number of its cores.
    """
    device = compute_on(threads=threads)
    detector = load_detector(weights).to(device)
    provenance = detector_provenance(detector, weights)
    for store, output in outputs:
        made_of = ""
        if skipped_reason(Path(store)) is not None:
            say(f"{store}: its video was skipped, no features to extract")
            features = _empty(Path(store).stem, detector, file_digest(weights))
        else:
            video = FrameStore(store)
            settings = (config.max_objects, config.object_threshold)
            made_of = digest_of(video, provenance["detector_weights"], *settings)
            if is_made_of(output, made_of):
                continue
            features = extract_object_features(
                video,
                detector,
                most=config.max_objects,
                threshold=config.object_threshold,
                weights_digest=provenance["detector_weights"],
            )
        write_object_features(output, features, provenance=provenance | {"made_of": made_of})


def extract_object_features(
    store: FrameStore,
    detector: Detector,
    *,
    most: int,
    threshold: float,
    weights_digest: str,
    batch: int = 4,
) -> ObjectFeatures:
    """Detect the best objects of every whole second of a video, with the box head's features.

    Args:
        store: The video's frames.
        detector: The detector on its device; the first class is not an object.
        most: Most objects of a second.
        threshold: Lowest score of an object.
        weights_digest: Hash of the detector's weights.
        batch: Frames of a batch.
    """
    first, last = math.ceil(store.times_sec[0]), math.floor(store.times_sec[-1])
    seconds = np.arange(first, last + 1)
    device = next(detector.parameters()).device
    rows: list[pd.DataFrame] = []
    features: list[np.ndarray] = [np.zeros((0, detector.d), np.float32)]
    starts = range(0, len(seconds), batch)
    for start in progress(starts, what=f"{store.video}: batches", total=len(starts)):
        some = seconds[start : start + batch]
        frames = store.at(some)
        with torch.inference_mode():
            found = detector.eval().find(list(torch.from_numpy(frames).to(device)))
        for second, (boxes_, own) in zip(some.tolist(), found, strict=True):
            xyxy, label, score = (part.cpu().numpy() for part in boxes_)
            kept = (label != 0) & (score >= threshold) & boxes.valid(xyxy)
            kept = np.flatnonzero(kept)[:most]  # best first, as the detector gives them
            rows.append(
                box_table(store.video, second, xyxy[kept], label[kept], score[kept], detector)
            )
            features.append(own.cpu().numpy()[kept])
    return ObjectFeatures(
        video=store.video,
        seconds=(first, max(first, last)),
        boxes=pd.concat(rows, ignore_index=True),
        features=np.concatenate(features),
        d=detector.d,
        detector=weights_digest,
    )


def _empty(video: str, detector: Detector, weights_digest: str) -> ObjectFeatures:
    return ObjectFeatures(
        video=video,
        seconds=(0, 0),
        boxes=pd.DataFrame(columns=list(BOX_COLUMNS)),
        features=np.zeros((0, detector.d), np.float32),
        d=detector.d,
        detector=weights_digest,
    )
