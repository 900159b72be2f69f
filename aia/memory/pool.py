"""Ω, the pool of memory features, with READ, WRITE and the weight of Eq. 2 (§3.3, Algorithm 1).

Ω is one array with a row for each second of each video, so that a batch of any size is read by one
gather and written by one scatter, on whatever device the pool lives. Row 0 stays empty: seconds
outside a video point to it. Which rows to touch is computed on the host from the keys alone, so a
device never has to wait for READ or WRITE.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from aia.clip import ClipKey, Slots
from aia.errors import InputError

Draws = Float[Tensor, "clips slots"]
"""Random number in [0, 1) for each person of each clip, with slots to spare; the persons with the
smallest are kept if there are too many."""


class Mean(NamedTuple):
    """Unreduced mean: sum and count, so that ranks can add their parts."""

    total: Float[Tensor, ""]
    over: Float[Tensor, ""]

    @property
    def value(self) -> Float[Tensor, ""]:
        """Total divided by count; NaN if the count is 0."""
        return self.total / self.over


class Recalled(NamedTuple):
    """Output of READ."""

    slots: Slots
    """M̂_t: persons_per_clip slots for each of the 2L+1 seconds, oldest second first."""
    trust: "Mean"
    """Mean of the weights w (Eq. 2) of the remembered seconds."""


class FeaturePool:
    """Ω = {(P̂_t⁽ⁱ⁾, δ_t⁽ⁱ⁾)}, at first empty (Algorithm 1, line 1).

    Args:
        seconds: First and last second of each video, both included.
        persons_per_clip: Persons that are remembered of a clip, the first ones if there are more.
            They are chosen when written; the authors choose again at each read.
        d: Channels of a person's features.
        dtype: Type of the features. float16 halves the pool and loses nothing that matters.
        device: Device of the pool; on the network's device READ costs nearly nothing. From the
            host the features read are copied to the device of P.
    """

    def __init__(
        self,
        *,
        seconds: Mapping[str, tuple[int, int]],
        persons_per_clip: int,
        d: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        self.seconds = dict(sorted(seconds.items()))
        self.persons_per_clip, self.d = persons_per_clip, d
        self._first_row: dict[str, int] = {}
        rows = 1
        for video, (first, last) in self.seconds.items():
            if last < first:
                raise InputError(f"{video}: its last second {last} is before its first {first}")
            self._first_row[video] = rows
            rows += last - first + 1

        shapes = {
            "features": ((rows, persons_per_clip, d), dtype),
            "count": ((rows,), torch.int64),
            "loss_tag": ((rows,), torch.float32),
            "step": ((rows,), torch.int64),
        }
        arrays = self.allocate(shapes, torch.device(device))
        self.features = arrays["features"]
        """P̂, zero beyond `count`."""
        self.count = arrays["count"]
        """Remembered persons."""
        self.loss_tag = arrays["loss_tag"]
        """δ; 0 where nothing was written."""
        self.step = arrays["step"]
        """Training step of the last write."""
        self._scratch: dict[tuple[torch.dtype, torch.device], Tensor] = {}
        self._fetched: torch.cuda.Event | None = None
        """Set when a GPU has copied the reusable pinned staging buffer."""

    def allocate(
        self, shapes: Mapping[str, tuple[tuple[int, ...], torch.dtype]], device: torch.device
    ) -> dict[str, Tensor]:
        """Allocate the pool's arrays in the memory of this process, all zero."""
        try:
            return {
                name: torch.zeros(shape, dtype=dtype, device=device)
                for name, (shape, dtype) in shapes.items()
            }
        except (RuntimeError, MemoryError):
            rows, slots, d = shapes["features"][0]
            raise InputError(
                f"a memory pool of {rows} seconds x {slots} persons x {d} numbers does not fit "
                f"into the memory of {device}; are the videos so long? memory.persons_per_clip and "
                "memory.dtype make it smaller"
            ) from None

    @property
    def device(self) -> torch.device:
        """Device of the pool."""
        return self.features.device

    def rows(
        self, keys: Sequence[ClipKey], offsets: Int[np.ndarray, " n"]
    ) -> Int[Tensor, "clips n"]:
        """Look up the row of each second t + offset of each clip; 0, the empty one, outside."""
        for video, _ in keys:
            if video not in self.seconds:
                raise InputError(f"{video}: not a video of this memory pool")
        places = [(t, self._first_row[video], *self.seconds[video]) for video, t in keys]
        columns = np.array(places, dtype=np.int64).reshape(-1, 4, 1).swapaxes(0, 1)
        t, first_row, first, last = columns  # each [clips, 1]
        t = t + offsets
        return self._to_device(np.where((first <= t) & (t <= last), first_row + t - first, 0))

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
        """WRITE P̂_t ← P_t, δ_t ← err (Algorithm 1, line 16).

        Args:
            keys: Clips of the batch. If a clip is in it twice, the last one stays.
            P: Their persons; a clip may be without any.
            loss_tag: err, the loss at which these features were made.
            step: Number of the training step.
            draws: Choice of persons for clips with more than `persons_per_clip`; None keeps the
                first, the best by score if boxes come from a detector.
        """
        last = {key: place for place, key in enumerate(keys)}
        self.check_places(last)
        rows = self.rows(list(last), np.zeros(1, int))[:, 0]
        features, filled = pad_or_sample(P, self.persons_per_clip, draws)
        if len(last) < len(keys):
            kept = self._to_device(np.array(list(last.values()))).to(filled.device)
            features, filled = features[kept], filled[kept]
        tag = torch.as_tensor(loss_tag, dtype=torch.float32, device=self.device)
        self.put(
            rows,
            (features * filled[..., None]).to(self.features),
            filled.sum(dim=1).to(self.device),
            loss_tag=tag.detach(),
            step=step,
        )

    def put(
        self,
        rows: Int[Tensor, " n"],
        features: Float[Tensor, "n persons d"],
        count: Int[Tensor, " n"],
        *,
        loss_tag: Float[Tensor, ""],
        step: int,
    ) -> None:
        """Set whole rows, none of them twice."""
        self.features.index_copy_(0, rows, features)
        self.count.index_copy_(0, rows, count)
        self.loss_tag.index_copy_(0, rows, loss_tag.expand(len(rows)))
        self.step.index_fill_(0, rows, step)

    def check_places(self, keys: Iterable[ClipKey]) -> None:
        """Raise an InputError for a clip that the pool has no place for."""
        for video, t in keys:
            first_sec, last_sec = self.seconds.get(video, (0, -1))
            if not first_sec <= t <= last_sec:
                raise InputError(f"{video}, second {t}: the memory pool has no place for it")

    def flush(self) -> None:
        """Make pending writes visible to readers; here they are at once."""

    def gather(self, rows: Int[Tensor, " n"], like: Tensor, *, reuse: bool) -> Tensor:
        """Gather features of some rows on the device and in the dtype of `like`.

        Args:
            rows: Rows of the pool.
            like: Tensor with the wanted device and dtype.
            reuse: True overwrites the result of the last call with `reuse`. Fresh memory costs
                more than the gather itself if the system allocates it page by page, as on a CPU
                (docs/LOG.md).
        """
        if not reuse:
            return self.features.index_select(0, rows).to(like)
        if self._fetched is not None:
            self._fetched.synchronize()  # the device may be a step behind
        out = self._scratch_buffer(len(rows), self.features)
        torch.index_select(self.features, 0, rows, out=out)
        if (like.dtype, like.device) == (out.dtype, out.device):
            return out
        read = self._scratch_buffer(len(rows), like).copy_(out, non_blocking=True)
        if like.device.type == "cuda" and out.device.type == "cpu":
            self._fetched = torch.cuda.Event()
            self._fetched.record(torch.cuda.current_stream(like.device))
        return read

    def _scratch_buffer(self, rows: int, like: Tensor) -> Tensor:
        key = like.dtype, like.device
        kept = self._scratch.get(key)
        if kept is None or len(kept) < rows:
            shape = (rows, self.persons_per_clip, self.d)
            # A GPU copies from pinned memory asynchronously, so the host does not wait.
            pinned = like.device.type == "cpu" and torch.cuda.is_available()
            kept = torch.empty(shape, dtype=like.dtype, device=like.device, pin_memory=pinned)
            self._scratch[key] = kept
        return kept[:rows]

    def _to_device(self, index: np.ndarray) -> Tensor:
        return _to_device_async(torch.from_numpy(index.astype(np.int64)), self.device)


