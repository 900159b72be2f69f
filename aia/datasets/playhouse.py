"""Playhouse, the embedded data set: scripted, drawn films that need no download (docs/data.md).

A folder of films and annotations in AVA's format, all from one seed:

    films/{video}.mp4                H.264
    annotations/actions.pbtxt        the classes and their groups
    annotations/{split}.csv          who does what: video,second,x1,y1,x2,y2,action,person
    annotations/{split}_objects.csv  things on the wall: video,second,x1,y1,x2,y2,label
    annotations/{split}_excluded.csv seconds in which the light is out: video,second

playhouse_script.py writes the plays, playhouse_draw.py draws them. `playhouse.form` may ask for
another form: playhouse_ucf24.py annotates the same films as UCF101-24 is, playhouse_epic.py has a
world of its own in the form of EPIC-Kitchens-55.
"""

import multiprocessing
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aia.config import PlayhouseConfig
from aia.errors import InputError
from aia.files import atomic_path, write_text
from aia.labels import ClassList, write_labels
from aia.log import progress
from aia.processes import end_with

if TYPE_CHECKING:
    from aia.datasets import playhouse_epic
    from aia.datasets.playhouse_draw import Cast
    from aia.datasets.playhouse_script import Script

# The workflow asks for the names in each of its jobs, so whatever draws is imported where it draws.

SPLITS = ("train", "val")
EPIC_PARTICIPANTS = {"train": (1, 25), "val": (26, 31)}
"""Of EPIC-Kitchens-55's form: first and last, as the published films are split."""
BLACKOUT_EVERY = 3
"""One film in so many has a second without light, which is excluded."""


class _Film(NamedTuple):
    split: str
    number: int


class _Rows(NamedTuple):
    """A film's lines of AVA's three CSV files."""

    actions: list[str]
    objects: list[str]
    excluded: list[str]


def video_names(config: PlayhouseConfig, split: str) -> list[str]:
    """Names of the films of a split, "train" or "val"."""
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
    """How many of a film are annotated."""
    return config.seconds * config.fps if config.form == "ucf101_24" else config.seconds - 1


def class_list() -> ClassList:
    """The classes of AVA's form, in the order of their ids."""
    from aia.datasets.playhouse_script import CLASSES

    names, groups = zip(*CLASSES, strict=True)
    return ClassList(ids=tuple(range(1, len(CLASSES) + 1)), names=names, groups=groups)


def draw_playhouse(folder: Path, *, config: PlayhouseConfig, processes: int) -> None:
    """Draw all films into `folder` and write their annotations, with so many processes.

    The annotations are written last: a folder that has them is complete.
    """
    if any(side % 2 or side < 32 for side in config.size_hw):
        raise InputError(
            f"playhouse.size_hw is {list(config.size_hw)}: height and width of an H.264 film are "
            "even, and below 32 pixels nothing can be told apart"
        )
    annotations = folder / "annotations"
    for old in (*annotations.glob("*.csv"), *annotations.glob("*.pkl")):
        old.unlink()
    films = [
        _Film(split, number)
        for split in SPLITS
        for number in range(len(video_names(config, split)))
    ]
    draw = partial(_draw_film, folder / "films", config)
    drawn = list(progress(_spread(draw, films, processes), what="films", total=len(films)))
    of_split = {
        split: [rows for film, rows in zip(films, drawn, strict=True) if film.split == split]
        for split in SPLITS
    }
    if config.form == "ucf101_24":
        from aia.datasets import playhouse_ucf24

        playhouse_ucf24.write_annotations(annotations, of_split)
    elif config.form == "epic_kitchens":
        from aia.datasets import playhouse_epic

        playhouse_epic.write_annotations(annotations, of_split)
    else:
        _write_ava(annotations, of_split)


def _write_ava(folder: Path, films: Mapping[str, Sequence[_Rows]]) -> None:
    write_labels(folder / "actions.pbtxt", class_list())
    for split, own in films.items():
        for kind, suffix in (("objects", "_objects"), ("excluded", "_excluded"), ("actions", "")):
            lines = [line for row in own for line in getattr(row, kind)]
            write_text(folder / f"{split}{suffix}.csv", "".join(lines))


