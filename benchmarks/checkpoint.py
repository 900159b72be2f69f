"""What a checkpoint of Ω costs at AVA's size: how long training waits, the disk writes and reads.

    python -m benchmarks.checkpoint                         # 299 films, 2.1 GB of features, minutes
    python -m benchmarks.checkpoint --films 30              # seconds
    python -m benchmarks.checkpoint --films 299 --persons 5 # every place taken: 6.2 GB

Training waits while the state is copied; the rest happens beside it. The alternative, in the same
run, is to wait until all is on the disk, as torch.save of the whole pool does.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from aia.config import read_yaml
from aia.memory import FeaturePool, read_generation, snapshot, verify_generation, write_generation

REPOSITORY = Path(__file__).resolve().parents[1]
PLACES, D = 5, 2304  # persons of a clip; channels of SlowFast's person features


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=299)
    parser.add_argument("--seconds", type=int, default=900)
    parser.add_argument(
        "--persons", type=float, default=1.7, help="remembered of a clip, on average"
    )
    parser.add_argument(
        "--step-sec", type=float, default=0.5, help="a training step, for the share"
    )
    given = parser.parse_args(arguments)

    pool = filled_pool(given.films, given.seconds, given.persons)
    persons = int(pool.count.sum())
    features_gb = persons * D * pool.features.element_size() / 1e9
    print(
        f"{given.films} films x {given.seconds} s x {PLACES} places x {D}, float16: "
        f"{pool.features.numel() * 2 / 1e9:.2f} GB, {persons:,} persons in it, {features_gb:.2f} GB"
    )
    every = read_yaml(REPOSITORY / "config.yaml")["train"]["checkpoint_every"]
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        first, first_sec = timed(lambda: snapshot(pool))
        taken, copy_sec = timed(lambda: snapshot(pool, first))
        _, write_sec = timed(lambda: write_generation(taken, folder / "memory.zarr"))
        _, verify_sec = timed(lambda: verify_generation(folder / "memory.zarr"))
        for array in vars_of(pool).values():
            array.zero_()
        _, read_sec = timed(lambda: read_generation(folder / "memory.zarr", pool))
        there = taken.arrays["features"]
        filled = torch.arange(PLACES) < pool.count[:, None]
        places = filled.flatten().nonzero()[:, 0]
        every_place = pool.features.flatten(0, 1)
        same = len(places) == len(there) and all(
            torch.equal(every_place[places[i : i + 4096]], torch.from_numpy(there[i : i + 4096]))
            for i in range(0, len(places), 4096)
        )
        for what, sec in {
            "the first copy, it waits": first_sec,
            "a later copy, it waits": copy_sec,
            "write, beside it": write_sec,
        }.items():
            print(f"{what:26s} {sec:7.2f} s  ({features_gb / sec:.2f} GB/s)")
        print(f"restore                    {read_sec:7.2f} s  verify alone {verify_sec:.2f} s")
        print(f"what came back is what was there: {same}")
        _, whole_sec = timed(lambda: torch.save(vars_of(pool), folder / "pool.pt"))
        print(f"torch.save of the pool     {whole_sec:7.2f} s, without a digest or a flush")
    stalls = {"copy": copy_sec, "copy and write": copy_sec + write_sec, "torch.save": whole_sec}
    for name, seconds in stalls.items():
        share = seconds / (every * given.step_sec)
        print(
            f"waiting for {name:15s}{100 * share:6.2f} % of the time of {every} steps of "
            f"{given.step_sec:g} s  ({seconds / copy_sec:.1f}x ours)"
        )


def filled_pool(films: int, seconds: int, persons: float) -> FeaturePool:
    """A pool in which every second remembers somebody."""
    spans = {f"film{i:04d}": (902, 901 + seconds) for i in range(films)}
    pool = FeaturePool(seconds=spans, persons_per_clip=PLACES, d=D, dtype=torch.float16)
    rows = len(pool.count) - 1
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn(1 << 20, generator=generator).half()
    wanted = (torch.rand(rows, generator=generator) * 2 * persons).round().long()
    pool.count[1:] = wanted.clamp(max=PLACES) if persons < PLACES else PLACES
    flat = pool.features.view(-1)
    for start in range(PLACES * D, flat.numel(), len(noise)):
        piece = flat[start : start + len(noise)]
        piece.copy_(noise[: len(piece)])
    for first in range(0, len(pool.count), 4096):
        some = slice(first, first + 4096)
        empty = torch.arange(PLACES) >= pool.count[some, None]
        pool.features[some].masked_fill_(empty[..., None], 0)
    pool.loss_tag[1:] = torch.rand(rows, generator=generator)
    pool.step[1:] = torch.randint(1, 20000, (rows,), generator=generator)
    return pool


def vars_of(pool: FeaturePool) -> dict[str, torch.Tensor]:
    return {part: getattr(pool, part) for part in ("features", "count", "loss_tag", "step")}


def timed(work: Callable[[], object]) -> tuple[object, float]:
    begin = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begin


if __name__ == "__main__":
    main()
