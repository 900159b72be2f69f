"""Memory features: the pool Ω with READ and WRITE (pool.py), its copies on disk (store.py).

Where objects are remembered instead of persons, objects.py fills it from what the detector saw.

Which persons are remembered where there are too many stands in choice.py.
"""

from aia.memory.choice import remembered_persons, sampled
from aia.memory.objects import ObjectBank, object_bank, recall_objects
from aia.memory.pool import FeaturePool, Recalled, mean_age, recall, trust
from aia.memory.store import read_generation, write_generation

__all__ = [
    "FeaturePool",
    "ObjectBank",
    "Recalled",
    "mean_age",
    "object_bank",
    "read_generation",
    "recall",
    "recall_objects",
    "remembered_persons",
    "sampled",
    "trust",
    "write_generation",
]
