"""UCF101-24 (§5): the corrected annotations of Singh et al. and the lists of the splits.

A film shows one of 24 actions; each person who does it has tubes, a box on every frame between a
first and a last. Boxes are given for films of 320 x 240, as x, y, width and height in whole pixels;
the numbers are small integers without a sign, which overflow where they are added as they are.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from aia.errors import InputError
from aia.files import write_text
from aia.labels import ClassList, read_labels, write_labels
from aia.pickles import read_pickle
from aia.tables import Tube, check_video_id

ANNOTATED_SIZE_HW = (240, 320)
"""Of the films that the boxes were drawn on, in pixels."""

FPS = 25.0
"""Of the films."""

CLASSES = (
    "Basketball",
    "BasketballDunk",
    "Biking",
    "CliffDiving",
    "CricketBowling",
    "Diving",
    "Fencing",
    "FloorGymnastics",
    "GolfSwing",
    "HorseRiding",
    "IceDancing",
    "LongJump",
    "PoleVault",
    "RopeClimbing",
    "SalsaSpin",
    "SkateBoarding",
    "Skiing",
    "Skijet",
    "SoccerJuggling",
    "Surfing",
    "TennisSwing",
    "TrampolineJumping",
    "VolleyballSpiking",
    "WalkingWithDog",
)


class Annotations(NamedTuple):
    """What is known of each film."""

    tubes: list[Tube]
    """By film; boxes in pixels of 320 x 240."""
    frames: dict[str, int]
    """How many each film has."""
    labels: ClassList

    def only(self, films: Sequence[str], source: Path | str) -> "Annotations":
        """The same of some films.

        Raises:
            InputError: A film of the list is not annotated.
        """
        missing = [film for film in films if film not in self.frames]
        if missing:
            raise InputError(
                f"{source}: {missing[0]} and {len(missing) - 1} more of its {len(films)} films "
                f"are not annotated; is it a list of another data set?"
            )
        kept = set(films)
        return self._replace(
            tubes=[tube for tube in self.tubes if tube.video in kept],
            frames={film: count for film, count in self.frames.items() if film in kept},
        )


def read_annotations(path: Path | str, *, labels: Path | str | None = None) -> Annotations:
    """Read `pyannot.pkl`, running nothing that it names, or `finalAnnots.mat`.

    Films are named as the file does, `Basketball/v_Basketball_g01_c01`. A class that has no film
    keeps its number.

    Args:
        path: The file.
        labels: Its classes as a `.pbtxt`, of a data set that has others than UCF101-24.

    Raises:
        InputError: It is no such file, a film in it makes no sense, or shows a class that is not in
            `labels`.
    """
    listed = None if labels is None else read_labels(labels)
    if Path(path).suffix == ".mat":
        from aia.datasets.ucf101_24_mat import read_mat  # scipy, which nothing else here needs

        films = read_mat(Path(path))
    else:
        films = read_pickle(Path(path))
    if not isinstance(films, dict) or not films:
        raise InputError(
            f"{path}: holds a {type(films).__name__}, expected a dictionary of films; is it the "
            "pyannot.pkl of the corrected annotations?"
        )
    tubes: list[Tube] = []
    frames: dict[str, int] = {}
    names: dict[int, str] = dict(enumerate(CLASSES))
    for film, said in films.items():
        where = f"{path}, film {film!r}"
        try:
            frames[film] = int(said["numf"])
            found = [_tube(film, tube) for tube in said["annotations"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{where}: is not described by numf and annotations of label, sf, ef and boxes "
                f"({type(error).__name__}: {error})"
            ) from None
        check_video_id(video_id(film), where)
        for tube in found:
            _check(tube, frames[film], where)
            names.setdefault(tube.label, film.split("/")[0])
            if listed is not None and tube.label not in listed.index:
                raise InputError(
                    f"{where}: label {tube.label} is not a class of {labels} (it has "
                    f"{min(listed.ids)} to {max(listed.ids)}); do its ids begin elsewhere?"
                )
        tubes += found
    if listed is not None:
        return Annotations(tubes, frames, listed)
    ids = tuple(sorted(names))
    known = ClassList(ids, tuple(names[i] for i in ids), ("",) * len(ids))
    return Annotations(tubes, frames, known)


def read_split(path: Path | str) -> list[str]:
    """Films of a list such as `testlist01.txt`: `Class/film`, perhaps with `.avi` and a number."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of films ({error})") from None
    films = [line.split()[0] for line in lines if line.strip()]
    if not films:
        raise InputError(f"{path}: names no film; expected lines of Class/film")
    return [film.removesuffix(".avi").removesuffix(".mp4") for film in films]


def video_id(film: str) -> str:
    """A film's name without its folder, which repeats its class: what results are called."""
    return film.rsplit("/", 1)[-1]


