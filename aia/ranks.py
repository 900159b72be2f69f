"""Processes that train one run together: their ranks, and the exchange of tensors.

torchrun starts them (train/launch.py) and sets their ranks in the environment. A run in one process
has a count of one, so that callers need no special case.

A step's batch is cut into consecutive shares, in the order of ranks: rank 0 has the first clips.

Waits may be long (rank 0 validates), so it is not their length that ends a run. Each rank has a
heartbeat, which ends its process if another one is silent, or if itself is stuck.
"""

import datetime
import os
import socket
import sys
import threading
import time
import traceback
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

STEP_TIMEOUT = datetime.timedelta(hours=1)
"""Time that ranks wait for each other within a step: longer than the heartbeat does."""

BEAT_SEC = 10.0
"""Time between two heartbeats of a rank. What follows counts beats of the rank that looks, not
seconds: a run that is suspended as a whole goes on."""
SILENT_BEATS = 18
"""Beats after which a rank without a sign of life is gone: 3 minutes."""
STUCK_BEATS = 240
"""Beats after which a rank that neither waits nor works is stuck: 40 minutes, longer than the wait
for a loading process."""

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
            with _waiting():
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
            with _waiting():
                dist.barrier(group=self.host)

    def broadcast(self, number: int) -> int:
        """Broadcast a number from rank 0."""
        return int(self.all_gather(torch.tensor([number]))[0])

    @staticmethod
    def _all_gather(tensor: Tensor, count: int, group: Any) -> Tensor:
        if count == 1:
            return tensor[None]
        every = tensor.new_empty(count, *tensor.shape)
        with _waiting():
            dist.all_gather(list(every.unbind()), tensor.contiguous(), group=group)
        return every


SINGLE_PROCESS = Ranks()


class _Work:
    """What the heartbeat knows of this process's main thread."""

    done = 0
    """Pieces of work so far, which only has to grow."""
    waits = False
    """True while it waits for other ranks."""


def count_work() -> None:
    """Show the heartbeat that this process is not stuck: it has loaded a batch, say."""
    _Work.done += 1


@contextmanager
def _waiting() -> Iterator[None]:
    _Work.waits = True
    try:
        yield
    finally:
        _Work.waits = False
        count_work()


class _Heartbeat(threading.Thread):
    """Signs of life of this rank for the others, and an eye on theirs and on the main thread.

    Signs are counters in torchrun's store. A process that has to end ends at once: its main thread
    may wait in a library that cannot be interrupted. torchrun then ends the others of its node.
    """

    def __init__(self, *, rank: int, count: int) -> None:
        super().__init__(name="heartbeat", daemon=True)
        self._rank, self._count, self._ended = rank, count, threading.Event()
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        patience = datetime.timedelta(seconds=60)
        store = dist.TCPStore(address, port, is_master=False, timeout=patience)
        self._store = dist.PrefixStore("heartbeat", store)
        self._host = f"process {rank} on {socket.gethostname()}"
        self._store.set(f"name {rank}", self._host)
        dist.barrier()
        self._names = [self._store.get(f"name {other}").decode() for other in range(count)]

    def run(self) -> None:
        """Beat until `end` is called."""
        seen, silent, lost = [-1] * self._count, [0] * self._count, False
        worked, stuck = -1, 0
        while not self._ended.wait(BEAT_SEC):
            for other in range(self._count):
                beats = seen[other]
                try:
                    if not lost:
                        beats = self._store.add(f"beats {other}", int(other == self._rank))
                except RuntimeError:  # the store, too, lies on a machine that may be gone
                    lost = True
                silent[other] = silent[other] + 1 if beats == seen[other] else 0
                seen[other] = beats
            stuck = stuck + 1 if worked == _Work.done and not _Work.waits else 0
            worked = _Work.done
            gone = [other for other, beats in enumerate(silent) if beats >= SILENT_BEATS]
            if self._rank in gone:
                self._fail(
                    "the run's first node does not answer; is it off, or cut from the network?",
                    first=True,
                )
            elif gone:
                names = ", ".join(self._names[other] for other in gone)
                alive = min(set(range(self._count)) - set(gone))
                self._fail(
                    f"{names}: no sign of life for {SILENT_BEATS * BEAT_SEC:.0f} s; was it "
                    "stopped, or its machine switched off, suspended, or cut from the network?",
                    first=self._rank == alive,
                )
            elif stuck >= STUCK_BEATS:
                at = traceback.extract_stack(sys._current_frames()[_main()])[-1]
                self._fail(
                    f"{self._names[self._rank]}: stuck for {STUCK_BEATS * BEAT_SEC:.0f} s in "
                    f"{at.name} ({at.filename}:{at.lineno}); does its disk still answer?",
                    first=True,
                )

    def end(self) -> None:
        """Stop beating."""
        self._ended.set()

    def _fail(self, why: str, *, first: bool) -> None:
        """Say why this process ends, and end it; all but one leave the word to the first."""
        if not first:
            time.sleep(FIRST_SEC)
        log.quieten(False)
        log.say(f"error: {why} The same command resumes from the last checkpoint")
        os._exit(1)


def _main() -> int:
    return threading.main_thread().ident or 0


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
    dist.init_process_group(
        "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo", timeout=STEP_TIMEOUT
    )
    heartbeat = _Heartbeat(rank=ranks["rank"], count=count)
    heartbeat.start()
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
    heartbeat.end()
    dist.destroy_process_group()
