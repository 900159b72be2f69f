"""Import of published boxes, as the files that our detector would have written.

The layout of a file is detected from its content: AlphAction's JSON, PySlowFast's and LFB's CSV,
Parquet with the columns of our boxes, or EPIC-Kitchens' pickles of hands and objects. No score
threshold is applied here; readers of the boxes apply that of §4.1.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from aia.detect.hand_objects import read_hand_objects
from aia.detect.proposals import read_proposals
from aia.errors import InputError
from aia.files import file_digest
from aia.log import say
from aia.tables import (
    BOX_COLUMNS,
    read_coco_boxes,
    read_foreign_boxes,
    read_images,
    read_predicted_boxes,
    write_boxes,
)
from aia.tables.predicted_boxes import FARTHEST

Kind = Literal["persons", "objects"]
PERSON = "person"
_SIDES = ["x1", "y1", "x2", "y2"]
_NAMED = 5  # names listed in a message
_LEAST = 1e-6  # fractions of a frame below this count as zero


class Found(NamedTuple):
    """Boxes of the wanted videos, clipped to the frame, and a summary of the file."""

    boxes: pd.DataFrame
    summary: str


def import_boxes(
    files: Sequence[Path | str],
    *,
    kind: Kind,
    videos: Sequence[str],
    output_dir: Path | str,
    images: Path | str | None = None,
    frame_sizes: Path | str | None = None,
    times: Mapping[str, Sequence[float]] | None = None,
    key_frames: Mapping[str, Collection[int]] | None = None,
    per_sec: float = 1.0,
) -> None:
    """Write one table of boxes for each video, `output_dir`/{video}.parquet, even if it is empty.

    A pickle has all frames of one video; its table is written before the next pickle is read, so
    the tables before an invalid pickle remain. With other layouts, any error writes nothing.

    Args:
        files: Published boxes, each of any layout.
        kind: Kind of the boxes.
        videos: Videos that get a file; boxes of others are skipped and counted.
        output_dir: The folder.
        images: Key to AlphAction's image ids: its annotations, or its list of videos.
        frame_sizes: A CSV of video,width,height, for boxes in pixels.
        times: Key times of each video in seconds, to select frames of pickles; None: all frames.
        key_frames: Key frames that the boxes are for, as numbers (second times `per_sec`).
        per_sec: Key frames of a second.

    Raises:
        InputError: A file is invalid, or has no box of any of the videos or at any key frame.
    """
    layouts = [layout_of(file) for file in files]
    if "pickle" in layouts:
        if other := [
            str(f) for f, layout in zip(files, layouts, strict=True) if layout != "pickle"
        ]:
            raise InputError(f"{other[0]}: is not a pickle, but others are; import them separately")
        _import_videos(files, kind=kind, videos=videos, output_dir=output_dir, times=times)
        return
    if times is not None:
        raise InputError(
            f"{files[0]}: key times are for pickles, which have every frame; "
            f"{_LAYOUTS[layouts[0]]} has key frames already"
        )
    tables = []
    for file in files:
        found = read_any(file, kind=kind, videos=videos, images=images, frame_sizes=frame_sizes)
        say(f"{file}: {found.summary}")
        tables.append(found.boxes)
    boxes = pd.concat(tables, ignore_index=True)
    if key_frames:
        _compare_clocks(files[0], boxes, key_frames, per_sec=per_sec, kind=kind)
    boxes = boxes.sort_values(["video", "time_sec"], kind="stable")
    groups = dict(tuple(boxes.groupby("video", sort=False)))
    without = [video for video in videos if video not in groups]
    if without:
        say(f"no {kind} in {_some(without)}: nothing will be detected there")
    provenance = _provenance(files)
    for video in videos:
        table = groups.get(video, boxes.iloc[:0]).reset_index(drop=True)
        write_boxes(Path(output_dir) / f"{video}.parquet", table, provenance=provenance)


def _compare_clocks(
    file: Path | str,
    boxes: pd.DataFrame,
    key_frames: Mapping[str, Collection[int]],
    *,
    per_sec: float,
    kind: Kind,
) -> None:
    """Compare the times of boxes with the key frames that they are for.

    Raises:
        InputError: They have none in common.
    """
    wanted = {(video, number) for video, numbers in key_frames.items() for number in numbers}
    numbers = (boxes["time_sec"] * per_sec).round().astype(np.int64)
    there = set(zip(boxes["video"], numbers, strict=True))
    without = wanted - there
    if boxes.empty or not without:
        return
    if without == wanted:
        key_secs = [number / per_sec for _, number in wanted]
        raise InputError(
            f"{file}: the boxes' seconds go from {boxes['time_sec'].min():g} to "
            f"{boxes['time_sec'].max():g}, the key frames from {min(key_secs):g} to "
            f"{max(key_secs):g}, none in common; do they count on another clock "
            "(frames.film_start_sec), or milliseconds or frames?"
        )
    if kind == "persons":
        met = {video for video, _ in wanted & there}
        apart = sorted({video for video, _ in there} & {*key_frames} - met)
        also = f"; none of {_some(apart)} has one, is it on another clock?" if apart else ""
        say(f"{file}: {len(without)} of {len(wanted)} key frames have no box{also}")


def _import_videos(
    files: Sequence[Path | str],
    *,
    kind: Kind,
    videos: Sequence[str],
    output_dir: Path | str,
    times: Mapping[str, Sequence[float]] | None,
) -> None:
    """Import pickles of hands and objects, one video after the other."""
    sources: dict[str, Path | str] = {}
    for file in files:
        found = read_hand_objects(file, kind=kind, times=times)
        if found.video in sources:
            raise InputError(f"{file}: is of {found.video}, like {sources[found.video]}")
        if found.video not in videos:
            say(f"{file}: of {found.video}, which is not among the videos; skipped")
            continue
        sources[found.video] = file
        notes = [f"no frame at {found.missing} key times"] if found.missing else []
        boxes = _within_frame(file, _checked(file, found.boxes), np.zeros((1, 2)), notes)
        boxes = boxes.sort_values("time_sec", kind="stable").reset_index(drop=True)
        summary = f"{file}: {found.frames} frames of {found.video}, {len(boxes)} {kind}"
        say("; ".join([summary, *notes]))
        provenance = _provenance([file])
        write_boxes(Path(output_dir) / f"{found.video}.parquet", boxes, provenance=provenance)
    if not sources:
        raise InputError(f"{files[0]}: neither it nor another file is of {_some(sorted(videos))}")
    without = [video for video in videos if video not in sources]
    if without:
        say(f"no file of {_some(without)}: nothing will be detected there")
    for video in without:
        empty = pd.DataFrame({name: [] for name in BOX_COLUMNS if name != "track"})
        write_boxes(Path(output_dir) / f"{video}.parquet", empty, provenance={"boxes": "imported"})


def _provenance(files: Sequence[Path | str]) -> dict[str, str]:
    return {
        "boxes": "imported",
        "files": ", ".join(Path(file).name for file in files),
        "sha256": ", ".join(file_digest(file) for file in files),
    }


def read_any(
    path: Path | str,
    *,
    kind: Kind,
    videos: Collection[str],
    images: Path | str | None = None,
    frame_sizes: Path | str | None = None,
) -> Found:
    """Read the boxes of a file of any layout but pickle; arguments as in `import_boxes`."""
    layout = layout_of(path)
    if layout == "pickle":
        raise InputError(f"{path}: is a pickle of a whole video; `import_boxes` takes it")
    notes: list[str] = []
    pixel, unlisted = np.zeros((1, 2)), 0
    if layout == "json":
        label = PERSON if kind == "persons" else None
        described = read_images(images, frame_sizes)
        boxes, sizes_wh, unlisted, foreign = read_coco_boxes(
            path, described, videos=videos, label=label
        )
        pixel = 1 / sizes_wh
        if unlisted:
            notes.append(f"{unlisted} on images that {images} does not have skipped")
    else:
        if kind == "objects" and layout in ("csv", "proposals"):
            raise InputError(f"{path}: {_LAYOUTS[layout]} hold persons, not objects")
        if layout == "proposals":
            boxes, scoreless = read_proposals(path)
            boxes = _checked(path, boxes.assign(label=PERSON))
            if scoreless:
                notes.append(f"{scoreless} rows have no score, 1 is assumed")
        elif layout == "csv":
            boxes = read_predicted_boxes(path).assign(label=PERSON)
        else:
            boxes, unknown = read_foreign_boxes(path)
            if unknown:
                notes.append(f"columns {', '.join(unknown)} ignored")
            boxes = _checked(path, _of_kind(path, boxes, kind, notes))
        wanted = boxes["video"].isin(list(videos))
        foreign = set(boxes.loc[~wanted, "video"])
        boxes = boxes[wanted]
    if foreign:
        notes.append(f"{_some(sorted(foreign))} skipped, which the annotations do not name")
    if boxes.empty and unlisted:
        raise InputError(
            f"{path}: {images} has none of its image ids; is it of another split or data set?"
        )
    if boxes.empty and foreign:
        raise InputError(
            f"{path}: has boxes of {_some(sorted(foreign))}, but none of {_some(sorted(videos))}; "
            "do the annotations and the boxes belong together?"
        )
    boxes = _within_frame(path, boxes, pixel, notes)
    count = boxes["video"].nunique()
    summary = f"{_LAYOUTS[layout]}, {len(boxes)} {kind} of {count} of {len(videos)} videos"
    return Found(boxes.reindex(columns=list(BOX_COLUMNS)), "; ".join([summary, *notes]))


_LAYOUTS = {
    "json": "AlphAction's JSON",
    "csv": "CSV as PySlowFast's and LFB's",
    "proposals": "mmaction2's proposals",
    "parquet": "Parquet",
    "pickle": "a pickle of EPIC-Kitchens' hands and objects",
}

_PICKLE = re.compile(rb"\x80[\x02-\x05]|\(lp?[0-9]*\n|\]q")
_PICKLED_DICT = re.compile(  # of any protocol; those before the second begin at once
    rb"(?:\x80[\x02-\x05](?:\x95.{8})?)?"
    rb"(?:\}|\(dp?[0-9]*\n|ccollections\n|\x8c\x0bcollections)",
    re.DOTALL,
)


def layout_of(path: Path | str) -> Literal["json", "csv", "parquet", "pickle", "proposals"]:
    """Detect the layout of a file from its first bytes."""
    if not Path(path).is_file():
        raise InputError(
            f"{path}: there is no such file; boxes expected (JSON, CSV, Parquet or pickle)"
        )
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{"):
        return "json"
    if _PICKLED_DICT.match(start):
        return "proposals"
    if _PICKLE.match(start):
        return "pickle"
    if b"\0" in start or start.startswith(b"\x80"):
        raise InputError(f"{path}: is neither JSON, nor CSV, nor Parquet, nor a pickle")
    return "csv"


def _of_kind(path: Path | str, boxes: pd.DataFrame, kind: Kind, notes: list[str]) -> pd.DataFrame:
    """Select the persons or the objects of a table, by the label if there is one."""
    if "label" not in boxes:
        return boxes.assign(label=PERSON if kind == "persons" else "object")
    person = (boxes["label"] == PERSON).to_numpy(bool)
    kept = person if kind == "persons" else ~person
    if len(boxes) and not kept.any():
        labels = _some(sorted(set(boxes["label"].astype(str))), "labels")
        raise InputError(f"{path}: has no {kind}, only {labels}; is it the other kind?")
    if not kept.all():
        notes.append(f"{(~kept).sum()} that are not {kind} skipped")
    return boxes[kept]


def _checked(path: Path | str, boxes: pd.DataFrame) -> pd.DataFrame:
    """Check that boxes are fractions of the frame with a score, and return them."""
    sides, score = boxes[_SIDES].to_numpy(), boxes["score"].to_numpy()
    for wrong, message in (
        (
            ~((sides >= -FARTHEST) & (sides <= 1 + FARTHEST)).all(axis=1),
            f"is outside 0..1 (all go from {_range(sides)}); boxes are fractions of the frame, "
            "are these pixels?",
        ),
        (
            (sides[:, 0] > sides[:, 2]) | (sides[:, 1] > sides[:, 3]),
            "is not left, top, right, bottom; is it left, top, width, height?",
        ),
        (~((score >= 0) & (score <= 1)), "has a score outside 0..1"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"{path}, row {boxes.index[row]}: box {sides[row].tolist()} with score "
                f"{score[row]:g} {message}"
            )
    return boxes


def _range(sides: np.ndarray) -> str:
    return f"{sides.min():g} to {sides.max():g}" if len(sides) else "nowhere"


def _within_frame(
    path: Path | str, boxes: pd.DataFrame, pixel: np.ndarray, notes: list[str]
) -> pd.DataFrame:
    """Clip boxes to the frame, and drop those of at most one pixel.

    AlphAction's loader does the same; tables with rounded corners have boxes without an area.
    """
    sides = boxes[_SIDES].to_numpy(np.float64)
    cut = sides.clip(0, 1)
    kept = (cut[:, 2:] - cut[:, :2] > pixel + _LEAST).all(axis=1)
    beyond = (np.abs(sides - cut) > _LEAST).any(axis=1)
    if (beyond & ~kept).sum() > len(boxes) / 2:
        raise InputError(
            f"{path}: {(beyond & ~kept).sum()} of {len(boxes)} boxes lie outside the frame; are "
            "the sizes those of the frames that the boxes were found on?"
        )
    if (beyond & kept).any():
        notes.append(f"{(beyond & kept).sum()} clipped to the frame")
    if not kept.all():
        notes.append(f"{(~kept).sum()} without an area skipped")
    return boxes.assign(**{side: cut[:, i] for i, side in enumerate(_SIDES)})[kept]


def _some(names: Sequence[str], what: str = "videos") -> str:
    """Return the number of names and list the first ones."""
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} {what if len(names) > 1 else what[:-1]} ({listed})"
