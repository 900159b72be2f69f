"""Memory features: the pool Ω with READ and WRITE (pool.py) and its copies on disk (store.py)."""

from aia.memory.pool import FeaturePool, Recalled, recall, trust
from aia.memory.store import read_generation, write_generation

__all__ = ["FeaturePool", "Recalled", "read_generation", "recall", "trust", "write_generation"]
