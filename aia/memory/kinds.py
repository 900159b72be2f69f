"""Kinds of memory behind one protocol, and the factory, which alone compares their names.

Asynchronous   Ω holds features that the network computed some steps ago (AMU, §3.3)
FrozenBank     Ω is filled once and then only read: in training by a second, frozen backbone
               (LFB; "w/o AMU" in Table 1e), at inference by the trained network, of whole videos
               or of the last clips of a stream
ObjectBank     features of a detector in the seconds around (§6.1; objects.py)
NoMemory       for networks without M-Blocks
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from aia.clip import Batch, Slots
from aia.config import MemoryConfig, RunName
from aia.errors import InputError
from aia.memory.choice import PersonDraws, remembered_persons
from aia.memory.pool import FeaturePool, Mean, StreamPool, mean_age, recall
from aia.memory.shared import pool_for
from aia.ranks import SINGLE_PROCESS, Ranks

Err = float | Float[Tensor, ""]
"""Loss of the previous step."""


class Read(NamedTuple):
    """Output of READ: M_t, with its trust and age if it changes while training."""

    M: Slots | None = None
    trust: Mean | None = None
    """Mean of the weights w (Eq. 2)."""
    age: Mean | None = None
    """Mean number of steps since it was written."""


class Memory:
    """Protocol by which training and scoring use Ω; its defaults remember nothing."""

    pool: FeaturePool | None = None
    filled_first: bool = False
    """True if `fill` must have seen every clip before the first `read`."""

    @property
    def state(self) -> FeaturePool | None:
        """Pool that a checkpoint has to hold; None if it does not change while training."""
        return None

    def read(self, batch: Batch, P: Slots, err: Err, step: int) -> Read:
        """READ M_t of a batch whose persons are P (Algorithm 1, lines 5-11 and 13)."""
        return Read()

    def write(self, batch: Batch, P: Slots, err: Err, step: int) -> None:
        """WRITE P_t and err (line 16)."""

    def fill(self, batch: Batch, P: Slots) -> None:
        """Store persons for good, if the memory is a bank of persons."""

    def flush(self) -> None:
        """Make pending writes visible to readers; every rank calls it."""


class NoMemory(Memory):
    """Memory of a network without M-Blocks."""


class FrozenBank(Memory):
    """Bank of the persons of every clip, filled once. Eq. 2 has no meaning for it.

    Args:
        pool: Ω, empty.
        reach: L, seconds on each side.
        draws: Choice of a clip's own persons for M if it has too many; None: always the same
            ones (inference).
    """

    filled_first = True

    def __init__(self, pool: FeaturePool, *, reach: int, draws: PersonDraws | None = None) -> None:
        self.pool: FeaturePool = pool
        self.reach, self.draws = reach, draws

    def read(self, batch: Batch, P: Slots, err: Err, step: int) -> Read:
        """READ without weights; the present second is fresh."""
        own, draws = P, None
        if self.draws is None:
            own = remembered_persons(batch.keys, P, self.pool.persons_per_clip)
        else:
            draws = self.draws.to_read(batch, step)
        M, _ = recall(
            self.pool,
            batch.keys,
            own,
            err=err,
            reach=self.reach,
            penalty=False,
            draws=draws,
            reuse=True,
        )
        return Read(M)

    def fill(self, batch: Batch, P: Slots) -> None:
        """Store the sampled persons of these clips, marked as written."""
        kept = remembered_persons(batch.keys, P, self.pool.persons_per_clip)
        self.pool.write(batch.keys, kept, loss_tag=1.0, step=0)

    def flush(self) -> None:
        """Make filled clips visible to readers."""
        self.pool.flush()


class Asynchronous(Memory):
    """Features of every clip from the step that last trained on it (AMU).

    Args:
        pool: Ω; line 1, an empty pool, is its beginning.
        reach: L, seconds on each side.
        penalty: True weights remembered features (Eq. 2; lines 8, 9).
        draws: Choice of the persons that are read and written if a clip has too many.
    """

    def __init__(self, pool: FeaturePool, *, reach: int, penalty: bool, draws: PersonDraws) -> None:
        self.pool: FeaturePool = pool
        self.reach, self.penalty, self.draws = reach, penalty, draws

    @property
    def state(self) -> FeaturePool:
        """Pool that changes with every step."""
        return self.pool

    def read(self, batch: Batch, P: Slots, err: Err, step: int) -> Read:
        """READ with the weights of Eq. 2; the present second is fresh."""
        M, trust = recall(
            self.pool,
            batch.keys,
            P,
            err=err,
            reach=self.reach,
            penalty=self.penalty,
            draws=self.draws.to_read(batch, step),
            reuse=True,
        )
        return Read(M, trust, mean_age(self.pool, batch.keys, reach=self.reach, step=step))

    def write(self, batch: Batch, P: Slots, err: Err, step: int) -> None:
        """WRITE P̂_t ← P_t, δ_t ← err."""
        draws = self.draws.to_write(batch, step)
        self.pool.write(batch.keys, P, loss_tag=err, step=step, draws=draws)

    def flush(self) -> None:
        """Make the last step's writes visible to readers."""
        self.pool.flush()


def build_memory(
    name: RunName,
    config: MemoryConfig | None,
    *,
    seconds: Mapping[str, tuple[int, int]],
    d: int,
    device: torch.device,
    draws: PersonDraws | None = None,
    objects: Memory | None = None,
    stream: int | None = None,
    ranks: Ranks = SINGLE_PROCESS,
) -> Memory:
    """Build the memory of a run, empty.

    Args:
        name: Name of the run, which says the kind.
        config: Section `memory`; None without a memory.
        seconds: First and last second of each video.
        d: Channels of a person's features.
        device: Device of the network; several processes share a pool on the host.
        draws: Choice of persons in training; None at inference, where Ω is always a bank.
        objects: The bank of a run that remembers objects, which is read from files.
        stream: Number of clips that are held, of a single video whose `seconds` are unknown.
        ranks: The processes that train together.

    Raises:
        InputError: Objects are given to another kind of run, or are missing, or Ω does not fit.
    """
    if (name.memory == "objects") != (objects is not None):
        raise InputError(
            f"{name}: a memory of objects needs what the detector saw of them "
            "(--object-features), and nothing else does"
        )
    if objects is not None:
        return objects
    if name.memory == "none":
        return NoMemory()
    assert config is not None, "an M-Block needs the memory section"
    form = {
        "persons_per_clip": config.persons_per_clip,
        "d": d,
        "dtype": getattr(torch, config.dtype),
        "device": device,
    }
    if stream is not None:
        return FrozenBank(StreamPool(stream, **form), reach=config.reach)
    pool = pool_for(ranks, seconds=seconds, **form)
    if name.memory == "amu" and draws is not None:
        return Asynchronous(pool, reach=config.reach, penalty=config.penalty, draws=draws)
    return FrozenBank(pool, reach=config.reach, draws=draws)
