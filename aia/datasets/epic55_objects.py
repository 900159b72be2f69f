"""EPIC-Kitchens-55's boxes of objects, to train a detector (§6).

EPIC_train_object_labels.csv has a line for each object that is narrated near a frame, with its
boxes there, or none if it is not visible: `"[(top, left, height, width), ...]"`, in pixels of the
video. Other things on the frame have no box.

Every 30th frame was annotated, and frame 1 is the video's first. Frames were extracted at the
video's rate if it is 59.94, and at 60 a second from the few other videos, according to the
published table of corresponding frames of the test kitchens, with videos of 59.94, 29.97 and 90
frames a second. (Frame numbers of actions are at 60 a second throughout, see
`aia.datasets.epic55`.)
"""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from aia.datasets.epic55 import (
    FRAMES_PER_SEC,
    TRAIN,
    VideoInfo,
    participant_of,
    participants,
    read_classes,
    read_lines,
    read_video_info,
    whole,
)
from aia.errors import InputError
from aia.files import atomic_path, write_text
from aia.tables import check_video_id

_COLUMNS = ("noun_class", "participant_id", "video_id", "frame", "bounding_boxes")
_USUAL_FPS = 60_000 / 1001
_LONGEST = 20_000  # characters of a list of boxes; some hundred boxes


class ObjectCounts(NamedTuple):
    """Counts of written, clipped and dropped boxes."""

    boxes: int
    frames: int
    """Annotated frames, with or without boxes."""
    cut: int
    """Boxes clipped to the frame."""
    empty: int
    """Dropped boxes, without an area within the frame."""


def prepare_objects(
    objects: Path | str,
    *,
    nouns: Path | str,
    videos: Path | str,
    whose: str = TRAIN,
    output: Path | str,
    frames: Path | str | None = None,
) -> ObjectCounts:
    """Write boxes as video,second,x1,y1,x2,y2,label, which `aia.tables.read_objects` reads.

    Boxes are converted to fractions of the frame; labels are names of noun classes.

    Args:
        objects: EPIC_train_object_labels.csv.
        nouns: EPIC_noun_classes.csv.
        videos: EPIC_video_info.csv.
        whose: Participants whose videos are used; others are left out.
        output: The file.
        frames: A file for video,second of each frame, including those without a box: key frames
            without a person, in AVA's format. None: not written.

    Raises:
        InputError: A file is invalid, or most boxes lie outside their frames.
    """
    seen: dict[tuple[str, float], None] = {}
    written = cut = empty = 0
    with atomic_path(output) as temporary:
        with open(temporary, "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file, lineterminator="\n")
            for video, second, label, boxes in _read_objects(objects, nouns, videos, whose):
                seen[video, second] = None
                for xyxy in boxes:
                    inside = [min(max(side, 0.0), 1.0) for side in xyxy]
                    if inside[0] >= inside[2] or inside[1] >= inside[3]:
                        empty += 1
                        continue
                    cut += inside != xyxy
                    written += 1
                    corners = (f"{side:.6f}" for side in inside)
                    writer.writerow([video, repr(second), *corners, label])
        if not seen:
            raise InputError(f"{objects}: has no frame of the participants {whose}")
        if empty > written:
            raise InputError(
                f"{objects}: {empty} of {empty + written} boxes have no area within their frame; "
                "are they in pixels of the videos' size, as top, left, height, width?"
            )
    if frames is not None:
        write_text(frames, "".join(f"{video},{second!r}\n" for video, second in seen))
    return ObjectCounts(written, len(seen), cut, empty)


def _read_objects(
    objects: Path | str, nouns: Path | str, videos: Path | str, whose: str
) -> Iterator[tuple[str, float, str, list[list[float]]]]:
    """Yield video, second, label and boxes of each object of some participants."""
    classes, infos, wanted = read_classes(nouns), read_video_info(videos), participants(whose)
    names = dict(zip(classes.ids, classes.names, strict=True))
    for where, line in read_lines(objects, _COLUMNS):
        video = line["video_id"]
        check_video_id(video, where)
        if participant_of(video, line["participant_id"], where) not in wanted:
            continue
        noun = whole(line["noun_class"], f"{where}: noun_class")
        if noun not in names:
            raise InputError(f"{where}: noun_class {noun} is not in {nouns}")
        if video not in infos:
            raise InputError(f"{where}: video {video} is not in {videos}")
        second = _second(whole(line["frame"], f"{where}: frame"), infos[video], where)
        boxes = _boxes(line["bounding_boxes"], where)
        yield video, second, names[noun], [_fractions(box, infos[video]) for box in boxes]


def _second(frame: int, video: VideoInfo, where: str) -> float:
    """Return the time of a frame."""
    usual = abs(video.fps - _USUAL_FPS) < 0.01
    second = round((frame - 1) / (video.fps if usual else FRAMES_PER_SEC), 6)
    if frame < 1 or second > video.duration_sec:
        raise InputError(
            f"{where}: frame {frame} is not in the video, whose frames count from 1 and end at "
            f"{video.duration_sec:g} s"
        )
    return second


def _boxes(text: str, where: str) -> list[list[int]]:
    """Parse boxes of four whole numbers each, from Python's notation but as data alone."""
    try:
        if len(text) > _LONGEST:
            raise ValueError("too long")
        found = json.loads(text.replace("(", "[").replace(")", "]"))
        right = isinstance(found, list) and all(
            isinstance(box, list)
            and len(box) == 4
            and all(type(side) is int and abs(side) < 1_000_000 for side in box)
            and box[2] >= 0
            and box[3] >= 0
            for box in found
        )
    except (ValueError, RecursionError):
        right = False
    if not right:
        raise InputError(
            f"{where}: bounding_boxes is {text[:40]!r}, expected whole numbers of pixels as "
            "[(top, left, height, width), ...]"
        )
    return found


def _fractions(box: list[int], video: VideoInfo) -> list[float]:
    """Convert a box to left, top, right and bottom as fractions of the frame."""
    top, left, height, width = box
    frame_width, frame_height = video.size_wh
    return [
        left / frame_width,
        top / frame_height,
        (left + width) / frame_width,
        (top + height) / frame_height,
    ]
