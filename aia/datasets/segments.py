"""Clips of data labelled by segment (§6): an interval of a video, with one class of each task.

A segment is classified as a whole: its clip has one query and no persons, but detected hands
and objects. In training, the clip is at the middle or at a whole second of the segment; in scoring,
at the middle. A clip may extend beyond a shorter segment.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from aia.clip import ClipKey, ClipSample, segment_times
from aia.labels import ClassList
from aia.tables import read_boxes, read_segments

_Place = tuple[str, int]


def segment_clips(path: Path | str, *, task: str, labels: ClassList) -> list[ClipSample]:
    """Read one clip for each segment, by video and time; t of its key is the index in this order.

    Segments that overlap, or have the same middle, remain separate clips.

    Args:
        path: Segments in our form.
        task: Column of the classes: verb or noun.
        labels: Classes of that task.

    Raises:
        InputError: The table is invalid, such as a class that is not among `labels`.
    """
    table = read_segments(path, task=task, labels=labels)
    table = table.assign(middle=(table["start_sec"] + table["stop_sec"]) / 2)
    table = table.sort_values(["video", "middle", "segment"], kind="stable")
    clips = []
    for video, rows in table.groupby("video", sort=False):
        columns = (rows[name].tolist() for name in ("segment", "start_sec", "stop_sec", task))
        for t, (segment, start_sec, stop_sec, action) in enumerate(zip(*columns, strict=True)):
            marks = np.zeros((1, len(labels)), np.uint8)
            marks[0, labels.index[action]] = 1
            middle, *others = [
                ClipSample(
                    key=ClipKey(str(video), t),
                    time_sec=time_sec,
                    persons_xyxy=np.zeros((0, 4), np.float32),
                    persons_score=np.zeros(0, np.float32),
                    labels=marks,
                    query="clip",
                    segment=segment,
                )
                for time_sec in segment_times(start_sec, stop_sec)
            ]
            clips.append(replace(middle, places=(middle, *others)) if others else middle)
    return clips


def with_detected(
    clips: Sequence[ClipSample],
    *,
    hands: Iterable[Path | str] = (),
    objects: Iterable[Path | str] = (),
    hand_threshold: float = 0.0,
    object_threshold: float = 0.0,
    most_hands: int | None = None,
    most_objects: int | None = None,
) -> list[ClipSample]:
    """Add hands and objects detected at the clips' times, the best of each up to a limit."""
    hands_at = _by_place(hands, threshold=hand_threshold, most=most_hands)
    objects_at = _by_place(objects, threshold=object_threshold, most=most_objects)
    none = np.zeros((0, 4), np.float32)

    def seen(clip: ClipSample) -> ClipSample:
        place = _place(clip.key.video, clip.time_sec)
        return replace(
            clip,
            hands_xyxy=hands_at.get(place, none),
            objects_xyxy=objects_at.get(place, none),
            places=tuple(map(seen, clip.places)),
        )

    return list(map(seen, clips))


def _by_place(
    paths: Iterable[Path | str], *, threshold: float, most: int | None
) -> Mapping[_Place, Float[np.ndarray, "boxes 4"]]:
    """Return boxes by video and time, best first."""
    found: dict[_Place, Float[np.ndarray, "boxes 4"]] = {}
    for path in paths:
        boxes = read_boxes(path)
        boxes = boxes[boxes["score"] >= threshold]
        boxes = boxes.sort_values("score", ascending=False, kind="stable")
        xyxy = boxes[["x1", "y1", "x2", "y2"]].to_numpy(np.float32)
        places = zip(boxes["video"].tolist(), boxes["time_sec"].tolist(), strict=True)
        rows_at: dict[_Place, list[int]] = {}
        for row, (video, time_sec) in enumerate(places):
            rows_at.setdefault(_place(video, time_sec), []).append(row)
        found |= {place: xyxy[rows[:most]] for place, rows in rows_at.items()}
    return found


def _place(video: str, time_sec: float) -> _Place:
    """Return video and time in milliseconds, a key robust to rounding in files."""
    return video, round(time_sec * 1000)