def to_fractions(
    boxes_xyxy: Float[np.ndarray, "boxes 4"],
) -> Float[np.ndarray, "boxes 4"]:
    """Boxes as fractions of the frame, whatever size the film has."""
    height, width = ANNOTATED_SIZE_HW
    return boxes_xyxy / np.array([width, height, width, height], float)


def prepare(
    annotations: Path | str,
    *,
    val: Path | str,
    train: Path | str | None = None,
    labels: Path | str | None = None,
    fps: float = FPS,
    output: Path | str,
) -> dict[str, list[str]]:
    """Write the annotations in the form that all else reads: actions.pbtxt, train.csv, val.csv.

    Every frame of a film is a key frame; those without a box are lines of two columns.

    Args:
        annotations: `pyannot.pkl` or `finalAnnots.mat`.
        val: The list of the films that are scored, such as `testlist01.txt`.
        train: The list of those to learn from; None: all others.
        labels: Its classes as a `.pbtxt`; None: UCF101-24's.
        fps: Frames a second of the films.
        output: The folder.

    Returns:
        The ids of the films of each split.
    """
    known = read_annotations(annotations, labels=labels)
    films = split_films(known, val=val, train=train)
    output = Path(output)
    write_labels(output / "actions.pbtxt", known.labels)
    of_film: dict[str, list[Tube]] = {}
    for tube in known.tubes:
        of_film.setdefault(tube.video, []).append(tube)
    for split, names in films.items():
        lines = [
            line
            for film in names
            for line in _lines(film, of_film.get(film, []), known.frames[film], fps)
        ]
        write_text(output / f"{split}.csv", "".join(lines))
    return {split: [video_id(film) for film in names] for split, names in films.items()}


def split_films(
    known: Annotations, *, val: Path | str, train: Path | str | None = None
) -> dict[str, list[str]]:
    """The films of each split, in the order of the annotations.

    Raises:
        InputError: A list names a film that is not annotated, no film is left to train on, or two
            films have the same name in different folders.
    """
    scored = known.only(read_split(val), val).frames
    others = [film for film in known.frames if film not in scored]
    learned = others if train is None else list(known.only(read_split(train), train).frames)
    if not learned:
        raise InputError(f"{val}: names every film that is annotated; none is left to train on")
    seen: dict[str, str] = {}
    for film in known.frames:
        if seen.setdefault(video_id(film), film) != film:
            raise InputError(f"{film} and {seen[video_id(film)]} have the same name")
    return {"train": learned, "val": list(scored)}


def _lines(film: str, tubes: Sequence[Tube], frames: int, fps: float) -> Iterator[str]:
    """A film's lines in AVA's format, frame after frame.

    Tubes of one box are one person who does several things, unless it is the same thing twice.
    """
    boxes: list[list[str]] = [[] for _ in range(frames)]
    persons: dict[tuple[int, str], list[int]] = {}
    again: Counter[tuple[int, str, int]] = Counter()
    for number, tube in enumerate(tubes):
        for offset, xyxy in enumerate(to_fractions(tube.boxes_xyxy).tolist()):
            frame = tube.first_frame + offset
            corners = ",".join(f"{value:.6f}" for value in xyxy)
            sharing = persons.setdefault((frame, corners), [])
            before = again[frame, corners, tube.label]
            if before == len(sharing):
                sharing.append(number)
            again[frame, corners, tube.label] += 1
            boxes[frame].append(f"{corners},{tube.label},{sharing[before]}")
    for frame, found in enumerate(boxes):
        key = f"{video_id(film)},{frame / fps:g}"
        yield from (f"{key},{box}\n" for box in found) if found else (f"{key}\n",)


def _tube(film: str, said: Mapping[str, Any]) -> Tube:
    boxes = np.asarray(said["boxes"]).astype(float)  # before any sum: uint8 ends at 255
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes have the shape {boxes.shape}")
    first, end = int(said["sf"]), int(said["ef"])
    if end - first != len(boxes):
        raise ValueError(f"{len(boxes)} boxes for frames {first} to {end - 1}")
    boxes[:, 2:] += boxes[:, :2]
    return Tube(film, int(said["label"]), first, boxes)


def _check(tube: Tube, frames: int, where: str) -> None:
    if not (len(tube.boxes_xyxy) and tube.first_frame >= 0):
        raise InputError(f"{where}: a tube has no frame, or begins before the film does")
    end = tube.first_frame + len(tube.boxes_xyxy)
    if end > frames:
        raise InputError(
            f"{where}: a tube ends before frame {end}, but the film has {frames} frames; is ef the "
            "last frame here, rather than the one after it?"
        )
    if (tube.boxes_xyxy[:, 2:] <= tube.boxes_xyxy[:, :2]).any():
        raise InputError(f"{where}: a box has no width or no height")
    if tube.label < 0:
        raise InputError(f"{where}: label {tube.label}, expected 0 or more")
