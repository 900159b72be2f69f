"""Cost of a run: parameters and operations (Table 1e), time and memory by reach (Figure 5).

Measured on noise with boxes: neither pixels nor weights change what is computed.
"""

import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from aia.clip import Batch, ClipKey, Query, Slots, clip_offsets
from aia.files import write_text
from aia.log import say
from aia.memory import Asynchronous, FeaturePool, Memory, NoMemory, PersonDraws
from aia.network import Network, arithmetic
from aia.run import Run
from aia.tables import write_metrics
from aia.train.loss import action_loss

PERSONS = 3
"""Persons of each clip."""
REACH_COLUMNS = ("training", "reach", "seconds", "memory_gb", "device")
Work = Callable[[], Any]


class Cost(NamedTuple):
    """Cost of a network."""

    parameters: int
    """Number of parameters, with those of a frozen second backbone."""
    flops: int
    """Multiplications and additions of one clip's forward pass."""


def clip_cost(run: Run, *, short_side: int) -> Cost:
    """Count the parameters of a run's network and the operations of one clip at 3:2 (Table 1e).

    A frozen bank's backbone counts as the paper counts it: it sees every clip once, too.
    """
    problem = Problem(run, clips=1, size_hw=(short_side, short_side * 3 // 2))
    network = problem.network.eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        problem.scores()
        if network.bank_backbone is not None:
            network.bank_persons(problem.batch)
    return Cost(sum(p.numel() for p in network.parameters()), counter.get_total_flops())


def write_cost(path: Path | str, cost: Cost) -> None:
    """Write a cost as metrics: params and FLOPs."""
    numbers = (("params", cost.parameters), ("FLOPs", cost.flops))
    write_metrics(path, [(name, None, "", float(value)) for name, value in numbers])


def cost_by_reach(
    run: Run,
    *,
    clips: int,
    size_hw: tuple[int, int],
    reaches: Sequence[int],
    joint: Sequence[int],
    device: torch.device,
    rounds: int = 3,
) -> pd.DataFrame:
    """Measure time and memory of a training step by L, with AMU and joint training (Figure 5).

    Args:
        run: Run with an M-Block.
        clips: Clips of a batch.
        size_hw: Size of a frame in pixels.
        reaches: L of the steps with AMU, seconds on each side.
        joint: L of the steps that train the neighbours' clips too; ends at the first that does
            not fit into the memory.
        device: Device to measure on.
        rounds: Number of measured steps, of which the median counts, after a warm-up step.

    Returns:
        Columns `REACH_COLUMNS`; memory as in `step_memory`.
    """
    where = torch.cuda.get_device_name() if device.type == "cuda" else "CPU"
    rows: list[tuple[Any, ...]] = []
    for training, lengths in (("AMU", reaches), ("joint", joint)):
        for reach in lengths:
            assert run.memory is not None, "without an M-Block there is no reach"
            memory = dataclasses.replace(run.memory, reach=reach)
            try:
                longer = dataclasses.replace(run, memory=memory)
                problem = Problem(longer, clips=clips, size_hw=size_hw, device=device)
                step = problem.step(joint=training == "joint")
                kept_bytes = step_memory(step, device)
                seconds = median_times({"step": step}, device=device, rounds=rounds)["step"]
            except torch.OutOfMemoryError:
                say(f"{training}, L = {reach}: does not fit")
                break
            rows.append((training, reach, seconds, kept_bytes / 1e9, where))
            say(f"{training}, L = {reach}: {seconds:.3f} s, {kept_bytes / 1e9:.3f} GB a step")
    return pd.DataFrame(rows, columns=list(REACH_COLUMNS))


def write_reach(path: Path | str, costs: pd.DataFrame) -> None:
    """Write the result of `cost_by_reach`."""
    write_text(path, costs.to_csv(index=False, lineterminator="\n"))


class Problem:
    """Network of a run with a batch of noise and a full pool.

    Args:
        run: The run.
        clips: Clips of the batch.
        size_hw: Size of a frame in pixels.
        device: Device of network, batch and pool.
        precision: See `train.precision`.
    """

    def __init__(
        self,
        run: Run,
        *,
        clips: int,
        size_hw: tuple[int, int],
        device: torch.device | None = None,
        precision: str = "auto",
    ) -> None:
        torch.manual_seed(0)
        self.device = device or torch.device("cpu")
        self.precision = precision
        self.reach = run.memory.reach if run.memory else 0
        self.slots = run.memory.persons_per_clip if run.memory else 1
        self.network: Network = run.build().to(self.device).train()
        backbone = run.backbone
        frames = sum(len(clip_offsets(backbone.span, stride)) for stride in backbone.strides)
        self.batch = noise_batch(
            clips,
            size_hw=size_hw,
            frames=frames,
            objects=run.network.max_objects,
            classes=len(run.classes),
            query="clip" if run.network.query == "segment" else "persons",
        ).to(self.device)
        self.memory: Memory = self._full_memory() if self.network.remembers else NoMemory()

    def _full_memory(self) -> Memory:
        last = max(2 * self.reach, 2) + 10
        pool = FeaturePool(
            seconds={"video": (0, last)},
            persons_per_clip=self.slots,
            d=self.network.d,
            device=self.device,
        )
        persons = min(PERSONS, self.slots)
        features = torch.rand(last + 1, persons, self.network.d, device=self.device)
        filled = torch.ones(last + 1, persons, dtype=torch.bool, device=self.device)
        keys = [ClipKey("video", t) for t in range(last + 1)]
        pool.write(keys, Slots(features, filled), loss_tag=1.0, step=0)
        return Asynchronous(pool, reach=self.reach, penalty=True, draws=PersonDraws(0))

    def scores(self, *, precision: str | None = None, joint: bool = False) -> Tensor:
        """Compute logits of the batch; jointly, compute the neighbours' features too."""
        with arithmetic(self.device, precision or self.precision):
            P, O, H = self.network.features(self.batch)
            M = self.memory.read(self.batch, P, err=1.0, step=1).M
            if joint and M is not None:  # 2L more passes, all kept for the gradient
                kept = Slots(P.features[:, : self.slots], P.filled[:, : self.slots])
                M = self._joint_memory(kept, M)
            return self.network.actions(P, O, M, H).float()

    def _joint_memory(self, own: Slots, M: Slots) -> Slots:
        near = [
            self.network.features(self.batch).P.features[:, : self.slots]
            for _ in range(2 * self.reach)
        ]
        rows = torch.stack([own.features, *near], dim=1)
        rows = F.pad(rows, (0, 0, 0, self.slots - rows.shape[2]))
        return Slots(rows.flatten(1, 2), M.filled)

    def step(self, *, joint: bool = False, fused: bool | None = None) -> Work:
        """Return a function that trains one step (Algorithm 1, lines 3 to 16).

        Args:
            joint: Train the clips of the memory too.
            fused: See `train.fused`.
        """
        optimizer = torch.optim.SGD(
            [p for p in self.network.parameters() if p.requires_grad],
            lr=1e-9,
            momentum=0.9,
            fused=self.device.type == "cuda" if fused is None else fused,
        )

        def run() -> None:
            loss = action_loss(self.scores(joint=joint), self.batch.labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        return run


def noise_batch(
    clips: int,
    *,
    size_hw: tuple[int, int],
    frames: int,
    objects: int,
    classes: int,
    query: Query = "persons",
) -> Batch:
    """Make noise with persons and objects on each clip, and hands if the clip is the query."""

    def boxes(slots: int) -> Tensor:
        low = 0.5 * torch.rand(clips, slots, 2)
        return torch.cat([low, low + 0.4], dim=2)

    def full(slots: int) -> Tensor:
        return torch.ones(clips, slots, dtype=torch.bool)

    persons, queries = (PERSONS, PERSONS) if query == "persons" else (0, 1)
    batch = Batch(
        keys=[ClipKey("video", 4 + i % 3) for i in range(clips)],
        frames=torch.randint(0, 256, (clips, frames, *size_hw, 3), dtype=torch.uint8),
        sizes_hw=torch.tensor([size_hw] * clips, dtype=torch.float32),
        persons_xyxy=boxes(persons),
        persons_filled=full(persons),
        labels=torch.randint(0, 2, (clips, queries, classes), dtype=torch.uint8),
        objects_xyxy=boxes(objects),
        objects_filled=full(objects),
        query=query,
    )
    if query == "persons":
        return batch
    return batch._replace(hands_xyxy=boxes(PERSONS), hands_filled=full(PERSONS))


def median_times(
    works: dict[str, Work], *, device: torch.device, rounds: int, grad: bool = True
) -> dict[str, float]:
    """Measure the median seconds of each function, in turns, after a warm-up turn."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for turn in range(rounds + 1):
        for name, work in works.items():
            _wait(device)
            start = time.perf_counter()
            with torch.set_grad_enabled(grad):
                work()
            _wait(device)
            if turn:
                taken[name].append(time.perf_counter() - start)
    return {name: statistics.median(some) for name, some in taken.items()}


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def step_memory(step: Work, device: torch.device) -> int:
    """Measure the peak bytes of a step (CUDA), or those kept for the backward pass (CPU)."""
    if device.type == "cuda":
        step()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats(device)
        step()
        return torch.cuda.max_memory_allocated(device)
    kept: dict[int, int] = {}

    def note(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
        step()
    return sum(kept.values())
