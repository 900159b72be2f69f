"""Memory features: the pool Ω with READ and WRITE (pool.py) and its copy on disk (store.py)."""

from aia.memory.pool import FeaturePool, Recalled, recall, trust

__all__ = ["FeaturePool", "Recalled", "recall", "trust"]
