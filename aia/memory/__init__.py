"""Memory features: the pool Ω with READ and WRITE (pool.py), its copies on disk (store.py).

Which persons are remembered where there are too many stands in choice.py.
"""

from aia.memory.choice import remembered_persons, sampled
from aia.memory.pool import FeaturePool, Recalled, mean_age, recall, trust
from aia.memory.store import read_generation, write_generation

__all__ = [
    "FeaturePool",
    "Recalled",
    "mean_age",
    "read_generation",
    "recall",
    "remembered_persons",
    "sampled",
    "trust",
    "write_generation",
]
