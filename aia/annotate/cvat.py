"""CVAT for video 1.1: tracks of boxes with attributes, in XML.

Exports of a task, a job or a project. Boxes between keyframes are computed anew: some versions of
CVAT wrote them wrongly; where they differ, a note says by how much.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple
from xml.etree import ElementTree

import numpy as np

from aia.annotate.tracks import KEYS_APART_PX, Annotated, Field, Track, make_track
from aia.errors import InputError

TOOL = "CVAT for video 1.1"
_KINDS = {"checkbox": "checkbox", "select": "choice", "radio": "choice"}


class _Task(NamedTuple):
    source: str
    size_wh: tuple[float, float] | None
    start: int
    step: int
    size: int
    """Frames of the task; 0 where that is not said."""
    shift: int
    """Frames of the project's tasks before it, by which its numbers are moved."""


def read_cvat(path: Path) -> Annotated:
    """Read an export.

    Raises:
        InputError: It is no such export: where, what, and the likely cause.
    """
    root = _parse(path)
    if root.tag != "annotations":
        raise InputError(f"{path}: its root is <{root.tag}>; expected CVAT's <annotations>")
    if root.find("image") is not None and root.find("track") is None:
        raise InputError(
            f"{path}: is the variant for images, without tracks and time; export the task as "
            "'CVAT for video 1.1'"
        )
    found = Annotated(TOOL, [])
    tasks = _tasks(root, path)
    found.fields = _fields(root)
    turned = others = 0
    for number, element in enumerate(root.iter("track")):
        boxes = element.findall("box")
        others += sum(child.tag not in ("box", "attribute") for child in element)
        if not boxes:
            continue
        task = _task_of(element, tasks, path)
        turned += sum(_number(box, "rotation", path, 0.0) != 0 for box in boxes)
        where = f"{path}: track {element.get('id', number)}"
        found.tracks.append(_track(where, element, boxes, task, number, found))
        if task.size:
            last = task.start + (task.size - 1) * task.step
            found.covered[found.tracks[-1].video] = (float(task.start), float(last))
    if turned:
        found.notes.append(f"{turned} boxes are rotated: their upright corners are taken")
    if others:
        found.notes.append(f"{others} shapes that are no boxes are left out")
    if not found.tracks:
        raise InputError(f"{path}: has no track with boxes; were the tracks exported?")
    return found


def _parse(path: Path) -> ElementTree.Element:
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    if re.search(rb"<!(DOCTYPE|ENTITY)", content, re.I):
        raise InputError(f"{path}: has a DOCTYPE, which CVAT does not write; it is not read")
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise InputError(f"{path}: is no XML ({error}); was it cut off?") from None


def _tasks(root: ElementTree.Element, path: Path) -> dict[str | None, _Task]:
    """Read what is said of the tasks, by their ids; one that stands alone also by None."""
    meta = root.find("meta")
    if meta is None:
        return {None: _Task("", None, 0, 1, 0, 0)}
    project = meta.find("project")
    elements = [*project.iter("task")] if project is not None else []
    if not elements:
        elements = [one for name in ("task", "job") if (one := meta.find(name)) is not None]
    found: dict[str | None, _Task] = {}
    shift = 0
    for element in elements:
        size_wh = None
        if (size := element.find("original_size")) is not None:
            size_wh = float(size.findtext("width", "0")), float(size.findtext("height", "0"))
        step = re.search(r"step\s*=\s*(\d+)", element.findtext("frame_filter") or "")
        task = _Task(
            source=(element.findtext("source") or meta.findtext("source") or "").strip(),
            size_wh=size_wh if size_wh and min(size_wh) > 0 else None,
            start=_count(element, "start_frame", path),
            step=int(step[1]) if step else 1,
            size=_count(element, "size", path),
            shift=shift,
        )
        found[element.findtext("id")] = task
        shift += task.size if project is not None else 0
    if len(found) <= 1:
        found[None] = next(iter(found.values()), _Task("", None, 0, 1, 0, 0))
    return found


def _count(element: ElementTree.Element, name: str, path: Path) -> int:
    text = (element.findtext(name) or "0").strip()
    if not text.isdecimal():
        raise InputError(f"{path}: <{name}> is '{text}', expected a number of frames")
    return int(text)


