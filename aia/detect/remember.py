"""What the detector sees of a film's objects, second by second: the noun model's memory (§6.1).

The features are those of the box head, at the boxes that come out of it. They do not depend on any
run, so they are computed once.
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
    """Write what the detector sees of some videos; of a skipped video, nothing.

    Files that were made of the very same are kept, so that an interrupted job resumes.

    Args:
        outputs: each a video's frames, and the file to write.
        weights: a file of `save_detector`.
        config: only `max_objects` and `object_threshold` are read.
        threads: of the arithmetic on a CPU; more than the machine has are not used.
    """
    device = compute_on(threads=threads)
    detector = load_detector(weights).to(device)
    provenance = detector_provenance(detector, weights)
    for store, output in outputs:
        made_of = ""
        if skipped_reason(Path(store)) is not None:
            say(f"{store}: its film was skipped, so there is nothing to remember")
            seen = _nothing(Path(store).stem, detector, file_digest(weights))
        else:
            video = FrameStore(store)
            settings = (config.max_objects, config.object_threshold)
            made_of = digest_of(video, provenance["detector_weights"], *settings)
            if is_made_of(output, made_of):
                continue
            seen = extract_objects(
                video,
                detector,
                most=config.max_objects,
                threshold=config.object_threshold,
                weights_digest=provenance["detector_weights"],
            )
        write_object_features(output, seen, provenance=provenance | {"made_of": made_of})


def extract_objects(
    store: FrameStore,
    detector: Detector,
    *,
    most: int,
    threshold: float,
    weights_digest: str,
    batch: int = 4,
) -> ObjectFeatures:
    """The best objects of every whole second of a film, with the features of the box head.

    Args:
        store: the film's frames.
        detector: on the device where it is to compute; its first class is no object.
        most: of each second.
        threshold: lowest score of an object.
        weights_digest: hash of the detector's weights.
        batch: frames a batch.
    """
    first, last = math.ceil(store.times_sec[0]), math.floor(store.times_sec[-1])
    seconds = np.arange(first, last + 1)
    device = next(detector.parameters()).device
    rows: list[pd.DataFrame] = []
    features: list[np.ndarray] = [np.zeros((0, detector.d), np.float32)]
    starts = range(0, len(seconds), batch)
    for start in progress(starts, what=f"{store.video}: seconds remembered", total=len(starts)):
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


def _nothing(video: str, detector: Detector, weights_digest: str) -> ObjectFeatures:
    return ObjectFeatures(
        video=video,
        seconds=(0, 0),
        boxes=pd.DataFrame(columns=list(BOX_COLUMNS)),
        features=np.zeros((0, detector.d), np.float32),
        d=detector.d,
        detector=weights_digest,
    )
