"""What one job takes, and the speeds that turn operations and pixels into seconds."""

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from aia.budget.facts import Facts
from aia.budget.rates import Rates
from aia.config import Settings, parse_run
from aia.labels import ClassList
from aia.run import Run

GIGA = 1e9
CLASSES = ClassList.numbered(80)
"""Classes of a planned run: they are hardly any of its network."""


class Work(NamedTuple):
    """What a job takes; seconds of cores are those of one core."""

    start_sec: float = 0.0
    """Seconds before anything is computed, and of what threads cannot share."""
    core_sec: float = 0.0
    """Computing that `threads` share."""
    load_sec: float = 0.0
    """Decoding of what is computed on, beside the computing where workers do it."""
    gpu_sec: float = 0.0
    """Computing of one GPU, that `processes` share."""
    threads: int = 1
    processes: int = 1
    """Processes that compute, each on a GPU of its own where there are some."""
    workers: int = 0
    """Processes that load, for each of those that compute."""
    memory: float = 0.0
    """Bytes of a node's memory."""
    gpu_memory: float = 0.0
    """Bytes of a GPU's memory."""
    disk: float = 0.0
    """Bytes that are kept."""
    download_sec: float | None = None
    """Seconds of downloading; None: it is no download."""
    factor: float = 1.0
    """Time of finished jobs of the kind, as a multiple of what the rates say."""

    @property
    def seconds(self) -> float:
        """Wall time."""
        computing = self.gpu_sec / self.processes + self.core_sec / self.threads
        loading = self.load_sec / (max(self.workers, 1) * self.processes)
        both = max(computing, loading) if self.workers else computing + loading
        return self.factor * (self.start_sec + both) + (self.download_sec or 0.0)

    @property
    def all_core_sec(self) -> float:
        """Seconds of all cores together."""
        return self.factor * (self.start_sec + self.core_sec + self.load_sec)

    @property
    def gpus(self) -> int:
        """GPUs that it holds, also while it waits for clips."""
        return self.processes if self.gpu_sec > 0 else 0


@dataclass(frozen=True, kw_only=True)
class OneJob:
    """A job that is estimated, with the speeds of the machine that it runs on."""

    rule: str
    wildcards: Mapping[str, str]
    facts: Facts
    """What is known of its data set."""
    rates: Rates
    cores: int
    """Cores of the machine."""
    gpus: int
    """GPUs of the machine; 0: networks run on cores."""
    note: Callable[[str], None]
    """Takes what has to be assumed, in words."""

    @property
    def settings(self) -> Settings:
        """All settings of its data set."""
        return self.facts.data.settings

    @property
    def on_gpu(self) -> bool:
        """True if its networks run on a GPU."""
        return self.gpus > 0 and self.settings.train.device != "cpu"

    @property
    def device(self) -> str:
        """The device in the names of rates."""
        return "gpu" if self.on_gpu else "cpu"

    @property
    def videos(self) -> tuple[str, ...]:
        """The videos of its part."""
        return self.facts.data.part(self.wildcards["part"]).videos

    @property
    def run(self) -> Run:
        """Its run: of the model that is there, or as the settings say."""
        data, name = self.facts.data, self.wildcards["run"]
        model = data.run_file("runs/{run}/model.safetensors", name)
        if os.path.exists(model):
            return Run.load(model)
        return Run.from_settings(parse_run(name), data.raw, classes=CLASSES)

    def is_bfloat16(self, precision: str) -> bool:
        """Return True if the arithmetic is in bfloat16, as aia.network.arithmetic has it."""
        return precision == "bfloat16" or (precision == "auto" and self.on_gpu)

    def computing(
        self, stage: str, flops: int | float, *, network: str, precision: str = "float32"
    ) -> float:
        """Return the seconds of so many operations, on a core or a GPU.

        A network's own rate is used where it is known; else a general one: of a core, or of a GPU
        as its peak and the share of it that networks reach.
        """
        own = f"{stage}.{self.device}.{network}"
        if own in self.rates:
            return flops / (self.rates[own] * GIGA)
        if not self.on_gpu:
            return flops / (self.rates[f"{stage}.cpu"] * GIGA)
        kind = "bfloat16" if self.is_bfloat16(precision) else "float32"
        share = self.rates[f"gpu.share.{'detect' if stage == 'finetune' else stage}"]
        return flops / (self.rates[f"gpu.{kind}"] * 1e12 * share)

    def on_device(self, seconds: int | float) -> dict[str, Any]:
        """Return computing as a field of Work."""
        return {"gpu_sec" if self.on_gpu else "core_sec": seconds}

    def loading(self, frames: int | float) -> float:
        """Return the seconds of a core to read frames of a store at random places."""
        pixels = frames * math.prod(self.facts.store.size_hw)
        return pixels / 1e6 / self.rates[f"load.{self.settings.frames.codec}"]

    def memory(
        self,
        computing: int | float,
        *,
        workers: int = 0,
        processes: int = 1,
        shared: int | float = 0,
    ) -> dict[str, Any]:
        """Return the memory of a node as fields of Work.

        Args:
            computing: Bytes of each process on the device.
            workers: Processes that load, for each.
            processes: Processes that compute.
            shared: Bytes that they have together on the host.
        """
        process = GIGA * (self.rates["memory.torch"] + workers * self.rates["memory.small"])
        if self.on_gpu:
            return {"memory": processes * process + shared, "gpu_memory": computing}
        return {"memory": processes * (process + computing) + shared}