def _fields(root: ElementTree.Element) -> dict[str, Field]:
    """Read the specification of labels and attributes."""
    found: dict[str, Field] = {}
    labels = tuple(dict.fromkeys(one.get("label", "") for one in root.iter("track")))
    found["label"] = Field("label", labels)
    for attribute in root.iterfind("meta//labels/label/attributes/attribute"):
        name = (attribute.findtext("name") or "").strip()
        kind = _KINDS.get((attribute.findtext("input_type") or "").strip(), "text")
        values = tuple((attribute.findtext("values") or "").split("\n"))
        if name:
            found[name] = Field(kind, tuple(filter(None, values)))  # type: ignore[arg-type]
    for attribute in root.iterfind("track//attribute"):  # files without a specification
        name, value = attribute.get("name", ""), (attribute.text or "").strip()
        if name not in found:
            kind = "checkbox" if value.lower() in ("true", "false") else "choice"
            found[name] = Field(kind, ())  # type: ignore[arg-type]
    return found


def _task_of(element: ElementTree.Element, tasks: Mapping[str | None, _Task], path: Path) -> _Task:
    given = element.get("task_id")
    if given in tasks:
        return tasks[given]
    if None in tasks:
        return tasks[None]
    raise InputError(
        f"{path}: track {element.get('id')} is of task {given}, but the file has the tasks "
        f"{', '.join(map(str, tasks))}"
    )


def _track(
    where: str,
    element: ElementTree.Element,
    boxes: list[ElementTree.Element],
    task: _Task,
    number: int,
    found: Annotated,
) -> Track:
    fixed = {a.get("name", ""): (a.text or "").strip() for a in element.findall("attribute")}
    rows = [
        (
            round(_number(box, "frame", where)) - task.shift,
            [_number(box, side, where) for side in ("xtl", "ytl", "xbr", "ybr")],
            box.get("outside") == "1",
            fixed | {a.get("name", ""): (a.text or "").strip() for a in box.findall("attribute")},
            box.get("keyframe", "1") == "1",
        )
        for box in boxes
    ]
    frames = np.array([row[0] for row in rows])
    frames = _absolute(frames, task, where, found)
    size_wh = task.size_wh
    most = max(max(row[1]) for row in rows)
    if most <= 1.0:
        size_wh = (1.0, 1.0)
        _note(found, "boxes are fractions of the picture, as Datumaro writes them")
    if size_wh is None:
        raise InputError(
            f"{where}: boxes are in pixels (up to {most:g}), but the file does not say the size of "
            "the picture (meta/task/original_size)"
        )
    scale = np.tile(size_wh, 2)
    keys = [
        (float(frame), (np.array(row[1]) / scale).tolist(), row[2], row[3])
        for frame, row in zip(frames, rows, strict=True)
        if row[4] or frame == frames.min()
    ]
    track = make_track(
        where,
        keys,
        video=task.source,
        number=number,
        kind=element.get("label", ""),
        clock="frame",
        until=float(task.start + (task.size - 1) * task.step) if task.size else np.inf,
    )
    apart = [
        np.abs(track.box(float(frame)) * scale - row[1]).max()
        for frame, row in zip(frames, rows, strict=True)
        if not row[4] and not row[2]
    ]
    if apart and max(apart) > KEYS_APART_PX:
        found.notes.append(
            f"{where}: boxes between keyframes are up to {max(apart):.1f} pixels off the line "
            "between these, which is taken"
        )
    return track


def _absolute(frames: np.ndarray, task: _Task, where: str, found: Annotated) -> np.ndarray:
    """Return frame numbers of the video; some files have numbers within the task instead."""
    last = task.start + (task.size - 1) * task.step if task.size else np.inf
    off_grid = ((frames - task.start) % task.step != 0).any()
    if (task.start or task.step > 1) and (frames.min() < task.start or off_grid):
        _note(found, "frames are numbered within the task; its start and step are applied")
        frames = task.start + frames * task.step
    if frames.max() > last + task.step:  # a key beyond the end says that the person left
        raise InputError(
            f"{where}: has a box in frame {frames.max():g}, but its task ends with frame "
            f"{last:g} ({task.size} frames from {task.start}, step {task.step})"
        )
    return frames


def _note(found: Annotated, note: str) -> None:
    if note not in found.notes:
        found.notes.append(note)


def _number(
    box: ElementTree.Element, name: str, where: object, otherwise: float | None = None
) -> float:
    text = box.get(name)
    if text is None and otherwise is not None:
        return otherwise
    try:
        return float(text or "")
    except ValueError:
        raise InputError(f"{where}: a box has {name}={text!r}; expected a number") from None
