"""The kinds of memory behind one protocol, and the factory, which alone compares their names.

Asynchronous   Ω holds what the network itself saw some steps ago (AMU, §3.3)
FrozenBank     Ω is filled once and then only read: by a second, frozen backbone (LFB; "w/o AMU"
in Table 1e); at inference by the trained network, whichever way it was trained
ObjectBank     what a detector saw in the seconds around (§6.1; objects.py)
NoMemory       a network without M-Blocks
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
from aia.memory.pool import FeaturePool, Mean, mean_age, recall
from aia.memory.shared import pool_for
from aia.ranks import SINGLE_PROCESS, Ranks

Err = float | Float[Tensor, ""]
"""Loss of the step before."""


class Read(NamedTuple):
    """Output of READ: M_t, and what is known of its age where it changes while training."""

    M: Slots | None = None
    trust: Mean | None = None
    """Mean of the weights w (Eq. 2)."""
    age: Mean | None = None
    """Steps since it was written."""


class Memory:
    """The protocol by which training and scoring use Ω; its defaults remember nothing."""

    pool: FeaturePool | None = None
    filled_first: bool = False
    """True if `fill` must have seen every clip before the first `read`."""

    @property
    def state(self) -> FeaturePool | None:
        """The pool that a checkpoint has to hold; None where nothing changes while training."""
        return None

    def read(self, batch: Batch, P: Slots, err: Err, step: int) -> Read:
        """READ M_t of a batch whose persons are P (Algorithm 1, lines 5-11 and 13)."""
        return Read()

    def write(self, batch: Batch, P: Slots, err: Err, step: int) -> None:
        """WRITE P_t and err (line 16)."""

    def fill(self, batch: Batch, P: Slots) -> None:
        """Put in persons once and for all, where the memory is a bank of persons."""

    def flush(self) -> None:
        """Make pending writes visible to readers; every rank calls it."""


class NoMemory(Memory):
    """The memory of a network without M-Blocks."""


class FrozenBank(Memory):
    """Persons of every clip, filled in once. Eq. 2 has no meaning for them.

    Args:
        pool: Ω, empty.
        reach: L, seconds on each side.
        draws: Which of a clip's own persons enter M where there are too many; None: always the
            same ones (inference).
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
        """Put in the persons that are always taken of these clips, marked as written."""
        kept = remembered_persons(batch.keys, P, self.pool.persons_per_clip)
        self.pool.write(batch.keys, kept, loss_tag=1.0, step=0)

    def flush(self) -> None:
        """Make what was filled in visible to readers."""
        self.pool.flush()


class Asynchronous(Memory):
    """Persons as the network saw them when it last trained on each clip (AMU).

    Args:
        pool: Ω; line 1, an empty pool, is its beginning.
        reach: L, seconds on each side.
        penalty: If True, weight remembered features (Eq. 2; lines 8, 9).
        draws: Which persons of a clip are read and written where there are too many.
    """

    def __init__(self, pool: FeaturePool, *, reach: int, penalty: bool, draws: PersonDraws) -> None:
        self.pool: FeaturePool = pool
        self.reach, self.penalty, self.draws = reach, penalty, draws

    @property
    def state(self) -> FeaturePool:
        """Ω changes with every step."""
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
    ranks: Ranks = SINGLE_PROCESS,
) -> Memory:
    """Build the memory of a run, empty.

    Args:
        name: Which kind it has.
        config: Its section; None where there is no memory.
        seconds: First and last second of each video.
        d: Channels of a person's features.
        device: Where the network is; several processes share a pool on the host.
        draws: Of a run that trains; None at inference, where each kind of persons is a bank.
        objects: The bank of a run that remembers objects, which is read from files.
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
    pool = pool_for(
        ranks,
        device=device,
        seconds=seconds,
        persons_per_clip=config.persons_per_clip,
        d=d,
        dtype=getattr(torch, config.dtype),
    )
    if name.memory == "amu" and draws is not None:
        return Asynchronous(pool, reach=config.reach, penalty=config.penalty, draws=draws)
    return FrozenBank(pool, reach=config.reach, draws=draws)
