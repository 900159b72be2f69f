"""EPIC-Kitchens-55 (§6): readers of the published tables of segments, classes and videos.

EPIC_train_action_labels.csv has a line for each segment: start, end, verb and noun. Times refer to
the videos. Frame numbers refer to the published frames, extracted at 60 a second from every video,
whatever its own rate (29.97 to 90); they agree with the times within one frame. So the reader uses
times and checks them by the frame numbers. No segment exceeds its video (the latest ends 0.05 s
before the end); one that does belongs to other videos and is rejected. Segments overlap; the
shortest lasts half a second.

Like the work it compares with, the paper validates on the videos of some participants.
"""

import csv
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import SEGMENT_COLUMNS, check_video_id

TRAIN, VAL = "P01-P25", "P26-P31"
"""Participants of each split, after Baradel et al.: 23,191 and 5,281 segments."""
TASKS = ("verb", "noun")
FRAMES_PER_SEC = 60.0
"""Rate of the published frames of every video."""
_FRAMES_OFF = 2.0  # largest difference of frame number and time; 1 in the published file
_VIDEO = re.compile(r"(P\d{2})_\d{2}")


class VideoInfo(NamedTuple):
    """Duration, rate and size of a video."""

    duration_sec: float
    fps: float
    size_wh: tuple[int, int]
    """Width and height in pixels."""


def read_video_info(path: Path | str) -> dict[str, VideoInfo]:
    """Read EPIC_video_info.csv: video, resolution (1920x1080), duration (seconds), fps.

    Raises:
        InputError: The file is of another kind, or a line is invalid.
    """
    videos: dict[str, VideoInfo] = {}
    for where, line in read_lines(path, ("video", "resolution", "duration", "fps")):
        video = line["video"]
        check_video_id(video, where)
        size = re.fullmatch(r"([1-9]\d{0,4})x([1-9]\d{0,4})", line["resolution"])
        if size is None:
            raise InputError(
                f"{where}: resolution is {line['resolution']!r}, expected pixels such as 1920x1080"
            )
        if video in videos:
            raise InputError(f"{where}: {video} is listed before")
        duration, fps = (_positive(line[name], f"{where}: {name}") for name in ("duration", "fps"))
        videos[video] = VideoInfo(duration, fps, (int(size[1]), int(size[2])))
    return videos


def read_classes(path: Path | str) -> ClassList:
    """Read EPIC_verb_classes.csv or EPIC_noun_classes.csv: an id, a name, and synonyms.

    Raises:
        InputError: The file is of another kind, an id is invalid or repeated, or a name is empty.
    """
    names: dict[int, str] = {}
    known = {f"{task}_id": task for task in TASKS}
    for where, line in read_lines(path, ("class_key",), one_of=tuple(known)):
        column = next(name for name in known if name in line)
        class_id, name = whole(line[column], f"{where}: {column}"), line["class_key"].strip()
        if not name:
            raise InputError(f"{where}: class_key of {class_id} is empty")
        if "\n" in name or "\r" in name:
            raise InputError(
                f"{where}: class_key of {class_id} is {name[:40]!r}, expected a name on one line; "
                "is a quotation mark never closed?"
            )
        if class_id in names:
            raise InputError(f"{where}: id {class_id} is already that of {names[class_id]!r}")
        names[class_id] = name
    return ClassList(tuple(names), tuple(names.values()), ("",) * len(names))


