"""J-HMDB-21 (Jhuang et al., 2013), in the form in which ACT and MOC read it: JHMDB-GT.pkl.

928 films of 15 to 40 frames, each trimmed to one of 21 actions; three splits. The file is a pickle
of Python 2, a dictionary of

    labels                      names of the classes; a label is a place in this list
    gttubes                     film -> label -> tubes: arrays of frame (from 1), x1, y1, x2, y2
    nframes, resolution         film -> how many; height and width in pixels
    train_videos, test_videos   for each split a list of films, named wave/21_wave_u_nm_np1_fr_goo_5

docs/own-data.md goes through this module as an example of how a data set is added.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aia.datasets.tubes import (
    SIZE_HW,
    Annotations,
    SplitTubes,
    check_length,
    check_names,
    check_tube,
    to_fractions,
    video_id,
)
from aia.errors import InputError
from aia.labels import ClassList
from aia.pickles import read_pickle
from aia.tables import Tube, check_video_id

FPS = 25.0
"""Of the films, where nothing else is known; boxes are counted in frames."""

_LISTS = ("labels", "train_videos", "test_videos")
_BY_FILM = ("gttubes", "nframes", "resolution")
_BEYOND = (
    1.0  # pixels that a box may reach over the edge: counted from 1, the last one is the width
)


def read_annotations(path: Path | str, *, split: int = 1) -> SplitTubes:
    """Read `JHMDB-GT.pkl`, running nothing that it names.

    Args:
        path: The file.
        split: Which of its splits, from 1.

    Raises:
        InputError: It is no such file, it has no such split, or a film in it makes no sense.
    """
    said = read_pickle(Path(path), encoding="latin1")
    parts = said if isinstance(said, dict) else {}
    missing = [name for name in _LISTS if not isinstance(parts.get(name), list | tuple)]
    missing += [name for name in _BY_FILM if not isinstance(parts.get(name), dict)]
    if missing:
        raise InputError(
            f"{path}: has no {missing[0]}; expected the lists {', '.join(_LISTS)} and by film "
            f"{', '.join(_BY_FILM)}; is it the JHMDB-GT.pkl of ACT or MOC?"
        )
    splits = min(len(said["train_videos"]), len(said["test_videos"]))
    if not 1 <= split <= splits:
        raise InputError(f"{path}: has no split {split}; it has {splits}, counted from 1")
    films = {"train": said["train_videos"][split - 1], "val": said["test_videos"][split - 1]}
    if not all(isinstance(film, str) for film in _flat(films)):
        raise InputError(
            f"{path}: split {split} of train_videos and test_videos is no text somewhere; expected "
            "lists of names"
        )
    twice = set(films["train"]) & set(films["val"])
    if twice or not all(films.values()):
        problem = f"{min(twice)} in both lists" if twice else "an empty list"
        raise InputError(f"{path}: split {split} has {problem}; one is learnt from, one is scored")
    tubes: list[Tube] = []
    frames: dict[str, int] = {}
    for film in (film for names in films.values() for film in names):
        where = f"{path}, film {film!r}"
        check_video_id(video_id(film), where)
        try:
            frames[film] = int(said["nframes"][film])
            check_length(frames[film], where)
            tubes += _tubes_of(film, said, frames[film], where)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"{where}: is not described by nframes, resolution and gttubes, arrays of frame, "
                f"x1, y1, x2, y2 ({type(error).__name__}: {error})"
            ) from None
    check_names(frames)
    names = tuple(map(str, said["labels"]))
    labels = ClassList(tuple(range(len(names))), names, ("",) * len(names))
    return SplitTubes(Annotations(tubes, frames, labels), films)


def _flat(films: Mapping[str, Any]) -> list[Any]:
    """All names of all lists; what is no list stands for itself."""
    lists = (names if isinstance(names, list | tuple) else [None] for names in films.values())
    return [film for names in lists for film in names]


def _tubes_of(film: str, said: Mapping[str, Any], frames: int, where: str) -> list[Tube]:
    """A film's tubes, checked; boxes in pixels of `SIZE_HW`, frames from 0."""
    height, width = (int(pixels) for pixels in said["resolution"][film])
    tubes = []
    for label, arrays in said["gttubes"][film].items():
        if not 0 <= label < len(said["labels"]):
            raise InputError(
                f"{where}: label {label}, but there are {len(said['labels'])} classes, from 0"
            )
        for rows in (np.asarray(rows, float) for rows in arrays):
            if rows.ndim != 2 or rows.shape[1] != 5:
                raise ValueError(f"a tube has the shape {rows.shape}")
            numbers, xyxy = rows[:, 0], rows[:, 1:]
            if (np.diff(numbers) != 1).any():
                raise InputError(f"{where}: frames of a tube do not follow each other")
            beyond = max(-xyxy.min(initial=0), (xyxy - [width, height] * 2).max(initial=0))
            if beyond > _BEYOND:
                raise InputError(
                    f"{where}: a box reaches {beyond:g} pixels out of a frame of {width} x "
                    f"{height}; is resolution width and height here, or are boxes of other frames?"
                )
            boxes = to_fractions(xyxy, (height, width)).clip(0, 1) * ([*SIZE_HW[::-1]] * 2)
            first = int(numbers[0]) - 1 if len(rows) else 0
            tube = Tube(film, int(label), first, boxes)
            check_tube(tube, frames, where, hint="do frames begin at 0 here, instead of 1?")
            tubes.append(tube)
    return tubes
