"""Dropout that is a function of seed and step, in any number of processes.

torch draws from one generator of the process, so the result depends on earlier draws and on how a
batch is cut among processes. Here the numbers of a step are drawn for the whole batch, in order,
and each process takes those of its own clips: 1, 2 or 8 processes drop the same, and a run that
resumes from a checkpoint needs no generator's state.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class StepDraws:
    """Random numbers of one training step.

    Args:
        seed: Seed of the run.
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.step, self.first, self.total, self.drawn = 0, 0, 0, 0

    def begin(self, step: int, *, first: int, total: int) -> None:
        """Draw the numbers of this step from now on.

        Args:
            step: Number of the step.
            first: Place of this process's first clip in the step's batch.
            total: Clips of the batch, over all processes.
        """
        self.step, self.first, self.total, self.drawn = step, first, total, 0

    def uniform(
        self, shape: tuple[int, int, int], device: torch.device
    ) -> Float[Tensor, "clips slots d"]:
        """Draw numbers in [0, 1) for this process's clips; other ones at each call.

        Slots come first: their number depends on the fullest clip of a process, and on a CPU the
        first slots' numbers do not depend on it.
        """
        clips, slots, d = shape
        self.drawn += 1
        generator = torch.Generator(device).manual_seed(mixed(self.seed, self.step, self.drawn))
        numbers = torch.rand(slots, self.total, d, generator=generator, device=device)
        return numbers[:, self.first : self.first + clips].transpose(0, 1)


class Dropout(nn.Module):
    """Zero a share of the channels in training, and enlarge the rest to make up for them."""

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share
        self.draws: StepDraws | None = None

    def forward(self, x: Float[Tensor, "clips slots d"]) -> Float[Tensor, "clips slots d"]:
        """Drop by the step's numbers, or by torch's own without any."""
        if not self.training or self.share == 0:
            return x
        if self.draws is None:
            return nn.functional.dropout(x, self.share)
        clips, slots, d = x.shape
        kept = self.draws.uniform((clips, slots, d), x.device) >= self.share
        return x * (kept / (1 - self.share)).to(x.dtype)

    def extra_repr(self) -> str:
        """Show the share in the printed network."""
        return f"{self.share}"


def mixed(*numbers: int) -> int:
    """Mix numbers into a seed."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def draw_by(draws: StepDraws, network: nn.Module) -> None:
    """Make every `Dropout` of a network use these numbers."""
    for module in network.modules():
        if isinstance(module, Dropout):
            module.draws = draws
