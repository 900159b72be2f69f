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
from aia.interact.non_local import NonLocal

__all__ = [
    "Aggregation",
    "DenseSerialIA",
    "Enhanced",
    "IAResult",
    "InteractionBlock",
    "NonLocal",
    "ParallelIA",
    "SerialIA",
    "build_interaction",
    "dense_query",
]