class StreamPool(FeaturePool):
    """Ω of one video of unknown length: the last `size` clips, so that memory is bounded.

    A clip that is written takes the row of the one `size` before it.

    Args:
        size: Number of clips that are held.
        persons_per_clip, d, dtype, device: As of `FeaturePool`.
    """

    def __init__(
        self,
        size: int,
        *,
        persons_per_clip: int,
        d: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        super().__init__(
            seconds={"": (0, size - 1)},
            persons_per_clip=persons_per_clip,
            d=d,
            dtype=dtype,
            device=device,
        )
        self._held = np.full(size, -1, np.int64)

    def rows(
        self, keys: Sequence[ClipKey], offsets: Int[np.ndarray, " n"]
    ) -> Int[Tensor, "clips n"]:
        """Look up the row of each clip t + offset; 0, the empty one, of those not held."""
        t = np.array([key.t for key in keys], np.int64)[:, None] + offsets
        place = t % len(self._held)
        return self._to_device(np.where(self._held[place] == t, place + 1, 0))

    def check_places(self, keys: Iterable[ClipKey]) -> None:
        """Take the rows of these clips, which are about to be written."""
        for _, t in keys:
            self._held[t % len(self._held)] = t


@torch.no_grad()
def recall(
    pool: FeaturePool,
    keys: Sequence[ClipKey],
    P: Slots | None,
    *,
    err: float | Float[Tensor, ""],
    reach: int,
    penalty: bool = True,
    rate: int = 1,
    draws: Draws | None = None,
    reuse: bool = False,
    device: torch.device | None = None,
) -> Recalled:
    """READ the memory of a batch of clips (Algorithm 1, lines 5-11 and 13).

        M̂_t = [w P̂_{t-L}, ..., w P̂_{t-1}, P_t, w P̂_{t+1}, ..., w P̂_{t+L}]

    The present second is always the clip's own fresh P_t, neither weighted nor read. No gradient
    flows into the memory, into P_t neither (as in the authors' code).

    Args:
        pool: Ω.
        keys: Clips.
        P: Their persons; None if Ω holds something else (objects, §6.1), whose present second is
            read like the others.
        err: Loss of the previous step; ∞ before the first.
        reach: L, seconds on each side.
        penalty: True weights remembered features; at test they are not weighted.
        rate: Seconds from one remembered clip to the next.
        draws: Choice of a clip's own persons for M if it has more than slots; None takes the
            first.
        reuse: True lets M̂_t overwrite that of the last READ with `reuse`, as in a loop that is
            done with a batch before it reads the next. If the last one is still needed for a
            gradient, autograd refuses to compute it.
        device: Device of M̂_t without P; None: that of the pool.
    """
    pool.flush()
    rows = pool.rows(keys, np.arange(-reach, reach + 1) * rate)
    clips, steps = rows.shape
    like = torch.empty(0, device=device or pool.device) if P is None else P.features.detach()
    device = like.device  # where the pool is, too, unless processes share it on their host
    count = _to_device_async(pool.count[rows], device)
    w = trust(err, _to_device_async(pool.loss_tag[rows], device))
    if P is not None:
        count[:, reach] = 0  # the present second comes fresh
    remembered = count > 0
    features = pool.gather(rows.flatten(), like, reuse=reuse)
    features = features.view(clips, steps, pool.persons_per_clip, pool.d)
    filled = torch.arange(pool.persons_per_clip, device=device) < count[..., None]
    if penalty:
        features *= w.to(features)[..., None, None]
        filled &= (w > 0)[..., None]  # what has no weight is no memory
    if P is not None:
        fresh = pad_or_sample(P, pool.persons_per_clip, draws)
        features[:, reach], filled[:, reach] = fresh.features.detach(), fresh.filled
    slots = Slots(features.flatten(1, 2), filled.flatten(1, 2))
    return Recalled(slots, Mean((w * remembered).sum(), remembered.sum().to(w)))


@torch.no_grad()
def mean_age(pool: FeaturePool, keys: Sequence[ClipKey], *, reach: int, step: int) -> Mean:
    """Compute the mean steps since the seconds that READ gives these clips were written.

    The present second does not count: READ takes it fresh.
    """
    offsets = np.arange(-reach, reach + 1)
    rows = pool.rows(keys, offsets[offsets != 0])
    remembered = pool.count[rows] > 0
    return Mean(((step - pool.step[rows]) * remembered).sum().float(), remembered.sum().float())


def trust(
    err: float | Float[Tensor, ""], loss_tag: float | Float[Tensor, "*seconds"]
) -> Float[Tensor, "*seconds"]:
    """Weigh a remembered feature by its age, which its loss tag shows (Eq. 2).

    w = min(err / δ, δ / err): 1 if written at the present loss, falling towards 0 the
    further the network has moved. Algorithm 1 starts from err = ∞, δ = 0; both give 0.

    >>> trust(err=0.2, loss_tag=torch.tensor([0.4, 0.2, 0.0]))
    tensor([0.5000, 1.0000, 0.0000])
    """
    loss_tag = torch.as_tensor(loss_tag, dtype=torch.float32)
    w = torch.minimum(err / loss_tag, loss_tag / err)
    return torch.where(w > 0, w, 0.0)  # also where w is NaN: 0/0, ∞/∞


def _to_device_async(host: Tensor, device: torch.device) -> Tensor:
    """Copy a tensor to a device; from the host through pinned memory, without waiting."""
    if device.type == "cuda" and host.device.type == "cpu":
        host = host.pin_memory()
    return host.to(device, non_blocking=True)


def pad_or_sample(P: Slots, slots: int, draws: Draws | None) -> Slots:
    """Fit persons into exactly so many slots: the first ones, or a random choice of them."""
    features, filled = P
    if draws is not None and filled.shape[1] > slots:
        draw = _to_device_async(draws[:, : filled.shape[1]], filled.device)
        order = (draw + ~filled).argsort(dim=1)[:, :slots].sort(dim=1).values
        filled = filled.gather(1, order)
        features = features.gather(1, order[..., None].expand(-1, -1, features.shape[-1]))
    missing = max(slots - filled.shape[1], 0)
    features, filled = features[:, :slots], filled[:, :slots]
    if missing:
        features, filled = F.pad(features, (0, 0, 0, missing)), F.pad(filled, (0, missing))
    return Slots(features, filled)
