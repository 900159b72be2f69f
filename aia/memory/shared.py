"""Ω once per node, in memory that the node's processes share, for a run in several of them.

A step's features are written in two stages, so that no process reads what another is changing and
no process waits for a device that computes:

    write    after the step: starts a copy to the host and changes nothing
    flush    before the next READ, when the copy has long arrived: all ranks exchange which rows
             they have, write their own and those of their peers on other nodes, and wait for
             each other

A rank in `flush` has finished reading, so no rank writes under a reader; a rank that has left it
reads the whole step. Within a node nothing is sent; between nodes the features of one step are.
"""

import mmap
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from aia.clip import ClipKey, Slots
from aia.errors import InputError
from aia.log import say
from aia.memory.pool import Draws, FeaturePool, pad_or_sample
from aia.ranks import Ranks

ALIGNMENT = 64
"""Bytes at which an array begins in the shared file."""
PLACES = (Path("/dev/shm"), Path(tempfile.gettempdir()))
"""Folders for the shared file: in memory, else on the local disk, which the system caches."""


def pool_for(ranks: Ranks, *, device: torch.device | str, **shape: Any) -> FeaturePool:
    """Make an empty pool: of this process on its device, or on the host and shared by several.

    Args:
        ranks: The processes that train together.
        device: Device of the network.
        shape: Arguments of `FeaturePool`: seconds, persons_per_clip, d, dtype.

    Raises:
        InputError: There is no room for it.
    """
    if ranks.count > 1:
        return SharedPool(ranks=ranks, **shape)
    return FeaturePool(**shape, device=device)


class _Pending(NamedTuple):
    """Writes of one step, on their way to the host."""

    rows: Int[Tensor, " n"]
    features: Float[Tensor, "n persons d"]
    counts: Int[Tensor, " n"]
    loss_tag: Float[Tensor, ""]
    step: int
    arrived: torch.cuda.Event | None


