"""The processes that train one run together: which of them this is, and what they tell each other.

torchrun starts them (train/launch.py) and says in the environment who is who. A run in one process
is the same thing with a count of one, so that nothing else has to ask.

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
from aia.processes import end_with

PATIENCE = datetime.timedelta(hours=24)
"""How long ranks wait for the first one while it validates or writes; torch's own is minutes."""

LAUNCHER = "AIA_LAUNCHER"
"""Where who started the processes says who it is: it may be gone when they begin to run."""

FIRST_SEC = 5.0
"""What is wrong for all is said by the first rank; any other waits so long before it speaks."""


@dataclass(frozen=True)
class Ranks:
    """This process among those of its run."""

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    """Among those of the same node."""
    local_count: int = 1
    host: Any = None
    """Group of all ranks for what is on the host; it waits for PATIENCE."""
    peers: Any = None
    """Group of the ranks with this one's local rank, one of each node; likewise."""

    @property
    def first(self) -> bool:
        """Whether this is the one that speaks and writes."""
        return self.rank == 0

    @property
    def first_of_node(self) -> bool:
        """Whether this is the one that does what is done once a node."""
        return self.local_rank == 0

    @property
    def nodes(self) -> int:
        """How many nodes there are; each has as many ranks."""
        return self.count // self.local_count

    def share(self, n: int) -> slice:
        """This rank's part of n things in order; the parts differ by one at most.

        >>> [Ranks(rank=rank, count=3).share(8) for rank in range(3)]
        [slice(0, 3, None), slice(3, 6, None), slice(6, 8, None)]
        """
        each, over = divmod(n, self.count)
        first = self.rank * each + min(self.rank, over)
        return slice(first, first + each + (self.rank < over))

    def sum(self, tensor: Tensor) -> Tensor:
        """The sum over all ranks, in place and the same bits on each."""
        if self.count > 1:
            dist.all_reduce(tensor)
        return tensor

    def gather(self, tensor: Tensor) -> Tensor:
        """Everybody's tensor of one shape, in the order of ranks; on the host."""
        return self._gathered(tensor, self.count, self.host)

    def gather_of_nodes(self, tensor: Tensor) -> Tensor:
        """That of the ranks with this local rank on all nodes, in the order of nodes."""
        return self._gathered(tensor, self.nodes, self.peers)

    def wait(self) -> None:
        """Go on when all ranks are here."""
        if self.count > 1:
            dist.barrier(group=self.host)

    def told(self, number: int) -> int:
        """The first rank's number, whatever the others have."""
        return int(self.gather(torch.tensor([number]))[0])

    @staticmethod
    def _gathered(tensor: Tensor, count: int, group: Any) -> Tensor:
        if count == 1:
            return tensor[None]
        every = tensor.new_empty(count, *tensor.shape)
        dist.all_gather(list(every.unbind()), tensor.contiguous(), group=group)
        return every


ALONE = Ranks()


@contextmanager
def joined() -> Iterator[Ranks]:
    """Join the other processes of the run, where torchrun started some; the first one speaks."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        yield ALONE
        return
    end_with(int(os.environ.get(LAUNCHER, os.getppid())))
    ranks = {name: int(os.environ[name.upper()]) for name in ("rank", "local_rank")}
    count, local_count = (int(os.environ[name]) for name in ("WORLD_SIZE", "LOCAL_WORLD_SIZE"))
    if count % local_count:
        raise InputError(
            f"{count} processes on nodes of {local_count}: every node of a run has as many"
        )
    log.quieten(ranks["rank"] > 0)
    dist.init_process_group("cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo")
    host, *peers = [
        dist.new_group(members, backend="gloo", timeout=PATIENCE)
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
