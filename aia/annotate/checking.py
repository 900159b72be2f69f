"""What is likely wrong with labels: rows to look at before anything is trained on them.

Each check returns findings; none changes a label.
"""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Float, UInt8

from aia.boxes import iou_matrix, pair_iou
from aia.labels import ClassList
from aia.tables.schema import SIDES
from aia.video.decode import VideoFile

FEW = 5
SAME_IOU = 0.85
"""Two boxes of one key frame that overlap so much are one person, or nearly so."""
JUMP_IOU = 0.05
"""A box that overlaps the line between its neighbours in time so little is off."""
MOST_SHIFT_SEC = 3.0
SHIFT_STEP_SEC = 0.5
SHIFT_GAIN = 1.15
"""Motion in the boxes must be so much stronger at a shift than at none for a shift to be told."""
SAME_LEVEL = 4.0
"""Mean difference of grey levels (0 to 255) up to which two pictures are the same."""
SAME_SEC = 5
"""Seconds in a row that must be the same."""
_SMALL = 16


class Finding(NamedTuple):
    """A row to look at."""

    what: str
    """Name of the check."""
    video: str
    second: float
    person: int
    says: str


COLUMNS = Finding._fields


def check_labels(
    parts: Mapping[str, pd.DataFrame], classes: ClassList, videos: Mapping[str, Path]
) -> list[Finding]:
    """Run all checks.

    Args:
        parts: Annotations of train and val, as `read_actions` gives them.
        classes: Their classes.
        videos: Paths by ids.
    """
    found = rare(parts, classes)
    both = pd.concat([part.assign(part=name) for name, part in parts.items()])
    both = both[both["action"] >= 0]
    found += doubled(both) + jumps(both) + flips(both, classes)
    found += repeated_videos(parts, videos)
    for video, rows in both.groupby("video", sort=True):
        if video in videos:
            found += shifted(str(video), rows, videos[str(video)])
    return found


def rare(parts: Mapping[str, pd.DataFrame], classes: ClassList) -> list[Finding]:
    """Find classes with few examples, in one video alone, or on one side alone."""
    found = []
    every = set().union(*(set(rows["video"]) for rows in parts.values()))
    for class_id, name in zip(classes.ids, classes.names, strict=True):
        of = {part: rows[rows["action"] == class_id] for part, rows in parts.items()}
        counts = {part: len(rows) for part, rows in of.items()}
        said = ", ".join(f"{count} in {part}" for part, count in counts.items())
        videos = set().union(*(set(rows["video"]) for rows in of.values()))
        if not counts.get("train", 1):
            found.append(Finding("never in train", "", -1, -1, f"{name}: {said}; not learnt"))
        elif not counts.get("val", 1):
            found.append(Finding("never in val", "", -1, -1, f"{name}: {said}; not measured"))
        elif min(counts.values()) < FEW:
            found.append(Finding("few examples", "", -1, -1, f"{name}: {said}"))
        if len(videos) == 1 < len(every):
            only = next(iter(videos))
            found.append(Finding("one video", only, -1, -1, f"{name} is in {only} alone"))
    return found


def doubled(rows: pd.DataFrame) -> list[Finding]:
    """Find two persons of a key frame whose boxes nearly cover each other."""
    found = []
    boxes = rows.drop_duplicates(["video", "time_sec", *SIDES])
    for (video, second), here in _groups(boxes, "video", "time_sec"):
        xyxy = here[list(SIDES)].to_numpy(float)
        for pair in np.argwhere(np.triu(iou_matrix(xyxy, xyxy), 1) >= SAME_IOU):
            persons = here["person"].to_numpy()[pair].tolist()
            said = f"boxes of persons {persons[0]} and {persons[1]} are nearly one"
            found.append(Finding("doubled", video, second, persons[0], said))
    return found


