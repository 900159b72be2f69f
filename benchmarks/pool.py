"""READ and WRITE of Ω: ours against a dictionary of tensors and against plain copying, in one run.

    python -m benchmarks.pool                     # a quarter of AVA: 75 films, 4 GB
    python -m benchmarks.pool --films 5           # seconds, 0.3 GB
    python -m benchmarks.pool --dtype float16

`dictionary` is the straightforward pool: {(video, second): (features, δ)}, read clip by clip and
second by second. `copy` copies as many bytes as READ hands over: the least that any READ could
take. Each once into kept memory, as a training loop reads, and once into fresh memory. All see the
same batches, round by round, and must read the same values.
SAVE and LOAD are a checkpoint's: whole generations in Zarr with checksums, flushed to disk, against
`torch.save` of the dictionary.

Where fresh memory is slow, MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=99999999999 in the
environment keeps it from being given back between rounds.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aia.clip import ClipKey, Slots
from aia.files import sync
from aia.memory import FeaturePool, read_generation, recall, write_generation

SECONDS = 904  # key frames of a film of AVA, and the seconds around them


class Dictionary:
    """The pool as one would first write it."""

    def __init__(self, *, persons_per_clip: int, dtype: torch.dtype) -> None:
        self.slots, self.dtype = persons_per_clip, dtype
        self.content: dict[ClipKey, tuple[Tensor, float]] = {}

    def write(self, keys: Sequence[ClipKey], P: Slots, *, loss_tag: float) -> None:
        """Remember the persons of some clips."""
        for clip, key in enumerate(keys):
            persons = P.features[clip][P.filled[clip]][: self.slots]
            self.content[key] = (persons.to(self.dtype, copy=True), loss_tag)

    def read(
        self,
        keys: Sequence[ClipKey],
        P: Slots,
        *,
        err: float,
        reach: int,
        kept: Tensor | None = None,
    ) -> Tensor:
        """Look up the seconds around some clips, weighted by Eq. 2, into fresh or kept memory."""
        if kept is None:
            M = torch.zeros(len(keys), 2 * reach + 1, self.slots, P.features.shape[-1])
        else:
            M = kept.zero_()
        for clip, (video, t) in enumerate(keys):
            for second in range(2 * reach + 1):
                if second == reach:
                    persons = P.features[clip][P.filled[clip]][: self.slots]
                    M[clip, second, : len(persons)] = persons
                    continue
                entry = self.content.get(ClipKey(video, t - reach + second))
                if entry is not None:
                    persons, loss_tag = entry
                    w = min(err / loss_tag, loss_tag / err)
                    M[clip, second, : len(persons)] = persons.float() * w
        return M.flatten(1, 2)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--films", type=int, default=75)
    parser.add_argument("--clips", type=int, default=64, help="of a batch")
    parser.add_argument("--reach", type=int, default=30)
    parser.add_argument("--persons", type=int, default=5, help="remembered of a clip")
    parser.add_argument("--d", type=int, default=2304)
    parser.add_argument("--dtype", choices=["float32", "float16"], default="float32")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--folder", help="where SAVE writes, for the time being")
    given = parser.parse_args(arguments)
    torch.set_num_threads(given.threads)

    rng, dtype = np.random.default_rng(0), getattr(torch, given.dtype)
    films = [f"film{i:03d}" for i in range(given.films)]
    pool = FeaturePool(
        seconds={film: (0, SECONDS - 1) for film in films},
        persons_per_clip=given.persons,
        d=given.d,
        dtype=dtype,
    )
    plain = Dictionary(persons_per_clip=given.persons, dtype=dtype)
    fill(pool, plain, films, rng)
    size_gb = pool.features.numel() * pool.features.element_size() / 1e9
    print(f"{given.films} films x {SECONDS} s, {size_gb:.2f} GB ({given.dtype}); ", end="")
    print(f"batch of {given.clips}, L = {given.reach}, {given.threads} thread(s)")

    shape = given.clips, 2 * given.reach + 1, given.persons, given.d
    kept_theirs, kept_copy = torch.zeros(shape), torch.zeros(shape).flatten(1, 2)
    times: dict[str, list[float]] = {}

    def clock(name: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        result = work()
        times.setdefault(name, []).append(time.perf_counter() - start)
        return result

    for _ in range(given.rounds):
        keys = draw_keys(films, given.clips, rng)
        P = draw_persons(given.clips, given.d, rng)
        err, reach = 3.7, given.reach
        ours = clock(
            "READ aia",
            lambda: recall(pool, keys, P, err=err, reach=reach, reuse=True),  # noqa: B023
        ).slots.features
        theirs = clock(
            "READ dictionary",
            lambda: plain.read(keys, P, err=err, reach=reach, kept=kept_theirs),  # noqa: B023
        )
        torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=0)
        clock("READ copy", lambda: kept_copy.copy_(ours))  # noqa: B023
        clock(
            "READ aia, no penalty",
            lambda: recall(pool, keys, P, err=err, reach=reach, penalty=False, reuse=True),  # noqa: B023
        )
        fresh = clock(
            "READ aia, fresh memory",
            lambda: recall(pool, keys, P, err=err, reach=reach),  # noqa: B023
        ).slots.features
        torch.testing.assert_close(fresh, theirs, rtol=1e-6, atol=0)
        del fresh
        clock("READ dictionary, fresh memory", lambda: plain.read(keys, P, err=err, reach=reach))  # noqa: B023
        clock("READ copy, fresh memory", kept_copy.clone)
        clock("WRITE aia", lambda: pool.write(keys, P, loss_tag=err, step=1))  # noqa: B023
        clock("WRITE dictionary", lambda: plain.write(keys, P, loss_tag=err))  # noqa: B023

    with tempfile.TemporaryDirectory(dir=given.folder) as name:
        folder = Path(name)
        clock("SAVE aia", lambda: write_generation(pool, folder / "memory.zarr"))
        clock("SAVE torch.save", lambda: save(plain, folder / "pool.pt"))
        clock("LOAD aia", lambda: read_generation(folder / "memory.zarr", pool))
        clock("LOAD torch.load", lambda: torch.load(folder / "pool.pt", weights_only=False))

    median = {name: statistics.median(taken) for name, taken in times.items()}
    for name in [name for name in median if name.startswith("READ")]:
        write = median.get(name.split(",")[0].replace("READ", "WRITE"), 0.0)
        median[name.replace("READ", "READ+WRITE")] = median[name] + write
    for operation in ("READ", "WRITE", "READ+WRITE", "SAVE", "LOAD"):
        for name, taken in median.items():
            if name.split()[0] == operation:
                ratio = taken / median[f"{operation} aia"]
                print(f"{name:35s} {1e3 * taken:9.2f} ms  {ratio:6.2f} x aia's")


def save(plain: Dictionary, path: Path) -> None:
    """A checkpoint of the dictionary."""
    torch.save(plain.content, path)
    sync(path)


def fill(
    pool: FeaturePool, plain: Dictionary, films: Sequence[str], rng: np.random.Generator
) -> None:
    """Write every second of every film, at losses that differ."""
    for film in films:
        for first in range(0, SECONDS, 113):
            keys = [ClipKey(film, t) for t in range(first, first + 113)]
            P = draw_persons(len(keys), pool.d, rng)
            loss_tag = float(rng.uniform(2, 9))
            pool.write(keys, P, loss_tag=loss_tag, step=0)
            plain.write(keys, P, loss_tag=loss_tag)


def draw_keys(films: Sequence[str], clips: int, rng: np.random.Generator) -> list[ClipKey]:
    """Clips of a random batch, no two the same."""
    chosen = rng.choice(len(films) * SECONDS, clips, replace=False)
    return [ClipKey(films[i // SECONDS], int(i % SECONDS)) for i in chosen]


def draw_persons(clips: int, d: int, rng: np.random.Generator) -> Slots:
    """Persons of some clips: 1.7 on average, as in AVA."""
    count = torch.from_numpy(1 + rng.poisson(0.7, clips).clip(max=4))
    filled = torch.arange(5) < count[:, None]
    features = torch.from_numpy(rng.random((clips, 5, d), dtype=np.float32))
    return Slots(features * filled[..., None], filled)


if __name__ == "__main__":
    main()
