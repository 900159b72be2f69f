"""Boxes that others detected and published, as the files that our detector would have written.

The layout of a file is known by its content: AlphAction's JSON, PySlowFast's and LFB's CSV,
Parquet with the columns of our boxes, or EPIC-Kitchens' pickles of hands and objects. No threshold
is applied here: that of §4.1 is applied by whoever reads the boxes.
"""

import re
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from aia.detect.hand_objects import read_hand_objects
from aia.errors import InputError
from aia.files import file_digest
from aia.log import say
from aia.tables import (
    BOX_COLUMNS,
    read_coco_boxes,
    read_foreign_boxes,
    read_images,
    read_predicted_boxes,
    write_boxes,
)
from aia.tables.predicted_boxes import FARTHEST

Kind = Literal["persons", "objects"]
PERSON = "person"
_SIDES = ["x1", "y1", "x2", "y2"]
_NAMED = 5  # films that a line names
_LEAST = 1e-6  # fraction of a frame that counts as something


class Found(NamedTuple):
    """Boxes of the wanted films, within the frame, and what was said of the file."""

    boxes: pd.DataFrame
    said: str


def import_boxes(
    files: Sequence[Path | str],
    *,
    kind: Kind,
    films: Sequence[str],
    output_dir: Path | str,
    images: Path | str | None = None,
    frame_sizes: Path | str | None = None,
    times: Mapping[str, Sequence[float]] | None = None,
) -> None:
    """Write one table of boxes for each film, `output_dir`/{film}.parquet; empty ones, too.

    Pickles are films with all of their frames: each is written before the next one is read, so that
    those before a wrong one are there. Of other layouts nothing is written if anything is wrong.

    Args:
        files: published boxes, each of any layout.
        kind: what they are.
        films: which films get a file; boxes of others are left out, and counted.
        output_dir: the folder.
        images: what AlphAction's image ids mean: its annotations, or its list of films.
        frame_sizes: a CSV of video,width,height, for boxes in pixels.
        times: moments of each film that alone are kept of pickles, in seconds; None: all frames.

    Raises:
        InputError: a file is not what it should be, or has no box of any of the films.
    """
    layouts = [layout_of(file) for file in files]
    if "pickle" in layouts:
        if other := [
            str(f) for f, layout in zip(files, layouts, strict=True) if layout != "pickle"
        ]:
            raise InputError(f"{other[0]}: is no pickle, but others are; import them by themselves")
        _import_films(files, kind=kind, films=films, output_dir=output_dir, times=times)
        return
    if times is not None:
        raise InputError(
            f"{files[0]}: key times are for pickles, which have every frame; "
            f"{_LAYOUTS[layouts[0]]} has key frames already"
        )
    tables = []
    for file in files:
        found = read_any(file, kind=kind, films=films, images=images, frame_sizes=frame_sizes)
        say(f"{file}: {found.said}")
        tables.append(found.boxes)
    boxes = pd.concat(tables, ignore_index=True)
    boxes = boxes.sort_values(["video", "time_sec"], kind="stable")
    groups = dict(tuple(boxes.groupby("video", sort=False)))
    without = [film for film in films if film not in groups]
    if without:
        say(f"no {kind} in {_some(without)}: nothing will be found there")
    provenance = _provenance(files)
    for film in films:
        table = groups.get(film, boxes.iloc[:0]).reset_index(drop=True)
        write_boxes(Path(output_dir) / f"{film}.parquet", table, provenance=provenance)


