"""A street crossing of PETS 2009 (S2.L1, view 1): labels that follow from published tracks.

    file                         publisher                                    licence
    vtest.avi                    OpenCV, samples/data                         Apache-2.0
    PETS09-S2L1/gt/gt.txt        MOTChallenge 2015 (MOT15Labels.zip)          CC BY-NC-SA 3.0

Every second t of the video, a person of the tracks has one of *stand* and *walk*: walking is faster
than half a metre in a second of the file, between the frames half a second before and after. Who
stays within 1.5 m of another person all that time is *together* with that person, too. Positions on
the ground are those of the boxes' feet, by the camera's published calibration (Tsai's model), as
the publisher's own.
"""

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from aia.errors import InputError
from aia.files import write_text

MEMBER = "train/PETS09-S2L1/gt/gt.txt"
"""End of the tracks' name in the archive."""
SECONDS = {"train": (*range(1, 26), *range(50, 79)), "val": tuple(range(28, 48))}
"""Key frames; two seconds between the splits belong to neither."""
STAND, WALK, TOGETHER = 1, 2, 3
_CLASSES = """label { name: "stand" label_id: 1 label_type: PERSON_MOVEMENT }
label { name: "walk" label_id: 2 label_type: PERSON_MOVEMENT }
label { name: "together with (a person)" label_id: 3 label_type: PERSON_INTERACTION }
"""
PERSONS = {"train": 329, "val": 89}
"""Persons on the key frames of each split."""
FPS, FRAMES, SIZE_HW = 10, 795, (576, 768)
_SIZE_WH = np.array(SIZE_HW[::-1])
_WALK_FROM = 0.5  # metres a second
_TOGETHER_TO = 1.5  # metres

# View_001 of PETS 2009
_FOCAL, _KAPPA, _SCALE = 5.5549183034, 5.1113043639e-3, 1.0937855397
_CENTRE = np.array([324.22149053, 282.56650051])
_PIXEL = np.array([5.1273271277e-3, 4.65e-3])  # millimetres
_SHIFT = np.array([828.73214225, -3175.4796051, 35469.298547])  # millimetres
_TURN = np.array([2.0405458695, -0.89337703748, -0.43056124791])  # radians, about x, y, z


def write_tables(source: Path, folder: Path) -> None:
    """Write tracks.csv, train.csv, val.csv and actions.pbtxt, from the archive or its gt.txt.

    Raises:
        InputError: It cannot be read, or has no such tracks.
    """
    tracks = read_mot(source)
    write_text(folder / "tracks.csv", tracks.to_csv(index=False))
    labels = label(tracks)
    for split, seconds in SECONDS.items():
        rows = labels[labels["second"].isin(seconds)]
        lines = rows.assign(second=rows["second"].map("{:04d}".format))
        write_text(folder / f"{split}.csv", lines.to_csv(index=False, header=False))
    write_text(folder / "actions.pbtxt", _CLASSES)


def read_mot(source: Path) -> pd.DataFrame:
    """Read MOTChallenge's gt.txt, or an archive with it, as tables.read_tracks has its tracks.

    Raises:
        InputError: It cannot be read, or its lines are no such tracks.
    """
    try:
        if zipfile.is_zipfile(source):
            with zipfile.ZipFile(source) as archive:
                names = [name for name in archive.namelist() if name.endswith(MEMBER)]
                if len(names) != 1:
                    raise InputError(f"{source}: expected one {MEMBER} in it, found {len(names)}")
                with archive.open(names[0]) as file:
                    text = file.read(1 << 24).decode()
        else:
            text = source.read_text(encoding="utf-8")
        rows = [[float(value) for value in line.split(",")[:6]] for line in text.split()]
        table = np.array(rows, dtype=float).reshape(-1, 6)
    except (OSError, ValueError, RuntimeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{source}: no tracks of MOTChallenge ({error}); expected lines "
            "frame,person,left,top,width,height,... in pixels"
        ) from None
    frame, person = table[:, 0].astype(int) - 1, table[:, 1].astype(int)
    if not len(table) or frame.min() < 0 or frame.max() >= FRAMES:
        raise InputError(f"{source}: expected tracks in frames 1 to {FRAMES} of PETS09-S2L1")
    corners = np.hstack([table[:, 2:4], table[:, 2:4] + table[:, 4:6]]) / np.tile(_SIZE_WH, 2)
    sides = pd.DataFrame(corners.clip(0, 1).round(4), columns=["x1", "y1", "x2", "y2"])
    tracks = pd.concat([pd.DataFrame({"frame": frame, "id": person}), sides], axis=1)
    return tracks.sort_values(["frame", "id"], ignore_index=True)


