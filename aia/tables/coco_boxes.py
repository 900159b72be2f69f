"""AlphAction's published boxes: a JSON list in the form of COCO's results, in pixels.

    [{"image_id": 10902, "category_id": 1, "bbox": [x, y, width, height], "score": 0.95}, ...]

An image id is a video's place in a list of videos times 10000, plus the second. Which that is,
and how large its key frames are, stands in the annotations that AlphAction makes of AVA's (their
"images"); or in the list of videos, with the sizes as a CSV. An entry may name its video instead:
"video" (or "video_id", "movie") and "second" (or "timestamp", "time_sec").
"""

import json
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float

from aia.errors import InputError
from aia.tables import csv
from aia.tables.lists import read_videos
from aia.tables.schema import (
    LONGEST_SEC,
    SIDES,
    VIDEO,
    Cells,
    Rows,
    Table,
    check_video_id,
    expect,
    is_probability,
)

_PIXELS = Cells(pa.float64(), expect(lambda side: (side > 0) & np.isfinite(side), "pixels"))
_SIZES = Table("sizes of frames", {"video": VIDEO, "width": _PIXELS, "height": _PIXELS})
_ENTRY = "image_id (a whole number), or video and second"
_PER_VIDEO = 10_000
_LARGEST = 1e6  # pixels
_VIDEO_KEYS = ("video", "video_id", "movie")
_TIME_KEYS = ("second", "timestamp", "time_sec")


class Images(NamedTuple):
    """What image ids mean, and the sizes that boxes in pixels refer to."""

    source: str
    keys: Mapping[int, tuple[str, float]] | None
    """Video and second of each id; None: by the place in `videos`."""
    videos: tuple[str, ...]
    sizes_wh: Mapping[str, tuple[float, float]]


class CocoBoxes(NamedTuple):
    """Boxes of some videos, not yet cut at the frame's edge."""

    boxes: pd.DataFrame
    """Columns video, time_sec, x1, y1, x2, y2 (fractions), score, label."""
    sizes_wh: Float[np.ndarray, "boxes 2"]
    unlisted: int
    """Boxes on images that the annotations do not have."""
    foreign: Collection[str]
    """Other videos that the file has boxes of."""


def read_images(images: Path | str | None, sizes: Path | str | None) -> Images:
    """Read AlphAction's annotations (JSON), or a list of videos and their frames' sizes (CSV).

    Args:
        images: either of them; None where every box names its video.
        sizes: a CSV of video,width,height in pixels; wins over the annotations'.
    """
    given = _read_sizes(sizes) if sizes is not None else {}
    if images is None:
        return Images("", {}, (), given)
    csv.check_file(images, "AlphAction's annotations or a list of videos")
    if not _starts_like_json(images):
        return Images(str(images), None, tuple(read_videos(images)), given)
    content = load_json(images)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise InputError(
            f'{images}: has no "images"; expected the annotations that AlphAction makes of '
            "AVA's (ava_val_v2.2.json), or a list of videos"
        )
    keys: dict[int, tuple[str, float]] = {}
    sizes_wh: dict[str, tuple[float, float]] = {}
    rows = Rows(lambda place: f"{images}, images[{place}]")
    expected = "id, movie, timestamp, width and height"
    for place, image in enumerate(_each(rows, content["images"], _image, expected)):
        number, video, second, size_wh = image
        where = rows.where(place)
        check_video_id(video, where)
        if not 0 <= second <= LONGEST_SEC:
            raise InputError(
                f"{where}: timestamp is {second}, expected seconds of the video, 0 to "
                f"{LONGEST_SEC:.0f}"
            )
        if not (min(size_wh) > 0 and max(size_wh) <= _LARGEST):
            raise InputError(f"{where}: width and height are {size_wh}, expected pixels")
        keys[number] = (video, second)
        if sizes_wh.setdefault(video, size_wh) != size_wh:
            raise InputError(
                f"{where}: {video} is {size_wh} here and {sizes_wh[video]} before; "
                "all frames of a video have one size"
            )
    return Images(str(images), keys, tuple(sizes_wh), {**sizes_wh, **given})


def read_coco_boxes(
    path: Path | str, images: Images, *, videos: Collection[str], label: str | None
) -> CocoBoxes:
    """Read boxes of `videos`, as fractions of the frame.

    The last pixel belongs to a box, so that its right edge is x + width.

    Args:
        path: the file.
        images: what its ids mean.
        videos: Ids of the videos.
        label: what all boxes are called; None: by their category_id.
    """
    entries = load_json(path)
    if not isinstance(entries, list):
        raise InputError(
            f"{path}: is not a list of boxes; is it the annotations, whose place is --images?"
        )
    rows = Rows(lambda place: f"{path}, box {place} (from 0)")
    located = _each(rows, entries, lambda entry: _where_and_when(entry, images), _ENTRY)
    xywh = np.array(_each(rows, entries, _xywh, "bbox: [x, y, width, height] in pixels"))
    xywh = xywh.reshape(-1, 4)
    score = np.array(_each(rows, entries, lambda entry: _number(entry["score"]), "a score"))
    if label is None:
        names = _each(rows, entries, lambda entry: str(int(entry["category_id"])), "a category_id")
    else:
        names = [label] * len(entries)
    _check_boxes(rows, xywh, score)

    video_of = np.array([found[0] if found else "" for found in located], dtype=object)
    for video in set(video_of) - {""}:
        check_video_id(video, path)
    keep = np.isin(video_of, list(videos)) if len(video_of) else np.zeros(0, bool)
    sizes_wh = np.array([_size_of(path, video, images) for video in video_of[keep]], float)
    sizes_wh = sizes_wh.reshape(-1, 2)
    low, high = xywh[keep, :2], xywh[keep, :2] + xywh[keep, 2:]
    edges = np.concatenate([low, high], axis=1) / np.tile(sizes_wh, 2)
    times = np.array([found[1] if found else 0.0 for found in located])
    boxes = pd.DataFrame(
        {
            "video": pd.Series(video_of[keep], dtype=str),
            "time_sec": times[keep].astype(float),
            **{side: edges[:, i] for i, side in enumerate(SIDES)},
            "score": score[keep],
            "label": pd.Series(np.array(names, dtype=object)[keep], dtype=str),
        }
    )
    return CocoBoxes(
        boxes=boxes,
        sizes_wh=sizes_wh,
        unlisted=int((video_of == "").sum()),
        foreign=set(video_of) - set(videos) - {""},
    )