class SharedPool(FeaturePool):
    """Pool that the processes of a node share; each of them makes one, at the same time.

    Args:
        ranks: The processes that train together.
        seconds: See `FeaturePool`.
        persons_per_clip: See `FeaturePool`.
        d: See `FeaturePool`.
        dtype: See `FeaturePool`.

    Raises:
        InputError: The node has no room for it.
    """

    def __init__(
        self,
        *,
        ranks: Ranks,
        seconds: Mapping[str, tuple[int, int]],
        persons_per_clip: int,
        d: int,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.ranks = ranks
        self._pending: list[_Pending] = []
        self._room = 0
        """Most clips of a step that any rank had so far, which all ranks send."""
        super().__init__(
            seconds=seconds, persons_per_clip=persons_per_clip, d=d, dtype=dtype, device="cpu"
        )

    def allocate(
        self, shapes: Mapping[str, tuple[tuple[int, ...], torch.dtype]], device: torch.device
    ) -> dict[str, Tensor]:
        """Allocate the pool's arrays, all zero, in one file that the processes of the node map.

        The file has no name, so that other programs cannot open it and it vanishes at the end.
        """
        places, size = {}, 0
        for name, (shape, dtype) in shapes.items():
            length = int(np.prod(shape)) * dtype.itemsize
            places[name] = slice(size, size + length)
            size += -(-length // ALIGNMENT) * ALIGNMENT
        flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        with self._shared_file(max(size, 1)) as descriptor:
            shared = mmap.mmap(descriptor, max(size, 1), flags)
        mapped = torch.frombuffer(shared, dtype=torch.uint8)
        return {
            name: mapped[places[name]].view(dtype).view(shape)
            for name, (shape, dtype) in shapes.items()
        }

    @contextmanager
    def _shared_file(self, size: int) -> Iterator[int]:
        """Open a new file of `size` zero bytes in all processes of the node; yield its descriptor.

        The first process makes it, the others open it through the first.
        """
        own, place = _file_with(size) if self.ranks.first_of_node else (-1, -1)
        every = self.ranks.all_gather(torch.tensor([place, os.getpid(), own]))
        place, process, theirs = every[self.ranks.rank - self.ranks.local_rank].tolist()
        if place < 0:
            raise InputError(
                f"the memory pool of {size / 1e9:.1f} GB does not fit into {PLACES[0]} or "
                f"{PLACES[1]}, where the processes of a node share it; free some room, or give a "
                "container more shared memory (--shm-size), or train in one process"
            )
        if place > 0 and self.ranks.first:
            say(f"{PLACES[0]} is too small for the memory pool; it lies in {PLACES[place]} instead")
        if own < 0:
            own = os.open(f"/proc/{process}/fd/{theirs}", os.O_RDWR)
        try:
            yield own
            self.ranks.barrier()  # now all have it
        finally:
            os.close(own)

    @torch.no_grad()
    def write(
        self,
        keys: Sequence[ClipKey],
        P: Slots,
        *,
        loss_tag: float | Float[Tensor, ""],
        step: int,
        draws: Draws | None = None,
    ) -> None:
        """Begin WRITE; `flush` ends it. Every rank calls it, each for its share of a batch.

        If a clip is in the whole batch twice, the last one stays, in the order of ranks.
        """
        self.check_places(keys)
        features, filled = pad_or_sample(P, self.persons_per_clip, draws)
        tag = torch.as_tensor(loss_tag, dtype=torch.float32)
        device = features.device
        arrived = torch.cuda.Event() if device.type == "cuda" else None
        self._pending.append(
            _Pending(
                rows=self.rows(keys, np.zeros(1, int))[:, 0],
                features=_to_host((features * filled[..., None]).to(self.features.dtype)),
                counts=_to_host(filled.sum(dim=1)),
                loss_tag=_to_host(tag.detach()),
                step=step,
                arrived=arrived,
            )
        )
        if arrived is not None:
            arrived.record()

    @torch.no_grad()
    def flush(self) -> None:
        """Make pending writes visible to readers; every rank calls it as often as the others."""
        if not self._pending:
            return
        for pending in self._pending:
            if pending.arrived is not None:
                pending.arrived.synchronize()
            self._flush_step(pending)
        self._pending.clear()
        self.ranks.barrier()

    def _flush_step(self, pending: _Pending) -> None:
        """Write this rank's rows, and those of its peers, unless a later rank has the same row."""
        every = self._rows_of_all(pending.rows)
        owner = {
            row: (rank, place) for rank, rows in enumerate(every) for place, row in enumerate(rows)
        }
        features = self.ranks.all_gather_nodes(_padded(pending.features, self._room))
        counts = self.ranks.all_gather_nodes(_padded(pending.counts, self._room))
        for node in range(self.ranks.nodes):
            rank = node * self.ranks.local_count + self.ranks.local_rank
            mine = [place for row, (of, place) in owner.items() if of == rank]
            index = torch.tensor(mine, dtype=torch.int64)
            self.put(
                torch.tensor(every[rank], dtype=torch.int64)[index],
                features[node][index],
                counts[node][index],
                loss_tag=pending.loss_tag,
                step=pending.step,
            )

    def _rows_of_all(self, rows: Int[Tensor, " n"]) -> list[list[int]]:
        """Exchange the rows of each rank; at once, unless a rank has more than ever before."""
        while True:
            sent = torch.cat([torch.tensor([len(rows)]), _padded(rows[: self._room], self._room)])
            every = self.ranks.all_gather(sent).tolist()
            most = max(size for size, *_ in every)
            if most <= self._room:
                return [padded[:size] for size, *padded in every]
            self._room = most


def _file_with(size: int) -> tuple[int, int]:
    """Make a nameless file of zeros; return its descriptor and its place in PLACES, else -1, -1."""
    for place, folder in enumerate(PLACES):
        if not folder.is_dir() or shutil.disk_usage(folder).free <= size:
            continue
        with tempfile.TemporaryFile(dir=folder) as file:
            try:
                os.posix_fallocate(file.fileno(), 0, size)
            except OSError:  # another process was faster, or a quota is full
                continue
            return os.dup(file.fileno()), place
    return -1, -1


def _padded(rows: Tensor, length: int) -> Tensor:
    """Pad rows with zeros."""
    out = rows.new_zeros(length, *rows.shape[1:])
    out[: len(rows)] = rows
    return out


def _to_host(tensor: Tensor) -> Tensor:
    """Copy to the host; from a device asynchronously, into pinned memory."""
    if tensor.device.type != "cuda":
        return tensor.clone()
    host = torch.empty(tensor.shape, dtype=tensor.dtype, pin_memory=True)
    return host.copy_(tensor, non_blocking=True)
