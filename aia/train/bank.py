"""The frozen bank of a run without AMU (Table 1e): Ω is filled once, before training.

LFB makes its bank with a second backbone that does not learn. Here that is the one the run starts
from; it travels with the network (`bank_backbone`), so that a checkpoint and a published model can
make the bank of any film. Persons are the annotated ones, without jitter or mirroring.
"""

import shutil
from pathlib import Path

import torch

from aia.datasets.loader import ClipFrames, scoring_batches
from aia.errors import InputError
from aia.log import progress, say
from aia.memory import FeaturePool, read_generation, remembered_persons, write_generation
from aia.network import Network, arithmetic
from aia.ranks import ALONE, Ranks
from aia.train.checkpoint import BANK, Lock


def prepare_bank(
    work: Path,
    *,
    network: Network,
    pool: FeaturePool,
    frames: ClipFrames,
    batch: int,
    workers: int,
    precision: str,
    device: torch.device,
    lock: Lock | None,
    ranks: Ranks = ALONE,
) -> None:
    """Fill Ω from the work folder, where an earlier start left the bank, or compute and leave it.

    The bank never changes, so the checkpoints do without it: it is stored once. One that is damaged
    is computed again, to the same numbers (same machine, same number of threads).

    Args:
        work: The run's work folder; what it holds is of this very run (see `checkpoint.claim`).
        network: With its frozen backbone.
        pool: Ω, empty.
        frames: All training clips with a person.
        batch: Clips of one forward pass, over all processes.
        workers: Processes that load them.
        precision: Of the frozen backbone's arithmetic.
        device: Where the network is.
        lock: Of the work folder, in the first process.
        ranks: The processes that fill it together.
    """
    path = work / BANK
    found = False
    if ranks.first and path.exists():
        try:
            read_generation(path, pool)
            found = True
        except InputError as error:
            say(f"{error}; computing it again")
            shutil.rmtree(path)
    if ranks.told(found):
        if ranks.first_of_node and not ranks.first:
            read_generation(path, pool)
        ranks.wait()
        return
    fill_bank(
        network=network,
        pool=pool,
        frames=frames,
        batch=batch,
        workers=workers,
        precision=precision,
        device=device,
        ranks=ranks,
    )
    if lock is not None:
        lock.check()
        write_generation(pool, path)
    ranks.wait()


def fill_bank(
    *,
    network: Network,
    pool: FeaturePool,
    frames: ClipFrames,
    batch: int,
    workers: int,
    precision: str,
    device: torch.device,
    ranks: Ranks = ALONE,
) -> None:
    """WRITE the frozen backbone's persons of every clip; no random number is drawn."""
    batches = scoring_batches(frames, batch=batch, workers=workers, ranks=ranks)
    for loaded in progress(batches, what="frozen bank, batch", total=len(batches)):
        with arithmetic(device, precision):
            P = network.bank_persons(loaded.to(device))
        kept = remembered_persons(loaded.keys, P, pool.persons_per_clip)
        # No δ: a bank is not weighted. 1 marks it as written, as in scoring.
        pool.write(loaded.keys, kept, loss_tag=1.0, step=0)
        pool.settle()
