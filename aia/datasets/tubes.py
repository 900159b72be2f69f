"""Data sets with tubes as annotations: what their readers share (§5).

A reader returns `SplitTubes`: the tubes and the number of frames of each video, the classes, and
the videos of each split. data.py writes it in the common form; docs/own-data.md shows such a reader
from end to end.
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
"""Size whose pixels are the unit of boxes, for videos of any size: some protocols add 1 pixel."""
MOST_FRAMES = 1_000_000
"""Most frames of a video, 11 hours at 25 a second; more would exhaust memory."""


class Annotations(NamedTuple):
    """Tubes and lengths of videos, and the classes."""

    tubes: list[Tube]
    """Tubes in the order of videos; boxes in pixels of 320 x 240, frames from 0."""
    frames: dict[str, int]
    """Number of frames of each video."""
    labels: ClassList

    def only(self, videos: Sequence[str], source: Path | str) -> "Annotations":
        """Select some videos.

        Raises:
            InputError: A video of the list is not annotated.
        """
        missing = [video for video in videos if video not in self.frames]
        if missing:
            raise InputError(
                f"{source}: {missing[0]} and {len(missing) - 1} more of its {len(videos)} videos "
                f"are not annotated; is it a list of another data set?"
            )
        kept = set(videos)
        return self._replace(
            tubes=[tube for tube in self.tubes if tube.video in kept],
            frames={video: count for video, count in self.frames.items() if video in kept},
        )


class SplitTubes(NamedTuple):
    """Annotations and the videos of each split."""

    known: Annotations
    videos: dict[str, list[str]]
    """Videos of train and val, named as in the annotations."""

    @property
    def ids(self) -> dict[str, list[str]]:
        """Video ids of each split."""
        return {split: [video_id(video) for video in names] for split, names in self.videos.items()}


def video_id(video: str) -> str:
    """Return the id of a video: its name without its folder, which repeats its class.

    Characters that are not allowed in an id become `_`.

    >>> video_id("wave/Wie_man_winkt!!_wave_0")
    'Wie_man_winkt___wave_0'
    """
    return re.sub(r"[^A-Za-z0-9_.-]", "_", video.rsplit("/", 1)[-1])


def to_fractions(
    boxes_xyxy: Float[np.ndarray, "boxes 4"], size_hw: tuple[int, int] = SIZE_HW
) -> Float[np.ndarray, "boxes 4"]:
    """Convert boxes from pixels to fractions of the frame."""
    height, width = size_hw
    return boxes_xyxy / np.array([width, height, width, height], float)


def check_tube(tube: Tube, frames: int, where: str, *, hint: str) -> None:
    """Raise an InputError for a tube that is not within its video, or has invalid boxes.

    Args:
        tube: The tube.
        frames: Number of frames of its video.
        where: File and video, for the message.
        hint: Likely cause if the tube ends after its video.
    """
    if not (len(tube.boxes_xyxy) and tube.first_frame >= 0):
        raise InputError(f"{where}: a tube has no frame, or begins before the video does")
    end = tube.first_frame + len(tube.boxes_xyxy)
    if end > frames:
        raise InputError(
            f"{where}: a tube ends before frame {end}, but the video has {frames} frames; {hint}"
        )
    if not np.isfinite(tube.boxes_xyxy).all():
        raise InputError(f"{where}: a box is not finite numbers")
    if not (tube.boxes_xyxy[:, 2:] > tube.boxes_xyxy[:, :2]).all():
        raise InputError(f"{where}: a box has no width or no height")
    if tube.label < 0:
        raise InputError(f"{where}: label {tube.label}, expected 0 or more")


def check_length(frames: int, where: str) -> None:
    """Raise an InputError for an implausible number of frames; each becomes a row."""
    if not 1 <= frames <= MOST_FRAMES:
        raise InputError(
            f"{where}: has {frames} frames, expected 1 to {MOST_FRAMES}; is it damaged?"
        )


def check_names(videos: Mapping[str, int]) -> None:
    """Raise an InputError if two videos have the same id, and so the same output files."""
    seen: dict[str, str] = {}
    for video in videos:
        if seen.setdefault(video_id(video), video) != video:
            raise InputError(f"{video} and {seen[video_id(video)]} have the same name")


def key_frames_of(source: SplitTubes, split: str, *, fps: float) -> pd.DataFrame:
    """Convert tubes to a table of actions on every frame of a split's videos.

    Args:
        source: Annotations and splits.
        split: "train" or "val".
        fps: Frame rate of the videos.

    Returns:
        Rows as from `aia.tables.read_actions`; frames without a box come last.
    """
    of_video: dict[str, list[Tube]] = {}
    for tube in source.known.tubes:
        of_video.setdefault(tube.video, []).append(tube)
    rows: list[_Row] = []
    for video in source.videos[split]:
        rows += _rows(video, of_video.get(video, []), source.known.frames[video], fps)
    rows.sort(key=lambda row: row[6] < 0)  # stable
    table = pd.DataFrame(rows, columns=list(ACTION_COLUMNS))
    return table.astype({"video": str, "action": np.int64, "person": np.int64})


def scored_tubes(source: SplitTubes) -> pd.DataFrame:
    """List the boxes of val by frame and tube: the ground truth of evaluation."""
    wanted = set(source.videos["val"])
    tubes: dict[str, list[Tube]] = {video: [] for video in source.videos["val"]}
    for tube in source.known.tubes:
        if tube.video in wanted:
            tubes[tube.video].append(tube._replace(video=video_id(tube.video)))
    return boxes_of([tube for found in tubes.values() for tube in found]).drop(columns="score")


_Row = tuple[str, float, float, float, float, float, int, int]


def _rows(video: str, tubes: Sequence[Tube], frames: int, fps: float) -> Iterator[_Row]:
    """Yield a video's rows, frame by frame, with boxes rounded to six digits.

    Tubes with the same box are one person with several actions, unless an action repeats.
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
        yield from ((video_id(video), time_sec, *box) for box in found or [nothing])