def read_actions(
    path: Path | str, *, videos: Mapping[str, VideoInfo], labels: Mapping[str, ClassList]
) -> pd.DataFrame:
    """Read EPIC_train_action_labels.csv.

    Args:
        path: The file.
        videos: Duration of each video.
        labels: Classes of verb and of noun.

    Returns:
        Segments in file order: the columns of `aia.tables.read_segments`, and participant.

    Raises:
        InputError: The file is of another kind, or a line has invalid times, frames, video or
            classes.
    """
    times = ("start_timestamp", "stop_timestamp", "start_frame", "stop_frame")
    columns = ("uid", "participant_id", "video_id", *times, *(f"{task}_class" for task in TASKS))
    rows, seen = [], set()
    for where, line in read_lines(path, columns):
        uid, video = whole(line["uid"], f"{where}: uid"), line["video_id"]
        if uid in seen:
            raise InputError(f"{where}: uid {uid} is listed before; each segment has its own")
        seen.add(uid)
        check_video_id(video, where)
        participant = participant_of(video, line["participant_id"], where)
        start, stop = (_second(line, name, where) for name in ("start", "stop"))
        if stop <= start:
            raise InputError(
                f"{where}: segment {uid} ends at {line['stop_timestamp']}, not after it begins, "
                f"{line['start_timestamp']}"
            )
        if video not in videos:
            raise InputError(
                f"{where}: video {video} is not in the table of videos; is it of this data set?"
            )
        if stop > videos[video].duration_sec:
            raise InputError(
                f"{where}: segment {uid} ends at {stop:g} s, but {video} lasts "
                f"{videos[video].duration_sec:g} s; is the table of videos of another version?"
            )
        classes = [whole(line[f"{task}_class"], f"{where}: {task}_class") for task in TASKS]
        for task, class_id in zip(TASKS, classes, strict=True):
            if class_id not in labels[task].index:
                raise InputError(
                    f"{where}: {task}_class {class_id} is not a class; the list has "
                    f"{len(labels[task])}, {min(labels[task].ids)} to {max(labels[task].ids)}"
                )
        rows.append((uid, video, start, stop, *classes, participant))
    return pd.DataFrame(rows, columns=[*SEGMENT_COLUMNS, *TASKS, "participant"])


def participants(text: str) -> set[str]:
    """Parse a list of participants such as `P01-P25,P28`.

    >>> sorted(participants("P09-P11,P02"))
    ['P02', 'P09', 'P10', 'P11']
    """
    found: set[str] = set()
    for part in text.split(","):
        ends = re.fullmatch(r"P(\d{2})(?:-P(\d{2}))?", part.strip())
        first, last = (int(ends[1]), int(ends[2] or ends[1])) if ends else (1, 0)
        if last < first:
            raise InputError(f"participants {text!r}: expected such as P01-P25 or P26,P28-P31")
        found |= {f"P{number:02d}" for number in range(first, last + 1)}
    return found


def split_videos(
    actions: Path | str, *, train: str = TRAIN, val: str = VAL
) -> dict[str, list[str]]:
    """List the videos with segments of each split, by participant; check nothing else."""
    groups = {"train": participants(train), "val": participants(val)}
    videos: dict[str, set[str]] = {split: set() for split in groups}
    for where, line in read_lines(actions, ("participant_id", "video_id")):
        check_video_id(line["video_id"], where)
        for split, group in groups.items():
            if line["participant_id"] in group:
                videos[split].add(line["video_id"])
    return {split: sorted(found) for split, found in videos.items()}


def read_splits(
    actions: Path | str,
    *,
    verbs: Path | str,
    nouns: Path | str,
    videos: Path | str,
    train: str = TRAIN,
    val: str = VAL,
) -> tuple[dict[str, ClassList], dict[str, pd.DataFrame]]:
    """Read the classes of each task and the segments of each split, with the published ids.

    Args:
        actions: EPIC_train_action_labels.csv.
        verbs: EPIC_verb_classes.csv.
        nouns: EPIC_noun_classes.csv.
        videos: EPIC_video_info.csv.
        train: Participants whose segments are for training; others are left out.
        val: Participants whose segments are scored.

    Returns:
        Classes of "verb" and "noun"; rows of `aia.tables.read_segments` of "train" and "val".

    Raises:
        InputError: A file is invalid, the splits share a participant, or one has no segment.
    """
    groups = {"train": participants(train), "val": participants(val)}
    if both := sorted(groups["train"] & groups["val"]):
        raise InputError(f"{both[0]} is among those to train on ({train}) and to score ({val})")
    labels = {"verb": read_classes(verbs), "noun": read_classes(nouns)}
    segments = read_actions(actions, videos=read_video_info(videos), labels=labels)
    splits = {
        split: segments[segments["participant"].isin(group)].drop(columns="participant")
        for split, group in groups.items()
    }
    for split, table in splits.items():
        if table.empty:
            there = sorted(set(segments["participant"]))
            raise InputError(
                f"{actions}: has no segment of the {split} participants "
                f"{train if split == 'train' else val}; it has {there[0]} to {there[-1]}"
            )
    return labels, {split: table.reset_index(drop=True) for split, table in splits.items()}


