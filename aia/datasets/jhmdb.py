"""J-HMDB-21 (Jhuang et al., 2013), in the form of ACT and MOC: JHMDB-GT.pkl.

928 videos of 15 to 40 frames, each trimmed to one of 21 actions; three splits. The file is a pickle
of Python 2, a dictionary of

    labels                      class names; a label is an index into this list
    gttubes                     video -> label -> tubes: arrays of frame (from 1), x1, y1, x2, y2
    nframes, resolution         video -> number of frames; height and width in pixels
    train_videos, test_videos   lists of videos by split, such as wave/21_wave_u_nm_np1_fr_goo_5

docs/own-data.md uses this module as an example of how to add a data set.
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
"""Nominal frame rate of the videos; annotations count frames."""

_LISTS = ("labels", "train_videos", "test_videos")
_BY_VIDEO = ("gttubes", "nframes", "resolution")
_BEYOND = 1.0  # pixels beyond the edge: counted from 1, the last pixel is the width


def read_annotations(path: Path | str, *, split: int = 1) -> SplitTubes:
    """Read `JHMDB-GT.pkl`, without executing anything.

    Args:
        path: The file.
        split: Number of the split, from 1.

    Raises:
        InputError: The file is of another kind, has no such split, or describes an invalid video.
    """
    said = read_pickle(Path(path), encoding="latin1")
    parts = said if isinstance(said, dict) else {}
    missing = [name for name in _LISTS if not isinstance(parts.get(name), list | tuple)]
    missing += [name for name in _BY_VIDEO if not isinstance(parts.get(name), dict)]
    if missing:
        raise InputError(
            f"{path}: has no {missing[0]}; expected the lists {', '.join(_LISTS)} and by video "
            f"{', '.join(_BY_VIDEO)}; is it the JHMDB-GT.pkl of ACT or MOC?"
        )
    splits = min(len(said["train_videos"]), len(said["test_videos"]))
    if not 1 <= split <= splits:
        raise InputError(f"{path}: has no split {split}; it has {splits}, counted from 1")
    videos = {"train": said["train_videos"][split - 1], "val": said["test_videos"][split - 1]}
    if not all(isinstance(video, str) for video in _flat(videos)):
        raise InputError(
            f"{path}: split {split} of train_videos and test_videos has entries that are not text; "
            "expected lists of names"
        )
    twice = set(videos["train"]) & set(videos["val"])
    if twice or not all(videos.values()):
        problem = f"{min(twice)} in both lists" if twice else "an empty list"
        raise InputError(f"{path}: split {split} has {problem}; one is for training, one is scored")
    tubes: list[Tube] = []
    frames: dict[str, int] = {}
    for video in (video for names in videos.values() for video in names):
        where = f"{path}, video {video!r}"
        check_video_id(video_id(video), where)
        try:
            frames[video] = int(said["nframes"][video])
            check_length(frames[video], where)
            tubes += _tubes_of(video, said, frames[video], where)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"{where}: is not described by nframes, resolution and gttubes, arrays of frame, "
                f"x1, y1, x2, y2 ({type(error).__name__}: {error})"
            ) from None
    check_names(frames)
    names = tuple(map(str, said["labels"]))
    labels = ClassList(tuple(range(len(names))), names, ("",) * len(names))
    return SplitTubes(Annotations(tubes, frames, labels), videos)


def _flat(videos: Mapping[str, Any]) -> list[Any]:
    """Return the entries of all lists, with None for what is not a list."""
    lists = (names if isinstance(names, list | tuple) else [None] for names in videos.values())
    return [video for names in lists for video in names]


def _tubes_of(video: str, said: Mapping[str, Any], frames: int, where: str) -> list[Tube]:
    """Read and check a video's tubes; convert boxes to pixels of `SIZE_HW`, frames from 0."""
    height, width = (int(pixels) for pixels in said["resolution"][video])
    tubes = []
    for label, arrays in said["gttubes"][video].items():
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
            tube = Tube(video, int(label), first, boxes)
            check_tube(tube, frames, where, hint="do frames begin at 0 here, instead of 1?")
            tubes.append(tube)
    return tubes
