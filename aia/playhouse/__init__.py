"""Playhouse, the embedded data set: scripted, drawn videos (docs/playhouse.md).

    films/{video}.mp4   H.264, without sound
    annotations/        files in the form of `playhouse.form`: AVA, UCF101-24 or EPIC-Kitchens-55

world.py writes scripts, stage.py draws them with people.py and pixels.py, and forms.py annotates
them in AVA's or UCF101-24's form. EPIC-Kitchens' form needs segments with a verb and a noun, so it
has its own scripts (kitchen.py) and stage (kitchen_stage.py), with the same people and pixels.
"""

import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

from aia.config import PlayhouseConfig
from aia.errors import InputError
from aia.log import progress
from aia.processes import die_with_parent

# The workflow asks for the names in each of its jobs, so what draws is imported where it draws.

SPLITS = ("train", "val")
EPIC_PARTICIPANTS = {"train": (1, 25), "val": (26, 31)}
"""First and last participant of each split of EPIC-Kitchens-55's form, as published."""

_Video = tuple[str, int, str]
"""Split, number in it, and name."""


def video_names(config: PlayhouseConfig, split: str) -> list[str]:
    """List the names of the videos of a split, "train" or "val"."""
    if split not in SPLITS:
        raise InputError(f"playhouse has the splits {' and '.join(SPLITS)}, not {split!r}")
    count = {"train": config.train_films, "val": config.val_films}[split]
    if config.form == "epic_kitchens":
        first, last = EPIC_PARTICIPANTS[split]
        persons = last - first + 1
        return [
            f"P{first + number % persons:02d}_{1 + number // persons:02d}"
            for number in range(count)
        ]
    prefix = {"ucf101_24": "v_"}.get(config.form, "")
    return [f"{prefix}playhouse_{split}_{number:03d}" for number in range(count)]


def key_frames(config: PlayhouseConfig) -> int:
    """Return how many frames of a video are annotated."""
    return config.seconds * config.fps if config.form == "ucf101_24" else config.seconds - 1


def draw_playhouse(folder: Path, *, config: PlayhouseConfig, processes: int) -> None:
    """Draw all videos into `folder` and write their annotations, with so many processes.

    The annotations are written last: a folder that has them is complete.
    """
    if any(side % 2 or side < 32 for side in config.size_hw):
        raise InputError(
            f"playhouse.size_hw is {list(config.size_hw)}: height and width of an H.264 video are "
            "even, and below 32 pixels nothing can be told apart"
        )
    from aia.playhouse.forms import write_annotations

    annotations = folder / "annotations"
    for old in (*annotations.glob("*.csv"), *annotations.glob("*.pkl")):
        old.unlink()
    videos = [
        (split, number, name)
        for split in SPLITS
        for number, name in enumerate(video_names(config, split))
    ]
    draw = partial(_draw_video, folder / "films", config)
    drawn = progress(_spread(draw, videos, processes), what="videos", total=len(videos))
    write_annotations(annotations, config.form, list(drawn))


def _spread(draw: "partial[Any]", videos: Sequence[_Video], processes: int) -> Iterator[Any]:
    if processes <= 1 or len(videos) == 1:
        yield from map(draw, videos)
        return
    # Spawned, not forked: the caller may have threads, of which a fork keeps only the locks.
    with ProcessPoolExecutor(
        min(processes, len(videos)),
        mp_context=multiprocessing.get_context("spawn"),
        initializer=die_with_parent,
        initargs=(os.getpid(),),
    ) as pool:
        yield from pool.map(draw, videos, chunksize=4)


def _draw_video(folder: Path, config: PlayhouseConfig, video: _Video) -> dict[str, list[Any]]:
    """Draw one video and return what its annotations say."""
    from aia.playhouse.forms import draw_video
    from aia.playhouse.pixels import write_video

    split, number, name = video
    frames, rows = draw_video(config, split=split, number=number, video=name)
    write_video(folder / f"{name}.mp4", frames, fps=config.fps, size_hw=config.size_hw)
    return rows
