"""Memory features: the pool Ω with READ and WRITE (pool.py), its copies on disk (store.py).

Where objects are remembered instead of persons, objects.py fills it from what the detector saw.

A run in several processes shares one pool per node (shared.py).

Which persons are remembered where there are too many stands in choice.py.
"""

from aia.memory.choice import remembered_persons, sampled
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
    "Draws",
    "FeaturePool",
    "Mean",
    "ObjectBank",
    "Recalled",
    "SharedPool",
    "Snapshot",
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
