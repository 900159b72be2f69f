"""READ and WRITE of one step by 1, 2 and 4 processes that share Ω, without a network.

    python -m benchmarks.ranks                   # AVA's shapes: 16 clips, 2L+1 = 61 seconds

Each process takes its share of a batch, as in training (memory/shared.py). The alternatives are one
process with a pool of its own, in the same run, and what a pool in each process would have to
send: every step's features to everybody.
"""

import argparse
import os
import statistics
import time
from collections.abc import Sequence

import numpy as np
import torch
import torch.multiprocessing as mp

from aia.clip import ClipKey, Slots
from aia.memory import FeaturePool, pool_for, recall
from aia.ranks import Ranks, init_distributed

D, PLACES = 2304, 5


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=60)
    parser.add_argument("--batch", type=int, default=16, help="clips of a step, over all processes")
    parser.add_argument("--reach", type=int, default=30)
    parser.add_argument("--steps", type=int, default=30)
    given = parser.parse_args(arguments)
    print(f"{given.films} films x 900 s x {PLACES} x {D} float16, {given.batch} clips a step")
    context = mp.get_context("spawn")
    first = None
    for count in (1, 2, 4):
        told = context.SimpleQueue()
        workers = [
            context.Process(target=work, args=(rank, count, given, told)) for rank in range(count)
        ]
        for worker in workers:
            worker.start()
        millisec, megabytes = told.get()
        for worker in workers:
            worker.join()
        first = first or millisec
        print(
            f"{count} process{'es' * (count > 1):2s} {millisec:8.1f} ms a step "
            f"({first / millisec:.2f}x as fast as one), a pool of {megabytes:.0f} MB on the node; "
            f"one in each process: {megabytes * count:.0f} MB"
        )


def work(rank: int, count: int, given: argparse.Namespace, told: mp.SimpleQueue) -> None:
    """One process: its share of every step; the first one tells how long a step took."""
    torch.set_num_threads(1)
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), MASTER_ADDR="127.0.0.1")
    os.environ.update(WORLD_SIZE=str(count), LOCAL_WORLD_SIZE=str(count), MASTER_PORT="29731")
    with init_distributed() as ranks:
        pool = pool_of(ranks, given.films)
        rng = np.random.default_rng(3)
        taken = []
        for step in range(1, given.steps + 1):
            places = rng.integers(0, given.films * 900, given.batch)
            own = places[ranks.share(given.batch)]
            keys = [ClipKey(f"film{i // 900:04d}", 902 + int(i % 900)) for i in own]
            P = Slots(torch.randn(len(keys), PLACES, D), torch.ones(len(keys), PLACES).bool())
            ranks.barrier()
            begin = time.perf_counter()
            recall(pool, keys, P, err=1.0, reach=given.reach, reuse=True)
            pool.write(keys, P, loss_tag=1.0, step=step)
            pool.flush()
            taken.append(time.perf_counter() - begin)
        if ranks.first:
            size = pool.features.numel() * pool.features.element_size() / 1e6
            told.put((1000 * statistics.median(taken[5:]), size))


def pool_of(ranks: Ranks, films: int) -> FeaturePool:
    """Of one process, or shared by several."""
    seconds = {f"film{i:04d}": (902, 1801) for i in range(films)}
    pool = pool_for(
        ranks,
        device="cpu",
        seconds=seconds,
        persons_per_clip=PLACES,
        d=D,
        dtype=torch.float16,
    )
    if ranks.first:
        pool.count.fill_(2)
        pool.loss_tag.fill_(1.0)
    ranks.barrier()
    return pool


if __name__ == "__main__":
    main()
