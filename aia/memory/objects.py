"""Memory of objects: the detector's features in the seconds around a segment (§6.1).

The paper's noun model does not remember its own features, so Ω does not change while it trains: it
is filled once, from files of `aia extract-objects`, and only read.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from aia.clip import Batch, ClipKey, Slots, clip_key
from aia.errors import InputError
from aia.memory.kinds import Err, Memory, Read
from aia.memory.pool import FeaturePool, recall
from aia.memory.shared import pool_for
from aia.ranks import SINGLE_PROCESS, Ranks
from aia.tables import ObjectFeatures, read_object_features, read_objects_seen


class ObjectBank(Memory):
    """Ω with the objects of every second of every video.

    Args:
        pool: Filled pool.
        reach: L, seconds on each side.
        detector: Hash of the detector's weights.
    """

    def __init__(self, pool: FeaturePool, *, reach: int, detector: str) -> None:
        self.pool: FeaturePool = pool
        self.reach, self.detector = reach, detector

    def read(self, batch: Batch, P: Slots, err: Err, step: int) -> Read:
        """READ the objects around each clip's middle, on the device of P."""
        where = P.features.device
        return Read(
            recall_objects(
                self.pool, batch.keys, batch.times_sec, reach=self.reach, reuse=True, device=where
            )
        )


def object_bank(
    paths: Sequence[Path | str],
    *,
    per_clip: int,
    reach: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
    ranks: Ranks = SINGLE_PROCESS,
) -> ObjectBank:
    """Read the bank of some videos, one file each.

    Args:
        paths: Files of `aia.tables.write_object_features`.
        per_clip: Objects of a second that are remembered, the best by score.
        reach: L, seconds on each side that are read.
        dtype: Type of the stored features.
        device: Device of the bank.
        ranks: The processes that read it; each calls this, and those of a node share one.

    Raises:
        InputError: A file is not one, or they are of different detectors.
    """
    if not paths:
        raise InputError("--object-features: none given; a memory of objects is made of them")
    seen = {Path(path): read_objects_seen(path) for path in paths}
    first, *others = seen
    for path in others:
        for what in ("detector", "d"):
            if getattr(seen[path], what) != getattr(seen[first], what):
                raise InputError(
                    f"{path}: is of another detector than {first}; detect the objects of all "
                    "videos with the same weights"
                )
    pool = pool_for(
        ranks,
        device=device,
        seconds={one.video: one.seconds for one in seen.values()},
        persons_per_clip=per_clip,
        d=seen[first].d,
        dtype=dtype,
    )
    if ranks.first_of_node:
        for path in seen:
            _remember(pool, read_object_features(path))
    ranks.barrier()
    return ObjectBank(pool, reach=reach, detector=seen[first].detector)


def _remember(pool: FeaturePool, video: ObjectFeatures) -> None:
    """Store the best objects of each second of a video in the bank."""
    boxes = video.boxes.assign(second=video.boxes["time_sec"].round().astype(int))
    boxes = boxes.sort_values(["second", "score"], ascending=[True, False])
    boxes = boxes[boxes.groupby("second").cumcount() < pool.persons_per_clip]
    seconds, row = np.unique(boxes["second"], return_inverse=True)
    place = boxes.groupby("second").cumcount().to_numpy(copy=True)
    features = torch.zeros(len(seconds), *pool.features.shape[1:], dtype=pool.features.dtype)
    found = video.features[boxes.index.to_numpy()].astype(np.float32)
    features[row, place] = torch.from_numpy(found).to(features)
    keys = [ClipKey(video.video, second) for second in seconds.tolist()]
    pool.put(
        pool.rows(keys, np.zeros(1, int))[:, 0],
        features.to(pool.device),
        torch.from_numpy(np.bincount(row, minlength=len(seconds))).to(pool.device),
        loss_tag=torch.ones((), device=pool.device),  # marks them as written
        step=0,
    )


def recall_objects(
    pool: FeaturePool,
    keys: Sequence[ClipKey],
    times_sec: Sequence[float],
    *,
    reach: int,
    reuse: bool = False,
    device: torch.device | None = None,
) -> Slots:
    """READ the objects of the seconds around each clip, its own second among them.

    Args:
        pool: Pool of `object_bank`.
        keys: Clips.
        times_sec: Middle of each clip, on its video's clock.
        reach: L, seconds on each side.
        reuse: See `recall`.
        device: Device of the result; None: the bank's.
    """
    seconds = [clip_key(key.video, time) for key, time in zip(keys, times_sec, strict=True)]
    return recall(
        pool, seconds, None, err=1.0, reach=reach, penalty=False, reuse=reuse, device=device
    ).slots
