"""Which persons of a clip are remembered where there are more than places, always the same ones.

At inference, and in a bank that is filled once; in training each READ and WRITE draws its own.
"""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int

from aia.clip import ClipKey, Slots


def sampled(key: ClipKey, persons: int, most: int) -> Int[np.ndarray, " kept"]:
    """Which of a clip's persons are remembered: some at random, always the same.

    §3.1 samples "a certain number of persons"; a draw that depends on the clip alone makes scores
    repeatable, where the authors' code draws anew.
    """
    if persons <= most:
        return np.arange(persons)
    seed = zlib.crc32(f"{key.video} {key.t}".encode())
    return np.sort(np.random.default_rng(seed).permutation(persons)[:most])


def remembered_persons(keys: Sequence[ClipKey], P: Slots, persons_per_clip: int) -> Slots:
    """The persons of each clip that its memory holds, in their slots' order."""
    counts = P.filled.sum(dim=1).tolist()
    kept = [sampled(key, n, persons_per_clip) for key, n in zip(keys, counts, strict=True)]
    index = torch.zeros(len(keys), persons_per_clip, dtype=torch.int64)
    filled = torch.zeros(len(keys), persons_per_clip, dtype=torch.bool)
    for place, persons in enumerate(kept):
        index[place, : len(persons)] = torch.from_numpy(persons)
        filled[place, : len(persons)] = True
    index, filled = index.to(P.features.device), filled.to(P.features.device)
    features = P.features.gather(1, index[..., None].expand(-1, -1, P.features.shape[2]))
    return Slots(features * filled[..., None], filled)
