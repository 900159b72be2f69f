"""Algorithm 1: training with asynchronous memory update (§3.3).

The numbers in comments are the algorithm's lines. Here a step sees a batch of clips where the
paper writes one; the memory of each is read before the step and written after it.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from aia.datasets.loader import Batch
from aia.memory import FeaturePool, mean_age, recall, recall_objects
from aia.network import Network, arithmetic
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
    """
    if err is None:
        err = torch.tensor(math.inf, device=device)  # 2
    network.train()
    for step, batch in enumerate(batches, start=first_step):  # 3, 4
        batch = batch.to(device)
        set_rate(optimizer, rate_at(step))
        with arithmetic(device, precision):
            P, O, H = network.features(batch)  # 12
        M, trust, age = None, torch.tensor(math.nan), torch.tensor(math.nan)
        if pool is not None and objects:
            M = recall_objects(pool, batch.keys, batch.times_sec, reach=reach, reuse=True)
        elif pool is not None:
            sampled = torch.Generator().manual_seed(seed * 1_000_003 + step)
            M, trust = recall(  # 5-11, 13
                pool,
                batch.keys,
                P,
                err=err,
                reach=reach,
                penalty=penalty and not frozen,
                generator=sampled,
                reuse=True,
            )
            if frozen:
                trust = torch.tensor(math.nan)  # Eq. 2 has no meaning for a bank
            else:
                age = mean_age(pool, batch.keys, reach=reach, step=step)
        with arithmetic(device, precision):
            logits = network.actions(P, O, M, H)  # 14
        loss = loss_of(logits, batch.labels, filled=P.filled)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if clip_norm is not None:
            torch.nn.utils.clip_grad_norm_(network.parameters(), clip_norm)
        optimizer.step()
        err = loss.detach()  # 15
        if pool is not None and not (frozen or objects):
            pool.write(batch.keys, P, loss_tag=err, step=step, generator=sampled)  # 16
        yield Step(step, err, trust, age, rate_at(step), len(batch.keys))
