"""Two processes with one pool between them, for test_shared.py."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from aia.clip import ClipKey, Slots
from aia.memory import FeaturePool, object_bank, pool_for, recall
from aia.ranks import Ranks, init_distributed

REPOSITORY = Path(__file__).resolve().parents[2]

SHAPE: dict[str, Any] = {"seconds": {"a": (0, 9)}, "persons_per_clip": 2, "d": 3}

STEPS: list[tuple[list[int], list[int]]] = [
    ([0, 1], [2, 3]),
    ([4, 5, 6], [7]),  # more than any rank had before, and unlike shares
    ([1], [1]),  # the same clip in both: the later rank's stays
    ([8], []),
]
"""The seconds that each rank writes, step by step."""


def in_two_processes(work: str, *given: str, port: int) -> list[Any]:
    """What one of WORK gives in each of two processes that are a node's."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.memory.sharing", work, *given],
            stdout=subprocess.PIPE,
            cwd=REPOSITORY,
            env={
                **os.environ,
                **{"RANK": str(rank), "LOCAL_RANK": str(rank), "OMP_NUM_THREADS": "1"},
                **{"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2"},
                **{"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)},
            },
        )
        for rank in range(2)
    ]
    told = [process.communicate(timeout=240)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    return [json.loads(text) for text in told]


def persons(rank: int, step: int, clips: int) -> Slots:
    """Made-up ones, of which each clip has one or two."""
    features = torch.arange(clips * 2 * 3).float().reshape(clips, 2, 3) + 100 * step + 1000 * rank
    filled = torch.ones(clips, 2, dtype=torch.bool)
    filled[::2, 1] = False
    return Slots(features, filled)


def write_all(ranks: Ranks) -> dict[str, Any]:
    """Write STEPS, each rank its own; what this rank then finds in the pool."""
    pool = pool_for(ranks, device="cpu", **SHAPE)
    for step, shares in enumerate(STEPS, start=1):
        write(pool, ranks.rank, step, shares[ranks.rank])
        pool.flush()
    return content(pool)


def write(pool: FeaturePool, rank: int, step: int, seconds: list[int]) -> None:
    """One rank's share of a step."""
    P = persons(rank, step, len(seconds))
    pool.write([ClipKey("a", t) for t in seconds], P, loss_tag=step / 10, step=step)


def content(pool: FeaturePool) -> dict[str, Any]:
    """All that a pool holds, and a READ of it."""
    slots, _ = recall(pool, [ClipKey("a", 4)], persons(0, 0, 1), err=1.0, reach=3)
    return {
        "read": slots.features.tolist(),
        **{
            name: getattr(pool, name).tolist() for name in ("features", "count", "loss_tag", "step")
        },
    }


def objects_of(ranks: Ranks, *paths: str) -> tuple[Any, Any]:
    """The bank as a rank finds it, and after the other one has changed it."""
    bank = object_bank(paths, per_clip=2, reach=1, ranks=ranks)
    found = bank.pool.features.tolist(), bank.pool.count.tolist()
    ranks.barrier()
    if ranks.rank == 1:
        bank.pool.features.fill_(9.0)
    ranks.barrier()
    return found, bank.pool.features.unique().tolist()


WORK: dict[str, Callable[..., Any]] = {"write_all": write_all, "objects_of": objects_of}

if __name__ == "__main__":
    name, *given = sys.argv[1:]
    with init_distributed() as ranks:
        print(json.dumps(WORK[name](ranks, *given)))