def _spread(draw: "partial[Any]", films: list[_Film], processes: int) -> Iterator[Any]:
    if processes <= 1 or len(films) == 1:
        yield from map(draw, films)
        return
    # Spawned, not forked: the caller may have threads, of which a fork keeps only the locks.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        min(processes, len(films)),
        mp_context=context,
        initializer=end_with,
        initargs=(os.getpid(),),
    ) as pool:
        yield from pool.map(draw, films, chunksize=4)


def _draw_film(folder: Path, config: PlayhouseConfig, film: _Film) -> Any:
    """Draw one film; what it shows follows from the seed, its split and its number alone.

    Returns what its annotations say, in whichever form: `_Rows`, `playhouse_ucf24.DrawnFilm`, or
    `playhouse_epic.Rows`.
    """
    if config.form == "epic_kitchens":
        return _draw_epic(folder, config, film)
    import numpy as np

    from aia.datasets import playhouse_draw, playhouse_script, playhouse_ucf24

    split, number = SPLITS.index(film.split), film.number
    streams = [np.random.default_rng([config.seed, split, number, use]) for use in range(3)]
    # UCF101-24 has no list of what is left out, so the light stays on.
    blackout = number % BLACKOUT_EVERY == 0 and config.form != "ucf101_24"
    script = playhouse_script.write_script(streams[0], seconds=config.seconds, blackout=blackout)
    persons, columns = script.states.shape
    cast = playhouse_draw.draw_cast(streams[1], persons=persons, seconds=columns)
    video = video_names(config, film.split)[number]
    pictures = playhouse_draw.frames(
        script, cast, rng=streams[2], fps=config.fps, size_hw=config.size_hw
    )
    with atomic_path(folder / f"{video}.mp4") as path:
        _encode(path, pictures, fps=config.fps, size_hw=config.size_hw)
    if config.form == "ucf101_24":
        return playhouse_ucf24.annotate(video, script, cast, fps=config.fps)
    return _annotate(video, script, cast, config)


def _annotate(video: str, script: "Script", cast: "Cast", config: PlayhouseConfig) -> _Rows:
    """A film's lines in AVA's form."""
    from aia.datasets import playhouse_draw, playhouse_script

    ids = {name: number for number, (name, _) in enumerate(playhouse_script.CLASSES, start=1)}
    rows = _Rows([], [], [])
    for second in range(1, config.seconds):
        where = f"{video},{second:04d}"
        for person in range(len(script.states)):
            xyxy = playhouse_draw.person_xyxy(
                script, cast, person=person, frame=second * config.fps, fps=config.fps
            )
            for name in playhouse_script.actions(script, person=person, second=second):
                rows.actions.append(f"{where},{_four(xyxy)},{ids[name]},{person}\n")
        for thing in cast.things:
            rows.objects.append(f"{where},{_four(playhouse_draw.thing_xyxy(thing))},{thing.name}\n")
        if script.dark[second]:
            rows.excluded.append(f"{where}\n")
    return rows


def _draw_epic(folder: Path, config: PlayhouseConfig, film: _Film) -> "playhouse_epic.Rows":
    from aia.datasets import playhouse_epic

    split, number = SPLITS.index(film.split), film.number
    video = video_names(config, film.split)[number]
    play = playhouse_epic.play_film(config, split=split, number=number, video=video)
    with atomic_path(folder / f"{video}.mp4") as path:
        _encode(path, play.pictures, fps=config.fps, size_hw=config.size_hw)
    return play.rows


def _four(xyxy: Iterable[float]) -> str:
    return ",".join(f"{side:.5f}" for side in xyxy)


def _encode(path: Path, pictures: Iterable[Any], *, fps: int, size_hw: tuple[int, int]) -> None:
    import av

    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.height, stream.width = size_hw
        stream.pix_fmt = "yuv420p"
        # The same quantizer everywhere: one that follows the picture is coarser where more moves
        # elsewhere, and so would tell a person's pixels of the others. One thread each: films are
        # drawn side by side.
        stream.options = {"preset": "ultrafast", "qp": "18", "g": str(2 * fps), "threads": "1"}
        for picture in pictures:
            for packet in stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")):
                container.mux(packet)
        for packet in stream.encode():
            container.mux(packet)
