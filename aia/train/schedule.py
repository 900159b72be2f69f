"""Optimizer and its learning rate at each step (§4.1)."""

import math
from collections.abc import Sequence

import torch
from torch import nn

from aia.config import TrainConfig
from aia.network import Network


def build_optimizer(network: Network, config: TrainConfig) -> torch.optim.Optimizer:
    """Build SGD with momentum (or AdamW): own rates for backbone and IA, biases without decay.

    The rate of a group is a factor (`factor`) times that of the step, set by `set_rate`.
    """
    factors = {"backbone": config.backbone_factor, "interaction": config.interaction_factor}
    groups: dict[tuple[float, float], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        if not parameter.requires_grad:
            continue
        factor = factors.get(name.partition(".")[0], 1.0)
        bias = name.endswith("bias")
        key = (factor * (config.bias_factor if bias else 1.0), 0.0 if bias else config.weight_decay)
        groups.setdefault(key, []).append(parameter)
    described = [
        {"params": parameters, "factor": factor, "weight_decay": decay}
        for (factor, decay), parameters in groups.items()
    ]
    on_gpu = any(parameter.is_cuda for parameter in network.parameters())
    fused = on_gpu if config.fused is None else config.fused
    if config.optimizer == "adamw":
        return torch.optim.AdamW(described, lr=config.learning_rate, fused=fused)
    return torch.optim.SGD(
        described, lr=config.learning_rate, momentum=config.momentum, fused=fused
    )


def rate_share(step: int, config: TrainConfig) -> float:
    """Compute the learning rate at `step` (from 1) as a share of the base rate.

    Linear warm-up from `warmup_start`, then a cosine to zero, or a division by 10 at each of
    `drop_at` (the paper: at 17.5k and 22.5k of 27.5k).
    """
    share = 1.0
    if step <= config.warmup_steps:
        share = config.warmup_start + (1 - config.warmup_start) * step / config.warmup_steps
    if config.schedule == "cosine":
        return share * 0.5 * (1 + math.cos(math.pi * (step - 1) / config.steps))
    return share * 0.1 ** _passed(step, config.drop_at)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Give every group its share of the step's rate."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["factor"]


def _passed(step: int, marks: Sequence[int]) -> int:
    return sum(step >= mark for mark in marks)
