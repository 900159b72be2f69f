"""Playhouse in UCF101-24's form: every frame is labelled, and who does what are tubes (§5).

    annotations/pyannot.pkl          film -> numf, label and its tubes, in pixels of 320 x 240
    annotations/testlist01.txt       the films that are scored
    annotations/actions.pbtxt        the classes and their groups, which such a file does not name
    annotations/{split}_objects.csv  things on the wall: video,second,x1,y1,x2,y2,label

A tube is one person doing one thing on consecutive frames; who does two things at once has two
tubes of the same boxes. Who does nothing has none, as in UCF101-24, so nothing would ever say no
where the answer is no: whoever sat would watch television. Hence each question has a class for
either answer, and everybody always does something.
"""

import pickle
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt16

from aia.datasets import playhouse_script
from aia.datasets.playhouse_draw import Cast, moment, person_xyxy, thing_xyxy
from aia.datasets.playhouse_script import Script, State
from aia.datasets.tubes import SIZE_HW
from aia.files import atomic_path, write_text
from aia.labels import ClassList, write_labels

CLASSES = (
    ("walk", "APPEARANCE"),
    ("talk", "APPEARANCE"),
    ("dance", "APPEARANCE"),
    ("drink", "APPEARANCE"),
    ("chop", "APPEARANCE"),
    ("brush", "APPEARANCE"),
    ("listen", "PERSON"),
    ("watch_person", "PERSON"),
    ("wait", "PERSON"),
    ("watch_tv", "OBJECT"),
    ("rest", "OBJECT"),
    ("answer_phone", "OBJECT"),
    ("call", "OBJECT"),
    ("open", "MEMORY"),
    ("close", "MEMORY"),
    ("cook", "MEMORY"),
    ("paint", "MEMORY"),
)
"""Name and group of each class; ids count from 0, as UCF101-24's do."""

FOLDER = "Playhouse"
"""What the files call the class of every film: it shows all of them."""

_NEITHER = {
    State.IDLE: "wait",
    State.SIT: "rest",
    State.SIT_TALK: "rest",
    State.EAR: "call",
}
"""What a person does whom nothing gives anything to listen to, to watch or to answer."""
_POSES = {"stand", "sit", "walk"}
_WATCHES = {"listen", "watch_person", "watch_tv", "answer_phone"}


class DrawnFilm(NamedTuple):
    """What is annotated of a film."""

    name: str
    """As the files call it: Playhouse/video."""
    entry: dict[str, Any]
    """What `pyannot.pkl` says of it."""
    objects: list[str]
    """Lines of the things on its wall."""


def class_list() -> ClassList:
    """The classes, in the order of their ids."""
    names, groups = zip(*CLASSES, strict=True)
    return ClassList(ids=tuple(range(len(CLASSES))), names=names, groups=groups)


def actions(script: Script, *, person: int, second: int) -> tuple[str, ...]:
    """The classes that hold for a person in a second; at least one."""
    state = State(script.states[person, second])
    found = playhouse_script.actions(script, person=person, second=second)
    names = [name for name in found if name not in _POSES]
    if state is State.WALK:
        names.append("walk")
    if state in _NEITHER and not _WATCHES.intersection(names):
        names.append(_NEITHER[state])
    return tuple(names)


def annotate(video: str, script: Script, cast: Cast, *, fps: int) -> DrawnFilm:
    """Tubes and things of a film of so many frames a second."""
    seconds = script.states.shape[1] - 1
    frames = seconds * fps
    tubes: list[dict[str, Any]] = []
    for person in range(len(script.states)):
        boxes = np.stack(
            [
                _pixels(person_xyxy(script, cast, person=person, frame=frame, fps=fps))
                for frame in range(frames)
            ]
        )
        tubes += _tubes(script, person, boxes, fps)
    tubes.sort(key=lambda tube: tube["sf"])
    things = [f"{_four(thing_xyxy(thing))},{thing.name}\n" for thing in cast.things]
    return DrawnFilm(
        name=f"{FOLDER}/{video}",
        entry={"numf": frames, "label": tubes[0]["label"], "annotations": tubes},
        objects=[f"{video},{frame / fps:g},{thing}" for frame in range(frames) for thing in things],
    )


def write_annotations(folder: Path, films: Mapping[str, Sequence[DrawnFilm]]) -> None:
    """Write the files of all films, by their splits; `pyannot.pkl` last."""
    write_labels(folder / "actions.pbtxt", class_list())
    for split, drawn in films.items():
        lines = [line for film in drawn for line in film.objects]
        write_text(folder / f"{split}_objects.csv", "".join(lines))
    write_text(folder / "testlist01.txt", "".join(f"{film.name}\n" for film in films["val"]))
    known = {film.name: film.entry for drawn in films.values() for film in drawn}
    with atomic_path(folder / "pyannot.pkl") as path:
        path.write_bytes(pickle.dumps(known, protocol=3))  # of the published file


def _tubes(
    script: Script, person: int, boxes: UInt16[np.ndarray, "frames 4"], fps: int
) -> list[dict[str, Any]]:
    """A person's tubes, by class."""
    seconds = [moment(frame, fps=fps)[0] for frame in range(len(boxes))]
    done = [actions(script, person=person, second=second) for second in seconds]
    tubes = []
    for label, (name, _) in enumerate(CLASSES):
        holds = [name in names for names in done]
        edges = np.flatnonzero(np.diff(np.array([False, *holds, False])))
        for start, end in edges.reshape(-1, 2).tolist():
            tubes.append({"label": label, "sf": start, "ef": end, "boxes": boxes[start:end]})
    return tubes


def _pixels(xyxy: np.ndarray) -> UInt16[np.ndarray, "4"]:
    """x, y, width and height in whole pixels of 320 x 240."""
    height, width = SIZE_HW
    x1, y1, x2, y2 = np.rint(xyxy * (width, height, width, height)).astype(int)
    return np.array([x1, y1, x2 - x1, y2 - y1], np.uint16)


def _four(xyxy: Iterable[float]) -> str:
    return ",".join(f"{side:.5f}" for side in xyxy)