def label(tracks: pd.DataFrame) -> pd.DataFrame:
    """Label every whole second: video, second, x1, y1, x2, y2, action, person.

    Args:
        tracks: frame (from 0), id, x1, y1, x2, y2 as fractions.
    """
    (height, width), left = SIZE_HW, tracks["x1"] * SIZE_HW[1]
    # Published positions are those of whole pixels, counted from 1, as the boxes' left sides are.
    middle = (left.round() + tracks["x2"] * width) / 2
    feet = np.floor(np.stack([middle, tracks["y2"] * height], axis=-1)) - 1
    people = sorted(tracks["id"].unique())
    place = np.full((FRAMES + FPS, len(people), 2), np.nan)  # a person that is away has none
    place[tracks["frame"], np.searchsorted(people, tracks["id"])] = ground(feet)
    rows = []
    keys = tracks[(tracks["frame"] % FPS == 0) & (tracks["frame"] > 0)]
    boxes = keys[["x1", "y1", "x2", "y2"]].to_numpy().tolist()
    for frame, person, sides in zip(keys["frame"], keys["id"], boxes, strict=True):
        around = place[frame - FPS // 2 : frame + FPS // 2 + 1]
        one = people.index(person)
        actions = [WALK if _speed(around[:, one]) > _WALK_FROM else STAND]
        apart = np.linalg.norm(around - around[:, [one]], axis=-1)
        apart[:, one] = np.nan
        here = ~np.isnan(apart[FPS // 2])
        if here.any() and np.nanmax(apart[:, here], axis=0).min() <= _TOGETHER_TO:
            actions.append(TOGETHER)
        rows += [("vtest", frame // FPS, *sides, action, person) for action in actions]
    columns = ["video", "second", "x1", "y1", "x2", "y2", "action", "person"]
    return pd.DataFrame(rows, columns=columns)


def ground(pixels: Float[np.ndarray, "points 2"]) -> Float[np.ndarray, "points 2"]:
    """Return where on the ground points of a picture lie, in metres."""
    (sin_x, sin_y, sin_z), (cos_x, cos_y, cos_z) = np.sin(_TURN), np.cos(_TURN)
    about_x = np.array([[1, 0, 0], [0, cos_x, -sin_x], [0, sin_x, cos_x]])
    about_y = np.array([[cos_y, 0, sin_y], [0, 1, 0], [-sin_y, 0, cos_y]])
    about_z = np.array([[cos_z, -sin_z, 0], [sin_z, cos_z, 0], [0, 0, 1]])
    turn = about_z @ about_y @ about_x
    sensor = (pixels - _CENTRE) * _PIXEL / [_SCALE, 1.0]
    sensor = sensor * (1 + _KAPPA * (sensor**2).sum(axis=1, keepdims=True))
    rays = np.hstack([sensor, np.full((len(sensor), 1), _FOCAL)]) @ turn
    camera = -turn.T @ _SHIFT
    return (camera + rays * (-camera[2] / rays[:, 2:]))[:, :2] / 1000


def _speed(places: Float[np.ndarray, "frames 2"]) -> float:
    """Return the metres a second between the first and the last frame that a person is in."""
    there = np.flatnonzero(~np.isnan(places[:, 0]))
    if len(there) < 2:
        return 0.0
    metres = np.linalg.norm(places[there[-1]] - places[there[0]])
    return float(metres * FPS / (there[-1] - there[0]))
