"""Tracks out of predictions, annotations, or another tool's file, to be labelled in a tool."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from aia.annotate.actions import LABEL, actions_of
from aia.annotate.importing import Clip, meant, read_annotations
from aia.annotate.tracks import Track, make_track
from aia.errors import InputError
from aia.labels import ClassList, read_labels
from aia.tables import read_actions, read_scores
from aia.tables.schema import SIDES
from aia.tables.scores import ScoreTable

BREAK_SEC = 1.5
"""Key frames of a person that are farther apart than so many of the usual steps are a gap."""


def read_tracks_of(
    files: Sequence[Path], clips: Sequence[Clip], *, labels: Path | None, threshold: float
) -> tuple[list[Track], list[str]]:
    """Read tracks with actions as checkboxes; return them with the names of the actions.

    Args:
        files: Predictions (.parquet), annotations (.csv, with `labels`), or files of a tool.
        clips: The videos.
        labels: Names of the classes of predictions and annotations.
        threshold: Score from which a predicted action is set.

    Raises:
        InputError: A file cannot be read, needs names of classes, or is of another video.
    """
    tracks: list[Track] = []
    names: dict[str, None] = {}
    for path in files:
        if path.suffix == ".parquet" or (path.suffix == ".csv" and labels):
            if labels is None:
                raise InputError(f"{path}: has classes by number; give their names (--labels)")
            classes = read_labels(labels)
            found = _of_table(path, clips, classes, threshold)
            names.update(dict.fromkeys(classes.names))
        else:
            found, more = _of_tool(path, clips)
            names.update(dict.fromkeys(more))
        tracks += found
    return [_with_all(track, list(names)) for track in tracks], list(names)


def _with_all(track: Track, names: Sequence[str]) -> Track:
    said = tuple({name: one.get(name, "false") for name in names} for one in track.said)
    return replace(track, said=said)


def _of_tool(path: Path, clips: Sequence[Clip]) -> tuple[list[Track], list[str]]:
    found = read_annotations(path, {clip.path.stem: clip.size_wh for clip in clips})
    names = [name for name, one in found.fields.items() if one.kind in ("checkbox", "choice")]
    if not names and found.tool != "MOT":
        names = [LABEL]
    tracks: list[Track] = []
    actions: dict[str, None] = {}
    for track in found.tracks:
        done = [actions_of(track, said, names, found.fields) for said in track.said]
        actions.update({name: None for one in done for name in one})
        clip = meant(track.video, clips, found, path)
        said = tuple(dict.fromkeys(one, "true") for one in done)
        track = replace(track, video=clip.id, said=said)
        tracks.append(_ended(track) if track.moments else track)
    return tracks, list(actions)


def _ended(track: Track) -> Track:
    """Let a box that stands for a moment end half a second later, or with its frame."""
    ends = track.at + (1.0 if track.clock == "frame" else 0.5)
    order = np.argsort(np.concatenate([track.at, ends]), kind="stable")
    both = np.concatenate([np.arange(len(ends))] * 2)[order]
    return replace(
        track,
        at=np.concatenate([track.at, ends])[order],
        xyxy=track.xyxy[both],
        gone=np.repeat([False, True], len(ends))[order],
        said=tuple(track.said[k] for k in both),
        moments=False,
    )


def _of_table(
    path: Path, clips: Sequence[Clip], classes: ClassList, threshold: float
) -> list[Track]:
    """Make tracks of boxes at key frames; a person without a track stands alone each time."""
    known = {clip.id: clip for clip in clips}
    if path.suffix == ".parquet":
        table = read_scores(path)
        boxes = table.boxes.reset_index(drop=True)
        lost = set(table.class_ids) - set(classes.ids)
        if lost:
            raise InputError(f"{path}: has class {min(lost)}, which --labels does not name")
        by_id = dict(zip(classes.ids, classes.names, strict=True))
        done = [
            [by_id[table.class_ids[k]] for k in np.flatnonzero(row >= threshold)]
            for row in table.scores
        ]
        person = boxes["track"] if "track" in boxes else pd.Series(pd.NA, index=boxes.index)
    else:
        actions = read_actions(path, labels=classes)
        actions = actions[actions["action"] >= 0]
        by_id = dict(zip(classes.ids, classes.names, strict=True))
        keys = ["video", "time_sec", *SIDES, "person"]
        boxes = actions.groupby(keys, sort=False)["action"].agg(list).reset_index()
        done = [[by_id[one] for one in row] for row in boxes["action"]]
        person = boxes["person"].where(boxes["person"] >= 0)
    boxes = boxes.assign(person=person, done=pd.Series(done, index=boxes.index, dtype=object))
    tracks: list[Track] = []
    for video, of_video in boxes.groupby("video", sort=False):
        if video not in known:
            raise InputError(f"{path}: has video {video}, which is not among --videos")
        step_sec = _step_sec(of_video)
        alone = of_video[of_video["person"].isna()]
        groups = [rows for _, rows in of_video.groupby("person", sort=False)]
        groups += [alone.iloc[k : k + 1] for k in range(len(alone))]
        for rows in groups:
            tracks.append(_track_of(path, str(video), rows, step_sec, len(tracks)))
    return tracks


def tracks_of_scores(
    table: ScoreTable, stretches: Sequence[np.ndarray], classes: ClassList, *, threshold: float
) -> list[Track]:
    """Make a track of each of some rows of predictions, with the actions that reach a score."""
    step_sec = _step_sec(table.boxes)
    tracks = []
    for number, rows in enumerate(stretches):
        done = [
            [classes.names[k] for k in np.flatnonzero(table.scores[row] >= threshold)]
            for row in rows
        ]
        boxes = table.boxes.iloc[rows]
        boxes = boxes.assign(done=pd.Series(done, index=boxes.index, dtype=object))
        video = str(boxes["video"].iloc[0])
        track = _track_of(Path("predictions"), video, boxes, step_sec, number)
        said = tuple({n: one.get(n, "false") for n in classes.names} for one in track.said)
        tracks.append(replace(track, said=said))
    return tracks


def _step_sec(boxes: pd.DataFrame) -> float:
    """Return the usual time between key frames."""
    steps = np.diff(np.unique(boxes["time_sec"]))
    return float(np.median(steps)) if len(steps) else 1.0


def _track_of(path: Path, video: str, rows: pd.DataFrame, step_sec: float, number: int) -> Track:
    rows = rows.sort_values("time_sec")
    times, boxes = rows["time_sec"].to_numpy(float), rows[list(SIDES)].to_numpy(float)
    keys: list[tuple[float, list[float], bool, Mapping[str, str]]] = []
    for k, (time_sec, box, done) in enumerate(zip(times, boxes, rows["done"], strict=True)):
        said = dict.fromkeys(done, "true")
        keys.append((time_sec, box.tolist(), False, said))
        if k + 1 == len(times) or times[k + 1] - time_sec > BREAK_SEC * step_sec:
            keys.append((time_sec + step_sec / 2, box.tolist(), True, said))
    return make_track(
        f"{path}: person {number}", keys, video=video, number=number, kind="person", clock="second"
    )
