"""Labels of a tool to training data: train.csv, val.csv, classes.pbtxt, and what was left out."""

import json
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

import numpy as np

from aia.annotate.actions import action_fields, actions_of
from aia.annotate.cvat import read_cvat
from aia.annotate.label_studio import read_label_studio
from aia.annotate.plain_boxes import read_coco, read_mot
from aia.annotate.spreadsheet import read_spreadsheet
from aia.annotate.tracks import Annotated, Track
from aia.annotate.via import read_via
from aia.config import video_id
from aia.errors import InputError
from aia.files import write_text
from aia.labels import ClassList, write_labels
from aia.video.decode import VideoFile

VAL_SHARE = 0.2
"""Part of the videos that is validated on; of the seconds, where there is one video."""
GAP_SEC = 3.0
"""Time between training and validation within one video, in which nothing is used."""
FEW = 5
"""Examples of a class of which there are fewer are told."""
_TRIES = 200


class Clip(NamedTuple):
    """A video that labels are of."""

    id: str
    path: Path
    size_wh: tuple[int, int]
    times_sec: np.ndarray
    """Start of each picture, rising."""

    @classmethod
    def open(cls, path: Path) -> "Clip":
        """Read size and times of a video."""
        video = VideoFile(path)
        height, width = video.size_hw
        return cls(video_id(path.name), path, (width, height), video.picture_times_sec())

    def position(self, track: Track, time_sec: float) -> float:
        """Return where in a track's clock a time is."""
        if track.clock == "second":
            return time_sec
        return float(np.searchsorted(self.times_sec, time_sec + 1e-3, side="right") - 1)

    def time_sec(self, track: Track, position: float) -> float:
        """Return the time of a position of a track."""
        if track.clock == "second":
            return position
        return float(self.times_sec[min(max(round(position), 0), len(self.times_sec) - 1)])


class Row(NamedTuple):
    """An action of a person at a key frame."""

    video: str
    second: float
    xyxy: tuple[float, ...]
    action: str
    person: int


@dataclass
class Labels:
    """What was taken of a tool's files."""

    rows: list[Row] = field(default_factory=list)
    seconds: dict[str, list[float]] = field(default_factory=dict)
    """Key frames of each video, those without an action among them."""
    silent: int = 0
    """Boxes at key frames of persons of whom no action is said."""
    notes: list[str] = field(default_factory=list)


