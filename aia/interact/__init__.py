"""Interaction Aggregation, the paper's E(P_t, O_t, M_t): its blocks and how they are nested."""

from aia.interact.aggregation import (
    Aggregation,
    DenseSerialIA,
    IAResult,
    ParallelIA,
    SerialIA,
    build_interaction,
    dense_query,
)
from aia.interact.block import Enhanced, InteractionBlock

__all__ = [
    "Aggregation",
    "DenseSerialIA",
    "Enhanced",
    "IAResult",
    "InteractionBlock",
    "ParallelIA",
    "SerialIA",
    "build_interaction",
    "dense_query",
]