def _import_films(
    files: Sequence[Path | str],
    *,
    kind: Kind,
    films: Sequence[str],
    output_dir: Path | str,
    times: Mapping[str, Sequence[float]] | None,
) -> None:
    """Pickles of hands and objects, one film after the other."""
    sources: dict[str, Path | str] = {}
    for file in files:
        found = read_hand_objects(file, kind=kind, times=times)
        if found.video in sources:
            raise InputError(f"{file}: is of {found.video}, as {sources[found.video]} is")
        if found.video not in films:
            say(f"{file}: of {found.video}, which is not asked for; left out")
            continue
        sources[found.video] = file
        notes = [f"no frame at {found.missing} key times"] if found.missing else []
        boxes = _within_frame(file, _checked(file, found.boxes), np.zeros((1, 2)), notes)
        boxes = boxes.sort_values("time_sec", kind="stable").reset_index(drop=True)
        said = f"{file}: {found.frames} frames of {found.video}, {len(boxes)} {kind}"
        say("; ".join([said, *notes]))
        provenance = _provenance([file])
        write_boxes(Path(output_dir) / f"{found.video}.parquet", boxes, provenance=provenance)
    if not sources:
        raise InputError(f"{files[0]}: is of none of {_some(sorted(films))}, nor is another file")
    without = [film for film in films if film not in sources]
    if without:
        say(f"no file of {_some(without)}: nothing will be found there")
    for film in without:
        empty = pd.DataFrame({name: [] for name in BOX_COLUMNS if name != "track"})
        write_boxes(Path(output_dir) / f"{film}.parquet", empty, provenance={"boxes": "imported"})


def _provenance(files: Sequence[Path | str]) -> dict[str, str]:
    return {
        "boxes": "imported",
        "files": ", ".join(Path(file).name for file in files),
        "sha256": ", ".join(file_digest(file) for file in files),
    }


def read_any(
    path: Path | str,
    *,
    kind: Kind,
    films: Collection[str],
    images: Path | str | None = None,
    frame_sizes: Path | str | None = None,
) -> Found:
    """Boxes of one file of any layout; arguments as in `import_boxes`."""
    layout = layout_of(path)
    if layout == "pickle":
        raise InputError(f"{path}: is a pickle of a whole film; `import_boxes` takes it")
    notes: list[str] = []
    pixel, unlisted = np.zeros((1, 2)), 0
    if layout == "json":
        label = PERSON if kind == "persons" else None
        described = read_images(images, frame_sizes)
        boxes, sizes_wh, unlisted, foreign = read_coco_boxes(
            path, described, films=films, label=label
        )
        pixel = 1 / sizes_wh
        if unlisted:
            notes.append(f"{unlisted} on images that {images} does not have left out")
    else:
        if layout == "csv":
            boxes = read_predicted_boxes(path).assign(label=PERSON)
            if kind == "objects":
                raise InputError(f"{path}: PySlowFast's and LFB's CSV hold persons, not objects")
        else:
            boxes, unknown = read_foreign_boxes(path)
            if unknown:
                notes.append(f"columns {', '.join(unknown)} are not used")
            boxes = _checked(path, _of_kind(path, boxes, kind, notes))
        wanted = boxes["video"].isin(list(films))
        foreign = set(boxes.loc[~wanted, "video"])
        boxes = boxes[wanted]
    if foreign:
        notes.append(f"{_some(sorted(foreign))} left out, the annotations do not name them")
    if boxes.empty and unlisted:
        raise InputError(
            f"{path}: {images} has none of its image ids; is it of another split or data set?"
        )
    if boxes.empty and foreign:
        raise InputError(
            f"{path}: has boxes of {_some(sorted(foreign))}, but none of {_some(sorted(films))}; "
            "do the annotations and the boxes belong together?"
        )
    boxes = _within_frame(path, boxes, pixel, notes)
    films_found = boxes["video"].nunique()
    said = f"{_LAYOUTS[layout]}, {len(boxes)} {kind} of {films_found} of {len(films)} films"
    return Found(boxes.reindex(columns=list(BOX_COLUMNS)), "; ".join([said, *notes]))


_LAYOUTS = {
    "json": "AlphAction's JSON",
    "csv": "CSV as PySlowFast's and LFB's",
    "parquet": "Parquet",
    "pickle": "a pickle of EPIC-Kitchens' hands and objects",
}


