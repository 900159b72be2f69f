"""Memory features M_t (§3.1, §3.3).

kinds.py     the protocol `Memory` with read and write, and its kinds
pool.py      the pool Ω: READ, WRITE, Eq. 2
objects.py   the bank of objects that a detector saw (§6.1)
choice.py    choice of persons if a clip has more than slots
shared.py    one pool for the processes of a node
store.py     its copies on disk
"""

from aia.memory.choice import PersonDraws, remembered_persons, sampled
from aia.memory.kinds import Asynchronous, FrozenBank, Memory, NoMemory, Read, build_memory
from aia.memory.objects import ObjectBank, object_bank, recall_objects
from aia.memory.pool import Draws, FeaturePool, Mean, Recalled, mean_age, recall, trust
from aia.memory.shared import SharedPool, pool_for
from aia.memory.store import (
    Snapshot,
    read_generation,
    snapshot,
    verify_generation,
    write_generation,
)

__all__ = [
    "Asynchronous",
    "Draws",
    "FeaturePool",
    "FrozenBank",
    "Mean",
    "Memory",
    "NoMemory",
    "ObjectBank",
    "PersonDraws",
    "Read",
    "Recalled",
    "SharedPool",
    "Snapshot",
    "build_memory",
    "mean_age",
    "object_bank",
    "pool_for",
    "read_generation",
    "recall",
    "recall_objects",
    "remembered_persons",
    "sampled",
    "snapshot",
    "trust",
    "verify_generation",
    "write_generation",
]
