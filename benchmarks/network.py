"""What the networks of the paper cost, on whatever device there is; every figure of one run.

    python -m benchmarks.network                              # seconds to minutes on a CPU
    python -m benchmarks.network --clips 16 --size 256 455    # a GPU's training step

Printed are, for SlowFast R50 4x16 without interaction and with dense serial IA and AMU:

1. the time of a forward pass and of a training step, against a literal version of the same
   network: eager, float32, BatchNorm as a layer of its own, frames as they come, and IA person by
   person with its memory reduced again for each (both must give the same scores)
2. what IA and AMU add to the baseline in parameters, operations and time, at both widths
   (Table 1e of the paper: 1.35 and 1.15 times)
3. a training step by the reach L of the memory: with AMU, and with the neighbours' clips trained
   jointly for the lengths that fit (Figure 5)
4. the operations of a training step a second, as a share of what a matrix product reaches here

Memory is what the allocator had at most (CUDA), or the bytes kept for the backward pass (CPU).
Times are medians, in a GPU's case between events after the device has been waited for.
"""

import argparse
import copy
import dataclasses
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from aia.clip import ClipKey, Slots
from aia.config import (
    BackboneConfig,
    MemoryConfig,
    NetworkConfig,
    build_section,
    overlay,
    parse_run,
    read_yaml,
    run_settings,
)
from aia.datasets.loader import Batch
from aia.interact import dense_query
from aia.memory import FeaturePool, recall
from aia.network import Network, arithmetic, build_network
from aia.train.loss import action_loss
from aia.video.sampling import clip_offsets

BASELINE, DENSE = "slowfast_r50_4x16-none", "slowfast_r50_4x16-dense-POMPOM-amu"
PERSONS, OBJECTS, CLASSES = 3, 5, 80
Work = Callable[[], Any]


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=2, help="of a batch")
    parser.add_argument("--size", type=int, nargs=2, default=(112, 144), help="height and width")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--reach", type=int, nargs="*", default=[0, 5, 15, 30, 60])
    parser.add_argument("--joint", type=int, nargs="*", default=None, help="L trained jointly")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)
    bench = Bench(given)
    where = torch.cuda.get_device_name() if bench.cuda else f"CPU, {given.threads} thread(s)"
    height, width = given.size
    print(f"{where}, torch {torch.__version__}; {given.clips} clips of 32 frames, {height}x{width}")
    bench.against_the_literal_network()
    bench.cost_of_interaction()
    bench.cost_by_reach()
    bench.share_of_the_matrix_rate()


