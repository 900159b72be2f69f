"""Algorithm 1: training with asynchronous memory update (§3.3).

The numbers in comments are the algorithm's lines. Here a step sees a batch of clips where the
paper writes one; the memory of each is read before the step and written after it.

Several processes train as one does: each takes its share of every batch, the loss is the mean over
the persons of the whole batch and so is err, and what is drawn is drawn for the whole batch.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from aia.clip import Batch, Slots
from aia.dropout import StepDraws, draw_by, mixed
from aia.memory import Draws, FeaturePool, Mean, mean_age, recall, recall_objects
from aia.network import Network, arithmetic
from aia.ranks import ALONE, Ranks
from aia.train.schedule import set_rate

Loss = Callable[..., Tensor]
"""loss_of(logits, labels, filled=...) -> the loss of a batch's persons."""


class Step(NamedTuple):
    """What a step leaves behind; tensors stay on the device until somebody asks."""

    number: int
    loss: Float[Tensor, ""]
    """err of Algorithm 1, detached."""
    trust: Float[Tensor, ""]
    """Mean weight w of what was remembered (Eq. 2); it should near 1. NaN without a memory, and
    with a frozen one."""
    age: Float[Tensor, ""]
    """Mean steps since what was read was written; NaN likewise."""
    rate: float
    """Learning rate of IA and the classifier."""
    clips: int
    """Of all processes."""


class Pass(NamedTuple):
    """What the forward pass of a step gives."""

    P: Slots
    logits: Float[Tensor, "clips persons classes"]
    trust: Mean | None
    age: Mean | None


class Forward(nn.Module):
    """N with READ in its midst, as the one call that DistributedDataParallel wants.

    Args:
        network: N.
        device: Where it is.
        precision: Of its arithmetic.
    """

    def __init__(self, network: Network, device: torch.device, precision: str) -> None:
        super().__init__()
        self.network, self.device, self.precision = network, device, precision

    def forward(self, batch: Batch, remember: Callable[[Slots], "Remembered"]) -> Pass:
        """Features, memory, actions (lines 5-14)."""
        with arithmetic(self.device, self.precision):
            P, O, H = self.network.features(batch)  # 12
        M, trust, age = remember(P)  # 5-11, 13
        with arithmetic(self.device, self.precision):
            logits = self.network.actions(P, O, M, H)  # 14
        return Pass(P, logits, trust, age)


class Remembered(NamedTuple):
    """M_t, and how old it is where that has a meaning."""

    M: Slots | None = None
    trust: Mean | None = None
    age: Mean | None = None