def jumps(rows: pd.DataFrame) -> list[Finding]:
    """Find boxes that are far from where the person is just before and just after."""
    found = []
    boxes = rows[rows["person"] >= 0].drop_duplicates(["video", "person", "time_sec"])
    for (video, person), one in _groups(boxes, "video", "person"):
        one = one.sort_values("time_sec")
        times, xyxy = one["time_sec"].to_numpy(float), one[list(SIDES)].to_numpy(float)
        if len(times) < 3:
            continue
        gap = 1.5 * np.median(np.diff(times))
        near = (np.diff(times)[:-1] <= gap) & (np.diff(times)[1:] <= gap)
        share = ((times[1:-1] - times[:-2]) / (times[2:] - times[:-2]))[:, None]
        between = xyxy[:-2] + share * (xyxy[2:] - xyxy[:-2])
        calm = pair_iou(xyxy[:-2], xyxy[2:]) > 0.2  # who runs is nowhere twice
        for place in np.flatnonzero(near & calm & (pair_iou(xyxy[1:-1], between) < JUMP_IOU)):
            said = f"the box of person {person} is elsewhere a second before and after"
            found.append(Finding("jump", video, float(times[place + 1]), int(person), said))
    return found


def flips(rows: pd.DataFrame, classes: ClassList) -> list[Finding]:
    """Find actions that a person begins or ends for a single key frame between two alike."""
    found = []
    names = dict(zip(classes.ids, classes.names, strict=True))
    for (video, person), one in _groups(rows[rows["person"] >= 0], "video", "person"):
        times = np.sort(one["time_sec"].unique())
        if len(times) < 5:
            continue
        gap = 1.5 * np.median(np.diff(times))
        for (class_id,), of_class in _groups(one, "action"):
            on = np.isin(times, of_class["time_sec"])
            for k in range(2, len(times) - 2):
                alike = on[k - 2] == on[k - 1] == on[k + 1] == on[k + 2]
                if alike and on[k] != on[k - 1] and times[k + 2] - times[k - 2] <= 4 * gap:
                    said = f"{names.get(class_id, class_id)} is {'on' if on[k] else 'off'} for one"
                    found.append(Finding("flip", video, float(times[k]), int(person), said))
    return found


def _groups(rows: pd.DataFrame, *keys: str) -> Iterator[tuple[Any, pd.DataFrame]]:
    yield from rows.groupby(list(keys), sort=True)


def repeated_videos(parts: Mapping[str, pd.DataFrame], videos: Mapping[str, Path]) -> list[Finding]:
    """Find videos of train whose pictures are in val as well, under whatever name."""
    ids = {part: sorted(set(rows["video"]) & videos.keys()) for part, rows in parts.items()}
    looks = {video: _look(videos[video]) for video in {v for part in ids.values() for v in part}}
    found = []
    for one in ids.get("train", []):
        for other in ids.get("val", []):
            if one == other:
                continue
            at = _same(looks[one], looks[other])
            if at is not None:
                said = f"{other} of val shows at {at[1]} s what {one} of train shows at {at[0]} s"
                found.append(Finding("same pictures", other, float(at[1]), -1, said))
    return found


def _look(path: Path) -> Float[np.ndarray, "seconds pixels"]:
    """Return a tiny grey picture of every second."""
    pictures = [
        _grey(frame.rgb, _SMALL) for frame in VideoFile(path).frames(fps=1.0, short_side=4 * _SMALL)
    ]
    return np.stack(pictures).reshape(len(pictures), -1)


