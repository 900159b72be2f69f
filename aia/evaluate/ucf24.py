"""Frame and video mAP of files, the metrics of UCF101-24 (§5, Table 3)."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from aia.datasets.tubes import SIZE_HW, video_id
from aia.datasets.ucf101_24 import FPS, read_annotations, read_split
from aia.errors import InputError
from aia.evaluate.frame_map import FrameMap
from aia.evaluate.linking import LinkRules, link
from aia.evaluate.tubes import RULES, frame_map_of_boxes, video_map
from aia.labels import ClassList, read_labels
from aia.log import say
from aia.tables import (
    Tube,
    boxes_of,
    read_frame_boxes,
    read_scores,
    read_yowo,
    tubes_of,
    write_metrics,
)

SWEEP = "0.5:0.95"
"""Thresholds 0.5, 0.55 and so on to 0.95, whose mean is taken."""


class Truth(NamedTuple):
    """Annotations."""

    boxes: pd.DataFrame
    """Boxes with columns video, frame, label, x1, y1, x2, y2, in pixels."""
    tubes: list[Tube] | None
    """Tubes; None if only single frames are annotated, so there is no video mAP."""
    labels: ClassList


class Ucf24Result(NamedTuple):
    """Average precisions as fractions."""

    frame: FrameMap
    video: dict[str, list[FrameMap]]
    """Video mAP by threshold as given; a sweep has several."""


def evaluate_ucf24(
    groundtruth: Path | str,
    detections: Path | str,
    *,
    split: Path | str | None = None,
    frames: Literal["all", "annotated"] | None = None,
    protocol: str = "voc",
    iou: float = 0.5,
    video_ious: Sequence[str] = ("0.2", "0.5", SWEEP),
    linking: LinkRules | None = None,
    labels: Path | str | None = None,
    fps: float = FPS,
) -> Ucf24Result:
    """Evaluate a file of detections.

    Args:
        groundtruth: `pyannot.pkl`, `finalAnnots.mat`, or a CSV with the columns video, frame,
            label, x1, y1, x2, y2 and perhaps tube; without it there is no video mAP.
        detections: A CSV with these columns and score, in the ground truth's pixels; if it has the
            column tube, these are the tubes, scored by their boxes' mean. Or a file of `aia score`,
            or a folder of YOWO's detections.
        split: List of videos; others are left out. None: all that are annotated.
        frames: `all`, or `annotated`: detections on frames without ground truth do not count in
            frame mAP. Both are published. None: the protocol's, `all` for voc and act.
        protocol: Rules of measuring and matching boxes: voc, yowo or act.
        iou: Least overlap of a box, for frame mAP.
        video_ious: Least overlaps of a tube, each a number or `0.5:0.95`.
        linking: Rules of linking detections to tubes; None: the defaults, at the videos' rate.
        labels: Classes as a `.pbtxt`, boxes of others do not count; None: UCF101-24's for a
            `pyannot.pkl`, all that it has for a CSV.
        fps: Frames a second of the videos.
    """
    rules = RULES[protocol]
    if frames is not None:
        rules = dataclasses.replace(rules, frames=frames)
    thresholds = {text: _thresholds(text) for text in video_ious}
    truth = read_truth(groundtruth, split=split, labels=labels)
    found = read_frame_detections(detections, truth, fps=fps)
    known = set(truth.boxes["video"])
    elsewhere = ~found["video"].isin(known)
    if elsewhere.any():
        say(f"{detections}: {int(elsewhere.sum())} detections in videos that are not evaluated")
        found = found[~elsewhere]
    if found.empty:
        say(f"{detections}: no detection in any video of {groundtruth}; are these other videos?")
    frame = frame_map_of_boxes(truth.boxes, found, truth.labels, rules=rules, iou=iou)
    if truth.tubes is None:
        say(f"{groundtruth}: has no column tube, so there is no video mAP")
        return Ucf24Result(frame, {})
    given = "tube" in found
    tubes = tubes_of(found, detections) if given else link(found, linking or LinkRules().at(fps))
    flat = [value for values in thresholds.values() for value in values]
    results = iter(video_map(truth.tubes, tubes, truth.labels, rules=rules, ious=flat))
    video = {text: [next(results) for _ in values] for text, values in thresholds.items()}
    return Ucf24Result(frame, video)


def read_truth(
    groundtruth: Path | str,
    *,
    split: Path | str | None = None,
    labels: Path | str | None = None,
) -> Truth:
    """Read ground truth of `pyannot.pkl`, `finalAnnots.mat` or a CSV, for the videos in `split`."""
    videos = None if split is None else read_split(split)
    if Path(groundtruth).suffix in (".pkl", ".mat"):
        annotations = read_annotations(groundtruth, labels=labels)
        if videos is not None and split is not None:
            annotations = annotations.only(videos, split)
        return Truth(boxes_of(annotations.tubes), annotations.tubes, annotations.labels)
    boxes = read_frame_boxes(groundtruth)
    if videos is not None:
        ids = {video_id(video) for video in videos}
        boxes = boxes[boxes["video"].map(video_id).isin(ids)]
    if labels is not None:
        listed = read_labels(labels)
        boxes = boxes[boxes["label"].isin(listed.ids)]
    if boxes.empty:
        lists = " and ".join(str(path) for path in (split, labels) if path is not None)
        raise InputError(f"{groundtruth}: no box is left; does {lists} belong to it?")
    tubes = tubes_of(boxes, groundtruth) if "tube" in boxes else None
    if labels is not None:
        return Truth(boxes, tubes, listed)
    ids_ = tuple(sorted(boxes["label"].unique().tolist()))
    known = ClassList(ids_, tuple(f"action {i}" for i in ids_), ("",) * len(ids_))
    return Truth(boxes, tubes, known)


def read_frame_detections(path: Path | str, truth: Truth, *, fps: float = FPS) -> pd.DataFrame:
    """Read detections in the ground truth's pixels and with its names of the videos.

    A file of `aia score` has fractions of the frame and seconds; `fps` turns them into frames.
    """
    if Path(path).is_dir():
        found = _of_yowo(path, truth)
    elif Path(path).suffix == ".parquet":
        found = _of_scores(path, fps)
    else:
        found = read_frame_boxes(path, needs="score")
    known = truth.boxes["video"].unique()
    short: dict[str, str] = {}
    for name in known:
        short[video_id(name)] = name if video_id(name) not in short else video_id(name)
    names = found["video"].unique()
    called = {name: name if name in known else short.get(video_id(name), name) for name in names}
    found = found.assign(video=found["video"].map(called))
    unknown = np.setdiff1d(found["label"], truth.labels.ids)
    if len(unknown):
        dropped = found["label"].isin(unknown)
        say(
            f"{path}: {int(dropped.sum())} detections of labels that are not evaluated, such as "
            f"{unknown[0]}; labels here are {truth.labels.ids[0]} to {truth.labels.ids[-1]}"
        )
        found = found[~dropped]
    return found


def write_ucf24(path: Path | str, result: Ucf24Result) -> None:
    """Write each mean and then its classes as metric,class_id,class_name,value."""
    parts = [("frame", f"{result.frame.iou:g}", [result.frame])]
    parts += [("video", text, maps) for text, maps in result.video.items()]
    rows: list[tuple[str, int | None, str, float]] = []
    for kind, at, maps in parts:
        rows.append((f"{kind}_mAP@{at}", None, "", mean_of(maps)))
        for class_id, name in zip(maps[0].labels.ids, maps[0].labels.names, strict=True):
            value = float(np.mean([one.per_class[class_id] for one in maps]))
            rows.append((f"{kind}_AP@{at}", class_id, name, value))
    write_metrics(path, rows)


def mean_of(maps: Sequence[FrameMap]) -> float:
    """Take the mean of mAPs over a sweep."""
    return float(np.mean([one.mean for one in maps]))


def _thresholds(text: str) -> list[float]:
    if text == SWEEP:
        return [round(0.5 + 0.05 * i, 2) for i in range(10)]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 < value <= 1:
        raise InputError(
            f"video IoU '{text}', expected numbers over 0 up to 1 and {SWEEP}, such as 0.2,0.5"
        )
    return [value]


def _of_yowo(folder: Path | str, truth: Truth) -> pd.DataFrame:
    """Read YOWO's detections with the ground truth's names of videos and ids of classes.

    A name there is that of the video's folder and the video's own, each of which may have `_`: the
    longest end that is a video is meant.
    """
    found = read_yowo(folder)
    first = min(1, *truth.labels.ids)  # YOWO's is 1
    say(
        f"{folder}: detections as YOWO writes them; its frame 1 is frame 0 here, its class 1 is "
        f"class {first}"
    )
    known = {video_id(name): name for name in truth.boxes["video"].unique()}
    called = {}
    for name in found["video"].unique():
        parts = name.split("_")
        ends = (video_id("_".join(parts[start:])) for start in range(len(parts)))
        called[name] = next((known[end] for end in ends if end in known), name)
    return found.assign(video=found["video"].map(called), label=found["label"] - 1 + first)


def _of_scores(path: Path | str, fps: float) -> pd.DataFrame:
    """Read a score file as a row for each box and class."""
    table = read_scores(path)
    classes = len(table.class_ids)
    height, width = SIZE_HW
    boxes = table.boxes
    pixels = boxes[["x1", "y1", "x2", "y2"]].to_numpy(float) * [width, height, width, height]
    frame = np.rint(boxes["time_sec"].to_numpy() * fps).astype(np.int64)
    return pd.DataFrame(
        {
            "video": np.repeat(boxes["video"].to_numpy(object), classes),
            "frame": np.repeat(frame, classes),
            "label": np.tile(np.array(table.class_ids), len(boxes)),
            **{
                name: np.repeat(pixels[:, i], classes)
                for i, name in enumerate(("x1", "y1", "x2", "y2"))
            },
            "score": table.scores.astype(float).ravel(),
        }
    )
