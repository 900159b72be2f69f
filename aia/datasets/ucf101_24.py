"""UCF101-24 (§5): the corrected annotations of Singh et al. and the lists of the splits.

A film shows one of 24 actions; each person who does it has tubes, a box on every frame between a
first and a last. Boxes are given for films of 320 x 240, as x, y, width and height in whole pixels;
the numbers are small integers without a sign, which overflow where they are added as they are.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aia.datasets.tubes import (
    Annotations,
    check_length,
    check_names,
    check_tube,
    video_id,
)
from aia.errors import InputError
from aia.labels import ClassList, read_labels
from aia.pickles import read_pickle
from aia.tables import Tube, check_video_id

FPS = 25.0
"""Of the films."""

_END = "is ef the last frame here, rather than the one after it?"

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
        where = f"{path}, film {str(film)[:80]!r}"
        if not isinstance(film, str):
            raise InputError(f"{path}, film {film!r:.80}: is no text, expected its name")
        try:
            frames[film] = int(said["numf"])
            found = [_tube(film, tube) for tube in said["annotations"]]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"{where}: is not described by numf and annotations of label, sf, ef and boxes "
                f"({type(error).__name__}: {error})"
            ) from None
        check_video_id(video_id(film), where)
        check_length(frames[film], where)
        for tube in found:
            check_tube(tube, frames[film], where, hint=_END)
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
    check_names(known.frames)
    return {"train": learned, "val": list(scored)}


def _tube(film: str, said: Mapping[str, Any]) -> Tube:
    boxes = np.asarray(said["boxes"]).astype(float)  # before any sum: uint8 ends at 255
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes have the shape {boxes.shape}")
    first, end = int(said["sf"]), int(said["ef"])
    if end - first != len(boxes):
        raise ValueError(f"{len(boxes)} boxes for frames {first} to {end - 1}")
    boxes[:, 2:] += boxes[:, :2]
    return Tube(film, int(said["label"]), first, boxes)