def train(
    *,
    network: Network,
    pool: FeaturePool | None,
    batches: Iterable[Batch],
    loss_of: Loss,
    optimizer: torch.optim.Optimizer,
    rate_at: Callable[[int], float],
    reach: int,
    penalty: bool,
    seed: int,
    clip_norm: float | None,
    device: torch.device,
    precision: str = "float32",
    first_step: int = 1,
    err: Float[Tensor, ""] | None = None,
    frozen: bool = False,
    objects: bool = False,
    ranks: Ranks = ALONE,
    batch_size: int | None = None,
    max_persons: int | None = None,
) -> Iterator[Step]:
    """Optimise N on `batches`, one step each.

    Args:
        network: N.
        pool: Ω; None for a network without M-Blocks. Line 1, an empty pool, is its beginning.
        batches: Clips with their labels.
        loss_of: Logits and labels of the present persons -> loss.
        optimizer: Of N's parameters.
        rate_at: Learning rate of a step.
        reach: L, seconds of memory on each side.
        penalty: Whether remembered features are weighted (line 8, 9).
        seed: Draws, with the step, which persons of a clip are remembered where there are more
            than places (§3.1: "a certain number of persons are sampled").
        clip_norm: Largest norm of the gradient, or None.
        device: Where N is.
        precision: Of N's arithmetic (see `arithmetic`); weights, Ω and the loss stay float32.
        first_step: The number of the first step; above 1 when a run goes on.
        err: The loss of the step before, when a run goes on.
        frozen: Ω is a bank that was filled beforehand (LFB; "w/o AMU" in Table 1e): it is read as
            it is, without a weight (line 8, 9), and never written (line 16).
        objects: Ω holds what the detector saw in the seconds around (§6.1); frozen, too.
        ranks: The processes that train together; each calls this with its own batches.
        batch_size: Clips of a step over all processes; None: those of the batch.
        max_persons: Most persons of a clip, over all processes; None: those of the batch.
    """
    if err is None:
        err = torch.tensor(math.inf, device=device)  # 2
    network.train()
    dropped = StepDraws(seed)
    draw_by(dropped, network)
    forward: nn.Module = Forward(network, device, precision)
    if ranks.count > 1:
        forward = DistributedDataParallel(
            forward, broadcast_buffers=False, gradient_as_bucket_view=True
        )
    for step, batch in enumerate(batches, start=first_step):  # 3, 4
        total = batch_size or len(batch.keys)
        own = ranks.share(total)
        dropped.begin(step, first=own.start, total=total)
        torch.manual_seed(mixed(seed, step, ranks.rank))  # for what torchvision's backbones draw
        sampled = torch.Generator().manual_seed(seed * 1_000_003 + step)
        most = max_persons or batch.persons_filled.shape[1]
        kept = torch.rand(2, total, most, generator=sampled)[:, own]
        batch = batch.to(device)
        persons = ranks.sum(batch.persons_filled.sum())
        set_rate(optimizer, rate_at(step))
        remember = functools.partial(  # 5-11, 13
            read_memory,
            pool=pool,
            batch=batch,
            err=err,
            step=step,
            reach=reach,
            penalty=penalty,
            draws=kept[0],
            frozen=frozen,
            objects=objects,
        )
        P, logits, trust, age = forward(batch, remember)
        loss = loss_of(logits, batch.labels, filled=P.filled, persons=persons)
        optimizer.zero_grad(set_to_none=True)
        (loss * ranks.count).backward()  # of which the mean over all processes is taken
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        optimizer.step()
        told = torch.stack([loss.detach(), *means(trust, device), *means(age, device)])
        err, *parts = ranks.sum(told).unbind()  # 15
        if pool is not None and not (frozen or objects):
            pool.write(batch.keys, P, loss_tag=err, step=step, draws=kept[1])  # 16
        yield Step(step, err, Mean(*parts[:2]).value, Mean(*parts[2:]).value, rate_at(step), total)


def read_memory(
    P: Slots,
    *,
    pool: FeaturePool | None,
    batch: Batch,
    err: Float[Tensor, ""],
    step: int,
    reach: int,
    penalty: bool,
    draws: Draws,
    frozen: bool,
    objects: bool,
) -> Remembered:
    """M_t of a batch whose persons are P, as the run remembers; see `train`."""
    if pool is None:
        return Remembered()
    if objects:
        where = P.features.device
        return Remembered(
            recall_objects(pool, batch.keys, batch.times_sec, reach=reach, reuse=True, device=where)
        )
    M, trust = recall(
        pool,
        batch.keys,
        P,
        err=err,
        reach=reach,
        penalty=penalty and not frozen,
        draws=draws,
        reuse=True,
    )
    if frozen:
        return Remembered(M)  # Eq. 2 has no meaning for a bank
    return Remembered(M, trust, mean_age(pool, batch.keys, reach=reach, step=step))


def means(mean: Mean | None, device: torch.device) -> tuple[Tensor, Tensor]:
    """Both parts of a mean on the device; of nothing, where there is none."""
    if mean is None:
        nothing = torch.zeros((), device=device)
        return nothing, nothing
    return mean.total.to(device, non_blocking=True), mean.over.to(device, non_blocking=True)
