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
5. with --settings: what bfloat16, torch.compile and a fused optimizer each bring in a training step

Memory is what the allocator had at most (CUDA), or the bytes kept for the backward pass (CPU).
Times are medians, in a GPU's case between events after the device has been waited for.
"""

import argparse
import copy
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from aia.clip import Batch
from aia.config import (
    overlay,
    parse_run,
    read_yaml,
    run_settings,
)
from aia.interact import dense_query
from aia.memory import FeaturePool, recall
from aia.network import Network
from aia.run import Run
from aia.train.cost import PERSONS, Problem, Work, cost_by_reach, median_times, step_memory
from aia.train.loss import action_loss

BASELINE, DENSE = "slowfast_r50_4x16-none", "slowfast_r50_4x16-dense-POMPOM-amu"
CLASSES = 80


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=2, help="of a batch")
    parser.add_argument("--size", type=int, nargs=2, default=(112, 144), help="height and width")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--reach", type=int, nargs="*", default=[0, 5, 15, 30, 60])
    parser.add_argument("--joint", type=int, nargs="*", default=None, help="L trained jointly")
    parser.add_argument("--settings", action="store_true", help="also table 5 (minutes)")
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
    if given.settings:
        bench.settings()


class Bench:
    """The four tables."""

    def __init__(self, given: argparse.Namespace) -> None:
        self.given = given
        self.device = torch.device(given.device)
        self.cuda = self.device.type == "cuda"

    def against_the_literal_network(self) -> None:
        """Table 1."""
        print("\n1. against a literal eager float32 version of the same network")
        for name in (BASELINE, DENSE):
            problem = self.problem(name)
            batch, pool = problem.batch, problem.memory.pool
            literal = Literal(problem.network)
            with torch.no_grad():
                ours = problem.scores(precision="float32")
                theirs = literal.scores(batch, pool)
            torch.testing.assert_close(ours, theirs, rtol=1e-3, atol=1e-3)
            forward = self.times(
                {
                    "aia": problem.scores,
                    "literal": lambda: literal.scores(batch, pool),  # noqa: B023
                },
                grad=False,
            )
            step = self.times(
                {
                    "aia": problem.step(),
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
            problem = self.problem(name, width=width)
            seconds = self.times({"step": problem.step()})["step"]
            with FlopCounterMode(display=False) as counter, torch.no_grad():
                problem.scores()
            parameters = sum(p.numel() for p in problem.network.parameters() if p.requires_grad)
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
        costs = cost_by_reach(
            released(DENSE, width=512, reach=30),
            clips=self.given.clips,
            size_hw=tuple(self.given.size),
            reaches=self.given.reach,
            joint=joint,
            device=self.device,
            rounds=self.given.rounds,
        )
        print(costs.to_string(index=False))

    def share_of_the_matrix_rate(self) -> None:
        """Table 4."""
        size = 8192 if self.cuda else 1024
        dtype = torch.bfloat16 if self.cuda else torch.float32
        a, b = (torch.randn(size, size, device=self.device, dtype=dtype) for _ in range(2))
        rate = 2 * size**3 / self.times({"product": lambda: a @ b}, grad=False)["product"]
        step = self.problem(DENSE).step()
        with FlopCounterMode(display=False) as counter:
            step()
        flops = counter.get_total_flops()
        seconds = self.times({"step": step})["step"]
        precision = "bfloat16" if self.cuda else "float32"
        print(f"\n4. a training step of {flops / 1e12:.3f} TFLOP, {precision}")
        print(
            f"   {flops / seconds / 1e12:.3f} TFLOP/s of {rate / 1e12:.3f} TFLOP/s in a product of "
            f"{size}x{size}: {100 * flops / seconds / rate:.0f} %; "
            f"{self.given.clips / seconds:.2f} clips/s"
        )

    def settings(self) -> None:
        """Table 5."""
        print("\n5. a training step by its settings (train.precision, compile, fused)")
        base = None
        choices = (
            ("float32", False, False),
            ("float32", False, True),
            ("bfloat16", False, False),
            ("bfloat16", False, True),
            ("float32", True, True),
            ("bfloat16", True, True),
        )
        for precision, compiled, fused in choices:
            problem = self.problem(DENSE)
            problem.precision = precision
            if compiled:
                problem.network.backbone.compile()
            step = problem.step(fused=fused)
            start = time.perf_counter()
            step()
            first = time.perf_counter() - start
            seconds = self.times({"step": step})["step"]
            memory = step_memory(step, self.device)
            base = base or seconds
            print(
                f"   {precision:9s} {'compiled' if compiled else 'eager':9s}"
                f"{'fused' if fused else 'one by one':11s} {1e3 * seconds:9.1f} ms, "
                f"{memory / 1e9:6.3f} GB, {self.given.clips / seconds:7.2f} clips/s: "
                f"{base / seconds:.2f}x (first step {first:.1f} s)"
            )

    def problem(self, name: str, *, width: int = 512, reach: int = 30) -> Problem:
        """A network with a batch for it and a full pool."""
        return Problem(
            released(name, width=width, reach=reach),
            clips=self.given.clips,
            size_hw=tuple(self.given.size),
            device=self.device,
        )

    def times(self, works: dict[str, Work], *, grad: bool = True) -> dict[str, float]:
        """Median seconds of each, in turns."""
        return median_times(works, device=self.device, rounds=self.given.rounds, grad=grad)


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
        P, O, _ = network.features(batch)
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


def released(name: str, *, width: int, reach: int) -> Run:
    """A run of the released form; without dropout, so that two versions can be compared."""
    named = parse_run(f"{name}-s0-released")
    raw = run_settings(read_yaml(Path(__file__).parents[1] / "config.yaml"), named)
    change = {"network": {"width": width, "dropout": 0.0, "zero_output": False}}
    change |= {"memory": {"reach": reach}} if named.remembers else {}
    return Run.from_settings(named, overlay(raw, change), classes=ClassList.numbered(CLASSES))


if __name__ == "__main__":
    main()
