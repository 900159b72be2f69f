"""Hands and objects that were detected on every frame of EPIC-Kitchens, as they are published.

The release (epic-kitchens-100-hand-object-bboxes, by the detector of Shan et al. 2020) has a pickle
for each film: a list with the frames as bytes, each a protocol buffer. It keeps hands from a score
of 0.1 on and objects from 0.01 on; its authors use 0.5 for both.

Frames are those of the published pictures: 60 a second of the films of EPIC-Kitchens-55 (P01_01)
and 50 a second of those that came later (P01_101), whatever the rate of the film itself, and the
first has the number 1. With the film's own 59.94 a box would be late by a second after 17 minutes.
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
"""What the boxes of each kind are called: hands stand where other data sets have persons."""
_FRAMES_PER_SEC = {2: 60.0, 3: 50.0}  # by the digits of a film's number
_FORM = "expected a list of a film's frames as epic-kitchens-100-hand-object-bboxes has them"
_MESSAGES: dict[str, list[tuple[int, str, str]]] = {  # number, name and type of what is read
    "BBox": [(1, "left", "float"), (2, "top", "float"), (3, "right", "float"),
             (4, "bottom", "float")],
    "Hand": [(1, "bbox", "BBox"), (2, "score", "float")],
    "Object": [(1, "bbox", "BBox"), (2, "score", "float")],
    "Detections": [(1, "video_id", "string"), (2, "frame_number", "int32"),
                   (3, "hands", "Hand*"), (4, "objects", "Object*")],
}  # fmt: skip


class FilmBoxes(NamedTuple):
    """What one file says of one film."""

    video: str
    boxes: pd.DataFrame
    """Columns video, time_sec, x1, y1, x2, y2 (fractions), score and label."""
    frames: int
    """That the file has."""
    missing: int
    """Key times at which it has none."""


def read_hand_objects(
    path: Path | str,
    *,
    kind: Literal["persons", "objects"],
    times: Mapping[str, Sequence[float]] | None = None,
) -> FilmBoxes:
    """The boxes of one film.

    Args:
        path: The pickle, which is read without running what it names.
        kind: `persons` are its hands.
        times: Moments of each film, in seconds. Only the frame nearest to each is kept, and its
            boxes get this moment as theirs. None: every frame.

    Raises:
        InputError: It is no such file, of several films, or a frame makes no sense: which.
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
            raise InputError(f"{where}: is of film {frame.video_id!r}, others are of {video!r}")
        number = frame.frame_number
        if number < 1 or number in seen:
            problem = "is there twice" if number in seen else "is no number from 1 on"
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
    return FilmBoxes(video, boxes.assign(label=LABELS[kind]), len(frames), missing)


def frames_per_sec(video: str, where: object) -> float:
    """How many of a film's frames are published for each second.

    >>> frames_per_sec("P01_01", ""), frames_per_sec("P01_101", "")
    (60.0, 50.0)
    """
    check_video_id(video, where)
    film = re.fullmatch(r"P\d\d_(\d{2,3})", video)
    if film is None:
        raise InputError(
            f"{where}: {video!r} is no film of EPIC-Kitchens, such as P01_01; it is not known how "
            "many frames of it there are in a second"
        )
    return _FRAMES_PER_SEC[len(film[1])]


def _moments(times_sec: Sequence[float], rate: float) -> dict[int, list[float]]:
    """Moments by the number of the frame that is nearest to them."""
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
    """The class that reads a frame; fields that nothing here needs are passed over.

    Built when it is needed, from `_MESSAGES`, so that no generated code has to fit the library.
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
