"""Clips of a data set in AVA's format: key frames with boxes, labels and objects (§4).

A key frame is at a whole second of a video; its clip is the paper's v_t. Other data in this format
may have more clips a second, up to one for each frame. Persons come from the annotations (for
training, and scoring on ground-truth boxes) or from the detector (§4.1).
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Int

from aia.clip import ClipKey, ClipSample, clip_key
from aia.errors import InputError
from aia.labels import ClassList
from aia.tables import read_actions, read_boxes, read_excluded, read_objects

_XYXY = ["x1", "y1", "x2", "y2"]


def annotated_clips(
    annotations: Path | str,
    *,
    labels: ClassList,
    excluded: Path | str | None = None,
    per_sec: float = 1.0,
) -> list[ClipSample]:
    """Read the key frames of an AVA CSV with their annotated persons, by video and time.

    Rows with the same box are one person; each row's action sets an entry of the label vector.
    Seconds listed in `excluded` are left out.

    Raises:
        InputError: The table is invalid, two key frames are one clip, or no clip is left.
    """
    actions = read_actions(annotations, labels=labels)
    left_out = read_excluded(excluded)
    xyxy = actions[_XYXY].to_numpy()
    boxes = list(zip(*xyxy.T.tolist(), actions["person"].tolist(), strict=True))
    places = [labels.index.get(action, -1) for action in actions["action"].tolist()]
    clips: dict[ClipKey, ClipSample] = {}
    for video, time_sec, rows in _groups(actions, actions["time_sec"]):
        if (video, round(time_sec)) in left_out:
            continue
        key = clip_key(video, time_sec, per_sec=per_sec)
        if key in clips:
            raise InputError(
                f"{annotations}: {video} has key frames at {clips[key].time_sec:g} and "
                f"{time_sec:g} s, which are one clip at {per_sec:g} a second; is "
                "data.clips_per_sec too low for it?"
            )
        persons: dict[tuple, list[int]] = {}
        for row in rows.tolist():
            if places[row] >= 0:  # else this key frame has no action
                persons.setdefault(boxes[row], []).append(places[row])
        marks = np.zeros((len(persons), len(labels)), np.uint8)
        for person, actions_of_person in enumerate(persons.values()):
            marks[person, actions_of_person] = 1
        clips[key] = ClipSample(
            key=key,
            time_sec=time_sec,
            persons_xyxy=np.array([box[:4] for box in persons], np.float32).reshape(-1, 4),
            persons_score=np.ones(len(persons), np.float32),
            labels=marks,
        )
    if not clips:
        raise InputError(f"{annotations}: no key frame is left; are all of them excluded?")
    return list(clips.values())


def listed_clips(
    times_sec: Mapping[str, Iterable[float]],
    *,
    labels: ClassList,
    excluded: Path | str | None = None,
    per_sec: float = 1.0,
) -> list[ClipSample]:
    """List key frames of each video, without persons; they need no annotation.

    Seconds listed in `excluded` are left out.
    """
    left_out = read_excluded(excluded)
    return [
        ClipSample(
            key=clip_key(video, time_sec, per_sec=per_sec),
            time_sec=time_sec,
            persons_xyxy=np.zeros((0, 4), np.float32),
            persons_score=np.zeros(0, np.float32),
            labels=np.zeros((0, len(labels)), np.uint8),
        )
        for video in sorted(times_sec)
        for time_sec in sorted(times_sec[video])
        if (video, round(time_sec)) not in left_out
    ]


def detected_clips(
    clips: Sequence[ClipSample],
    persons: Iterable[Path | str],
    *,
    threshold: float,
    per_sec: float = 1.0,
) -> list[ClipSample]:
    """Replace the persons of key frames by detected ones of at least this score.

    Key frames without such a box are dropped, so that they do not enter the memory either.
    """
    tables = [read_boxes(path) for path in persons]
    boxes = pd.concat(tables, ignore_index=True)
    boxes = boxes[boxes["score"] >= threshold]
    xyxy, score = boxes[_XYXY].to_numpy(np.float32), boxes["score"].to_numpy(np.float32)
    rows_of = _by_key(boxes, per_sec)
    found = []
    for clip in clips:
        rows = rows_of.get(clip.key)
        if rows is None:
            continue
        found.append(
            ClipSample(
                key=clip.key,
                time_sec=clip.time_sec,
                persons_xyxy=xyxy[rows],
                persons_score=score[rows],
                labels=np.zeros((len(rows), clip.labels.shape[1]), np.uint8),
            )
        )
    if not found:
        raise InputError(
            f"no person box has a score of {threshold} or more; is the detector trained, and "
            "detector.person_threshold not too high?"
        )
    return found


def with_objects(
    clips: Sequence[ClipSample],
    *,
    annotated: Path | str | None = None,
    detected: Iterable[Path | str] = (),
    threshold: float = 0.0,
    most: int,
    per_sec: float = 1.0,
) -> list[ClipSample]:
    """Add objects to the clips: the annotated ones, or the `most` best of the detector."""
    if annotated is not None:
        boxes = read_objects(annotated).assign(score=1.0)
    else:
        tables = [read_boxes(path) for path in detected]
        if not tables:
            return list(clips)
        boxes = pd.concat(tables, ignore_index=True)
    boxes = boxes[boxes["score"] >= threshold].sort_values("score", ascending=False, kind="stable")
    xyxy = boxes[_XYXY].to_numpy(np.float32)
    rows_of, none = _by_key(boxes, per_sec), np.zeros(0, np.int64)
    return [replace(clip, objects_xyxy=xyxy[rows_of.get(clip.key, none)[:most]]) for clip in clips]


def seconds_of(clips: Sequence[ClipSample]) -> dict[str, tuple[int, int]]:
    """Return the first and last t of each video: seconds, if there is one clip a second."""
    spans: dict[str, tuple[int, int]] = {}
    for clip in clips:
        first, last = spans.get(clip.key.video, (clip.key.t, clip.key.t))
        spans[clip.key.video] = (min(first, clip.key.t), max(last, clip.key.t))
    return spans


def _by_key(boxes: pd.DataFrame, per_sec: float) -> dict[ClipKey, Int[np.ndarray, " rows"]]:
    """Return the rows of each clip's boxes."""
    places = (boxes["time_sec"] * per_sec).round()
    return {ClipKey(video, int(t)): rows for video, t, rows in _groups(boxes, places)}


def _groups(
    table: pd.DataFrame, times: pd.Series
) -> Iterator[tuple[str, float, Int[np.ndarray, " rows"]]]:
    """Yield each video and time, in this order, with the indices of its rows in file order."""
    if table.empty:
        return
    codes, names = pd.factorize(table["video"], sort=True)
    values = times.to_numpy(float)
    order = np.lexsort((values, codes))  # stable
    codes, values = codes[order], values[order]
    starts = np.flatnonzero((np.diff(codes, prepend=-1) != 0) | (np.diff(values, prepend=-1) != 0))
    for start, rows in zip(starts, np.split(order, starts[1:]), strict=True):
        yield str(names[codes[start]]), float(values[start]), rows
