"""Data sets whose films are annotated with tubes: what their readers share (§5).

A reader gives `SplitTubes`: the tubes of each film, its number of frames, the classes, and which
films are learnt from and which are scored. `write_prepared` makes of it the files that all else
reads; docs/own-data.md shows a reader of this kind from end to end.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from aia.errors import InputError
from aia.files import write_text
from aia.labels import ClassList, write_labels
from aia.tables import Tube, boxes_of, write_frame_boxes

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


def write_prepared(source: SplitTubes, *, fps: float, output: Path | str) -> dict[str, list[str]]:
    """Write actions.pbtxt, train.csv and val.csv as AVA has them, and tubes.csv.

    Every frame of a film is a key frame; those without a box are lines of two columns. tubes.csv
    has the boxes of val by frame and tube, which is what is evaluated against.

    Args:
        source: What a reader gave.
        fps: Frames a second of the films.
        output: The folder.

    Returns:
        The ids of the films of each split.
    """
    output, known = Path(output), source.known
    write_labels(output / "actions.pbtxt", known.labels)
    of_film: dict[str, list[Tube]] = {}
    for tube in known.tubes:
        of_film.setdefault(tube.video, []).append(tube)
    for split, names in source.films.items():
        lines = [
            line
            for film in names
            for line in _lines(film, of_film.get(film, []), known.frames[film], fps)
        ]
        write_text(output / f"{split}.csv", "".join(lines))
    scored = [
        tube._replace(video=video_id(film))
        for film in source.films["val"]
        for tube in of_film.get(film, [])
    ]
    write_frame_boxes(output / "tubes.csv", boxes_of(scored).drop(columns="score"))
    return source.ids


def _lines(film: str, tubes: Sequence[Tube], frames: int, fps: float) -> Iterator[str]:
    """A film's lines in AVA's format, frame after frame.

    Tubes of one box are one person who does several things, unless it is the same thing twice.
    """
    boxes: list[list[str]] = [[] for _ in range(frames)]
    persons: dict[tuple[int, str], list[int]] = {}
    again: Counter[tuple[int, str, int]] = Counter()
    for number, tube in enumerate(tubes):
        for offset, xyxy in enumerate(to_fractions(tube.boxes_xyxy).tolist()):
            frame = tube.first_frame + offset
            corners = ",".join(f"{value:.6f}" for value in xyxy)
            sharing = persons.setdefault((frame, corners), [])
            before = again[frame, corners, tube.label]
            if before == len(sharing):
                sharing.append(number)
            again[frame, corners, tube.label] += 1
            boxes[frame].append(f"{corners},{tube.label},{sharing[before]}")
    for frame, found in enumerate(boxes):
        key = f"{video_id(film)},{frame / fps:g}"
        yield from (f"{key},{box}\n" for box in found) if found else (f"{key}\n",)
