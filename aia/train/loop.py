"""Algorithm 1: training with asynchronous memory update (§3.3).

The numbers in comments are the algorithm's lines. Here a step sees a batch of clips where the
paper writes one; the memory of each is read before the step and written after it.

Several processes train as one does: each takes its share of every batch, loss and err are the mean
over the persons of the whole batch, and random numbers are drawn for the whole batch.
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
from aia.memory import Mean, Memory, Read
from aia.network import Network, arithmetic
from aia.ranks import SINGLE_PROCESS, Ranks
from aia.train.schedule import set_rate

Loss = Callable[..., Tensor]
"""Function loss_of(logits, labels, filled=...) that gives the loss of a batch's persons."""


class Start(NamedTuple):
    """Start of training: after `step`, whose loss was `err`."""

    step: int = 0
    err: Float[Tensor, ""] | None = None


BEGINNING = Start()


class Step(NamedTuple):
    """Result of one training step. Tensors stay on the device to avoid a sync."""

    number: int
    loss: Float[Tensor, ""]
    """Loss err of Algorithm 1, detached."""
    trust: Float[Tensor, ""]
    """Mean weight w of remembered features (Eq. 2); it should near 1. NaN without a memory that
    changes."""
    age: Float[Tensor, ""]
    """Mean steps since the features read were written; NaN without a memory that changes."""
    rate: float
    """Learning rate of IA and the classifier."""
    clips: int
    """Clips of the step over all processes."""


class Pass(NamedTuple):
    """Output of a step's forward pass."""

    P: Slots
    logits: Float[Tensor, "clips persons classes"]
    trust: Mean | None
    age: Mean | None


class Forward(nn.Module):
    """N with READ inside, as the one call that DistributedDataParallel needs.

    Args:
        network: N.
        precision: Precision of its arithmetic.
    """

    def __init__(self, network: Network, precision: str) -> None:
        super().__init__()
        self.network, self.precision = network, precision

    def forward(self, batch: Batch, read: Callable[[Slots], Read]) -> Pass:
        """Compute features, read the memory, compute actions (lines 5-14)."""
        device = batch.frames.device
        with arithmetic(device, self.precision):
            P, O, H = self.network.features(batch)  # 12
        M, trust, age = read(P)  # 5-11, 13
        with arithmetic(device, self.precision):
            logits = self.network.actions(P, O, M, H)  # 14
        return Pass(P, logits, trust, age)


def train(
    *,
    network: Network,
    memory: Memory,
    batches: Iterable[Batch],
    loss_of: Loss,
    optimizer: torch.optim.Optimizer,
    rate_at: Callable[[int], float],
    seed: int,
    clip_norm: float | None,
    precision: str = "float32",
    start: Start = BEGINNING,
    ranks: Ranks = SINGLE_PROCESS,
    batch_size: int | None = None,
) -> Iterator[Step]:
    """Optimise N on `batches`, one step each.

    Args:
        network: N, on the device where it trains.
        memory: Ω, empty at first (line 1).
        batches: Clips with their labels.
        loss_of: Loss of logits and labels.
        optimizer: Optimizer of N's parameters.
        rate_at: Learning rate of a step.
        seed: Seed of dropout, with the step.
        clip_norm: Largest norm of the gradient, or None.
        precision: Precision of N (see `arithmetic`); weights, Ω and the loss stay float32.
        start: Start of a resumed run.
        ranks: The processes that train together; each calls this with its own batches.
        batch_size: Clips of a step over all processes; None: those of the batch.
    """
    device = next(network.parameters()).device
    err = torch.tensor(math.inf, device=device) if start.err is None else start.err  # 2
    network.train()
    dropped = StepDraws(seed)
    draw_by(dropped, network)
    forward: nn.Module = Forward(network, precision)
    if ranks.count > 1:
        forward = DistributedDataParallel(
            forward, broadcast_buffers=False, gradient_as_bucket_view=True
        )
    for step, batch in enumerate(batches, start=start.step + 1):  # 3, 4
        total = batch_size or len(batch.keys)
        dropped.begin(step, first=ranks.share(total).start, total=total)
        torch.manual_seed(mixed(seed, step, ranks.rank))  # for dropout in torchvision's backbones
        batch = batch.to(device)
        persons = ranks.all_reduce(batch.queries_filled.sum())
        set_rate(optimizer, rate_at(step))
        read = functools.partial(memory.read, batch, err=err, step=step)  # 5-11, 13
        P, logits, trust, age = forward(batch, read)  # 12, 14
        loss = loss_of(logits, batch.labels, filled=P.filled, persons=persons)
        optimizer.zero_grad(set_to_none=True)
        (loss * ranks.count).backward()  # DDP averages gradients over all processes
        if clip_norm is not None:
            nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        optimizer.step()
        parts = torch.stack([loss.detach(), *means(trust, device), *means(age, device)])
        err, *rest = ranks.all_reduce(parts).unbind()  # 15
        memory.write(batch, P, err, step)  # 16
        yield Step(step, err, Mean(*rest[:2]).value, Mean(*rest[2:]).value, rate_at(step), total)


def means(mean: Mean | None, device: torch.device) -> tuple[Tensor, Tensor]:
    """Move both parts of a mean to the device; zeros if there is none."""
    if mean is None:
        nothing = torch.zeros((), device=device)
        return nothing, nothing
    return mean.total.to(device, non_blocking=True), mean.over.to(device, non_blocking=True)