def read_lines(
    path: Path | str, columns: tuple[str, ...], *, one_of: tuple[str, ...] = ()
) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the lines of a published CSV as dicts, each with its file and line number.

    Args:
        path: The file.
        columns: Required columns; there may be others.
        one_of: Columns of which one is required.

    Raises:
        InputError: The file is unreadable, lacks a column or has no line, or a line is truncated.
    """
    wanted = [*columns, *([" or ".join(one_of)] if one_of else [])]
    try:
        with open(path, newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file)
            header = [name.strip() for name in next(reader, [])]
            missing = [name for name in columns if name not in header]
            if missing or (one_of and not set(one_of) & set(header)):
                raise InputError(
                    f"{path}, line 1: has no column {(missing or wanted[-1:])[0]}; expected "
                    f"{', '.join(wanted)}, found {', '.join(header)[:120] or 'nothing'}"
                )
            number = reader.line_num
            for cells in reader:
                where, number = f"{path}, line {number + 1}", reader.line_num
                if not cells:
                    continue
                if len(cells) != len(header):
                    raise InputError(f"{where}: {len(cells)} columns, expected {len(header)}")
                yield where, dict(zip(header, cells, strict=True))
            if number < 2:
                raise InputError(f"{path}: has no line after its header")
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected a CSV with the columns {', '.join(wanted)}"
        ) from None


def participant_of(video: str, said: str, where: str) -> str:
    """Check that a participant agrees with the video's id, and return it."""
    found = _VIDEO.fullmatch(video)
    if found is None or found[1] != said:
        raise InputError(
            f"{where}: video {video!r} of participant {said!r}; expected such as P01_03 of P01"
        )
    return said


def whole(text: str, where: str) -> int:
    """Parse a whole number from 0 on."""
    if not re.fullmatch(r"[0-9]{1,9}", text.strip()):
        raise InputError(f"{where} is {text[:40]!r}, expected a whole number from 0 on")
    return int(text)


def _positive(text: str, where: str) -> float:
    if not re.fullmatch(r"[0-9]{1,7}(\.[0-9]+)?", text.strip()) or not float(text) > 0:
        raise InputError(f"{where} is {text[:40]!r}, expected a number above 0")
    return float(text)


def _second(line: Mapping[str, str], name: str, where: str) -> float:
    """Parse a time to seconds, and check that its frame number agrees."""
    text, frame = line[f"{name}_timestamp"], whole(line[f"{name}_frame"], f"{where}: {name}_frame")
    clock = re.fullmatch(r"(\d{1,3}):([0-5]\d):([0-5]\d(?:\.\d+)?)", text.strip(), re.ASCII)
    if clock is None:
        raise InputError(
            f"{where}: {name}_timestamp is {text[:40]!r}, expected hours:minutes:seconds, such as "
            "00:01:03.37"
        )
    second = round(int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]), 6)
    if abs(frame - second * FRAMES_PER_SEC) > _FRAMES_OFF:
        raise InputError(
            f"{where}: {name}_frame {frame} is not {name}_timestamp {text}; expected "
            f"{int(second * FRAMES_PER_SEC)}, {FRAMES_PER_SEC:g} a second; "
            "are the frame numbers of frames at another rate?"
        )
    return second
