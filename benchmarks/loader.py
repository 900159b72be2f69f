"""Memory of the processes that load clips, over an epoch of AVA's size: it must stay flat.

    python -m benchmarks.loader                 # 200,000 clips, 2 processes; a minute
    python -m benchmarks.loader --clips 20000

A process that loads begins as a copy of the trainer and shares its memory until one of them writes;
and Python writes to every object that it looks at. So a list of clips is copied bit by bit while an
epoch goes by. Ours are packed (datasets/loader.py); the alternative in the same run is the list.
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch.utils.data import DataLoader, get_worker_info

from aia.clip import ClipKey, ClipSample
from aia.datasets.loader import PackedClips, freeze_gc

PERSONS, CLASSES = 3, 80


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clips", type=int, default=200_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args(arguments)
    clips = [clip(i) for i in range(given.clips)]
    print(f"{given.clips:,} clips of {PERSONS} persons, {given.workers} processes, one epoch")
    print("private MiB of a process after      1/8     1/4     1/2       1")
    grown = {}
    for name, held, begin in (
        ("a list of clips", clips, None),
        ("packed", PackedClips(clips), freeze_gc),
    ):
        told = epoch(held, workers=given.workers, begin=begin)
        grown[name] = told[-1] - told[0]
        print(f"{name:30s}" + "".join(f"{mib:8.1f}" for mib in told))
    ratio = grown["a list of clips"] / max(grown["packed"], 0.1)
    print(f"packed clips grow by {grown['packed']:.1f} MiB; the list by {ratio:.0f}x as much")


def clip(i: int) -> ClipSample:
    rng = np.random.default_rng(i)
    low = rng.random((PERSONS, 2), dtype=np.float32) / 2
    return ClipSample(
        key=ClipKey(f"film{i // 897:04d}", 902 + i % 897),
        time_sec=902.0 + i % 897,
        persons_xyxy=np.concatenate([low, low + 0.3], axis=1),
        persons_score=np.ones(PERSONS, np.float32),
        labels=rng.integers(0, 2, (PERSONS, CLASSES), dtype=np.uint8),
    )


class Looking(torch.utils.data.Dataset):
    """Clips without their frames: what a worker looks at of each, and its memory now and then."""

    def __init__(self, clips: Sequence[ClipSample]) -> None:
        self.clips = clips

    def __getitem__(self, place: int) -> tuple[int, float]:
        sample = self.clips[place]
        return int(sample.labels.sum()) + len(sample.persons_xyxy), private_mib()


class Order(torch.utils.data.Sampler[list[int]]):
    """All clips once, in a random order, in batches of 16."""

    def __init__(self, clips: int) -> None:
        self.order = np.random.default_rng(0).permutation(clips)

    def __iter__(self) -> Iterator[list[int]]:
        for start in range(0, len(self.order), 16):
            yield self.order[start : start + 16].tolist()

    def __len__(self) -> int:
        return -(-len(self.order) // 16)


def epoch(clips: Sequence[ClipSample], *, workers: int, begin: object) -> list[float]:
    """Private MiB of a worker after 1/8, 1/4, 1/2 and all of an epoch."""
    batches = DataLoader(
        Looking(clips),
        batch_sampler=Order(len(clips)),
        num_workers=workers,
        collate_fn=lambda rows: rows[-1][1],
        worker_init_fn=begin,
        multiprocessing_context="fork",
    )
    told = list(batches)
    return [told[int(share * len(told)) - 1] for share in (0.125, 0.25, 0.5, 1.0)]


_asked = 0
_known = 0.0


def private_mib() -> float:
    """What only this process has; asked every 512th time, since asking takes a millisecond."""
    global _asked, _known
    if get_worker_info() is not None and _asked % 512 == 0:
        lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
        _known = sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024
    _asked += 1
    return _known


if __name__ == "__main__":
    main()
