"""Choice of the persons that are remembered if a clip has more than slots (§3.1).

In training each READ and WRITE draws its own (`PersonDraws`); at inference, and in a bank that is
filled once, they are always the same (`sampled`).
"""

import zlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from aia.clip import Batch, ClipKey, Slots
from aia.memory.pool import Draws
from aia.ranks import SINGLE_PROCESS, Ranks


class PersonDraws:
    """Random numbers by which each step chooses persons: a function of seed and step alone.

    They are drawn for the whole batch, of which each process takes its share.

    Args:
        seed: Seed of the run.
        batch_size: Clips of a step over all processes; None: those of the batch.
        max_persons: Most persons of a clip, over all processes; None: those of the batch.
        ranks: The processes that train together.
    """

    def __init__(
        self,
        seed: int,
        *,
        batch_size: int | None = None,
        max_persons: int | None = None,
        ranks: Ranks = SINGLE_PROCESS,
    ) -> None:
        self.seed, self.batch_size, self.max_persons = seed, batch_size, max_persons
        self.ranks = ranks

    def to_read(self, batch: Batch, step: int) -> Draws:
        """Draw which of a clip's own persons enter M."""
        return self._both(batch, step)[0]

    def to_write(self, batch: Batch, step: int) -> Draws:
        """Draw which of a clip's persons enter Ω."""
        return self._both(batch, step)[1]

    def _both(self, batch: Batch, step: int) -> Tensor:
        total = self.batch_size or len(batch.keys)
        most = self.max_persons or batch.labels.shape[1]
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step)
        return torch.rand(2, total, most, generator=generator)[:, self.ranks.share(total)]


def sampled(key: ClipKey, persons: int, most: int) -> Int[np.ndarray, " kept"]:
    """Sample the persons of a clip that are remembered; the same ones at each call.

    §3.1 samples "a certain number of persons"; a draw that depends on the clip alone makes scores
    repeatable, where the authors' code draws again.
    """
    if persons <= most:
        return np.arange(persons)
    seed = zlib.crc32(f"{key.video} {key.t}".encode())
    return np.sort(np.random.default_rng(seed).permutation(persons)[:most])


def remembered_persons(keys: Sequence[ClipKey], P: Slots, persons_per_clip: int) -> Slots:
    """Pick the persons of each clip that its memory holds, in their slots' order."""
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
