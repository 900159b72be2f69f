"""Objects that the detector saw in a video, second by second: boxes with their RoI features.

A Parquet table of boxes with one more column, `features`; float16, since they are stored and not
computed with any further. What the video spans and who saw it stands in the file's metadata.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
from jaxtyping import Float

from aia.errors import InputError
from aia.tables import parquet
from aia.tables.boxes import BOX_COLUMNS, BOXES, with_track
from aia.tables.schema import LONGEST_SEC, check_video_id

_OBJECTS = replace(BOXES, what="objects with features")
_DETECTOR = "detector_weights"


class ObjectsSeen(NamedTuple):
    """What a file of objects is of, without the objects."""

    video: str
    seconds: tuple[int, int]
    d: int
    detector: str


class ObjectFeatures(NamedTuple):
    """Objects of one video."""

    video: str
    seconds: tuple[int, int]
    """First and last second that was looked at, also where nothing was found."""
    boxes: pd.DataFrame
    """Columns `BOX_COLUMNS`, by time."""
    features: Float[np.ndarray, "boxes d"]
    d: int
    detector: str
    """Hash of the detector's weights."""


def write_object_features(
    path: Path | str, seen: ObjectFeatures, *, provenance: Mapping[str, str]
) -> None:
    """Write them; `provenance` is that of the boxes, with the detector's hash."""
    if seen.features.shape != (len(seen.boxes), seen.d):
        raise ValueError(f"features {seen.features.shape}, {len(seen.boxes)} boxes, d = {seen.d}")
    flat = pa.array(seen.features.astype(np.float16).ravel())
    parquet.write_table(
        path,
        with_track(seen.boxes),
        BOXES,
        more={"features": pa.FixedSizeListArray.from_arrays(flat, seen.d)},
        ours={
            "video": seen.video,
            "seconds": list(seen.seconds),
            "d": seen.d,
            "provenance": {**provenance, _DETECTOR: seen.detector},
        },
    )


def read_object_features(path: Path | str) -> ObjectFeatures:
    """Read what `write_object_features` wrote.

    Raises:
        InputError: It is no such file.
    """
    table, ours = parquet.read_table(path, _OBJECTS, more=["features"])
    seen = _seen(path, ours)
    _check_span(path, table, seen)
    return ObjectFeatures(
        **seen._asdict(),
        boxes=parquet.frame_of(table, BOX_COLUMNS),
        features=_features_of(path, table, seen.d),
    )


def read_objects_seen(path: Path | str) -> ObjectsSeen:
    """What a file of `write_object_features` is of; the objects themselves are not read.

    Raises:
        InputError: It is no such file.
    """
    return _seen(path, parquet.read_description(path, ["features"], _OBJECTS.what))


def _seen(path: Path | str, ours: Mapping[str, Any]) -> ObjectsSeen:
    try:
        video, d = str(ours["video"]), int(ours["d"])
        first, last = map(int, ours["seconds"])
        detector = str(ours["provenance"][_DETECTOR])
    except (KeyError, TypeError, ValueError):
        raise InputError(
            f"{path}: says nothing of its video and detector; was it written by `aia detect` with "
            "--object-features?"
        ) from None
    check_video_id(video, path)
    if not 0 <= first <= last <= LONGEST_SEC:
        raise InputError(
            f"{path}: its seconds are {first} to {last}, expected those of a video, from 0 to "
            f"{LONGEST_SEC:.0f}"
        )
    if d < 1:
        raise InputError(f"{path}: its d is {d}, expected at least 1 number for each object")
    return ObjectsSeen(video, (first, last), d, detector)


def _check_span(path: Path | str, table: pa.Table, seen: ObjectsSeen) -> None:
    """Stop at objects of another video, or of a second that was not looked at."""
    first, last = seen.seconds
    for other in table["video"].unique().to_pylist():
        if other != seen.video:
            raise InputError(f"{path}: is of {seen.video}, but has objects of {other}")
    second = table["time_sec"].to_numpy().round()
    parquet.rows_of(path).refuse(
        (second < first) | (second > last),
        f"an object of second {{}}, but what was looked at is {first} to {last}",
        second,
    )


def _features_of(path: Path | str, table: pa.Table, d: int) -> Float[np.ndarray, "boxes d"]:
    found = parquet.number_lists(table, "features")
    if found is None or (found[1] != d).any():
        raise InputError(
            f"{path}: its features are {table['features'].type}, expected {d} "
            "numbers for each box; is it damaged?"
        )
    features = found[0].reshape(len(table), d)
    parquet.rows_of(path).refuse(
        ~np.all(np.isfinite(features), axis=1),
        "a feature is not a number; is the detector sound?",
    )
    return features
