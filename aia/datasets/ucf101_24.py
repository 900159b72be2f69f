"""UCF101-24 (§5): the corrected annotations of Singh et al. and the lists of the splits.

A video shows one of 24 actions; each acting person has tubes, with a box on every frame from a
first to a last. Boxes are for videos of 320 x 240, as x, y, width and height in whole pixels, of
type uint8, which overflows in sums.
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
"""Frame rate of the videos."""

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
    """Read `pyannot.pkl`, without executing anything, or `finalAnnots.mat`.

    Videos are named as in the file, `Basketball/v_Basketball_g01_c01`. A class without a video
    keeps its number.

    Args:
        path: The file.
        labels: Classes as a `.pbtxt`, if they are not those of UCF101-24.

    Raises:
        InputError: The file is of another kind, describes an invalid video, or has a class that is
            not in `labels`.
    """
    listed = None if labels is None else read_labels(labels)
    if Path(path).suffix == ".mat":
        from aia.datasets.ucf101_24_mat import read_mat  # imports scipy

        videos = read_mat(Path(path))
    else:
        videos = read_pickle(Path(path))
    if not isinstance(videos, dict) or not videos:
        raise InputError(
            f"{path}: is a {type(videos).__name__}, expected a dictionary of videos; is it the "
            "pyannot.pkl of the corrected annotations?"
        )
    tubes: list[Tube] = []
    frames: dict[str, int] = {}
    names: dict[int, str] = dict(enumerate(CLASSES))
    for video, said in videos.items():
        where = f"{path}, video {str(video)[:80]!r}"
        if not isinstance(video, str):
            raise InputError(f"{path}, video {video!r:.80}: is not text, expected a name")
        try:
            frames[video] = int(said["numf"])
            found = [_tube(video, tube) for tube in said["annotations"]]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise InputError(
                f"{where}: is not described by numf and annotations of label, sf, ef and boxes "
                f"({type(error).__name__}: {error})"
            ) from None
        check_video_id(video_id(video), where)
        check_length(frames[video], where)
        for tube in found:
            check_tube(tube, frames[video], where, hint=_END)
            names.setdefault(tube.label, video.split("/")[0])
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
    """Read a list such as `testlist01.txt`: `Class/video`, optionally with `.avi` and a number."""
    try:
        lines = Path(path).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as a list of videos ({error})") from None
    videos = [line.split()[0] for line in lines if line.strip()]
    if not videos:
        raise InputError(f"{path}: names no video; expected lines of Class/video")
    return [video.removesuffix(".avi").removesuffix(".mp4") for video in videos]


def split_videos(
    known: Annotations, *, val: Path | str, train: Path | str | None = None
) -> dict[str, list[str]]:
    """Return the videos of each split, in the order of the annotations.

    Raises:
        InputError: A list names a video that is not annotated, no video is left to train on, or two
            videos have the same name in different folders.
    """
    scored = known.only(read_split(val), val).frames
    others = [video for video in known.frames if video not in scored]
    learned = others if train is None else list(known.only(read_split(train), train).frames)
    if not learned:
        raise InputError(f"{val}: names every video that is annotated; none is left to train on")
    check_names(known.frames)
    return {"train": learned, "val": list(scored)}


def _tube(video: str, said: Mapping[str, Any]) -> Tube:
    boxes = np.asarray(said["boxes"]).astype(float)  # before any sum: uint8 overflows
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise ValueError(f"boxes have the shape {boxes.shape}")
    first, end = int(said["sf"]), int(said["ef"])
    if end - first != len(boxes):
        raise ValueError(f"{len(boxes)} boxes for frames {first} to {end - 1}")
    boxes[:, 2:] += boxes[:, :2]
    return Tube(video, int(said["label"]), first, boxes)
