"""Seconds from operations and pixels, on the device that a plan is for."""

import math
from dataclasses import dataclass
from typing import NamedTuple

from aia.budget.facts import StoreFacts
from aia.budget.rates import Rates

GIGA = 1e9


@dataclass(frozen=True, kw_only=True)
class Work:
    """What one job takes; seconds of cores are those of one core."""

    start_sec: int | float = 0.0
    """Before anything is computed, and of what threads cannot share."""
    core_sec: int | float = 0.0
    """Of computing, shared by the threads that compute."""
    load_sec: int | float = 0.0
    """Of decoding what is computed on; beside the computing where processes do it."""
    gpu_sec: int | float = 0.0
    """Of one GPU; the job's processes share it."""
    processes: int = 1
    """That compute, each on a GPU of its own where there are some."""
    workers: int = 0
    """Processes that load, for each of those that compute."""
    memory_bytes: int | float = 0.0
    """Of a node."""
    gpu_bytes: int | float = 0.0
    """Of a GPU."""
    disk_bytes: int | float = 0.0
    """That are kept."""

    def seconds(self, threads: int) -> float:
        """From start to end on so many cores."""
        computing = self.gpu_sec / self.processes + self.core_sec / threads
        if not self.workers:
            return self.start_sec + computing + self.load_sec / self.processes
        loading = self.load_sec / (self.workers * self.processes)
        return self.start_sec + max(computing, loading)

    @property
    def gpus(self) -> int:
        """How many it holds."""
        return self.processes if self.gpu_sec > 0 else 0

    @property
    def all_core_sec(self) -> float:
        """Seconds of one core, all together."""
        return self.start_sec + self.core_sec + self.load_sec


class Computing(NamedTuple):
    """Seconds of a core, or of a GPU."""

    core_sec: float
    gpu_sec: float

    def __add__(self, other: "Computing") -> "Computing":  # type: ignore[override]
        return Computing(self.core_sec + other.core_sec, self.gpu_sec + other.gpu_sec)


class Speeds:
    """The rates of the device that networks run on.

    Args:
        rates: All of them.
        gpu: Whether it is a GPU.
    """

    def __init__(self, rates: Rates, *, gpu: bool) -> None:
        self.rates, self.gpu = rates, gpu
        self.device = "gpu" if gpu else "cpu"

    def start(self, kind: str = "torch") -> float:
        """Seconds until a job of a kind computes: the workflow's share, Python, imports."""
        return self.rates["job.overhead"] + self.rates[f"job.{kind}"]

    def bfloat16(self, precision: str) -> bool:
        """Whether the arithmetic is in bfloat16, as aia.network.arithmetic has it."""
        return precision == "bfloat16" or (precision == "auto" and self.gpu)

    def computing(
        self, stage: str, flops: int | float, *, network: str, precision: str
    ) -> Computing:
        """Seconds of so many operations.

        A network's own rate is used where it is known; else a general one: of a core, or of a
        GPU as its peak and the share of it that networks reach.

        Args:
            stage: train, score, finetune or detect.
            flops: Multiplications and additions.
            network: Name of the backbone or detector.
            precision: As in the settings.
        """
        own = f"{stage}.{self.device}.{network}"
        if self.rates.has(own):
            speed = self.rates[own] * GIGA
        elif self.gpu:
            kind = "bfloat16" if self.bfloat16(precision) else "float32"
            share = self.rates[f"gpu.share.{'detect' if stage == 'finetune' else stage}"]
            speed = self.rates[f"gpu.{kind}"] * 1e12 * share
        else:
            speed = self.rates[f"{stage}.cpu"] * GIGA
        seconds = flops / speed
        return Computing(0.0, seconds) if self.gpu else Computing(seconds, 0.0)

    def load_sec(self, store: StoreFacts, *, frames: int | float) -> float:
        """Seconds of a core to read so many frames of a store at random places."""
        pixels = frames * math.prod(store.size_hw)
        return pixels / 1e6 / self.rates[f"load.{store.codec}"]