def load_json(path: Path | str) -> Any:
    """Read a JSON file."""
    try:
        with open(path, encoding="utf-8-sig") as file:
            return json.load(file)
    except (OSError, ValueError, RecursionError) as problem:
        raise InputError(f"{path}: is not JSON or is cut off ({problem})") from None


def _starts_like_json(path: Path | str) -> bool:
    with open(path, "rb") as file:
        return file.read(64).removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"{", b"[")


def _each(rows: Rows, entries: list[Any], read: Callable[[Any], Any], expected: str) -> list[Any]:
    """Read each entry; what cannot be read is named by its place in the list."""
    found: list[Any] = []
    try:
        for entry in entries:
            found.append(read(entry))  # not by map: it would end at a StopIteration
    except (KeyError, TypeError, ValueError, StopIteration, OverflowError):
        where, cut = rows.where(len(found)), str(entry)[:120]
        raise InputError(f"{where}: is {cut}, expected {expected}") from None
    except InputError as problem:
        raise InputError(f"{rows.where(len(found))}: {problem}") from None
    return found


def _image(image: Mapping[str, Any]) -> tuple[int, str, float, tuple[float, float]]:
    size_wh = float(image["width"]), float(image["height"])
    return int(image["id"]), str(image["movie"]), float(image["timestamp"]), size_wh


def _where_and_when(entry: Mapping[str, Any], images: Images) -> tuple[str, float] | None:
    """Video and second of a box; None: of an image that the annotations do not have."""
    if "image_id" in entry:
        return _meaning_of(entry["image_id"], images)
    second = _number(next(entry[key] for key in _TIME_KEYS if key in entry))
    if not 0 <= second <= LONGEST_SEC:
        raise ValueError
    return next(str(entry[key]) for key in _VIDEO_KEYS if key in entry), second


def _meaning_of(image_id: Any, images: Images) -> tuple[str, float] | None:
    if not isinstance(image_id, int) or isinstance(image_id, bool) or image_id < 0:
        raise ValueError
    if not images.source:
        raise InputError(
            "names its video by an image_id; --images has to say what it means: AlphAction's "
            "annotations (ava_val_v2.2.json), or its list of videos with --frame-sizes"
        )
    if images.keys is not None:
        return images.keys.get(image_id)
    place, second = divmod(image_id, _PER_VIDEO)
    if place >= len(images.videos):
        raise InputError(
            f"image_id {image_id} is second {second} of video {place}, counted from 0, but "
            f"{images.source} has {len(images.videos)} videos; is it the list that the ids are of?"
        )
    return images.videos[place], float(second)


def _xywh(entry: Mapping[str, Any]) -> list[float]:
    x, y, width, height = entry["bbox"]
    return [_number(x), _number(y), _number(width), _number(height)]


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError
    return float(value)


def _check_boxes(rows: Rows, xywh: np.ndarray, score: np.ndarray) -> None:
    for wrong, message in (
        (~np.isfinite(xywh), "bbox has a side that is not a number"),
        (np.abs(xywh) > _LARGEST, "bbox is larger than any picture; expected pixels"),
        (xywh[:, 2:] < 0, "bbox has a negative width or height; expected [x, y, width, height]"),
        (~is_probability(score)[:, None], "score is outside 0..1"),
    ):
        sides = "(bbox [{}, {}, {}, {}], score {})"
        rows.refuse(np.any(wrong, axis=1), f"{message} {sides}", *xywh.T, score)


def _size_of(path: Path | str, video: str, images: Images) -> tuple[float, float]:
    if video not in images.sizes_wh:
        raise InputError(
            f"{path}: boxes are in pixels, but the size of {video}'s frames is not known; "
            "give --frame-sizes (a CSV of video,width,height), or AlphAction's annotations as "
            "--images"
        )
    return images.sizes_wh[video]


def _read_sizes(path: Path | str) -> dict[str, tuple[float, float]]:
    frame = csv.read_frame(path, _SIZES)
    sides = zip(frame["width"].tolist(), frame["height"].tolist(), strict=True)
    return dict(zip(frame["video"].tolist(), sides, strict=True))
