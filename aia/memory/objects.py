"""A memory of objects: what the detector saw in the seconds around a segment (§6.1).

The paper's noun model does not remember what the network itself saw, so nothing of it changes while
the network trains: Ω is filled once, from files that `aia detect` wrote, and only read.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch

from aia.clip import ClipKey, Slots, clip_key
from aia.errors import InputError
from aia.memory.pool import FeaturePool, recall
from aia.tables import read_object_features


class ObjectBank(NamedTuple):
    """Ω with the objects of every second of every film."""

    pool: FeaturePool
    detector: str
    """Hash of the weights of the detector that saw them."""


def object_bank(
    paths: Sequence[Path | str],
    *,
    per_clip: int,
    dtype: torch.dtype = torch.float32,
    device: torch.device | str = "cpu",
) -> ObjectBank:
    """The bank of some films, one file each.

    Args:
        paths: Files of `aia.tables.write_object_features`.
        per_clip: Objects of a second that are remembered, the best by score.
        dtype: Of the features.
        device: Where the bank lives.

    Raises:
        InputError: A file is not one, or they are of different detectors.
    """
    if not paths:
        raise InputError("--object-features: none given; a memory of objects is made of them")
    files = {Path(path): read_object_features(path) for path in paths}
    first, *others = files
    for path in others:
        for what in ("detector", "d"):
            if getattr(files[path], what) != getattr(files[first], what):
                raise InputError(
                    f"{path}: is of another detector than {first}; detect the objects of all films "
                    "with the same weights"
                )
    pool = FeaturePool(
        seconds={file.video: file.seconds for file in files.values()},
        persons_per_clip=per_clip,
        d=files[first].d,
        dtype=dtype,
        device=device,
    )
    for file in files.values():
        if not len(file.features):
            continue
        seconds = file.boxes["time_sec"].round().astype(int)
        order = file.boxes.assign(second=seconds).sort_values("score", ascending=False)
        rows_at: dict[int, list[int]] = {}
        for row, second in zip(order.index.tolist(), order["second"].tolist(), strict=True):
            rows_at.setdefault(second, []).append(row)
        features = torch.zeros(len(rows_at), per_clip, file.d)
        filled = torch.zeros(len(rows_at), per_clip, dtype=torch.bool)
        for place, rows in enumerate(rows_at.values()):
            best = rows[:per_clip]
            features[place, : len(best)] = torch.from_numpy(file.features[best]).float()
            filled[place, : len(best)] = True
        keys = [ClipKey(file.video, second) for second in rows_at]
        pool.write(keys, Slots(features.to(device), filled.to(device)), loss_tag=1.0, step=0)
    return ObjectBank(pool, files[first].detector)


def recall_objects(
    pool: FeaturePool,
    keys: Sequence[ClipKey],
    times_sec: Sequence[float],
    *,
    reach: int,
    reuse: bool = False,
) -> Slots:
    """READ the objects of the seconds around each clip, its own second among them.

    Args:
        pool: Of `object_bank`.
        keys: Which clips.
        times_sec: The middle of each, on its film's clock.
        reach: L, seconds on each side.
        reuse: As in `recall`.
    """
    seconds = [clip_key(key.video, time) for key, time in zip(keys, times_sec, strict=True)]
    return recall(pool, seconds, None, err=1.0, reach=reach, penalty=False, reuse=reuse).slots
