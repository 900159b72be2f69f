"""Reader of the published detections of hands and objects on every frame of EPIC-Kitchens.

The release (epic-kitchens-100-hand-object-bboxes, by the detector of Shan et al. 2020) has a pickle
for each video: a list of frames as bytes, each a protocol buffer. It has hands with scores from 0.1
on and objects from 0.01 on; its authors use 0.5 for both.

Frame numbers are those of the published images, from 1: 60 a second for the videos of
EPIC-Kitchens-55 (P01_01) and 50 for the later ones (P01_101), whatever the video's own rate. With
a video's own 59.94, boxes would be late by a second after 17 minutes.
"""

import re
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from aia.errors import InputError
from aia.pickles import read_pickle
from aia.tables import check_video_id

LABELS = {"persons": "hand", "objects": "object"}
"""Label of the boxes of each kind: hands take the place of persons."""
_FRAMES_PER_SEC = {2: 60.0, 3: 50.0}  # by the number of digits of a video's number
_FORM = "expected a list of a video's frames as epic-kitchens-100-hand-object-bboxes has them"
_MESSAGES: dict[str, list[tuple[int, str, str]]] = {  # number, name and type of each field
    "BBox": [(1, "left", "float"), (2, "top", "float"), (3, "right", "float"),
             (4, "bottom", "float")],
    "Hand": [(1, "bbox", "BBox"), (2, "score", "float")],
    "Object": [(1, "bbox", "BBox"), (2, "score", "float")],
    "Detections": [(1, "video_id", "string"), (2, "frame_number", "int32"),
                   (3, "hands", "Hand*"), (4, "objects", "Object*")],
}  # fmt: skip


class VideoBoxes(NamedTuple):
    """Boxes of one video's file."""

    video: str
    boxes: pd.DataFrame
    """Columns video, time_sec, x1, y1, x2, y2 (fractions), score and label."""
    frames: int
    """Number of frames in the file."""
    missing: int
    """Number of key times without a frame."""


def read_hand_objects(
    path: Path | str,
    *,
    kind: Literal["persons", "objects"],
    times: Mapping[str, Sequence[float]] | None = None,
) -> VideoBoxes:
    """Read the boxes of one video.

    Args:
        path: The pickle, which is read without executing anything.
        kind: `persons` are hands.
        times: Key times of each video, in seconds: only the frame nearest to each is kept, and its
            boxes get the key time. None: every frame.

    Raises:
        InputError: The file is of another kind, of several videos, or has an invalid frame.
    """
    frames = _frames(Path(path))
    detections = _message_class()
    video, rate, wanted = "", 0.0, {}
    seen: set[int] = set()
    rows: list[tuple[float, ...]] = []
    for place, raw in enumerate(frames):
        where = f"{path}, frame {place} of the list (from 0)"
        frame = _parsed(detections, raw, where)
        if not video:
            video = frame.video_id
            rate = frames_per_sec(video, where)
            wanted = {} if times is None else _moments(times.get(video, ()), rate)
        if frame.video_id != video:
            raise InputError(f"{where}: is of video {frame.video_id!r}, others are of {video!r}")
        number = frame.frame_number
        if number < 1 or number in seen:
            problem = "is a duplicate" if number in seen else "is not a number from 1 on"
            raise InputError(f"{where}: frame number {number} {problem}; {_FORM}")
        seen.add(number)
        moments = [(number - 1) / rate] if times is None else wanted.get(number, ())
        for moment in moments:
            for found in frame.hands if kind == "persons" else frame.objects:
                if not found.HasField("bbox"):
                    raise InputError(f"{where}: one of its {kind} has no box; {_FORM}")
                box = found.bbox
                rows.append((moment, box.left, box.top, box.right, box.bottom, found.score))
    columns = ["time_sec", "x1", "y1", "x2", "y2", "score"]
    boxes = pd.DataFrame(rows, columns=columns, dtype=float)
    boxes.insert(0, "video", video)
    missing = sum(len(moments) for number, moments in wanted.items() if number not in seen)
    return VideoBoxes(video, boxes.assign(label=LABELS[kind]), len(frames), missing)


def frames_per_sec(video: str, where: object) -> float:
    """Return the frame rate of a video's published images.

    >>> frames_per_sec("P01_01", ""), frames_per_sec("P01_101", "")
    (60.0, 50.0)
    """
    check_video_id(video, where)
    found = re.fullmatch(r"P\d\d_(\d{2,3})", video)
    if found is None:
        raise InputError(
            f"{where}: {video!r} is not a video of EPIC-Kitchens, such as P01_01; the frame rate "
            "of its published images is unknown"
        )
    return _FRAMES_PER_SEC[len(found[1])]


def _moments(times_sec: Sequence[float], rate: float) -> dict[int, list[float]]:
    """Return key times by the number of the nearest frame."""
    moments: dict[int, list[float]] = {}
    for second in times_sec:
        moments.setdefault(round(second * rate) + 1, []).append(second)
    return moments


def _frames(path: Path) -> list[bytes]:
    found = read_pickle(path)
    if not isinstance(found, list) or not all(isinstance(raw, bytes) for raw in found):
        what = "a list of other things" if isinstance(found, list) else f"a {type(found).__name__}"
        raise InputError(f"{path}: is a pickle of {what}, {_FORM}; other pickles are not read")
    if not found:
        raise InputError(f"{path}: has no frame; {_FORM}")
    return found


def _parsed(detections: Any, raw: bytes, where: str) -> Any:
    from google.protobuf.message import DecodeError

    try:
        return detections.FromString(raw)
    except DecodeError as error:
        raise InputError(f"{where}: is damaged ({error}); {_FORM}") from None


@cache
def _message_class() -> Any:
    """Build the message class of a frame, with only the fields of `_MESSAGES`.

    It is built at run time, so that no generated code depends on the library's version.
    """
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    field = descriptor_pb2.FieldDescriptorProto
    kinds = {"float": field.TYPE_FLOAT, "int32": field.TYPE_INT32, "string": field.TYPE_STRING}
    file = descriptor_pb2.FileDescriptorProto(
        name="aia/hand_objects.proto", package="aia", syntax="proto3"
    )
    for message, fields in _MESSAGES.items():
        described = file.message_type.add(name=message)
        for number, name, kind in fields:
            one = described.field.add(name=name, number=number)
            one.label = field.LABEL_REPEATED if kind.endswith("*") else field.LABEL_OPTIONAL
            one.type = kinds.get(kind, field.TYPE_MESSAGE)
            if kind not in kinds:
                one.type_name = f".aia.{kind.removesuffix('*')}"
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName("aia.Detections"))