def read_annotations(path: Path, sizes_wh: Mapping[str, tuple[int, int]]) -> Annotated:
    """Read a file of any tool; which one is seen from its content.

    Args:
        path: XML or zip of CVAT, JSON of Label Studio, VIA or COCO, txt of MOT, CSV.
        sizes_wh: Pixels of the videos, by the stems of their names.

    Raises:
        InputError: It cannot be read, or is of no known tool.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such file; an export of an annotation tool is expected"
        )
    if path.suffix.lower() == ".txt":
        return read_mot(path, sizes_wh)
    if path.suffix.lower() in (".csv", ".tsv"):
        return read_spreadsheet(path, sizes_wh)
    if zipfile.is_zipfile(path):
        return _read_zip(path)
    start = path.read_bytes()[:4096].lstrip(b"\xef\xbb\xbf \r\n\t")
    if start.startswith(b"<"):
        return read_cvat(path)
    try:
        document: Any = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: neither XML nor JSON ({error}); expected an export of CVAT, Label Studio, "
            "VIA, MOT or COCO"
        ) from None
    try:
        if isinstance(document, dict) and {"metadata", "view", "file"} <= document.keys():
            return read_via(path, document, sizes_wh)
        if isinstance(document, dict) and {"images", "categories"} <= document.keys():
            return read_coco(path, document)
        tasks = document if isinstance(document, list) else [document]
        if tasks and all(isinstance(one, dict) and "data" in one for one in tasks):
            return read_label_studio(path, tasks)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise InputError(
            f"{path}: is incomplete ({type(error).__name__}: {error}); was it exported whole?"
        ) from None
    raise InputError(
        f"{path}: is JSON of no known tool; expected Label Studio's (tasks with data), VIA's "
        "(metadata, view, file) or COCO's (images, annotations, categories)"
    )


def _read_zip(path: Path) -> Annotated:
    import tempfile

    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("annotations.xml")]
        if len(names) != 1:
            raise InputError(
                f"{path}: expected one annotations.xml in it, as CVAT exports, found {len(names)}"
            )
        with archive.open(names[0]) as file, tempfile.TemporaryDirectory() as folder:
            inside = Path(folder) / "annotations.xml"
            inside.write_bytes(file.read(1 << 30))
            return read_cvat(inside)


def collect(
    found: Annotated, clips: Sequence[Clip], *, actions: Sequence[str], path: Path, every_sec: float
) -> Labels:
    """Take the labels at key frames: every so many seconds, or where a tool has moments.

    Raises:
        InputError: A track is of no video that is given, or lies beyond its end.
    """
    names = action_fields(found, actions, path)
    labels = Labels()
    for name in dict.fromkeys(track.video for track in found.tracks):
        clip = meant(name, clips, found, path)
        tracks = [track for track in found.tracks if track.video == name]
        _check_end(tracks, clip, path)
        times = _key_times(tracks, clip, found.covered.get(name), every_sec)
        labels.seconds[clip.id] = times
        for time_sec in times:
            for track in tracks:
                state = track.state(clip.position(track, time_sec), slack=1e-3)
                if state is None:
                    continue
                xyxy, said = state
                done = actions_of(track, said, names, found.fields)
                labels.silent += not done
                sides = tuple(round(float(side), 5) for side in xyxy)
                labels.rows += [Row(clip.id, time_sec, sides, one, track.number) for one in done]
    labels.notes = [f"{path}: {note}" for note in found.notes]
    if not labels.rows:
        raise InputError(
            f"{path}: of {len(found.tracks)} tracks no action is said at a key frame (actions are "
            f"{', '.join(names)}); are they set?"
        )
    return labels


def meant(name: str, clips: Sequence[Clip], found: Annotated, path: Path) -> Clip:
    """Find the video that a file calls by a name; the only one is meant by any.

    Raises:
        InputError: It is none of them.
    """
    stem = PurePosixPath(name.replace("\\", "/")).name
    for clip in clips:
        if stem in (clip.path.name, clip.path.stem) or video_id(stem or "_") == clip.id:
            return clip
    if len(clips) == 1 and len({track.video for track in found.tracks}) == 1:
        if name:
            found.notes.append(f"{name} is taken to be {clips[0].path.name}, the only video")
        return clips[0]
    raise InputError(
        f"{path}: labels of '{name}', which is not among --videos "
        f"({', '.join(clip.path.name for clip in clips[:6])}{' ...' if len(clips) > 6 else ''})"
    )


def _check_end(tracks: Sequence[Track], clip: Clip, path: Path) -> None:
    last = max(float(track.at[~track.gone].max(initial=0)) for track in tracks)
    if tracks[0].clock == "frame" and last >= len(clip.times_sec):
        raise InputError(
            f"{path}: has a box in frame {last:g} of {clip.path.name}, which has "
            f"{len(clip.times_sec)}; is it this video, at this rate?"
        )
    end_sec = float(clip.times_sec[-1])
    if tracks[0].clock == "second" and last > end_sec + 1:
        raise InputError(
            f"{path}: has a box at {last:.2f} s of {clip.path.name}, which ends at {end_sec:.2f} s"
        )


def _key_times(
    tracks: Sequence[Track],
    clip: Clip,
    covered: tuple[float, float] | None,
    every_sec: float,
) -> list[float]:
    """List the key frames: where a tool has moments these, else every so many seconds."""
    if all(track.moments for track in tracks):
        times = {round(clip.time_sec(track, at), 3) for track in tracks for at in track.at}
        return sorted(times)
    first, last = covered or (
        min(float(track.at[0]) for track in tracks),
        max(min(float(track.at[-1]), track.until) for track in tracks),
    )
    start_sec = clip.time_sec(tracks[0], first)
    stop_sec = min(clip.time_sec(tracks[0], last), float(clip.times_sec[-1]))
    numbers = range(
        int(np.ceil(start_sec / every_sec - 1e-6)), int(stop_sec / every_sec + 1e-6) + 1
    )
    return [round(number * every_sec, 3) for number in numbers]


class Split(NamedTuple):
    """Key frames of training and validation."""

    train: set[tuple[str, float]]
    val: set[tuple[str, float]]
    how: str


def split(labels: Labels) -> Split:
    """Split by video, never within one; a single one by time, with a gap.

    Of some ways to choose a fifth of the videos, that with most classes on both sides is taken.

    Raises:
        InputError: There is one video, and it is too short.
    """
    actions: dict[str, set[str]] = {video: set() for video in labels.seconds}
    for row in labels.rows:
        actions[row.video].add(row.action)
    videos = sorted(actions)
    if len(videos) == 1:
        return _split_by_time(videos[0], labels)
    count = max(1, round(VAL_SHARE * len(videos)))
    rng = np.random.default_rng(0)
    best: tuple[int, list[str]] = (-1, [])
    for _ in range(_TRIES):
        val = sorted(rng.choice(videos, count, replace=False).tolist())
        seen = set().union(*(actions[video] for video in videos if video not in val))
        both = len(seen & set().union(*(actions[video] for video in val)))
        if both > best[0]:
            best = (both, val)
    frames = [(video, second) for video in videos for second in labels.seconds[video]]
    val_frames = {frame for frame in frames if frame[0] in best[1]}
    return Split(set(frames) - val_frames, val_frames, f"by video: {', '.join(best[1])} in val")


def _split_by_time(video: str, labels: Labels) -> Split:
    """Take a fifth of the seconds in a row: those in which most classes are on both sides."""
    seconds = labels.seconds[video]
    size = max(1, round(VAL_SHARE * len(seconds)))
    best: tuple[tuple[int, int], Split | None] = ((-1, -1), None)
    for start in range(0, len(seconds) - size + 1, max(1, size // 2)):
        first, last = seconds[start], seconds[start + size - 1]
        val = {(video, second) for second in seconds[start : start + size]}
        train = {
            (video, second)
            for second in seconds
            if second <= first - GAP_SEC or second >= last + GAP_SEC
        }
        counts = [
            Counter(row.action for row in labels.rows if (row.video, row.second) in part)
            for part in (train, val)
        ]
        both = counts[0].keys() & counts[1].keys()
        score = (len(both), sum(min(counts[1][name], FEW) for name in both))
        if train and score > best[0]:
            how = (
                f"by time, as there is one video: val from {first:g} to {last:g} s, "
                f"{GAP_SEC:g} s beside it unused"
            )
            best = (score, Split(train, val, how))
    if best[1] is None:
        raise InputError(
            f"{video}: is the only video, and its {len(seconds)} key frames cannot be split by "
            f"time with a gap of {GAP_SEC:g} s; label more, or another video"
        )
    return best[1]


def write_data(labels: Labels, parts: Split, folder: Path) -> ClassList:
    """Write train.csv, val.csv and classes.pbtxt; return the classes."""
    names = sorted({row.action for row in labels.rows})
    classes = ClassList(tuple(range(1, len(names) + 1)), tuple(names), ("",) * len(names))
    ids = dict(zip(names, classes.ids, strict=True))
    busy = {(row.video, row.second) for row in labels.rows}
    for part, frames in (("train", parts.train), ("val", parts.val)):
        lines = [
            f"{row.video},{row.second:g},{','.join(f'{side:g}' for side in row.xyxy)},"
            f"{ids[row.action]},{row.person}\n"
            for row in labels.rows
            if (row.video, row.second) in frames
        ]
        lines += [f"{video},{second:g}\n" for video, second in sorted(frames - busy)]
        write_text(folder / f"{part}.csv", "".join(lines))
    write_labels(folder / "classes.pbtxt", classes)
    return classes


def summary(labels: Labels, parts: Split) -> list[str]:
    """Say in lines what was taken, and what a user should know of it."""
    lines = [f"split {parts.how}"]
    counts = {"train": Counter[str](), "val": Counter[str]()}
    persons: dict[str, set[tuple[str, int]]] = {"train": set(), "val": set()}
    for row in labels.rows:
        for part, frames in (("train", parts.train), ("val", parts.val)):
            if (row.video, row.second) in frames:
                counts[part][row.action] += 1
                persons[part].add((row.video, row.person))
    for part, frames in (("train", parts.train), ("val", parts.val)):
        lines.append(
            f"{part}: {len({video for video, _ in frames})} videos, {len(frames)} key frames, "
            f"{len(persons[part])} persons, {counts[part].total()} actions"
        )
    for name in sorted({row.action for row in labels.rows}):
        train, val = counts["train"][name], counts["val"][name]
        hint = ""
        if not train:
            hint = "  NEVER IN TRAIN: it cannot be learnt"
        elif not val:
            hint = "  not in val: it cannot be measured"
        elif min(train, val) < FEW:
            hint = "  few"
        lines.append(f"  {name}: {train} in train, {val} in val{hint}")
    if labels.silent:
        lines.append(f"left out: {labels.silent} boxes of persons of whom no action is said")
    return lines + labels.notes