def layout_of(path: Path | str) -> Literal["json", "csv", "parquet", "pickle"]:
    """Which layout a file has, by its first bytes."""
    if not Path(path).is_file():
        raise InputError(
            f"{path}: there is no such file; boxes expected (JSON, CSV, Parquet or pickle)"
        )
    with open(path, "rb") as file:
        start = file.read(64)
    if start.startswith(b"PAR1"):
        return "parquet"
    if start.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] in (b"[", b"{"):
        return "json"
    if re.match(rb"\x80[\x02-\x05]", start):
        return "pickle"
    if b"\0" in start or start.startswith(b"\x80"):
        raise InputError(f"{path}: is neither JSON, nor CSV, nor Parquet, nor a pickle")
    return "csv"


def _of_kind(path: Path | str, boxes: pd.DataFrame, kind: Kind, notes: list[str]) -> pd.DataFrame:
    """Rows of a table that are persons, or objects: by their label, where they have one."""
    if "label" not in boxes:
        return boxes.assign(label=PERSON if kind == "persons" else "object")
    person = (boxes["label"] == PERSON).to_numpy(bool)
    kept = person if kind == "persons" else ~person
    if len(boxes) and not kept.any():
        labels = _some(sorted(set(boxes["label"].astype(str))), "labels")
        raise InputError(f"{path}: holds no {kind}, its rows have the {labels}; is it the other?")
    if not kept.all():
        notes.append(f"{(~kept).sum()} that are no {kind} left out")
    return boxes[kept]


def _checked(path: Path | str, boxes: pd.DataFrame) -> pd.DataFrame:
    """A table's boxes, once they are known to be boxes in fractions with a score."""
    sides, score = boxes[_SIDES].to_numpy(), boxes["score"].to_numpy()
    for wrong, message in (
        (
            ~((sides >= -FARTHEST) & (sides <= 1 + FARTHEST)).all(axis=1),
            "is outside 0..1; boxes are fractions of the frame, are these pixels?",
        ),
        (
            (sides[:, 0] > sides[:, 2]) | (sides[:, 1] > sides[:, 3]),
            "is not left, top, right, bottom; is it left, top, width, height?",
        ),
        (~((score >= 0) & (score <= 1)), "has a score outside 0..1"),
    ):
        if wrong.any():
            row = int(wrong.argmax())
            raise InputError(
                f"{path}, row {boxes.index[row]}: box {sides[row].tolist()} with score "
                f"{score[row]:g} {message}"
            )
    return boxes


def _within_frame(
    path: Path | str, boxes: pd.DataFrame, pixel: np.ndarray, notes: list[str]
) -> pd.DataFrame:
    """Boxes cut at the frame's edge; those left with no more than a pixel are dropped.

    AlphAction's loader does both, and tables with rounded corners hold boxes without an area.
    """
    sides = boxes[_SIDES].to_numpy(np.float64)
    cut = sides.clip(0, 1)
    kept = (cut[:, 2:] - cut[:, :2] > pixel + _LEAST).all(axis=1)
    beyond = (np.abs(sides - cut) > _LEAST).any(axis=1)
    if (beyond & ~kept).sum() > len(boxes) / 2:
        raise InputError(
            f"{path}: {(beyond & ~kept).sum()} of {len(boxes)} boxes lie outside the frame; are "
            "the sizes those of the frames that the boxes were found on?"
        )
    if (beyond & kept).any():
        notes.append(f"{(beyond & kept).sum()} cut at the frame's edge")
    if not kept.all():
        notes.append(f"{(~kept).sum()} without an area left out")
    return boxes.assign(**{side: cut[:, i] for i, side in enumerate(_SIDES)})[kept]


def _some(names: Sequence[str], what: str = "films") -> str:
    """How many there are, and the first ones by name."""
    listed = ", ".join(names[:_NAMED]) + (", ..." if len(names) > _NAMED else "")
    return f"{len(names)} {what if len(names) > 1 else what[:-1]} ({listed})"
