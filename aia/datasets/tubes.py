"""Data sets whose films are annotated with tubes: what their readers share (§5).

A reader gives `SplitTubes`: the tubes of each film, its number of frames, the classes, and which
films are learnt from and which are scored. data.py writes it in the form that all else reads;
docs/own-data.md shows a reader of this kind from end to end.
"""

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float

from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import ACTION_COLUMNS, Tube, boxes_of

SIZE_HW = (240, 320)
"""Pixels that boxes are counted in, whatever size a film has: some protocols add one to a width."""
MOST_FRAMES = 1_000_000
"""Of a film: 11 hours at 25 a second; more is damage, or a file made to fill the memory."""


class Annotations(NamedTuple):
    """What is known of each film."""

    tubes: list[Tube]
    """By film; boxes in pixels of 320 x 240, frames from 0."""
    frames: dict[str, int]
    """How many each film has."""
    labels: ClassList

    def only(self, films: Sequence[str], source: Path | str) -> "Annotations":
        """The same of some films.

        Raises:
            InputError: A film of the list is not annotated.
        """
        missing = [film for film in films if film not in self.frames]
        if missing:
            raise InputError(
                f"{source}: {missing[0]} and {len(missing) - 1} more of its {len(films)} films "
                f"are not annotated; is it a list of another data set?"
            )
        kept = set(films)
        return self._replace(
            tubes=[tube for tube in self.tubes if tube.video in kept],
            frames={film: count for film, count in self.frames.items() if film in kept},
        )


class SplitTubes(NamedTuple):
    """Annotations, and the films of each split."""

    known: Annotations
    films: dict[str, list[str]]
    """Of train and val, by the names that the annotations have."""

    @property
    def ids(self) -> dict[str, list[str]]:
        """What results call the films of each split."""
        return {split: [video_id(film) for film in names] for split, names in self.films.items()}


def video_id(film: str) -> str:
    """What results call a film: its name without its folder, which repeats its class.

    Characters that an id cannot have count as `_`.

    >>> video_id("wave/Wie_man_winkt!!_wave_0")
    'Wie_man_winkt___wave_0'
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "_", film.rsplit("/", 1)[-1])


def to_fractions(
    boxes_xyxy: Float[np.ndarray, "boxes 4"], size_hw: tuple[int, int] = SIZE_HW
) -> Float[np.ndarray, "boxes 4"]:
    """Boxes in pixels of a frame of some size as fractions of it."""
    height, width = size_hw
    return boxes_xyxy / np.array([width, height, width, height], float)


def check_tube(tube: Tube, frames: int, where: str, *, hint: str) -> None:
    """Stop at a tube that cannot be one of a film of so many frames.

    Args:
        tube: Its boxes and first frame.
        frames: How many the film has.
        where: File and film, for the message.
        hint: The likely cause if the tube ends after its film.
    """
    if not (len(tube.boxes_xyxy) and tube.first_frame >= 0):
        raise InputError(f"{where}: a tube has no frame, or begins before the film does")
    end = tube.first_frame + len(tube.boxes_xyxy)
    if end > frames:
        raise InputError(
            f"{where}: a tube ends before frame {end}, but the film has {frames} frames; {hint}"
        )
    if not np.isfinite(tube.boxes_xyxy).all():
        raise InputError(f"{where}: a box is not of numbers alone")
    if not (tube.boxes_xyxy[:, 2:] > tube.boxes_xyxy[:, :2]).all():  # not a number is wrong, too
        raise InputError(f"{where}: a box has no width or no height")
    if tube.label < 0:
        raise InputError(f"{where}: label {tube.label}, expected 0 or more")


def check_length(frames: int, where: str) -> None:
    """Stop at a number of frames that no film of such a data set has: each becomes a line."""
    if not 1 <= frames <= MOST_FRAMES:
        raise InputError(
            f"{where}: has {frames} frames, expected 1 to {MOST_FRAMES}; is it damaged?"
        )


def check_names(films: Mapping[str, int]) -> None:
    """Stop at two films of one id: what is made of them would have the same name."""
    seen: dict[str, str] = {}
    for film in films:
        if seen.setdefault(video_id(film), film) != film:
            raise InputError(f"{film} and {seen[video_id(film)]} have the same name")


def key_frames_of(source: SplitTubes, split: str, *, fps: float) -> pd.DataFrame:
    """List who does what on every frame of a split's videos, each frame a key frame.

    Args:
        source: What a reader gave.
        split: "train" or "val".
        fps: Frames a second of the videos.

    Returns:
        Rows as `aia.tables.read_actions` gives them; frames without a box come last.
    """
    of_video: dict[str, list[Tube]] = {}
    for tube in source.known.tubes:
        of_video.setdefault(tube.video, []).append(tube)
    rows: list[_Row] = []
    for video in source.films[split]:
        rows += _rows(video, of_video.get(video, []), source.known.frames[video], fps)
    rows.sort(key=lambda row: row[6] < 0)  # stable
    table = pd.DataFrame(rows, columns=list(ACTION_COLUMNS))
    return table.astype({"video": str, "action": np.int64, "person": np.int64})


def scored_tubes(source: SplitTubes) -> pd.DataFrame:
    """List the boxes of val by frame and tube, which is what is evaluated against."""
    wanted = set(source.films["val"])
    tubes: dict[str, list[Tube]] = {video: [] for video in source.films["val"]}
    for tube in source.known.tubes:
        if tube.video in wanted:
            tubes[tube.video].append(tube._replace(video=video_id(tube.video)))
    return boxes_of([tube for found in tubes.values() for tube in found]).drop(columns="score")


_Row = tuple[str, float, float, float, float, float, int, int]


def _rows(film: str, tubes: Sequence[Tube], frames: int, fps: float) -> Iterator[_Row]:
    """Give a video's rows, frame after frame; boxes to six digits, as the annotations are kept.

    Tubes of one box are one person who does several things, unless it is the same thing twice.
    """
    boxes: list[list[tuple]] = [[] for _ in range(frames)]
    persons: dict[tuple, list[int]] = {}
    again: Counter[tuple] = Counter()
    for number, tube in enumerate(tubes):
        for offset, xyxy in enumerate(to_fractions(tube.boxes_xyxy).tolist()):
            frame = tube.first_frame + offset
            corners = tuple(round(value, 6) for value in xyxy)
            sharing = persons.setdefault((frame, corners), [])
            before = again[frame, corners, tube.label]
            if before == len(sharing):
                sharing.append(number)
            again[frame, corners, tube.label] += 1
            boxes[frame].append((*corners, tube.label, sharing[before]))
    nothing = (math.nan, math.nan, math.nan, math.nan, -1, -1)
    for frame, found in enumerate(boxes):
        time_sec = float(f"{frame / fps:g}")
        yield from ((video_id(film), time_sec, *box) for box in found or [nothing])
