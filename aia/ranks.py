"""Processes that train one run together: their ranks, and the exchange of tensors.

torchrun starts them (train/launch.py) and sets their ranks in the environment. A run in one process
has a count of one, so that callers need no special case.

A step's batch is cut into consecutive shares, in the order of ranks: rank 0 has the first clips.
"""

import datetime
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor

from aia import log
from aia.errors import InputError
from aia.processes import die_with_parent

TIMEOUT = datetime.timedelta(hours=24)
"""Time that ranks wait for rank 0 while it validates or writes; torch's default is minutes."""

LAUNCHER = "AIA_LAUNCHER"
"""Environment variable with the process id of the launcher, which may be gone already."""

FIRST_SEC = 5.0
"""Head start of the first rank in reporting an error that all ranks meet, in seconds."""


@dataclass(frozen=True)
class Ranks:
    """Place of this process among those of its run."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Rank among those of the same node."""
    local_count: int = 1
    host: Any = None
    """Group of all ranks for tensors on the host; its timeout is TIMEOUT."""
    peers: Any = None
    """Group of the ranks with this local rank, one of each node, with the same timeout."""

    @property
    def first(self) -> bool:
        """True for the rank that logs and writes."""
        return self.rank == 0

    @property
    def first_of_node(self) -> bool:
        """True for the rank that does the work of its node."""
        return self.local_rank == 0

    @property
    def nodes(self) -> int:
        """Number of nodes; each has as many ranks."""
        return self.count // self.local_count

    def share(self, n: int) -> slice:
        """Cut n things in order into one part for each rank; the parts differ by one at most.

        >>> [Ranks(rank=rank, count=3).share(8) for rank in range(3)]
        [slice(0, 3, None), slice(3, 6, None), slice(6, 8, None)]
        """
        each, over = divmod(n, self.count)
        first = self.rank * each + min(self.rank, over)
        return slice(first, first + each + (self.rank < over))

    def all_reduce(self, tensor: Tensor) -> Tensor:
        """Sum a tensor over all ranks, in place and to the same bits on each."""
        if self.count > 1:
            dist.all_reduce(tensor)
        return tensor

    def all_gather(self, tensor: Tensor) -> Tensor:
        """Gather a tensor of the same shape from every rank, in the order of ranks; on the host."""
        return self._all_gather(tensor, self.count, self.host)

    def all_gather_nodes(self, tensor: Tensor) -> Tensor:
        """Gather a tensor from the ranks with this local rank, in the order of nodes."""
        return self._all_gather(tensor, self.nodes, self.peers)

    def barrier(self) -> None:
        """Wait until all ranks are here."""
        if self.count > 1:
            dist.barrier(group=self.host)

    def broadcast(self, number: int) -> int:
        """Broadcast a number from rank 0."""
        return int(self.all_gather(torch.tensor([number]))[0])

    @staticmethod
    def _all_gather(tensor: Tensor, count: int, group: Any) -> Tensor:
        if count == 1:
            return tensor[None]
        every = tensor.new_empty(count, *tensor.shape)
        dist.all_gather(list(every.unbind()), tensor.contiguous(), group=group)
        return every


SINGLE_PROCESS = Ranks()


@contextmanager
def init_distributed() -> Iterator[Ranks]:
    """Join the other processes of the run, if torchrun started any; only rank 0 logs."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield SINGLE_PROCESS
        return
    die_with_parent(int(os.environ.get(LAUNCHER, os.getppid())))
    ranks = {name: int(os.environ[name.upper()]) for name in ("rank", "local_rank")}
    count, local_count = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if count % local_count:
        raise InputError(
            f"{count} processes on nodes of {local_count}: every node of a run has as many"
        )
    log.quieten(ranks["rank"] > 0)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    host, *peers = [
        dist.new_group(members, backend="gloo", timeout=TIMEOUT)
        for members in [None, *(list(range(i, count, local_count)) for i in range(local_count))]
    ]
    try:
        yield Ranks(
            **ranks,
            count=count,
            local_count=local_count,
            host=host,
            peers=peers[ranks["local_rank"]],
        )
    except Exception:
        if ranks["rank"] > 0:
            time.sleep(FIRST_SEC)  # torchrun ends this process as soon as the first one has failed
            log.quieten(False)
        raise
    dist.destroy_process_group()