def _grey(rgb: UInt8[np.ndarray, "h w 3"], size: int) -> Float[np.ndarray, "rows columns"]:
    height, width = rgb.shape[:2]
    rows, columns = (np.arange(size + 1) * side // size for side in (height, width))
    grey = rgb.mean(axis=2)
    sums = np.add.reduceat(np.add.reduceat(grey, rows[:-1], axis=0), columns[:-1], axis=1)
    return sums / (np.diff(rows)[:, None] * np.diff(columns))


def _same(
    one: Float[np.ndarray, "_seconds pixels"], other: Float[np.ndarray, "_others pixels"]
) -> tuple[int, int] | None:
    """Find seconds in a row of two videos that look the same, and not like all others."""
    apart = np.abs(one[:, None] - other[None]).mean(axis=2)
    alike = apart <= SAME_LEVEL
    length = min(SAME_SEC, len(one), len(other))
    for shift in range(-len(one) + length, len(other) - length + 1):
        line = np.diagonal(alike, shift)
        runs = np.convolve(line, np.ones(length), "valid")
        places = np.flatnonzero(runs >= length)
        if len(places):
            first = int(places[0])
            place = (first + max(-shift, 0), first + max(shift, 0))
            # a camera that stands still looks the same at any time: then only motion tells
            near = one[place[0] : place[0] + length]
            if np.abs(np.diff(near, axis=0)).mean() > 0.1 or _exactly(apart, place, length):
                return place
    return None


def _exactly(apart: np.ndarray, place: tuple[int, int], length: int) -> bool:
    """Tell if the same seconds are much nearer than other seconds of the two videos are."""
    line = [apart[place[0] + k, place[1] + k] for k in range(length)]
    return float(np.mean(line)) < 0.5 * float(np.median(apart))


def shifted(video: str, rows: pd.DataFrame, path: Path) -> list[Finding]:
    """Find labels whose boxes move later or earlier than the pictures do.

    Between two key frames a person's box goes along a line. At the right shift the pictures change
    within it; at a wrong one it lies where nobody is.
    """
    boxes = rows[rows["person"] >= 0].drop_duplicates(["person", "time_sec"])
    moved = []
    for _, one in boxes.groupby("person", sort=True):
        one = one.sort_values("time_sec")
        times, xyxy = one["time_sec"].to_numpy(float), one[list(SIDES)].to_numpy(float)
        apart = pair_iou(xyxy[:-1], xyxy[1:]) < 0.5
        for k in np.flatnonzero(apart & (np.diff(times) <= 2.0)):
            moved.append(((times[k] + times[k + 1]) / 2, (xyxy[k] + xyxy[k + 1]) / 2))
    if len(moved) < 8:
        return []
    moved = [moved[k] for k in np.linspace(0, len(moved) - 1, min(len(moved), 60)).astype(int)]
    changes, per_sec = _changes(path)
    shifts = np.arange(-MOST_SHIFT_SEC, MOST_SHIFT_SEC + 1e-6, SHIFT_STEP_SEC)
    motion = np.array([_motion(changes, per_sec, moved, shift) for shift in shifts])
    best, none = int(motion.argmax()), len(shifts) // 2
    if abs(shifts[best]) < 2 * SHIFT_STEP_SEC or motion[best] < SHIFT_GAIN * motion[none]:
        return []
    said = (
        f"the pictures move in the boxes {abs(shifts[best]):g} s "
        f"{'later' if shifts[best] > 0 else 'earlier'} than the labels say: another clock?"
    )
    return [Finding("clock", video, float(moved[0][0]), -1, said)]


def _changes(path: Path) -> tuple[Float[np.ndarray, "times rows columns"], float]:
    """Return how much each place of the picture changes, four times a second."""
    per_sec, size = 4.0, 48
    frames = VideoFile(path).frames(fps=per_sec, short_side=size)
    grey = np.stack([frame.rgb.mean(axis=2, dtype=np.float32) for frame in frames])
    return np.abs(np.diff(grey, axis=0)), per_sec


def _motion(
    changes: Float[np.ndarray, "times rows columns"],
    per_sec: float,
    moved: Sequence[tuple[float, np.ndarray]],
    shift_sec: float,
) -> float:
    """Return the mean change within boxes at a shift, over that of the whole picture."""
    shares = []
    for time_sec, box in moved:
        k = round((time_sec + shift_sec) * per_sec - 0.5)
        if not 0 <= k < len(changes):
            continue
        rows, columns = changes.shape[1:]
        x1, y1, x2, y2 = (box * [columns, rows, columns, rows]).round().astype(int)
        inside = changes[k, y1 : max(y2, y1 + 1), x1 : max(x2, x1 + 1)]
        if inside.size:
            shares.append(inside.mean() / max(float(changes[k].mean()), 1e-3))
    return float(np.median(shares)) if shares else 0.0
