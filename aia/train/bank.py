"""Frozen bank of a run without AMU (Table 1e): Ω is filled once, before training.

LFB computes its bank with a second backbone that does not learn. Here that is the backbone the run
starts from; it is part of the network (`bank_backbone`), so that a checkpoint and a published model
can compute the bank of any video. Persons are the annotated ones, without jitter or mirroring.
"""

import shutil
from collections.abc import Callable
from pathlib import Path

from aia.datasets.loader import Batches
from aia.errors import InputError
from aia.log import progress, say
from aia.memory import Memory, read_generation, write_generation
from aia.network import Network, arithmetic
from aia.ranks import SINGLE_PROCESS, Ranks
from aia.train.checkpoint import BANK, Lock


def prepare_bank(
    work: Path,
    memory: Memory,
    fill: Callable[[], None],
    *,
    lock: Lock | None,
    ranks: Ranks = SINGLE_PROCESS,
) -> None:
    """Read the bank from the work folder if an earlier start wrote it; else fill and write it.

    The bank never changes, so it is stored once and not in checkpoints. A damaged bank is computed
    again, to the same numbers (same machine, same number of threads).

    Args:
        work: Work folder of this run (`checkpoint.open_work_dir`).
        memory: Empty memory.
        fill: Function that fills it, such as `fill_bank`.
        lock: Lock of the work folder, in the first process.
        ranks: The processes that fill it together.
    """
    path, pool = work / BANK, memory.pool
    assert pool is not None
    found = False
    if ranks.first and path.exists():
        try:
            read_generation(path, pool)
            found = True
        except InputError as error:
            say(f"{error}; computing it again")
            shutil.rmtree(path)
    if ranks.broadcast(found):
        if ranks.first_of_node and not ranks.first:
            read_generation(path, pool)
        ranks.barrier()
        return
    fill()
    if lock is not None:
        lock.check()
        write_generation(pool, path)
    ranks.barrier()


def fill_bank(network: Network, memory: Memory, batches: Batches, *, precision: str) -> None:
    """Fill the memory with the frozen backbone's persons of every clip; nothing is drawn.

    Args:
        network: Network with its frozen backbone.
        memory: Empty memory.
        batches: All training clips with a person (`scoring_batches`).
        precision: Precision of the frozen backbone.
    """
    device = next(network.parameters()).device
    for batch in progress(batches, what="frozen bank, batch", total=len(batches)):
        with arithmetic(device, precision):
            P = network.bank_persons(batch.to(device))
        memory.fill(batch, P)
        memory.flush()