class Bench:
    """The four tables."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.device = torch.device(given.device)
        self.cuda = self.device.type == "cuda"
        self.precision = "bfloat16" if self.cuda else "float32"

    def against_the_literal_network(self) -> None:
        """Table 1."""
        print("\n1. against a literal eager float32 version of the same network")
        for name in (BASELINE, DENSE):
            network, batch, pool = self.problem(name)
            literal = Literal(network)
            with torch.no_grad():
                ours = self.scores(network, batch, pool, precision="float32")
                theirs = literal.scores(batch, pool)
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
            forward = self.times(
                {
                    "aia": lambda: self.scores(network, batch, pool),  # noqa: B023
                    "literal": lambda: literal.scores(batch, pool),  # noqa: B023
                },
                grad=False,
            )
            step = self.times(
                {
                    "aia": self.step(network, batch, pool),
                    "literal": literal.step(batch, pool),
                }
            )
            for what, times in (("forward", forward), ("training step", step)):
                ratio = times["literal"] / times["aia"]
                print(
                    f"   {name:36s} {what:14s} aia {1e3 * times['aia']:8.1f} ms, "
                    f"literal {1e3 * times['literal']:8.1f} ms: {ratio:.2f}x"
                )

    def cost_of_interaction(self) -> None:
        """Table 2."""
        print("\n2. IA + AMU over the baseline (the paper: 1.35x parameters, 1.15x FLOPs)")
        found = {}
        for label, name, width in (
            ("none", BASELINE, 512),
            *(("dense", DENSE, w) for w in (512, 1024)),
        ):
            network, batch, pool = self.problem(name, width=width)
            step = self.step(network, batch, pool)
            seconds = self.times({"step": step})["step"]
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                self.scores(network, batch, pool)
            parameters = sum(p.numel() for p in network.parameters() if p.requires_grad)
            found[label, width] = (parameters, counter.get_total_flops(), seconds)
        base = found["none", 512]
        for (label, width), here in found.items():
            row = "baseline" if label == "none" else f"d = {width}"
            parameters, flops, seconds = here
            ratios = ", ".join(
                f"{a / b:.3f}x {what}"
                for a, b, what in zip(here, base, ("parameters", "FLOPs", "time"), strict=True)
            )
            sizes = f"{parameters / 1e6:6.2f} M, {flops / 1e9:8.1f} GFLOP, {seconds:7.3f} s a step"
            print(f"   {row:9s} {sizes}: {ratios}")

    def cost_by_reach(self) -> None:
        """Table 3."""
        print("\n3. a training step by the reach L (Figure 5)")
        joint = self.given.joint
        if joint is None:
            joint = self.given.reach if self.cuda else [0, 1, 2]
        for kind, reaches in (("AMU", self.given.reach), ("joint", joint)):
            for reach in reaches:
                network, batch, pool = self.problem(DENSE, reach=reach)
                step = self.step(network, batch, pool, joint=kind == "joint")
                try:
                    memory = self.memory(step)
                    seconds = self.times({"step": step})["step"]
                except torch.OutOfMemoryError:
                    print(f"   {kind:6s} L = {reach:3d}: does not fit")
                    break
                print(f"   {kind:6s} L = {reach:3d}: {seconds:8.3f} s, {memory / 1e9:7.3f} GB")

    def share_of_the_matrix_rate(self) -> None:
        """Table 4."""
        size = 8192 if self.cuda else 1024
        dtype = torch.bfloat16 if self.cuda else torch.float32
        a, b = (torch.randn(size, size, device=self.device, dtype=dtype) for _ in range(2))
        rate = 2 * size**3 / self.times({"product": lambda: a @ b}, grad=False)["product"]
        network, batch, pool = self.problem(DENSE)
        step = self.step(network, batch, pool)
        with FlopCounterMode(display=False) as counter:
            step()
        flops = counter.get_total_flops()
        seconds = self.times({"step": step})["step"]
        print(f"\n4. a training step of {flops / 1e12:.3f} TFLOP, {self.precision}")
        print(
            f"   {flops / seconds / 1e12:.3f} TFLOP/s of {rate / 1e12:.3f} TFLOP/s in a product of "
            f"{size}x{size}: {100 * flops / seconds / rate:.0f} %; "
            f"{self.given.clips / seconds:.2f} clips/s"
        )

    def problem(
        self, name: str, *, width: int = 512, reach: int = 30
    ) -> tuple[Network, Batch, FeaturePool]:
        """A network with a batch for it and a full pool."""
        torch.manual_seed(0)
        network = network_of(name, width=width, reach=reach).to(self.device).train()
        height, wide = self.given.size
        batch = batch_of(self.given.clips, (height, wide)).to(self.device)
        pool = FeaturePool(
            seconds={"film": (0, 130)}, persons_per_clip=5, d=network.d, device=self.device
        )
        every = [ClipKey("film", t) for t in range(131)]
        features = torch.rand(131, PERSONS, network.d, device=self.device)
        filled = torch.ones(131, PERSONS, dtype=torch.bool, device=self.device)
        pool.write(every, Slots(features, filled), loss_tag=1.0, step=0)
        self.reach = reach
        return network, batch, pool

    def scores(
        self,
        network: Network,
        batch: Batch,
        pool: FeaturePool,
        *,
        precision: str | None = None,
        joint: bool = False,
    ) -> Tensor:
        """Logits of a batch; jointly, the neighbours' features are computed here and now too."""
        with arithmetic(self.device, precision or self.precision):
            P, O = network.features(batch)
            M = None
            if network.remembers:
                M, _ = recall(pool, batch.keys, P, err=1.0, reach=self.reach, reuse=not joint)
                if joint:  # 2L more passes, all of them kept for the gradient
                    seconds = 2 * self.reach
                    near = [network.features(batch).P.features for _ in range(seconds)]
                    rows = F.pad(torch.stack([P.features, *near], dim=1), (0, 0, 0, 5 - PERSONS))
                    M = Slots(rows.flatten(1, 2), M.filled)
            return network.actions(P, O, M).float()

    def step(
        self, network: Network, batch: Batch, pool: FeaturePool, *, joint: bool = False
    ) -> Work:
        """Algorithm 1's lines 3 to 16 for one batch, as train/loop.py has them."""
        optimizer = torch.optim.SGD(network.parameters(), lr=1e-9, momentum=0.9, fused=self.cuda)

        def run() -> None:
            loss = action_loss(self.scores(network, batch, pool, joint=joint), batch.labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()

        return run

    def times(self, works: dict[str, Work], *, grad: bool = True) -> dict[str, float]:
        """Median seconds of each, in turns, after one turn that does not count."""
        taken: dict[str, list[float]] = {name: [] for name in works}
        for turn in range(self.given.rounds + 1):
            for name, work in works.items():
                self.wait()
                start = time.perf_counter()
                with torch.set_grad_enabled(grad):
                    work()
                self.wait()
                if turn:
                    taken[name].append(time.perf_counter() - start)
        return {name: statistics.median(some) for name, some in taken.items()}

    def wait(self) -> None:
        """Let the device finish."""
        if self.cuda:
            torch.cuda.synchronize()

    def memory(self, step: Work) -> int:
        """Bytes that a step needs at most (CUDA), or keeps for its backward pass (CPU)."""
        if self.cuda:
            step()
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
            step()
            return torch.cuda.max_memory_allocated()
        kept: dict[int, int] = {}

        def note(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            kept[storage.data_ptr()] = storage.nbytes()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(note, lambda tensor: tensor):
            step()
        return sum(kept.values())


class Literal:
    """The same network as one would first write it: nothing folded, nothing batched in IA."""

    def __init__(self, network: Network) -> None:
        self.network = copy.deepcopy(network)
        for unit in self.network.modules():
            if hasattr(unit, "frozen"):
                unit.frozen = False  # BatchNorm as a layer, in evaluation mode
        self.network.backbone.eval()

    def scores(self, batch: Batch, pool: FeaturePool) -> Tensor:
        """Logits of every person."""
        network = self.network
        backbone: Any = network.backbone
        slow, fast = network.pathways(batch.frames, sizes_hw=batch.sizes_hw)
        slow, fast = backbone.slow.stem(slow), backbone.fast.stem(fast)
        for lateral, slow_stage, fast_stage in zip(
            backbone.laterals, backbone.slow.stages, backbone.fast.stages, strict=True
        ):
            slow, fast = slow_stage(torch.cat([slow, lateral(fast)], dim=1)), fast_stage(fast)
        network.__dict__["maps_of"] = lambda _: [slow, fast]  # RoIAlign is the same for both
        P, O = network.features(batch)
        if network.interaction is None:
            return network.actions(P, O, None)
        reach = (len(network.interaction.stack["M1"].position_key) - 1) // 2
        M, _ = recall(pool, batch.keys, P, err=1.0, reach=reach)
        A = [self.clip(P.features[i], O.features[i], M.features[i]) for i in range(len(batch.keys))]
        return network.classifier(P.features + torch.stack(A))

    def clip(self, persons: Tensor, objects: Tensor, memory: Tensor) -> Tensor:
        """A_t of a clip's persons, one by one, each with its own reduction of the context."""
        ia: Any = self.network.interaction
        q, keys = ia.reduce["person"](persons), ia.reduce["person_key"](persons)
        own = [
            {"O": ia.reduce["object"](objects), "M": ia.reduce["memory"](memory)} for _ in persons
        ]
        done: list[Tensor] = []
        for place, (name, block) in enumerate(ia.stack.items()):
            if place > 1:
                q = dense_query(torch.stack(done), ia.W[str(place)])
            elif done:
                q = done[-1]
            others = F.pad(keys if name == "P1" else q, (0, 0, 0, 25 - PERSONS))
            done.append(
                torch.stack(
                    [
                        _attend(block, person, others if name[0] == "P" else context[name[0]])
                        for person, context in zip(q, own, strict=True)
                    ]
                )
            )
        return done[-1]

    def step(self, batch: Batch, pool: FeaturePool) -> Work:
        """One training step."""
        optimizer = torch.optim.SGD(self.network.parameters(), lr=1e-9, momentum=0.9, foreach=False)

        def run() -> None:
            loss = action_loss(self.scores(batch, pool), batch.labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

        return run


def _attend(block: Any, person: Tensor, slots: Tensor) -> Tensor:
    """One block for one person, layer by layer."""
    query, key, value = block.query(person), block.key(slots), block.value(slots)
    if block.position_key is not None:
        times = len(slots) // len(block.position_key)
        key = key + block.position_key.repeat_interleave(times, dim=0)
        value = value + block.position_value.repeat_interleave(times, dim=0)
    attention = (key @ query / len(query) ** 0.5).softmax(dim=0)
    gain = block.out(F.relu(F.layer_norm(attention @ value, (len(query),))))
    return block.shortcut(person) + gain


def network_of(name: str, *, width: int, reach: int) -> Network:
    """A network of the released form; without dropout, so that two versions can be compared."""
    run = parse_run(f"{name}-s0-released")
    raw = run_settings(read_yaml(Path(__file__).parents[1] / "config.yaml"), run)
    raw = overlay(raw, {"network": {"width": width, "dropout": 0.0, "zero_output": False}})
    backbone = build_section(BackboneConfig, raw["backbones"][run.backbone], "backbones")
    memory = build_section(MemoryConfig, raw["memory"], "memory") if "memory" in raw else None
    return build_network(
        backbone=backbone,
        frozen_norm=True,
        structure=run.structure,
        blocks=run.blocks,
        network=build_section(NetworkConfig, raw["network"], "network"),
        memory=memory and dataclasses.replace(memory, reach=reach),
        classes=CLASSES,
    )


def batch_of(clips: int, size_hw: tuple[int, int]) -> Batch:
    """Noise, with three persons and five objects on each clip."""
    frames = len(clip_offsets(64, 16)) + len(clip_offsets(64, 2))

    def boxes(slots: int) -> Tensor:
        low = 0.5 * torch.rand(clips, slots, 2)
        return torch.cat([low, low + 0.4], dim=2)

    return Batch(
        keys=[ClipKey("film", 64 + i % 3) for i in range(clips)],
        frames=torch.randint(0, 256, (clips, frames, *size_hw, 3), dtype=torch.uint8),
        sizes_hw=torch.tensor([size_hw] * clips, dtype=torch.float32),
        persons_xyxy=boxes(PERSONS),
        persons_filled=torch.ones(clips, PERSONS, dtype=torch.bool),
        labels=torch.randint(0, 2, (clips, PERSONS, CLASSES), dtype=torch.uint8),
        objects_xyxy=boxes(OBJECTS),
        objects_filled=torch.ones(clips, OBJECTS, dtype=torch.bool),
    )


if __name__ == "__main__":
    main()
