"""Boxes of persons without actions of their own: MOT's gt.txt, COCO's JSON.

MOT      frame,id,left,top,width,height,conf,class,visibility; frames from 1; tracks, no actions
COCO     boxes per image; a category is the action; the image says video and frame
"""

import configparser
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aia.annotate.tracks import Annotated, Field, make_track
from aia.errors import InputError

_NUMBERED = re.compile(r"(?P<video>.+?)[_/\-.](?:frame|img)?_?(?P<frame>\d+)$", re.I)


def read_mot(path: Path, sizes_wh: Mapping[str, tuple[int, int]]) -> Annotated:
    """Read gt.txt; its video is that of seqinfo.ini, or the one that is given.

    Raises:
        InputError: A line is wrong, or it is not known which video it is of.
    """
    video, size_wh = _sequence(path, sizes_wh)
    scale = np.tile(size_wh, 2)
    keys: dict[int, list[tuple[float, list[float], bool, dict[str, str]]]] = defaultdict(list)
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            frame, person, left, top, width, height, *more = map(float, line.split(","))
        except ValueError:
            raise InputError(
                f"{path}, line {number}: '{line[:60]}'; expected "
                "frame,id,left,top,width,height,..., all numbers"
            ) from None
        if more and more[0] == 0:  # marked as not to be looked at
            continue
        box = (np.array([left, top, left + width, top + height]) / scale).tolist()
        keys[int(person)].append((frame - 1, box, False, {}))
    if not keys:
        raise InputError(f"{path}: has no box")
    found = Annotated("MOT", [], {"label": Field("label", ("person",))})
    for person, rows in keys.items():
        rows.sort(key=lambda row: row[0])
        gaps: list[tuple[float, list[float], bool, dict[str, str]]] = [
            (before[0] + 1, before[1], True, {})
            for before, after in zip(rows, [*rows[1:], None], strict=True)
            if after is None or after[0] > before[0] + 1
        ]
        found.tracks.append(
            make_track(f"{path}: id {person}", [*rows, *gaps], video=video, number=person,
                       kind="person", clock="frame")
        )  # fmt: skip
    return found


def _sequence(path: Path, sizes_wh: Mapping[str, tuple[int, int]]) -> tuple[str, tuple[int, int]]:
    for folder in (path.parent, path.parent.parent):
        if (folder / "seqinfo.ini").is_file():
            info = configparser.ConfigParser()
            info.read(folder / "seqinfo.ini", encoding="utf-8-sig")
            part = info["Sequence"] if info.has_section("Sequence") else {}
            name = part.get("name", folder.name)
            if name not in sizes_wh and len(sizes_wh) == 1:
                name = next(iter(sizes_wh))
            return name, (int(part["imWidth"]), int(part["imHeight"]))
    if len(sizes_wh) != 1:
        raise InputError(
            f"{path}: no seqinfo.ini is beside it, and --videos are {len(sizes_wh)}; give the one "
            "video that it is of"
        )
    ((name, size_wh),) = sizes_wh.items()
    return name, size_wh


def read_coco(path: Path, document: Mapping[str, Any]) -> Annotated:
    """Read boxes per image that was parsed already; COCO has neither tracks nor time.

    An image's file name ends in the number of its frame, from 0: street/000120.jpg, street_120.png.

    Raises:
        InputError: An image is of no video, or an annotation of no image.
    """
    images = {one["id"]: one for one in document["images"]}
    categories = {one["id"]: str(one["name"]) for one in document["categories"]}
    found = Annotated("COCO", [], {"label": Field("label", tuple(categories.values()))})
    skipped = 0
    for place, one in enumerate(document["annotations"]):
        where = f"{path}: annotation {one.get('id', place)}"
        image = images.get(one.get("image_id"))
        if image is None or one.get("category_id") not in categories:
            raise InputError(f"{where}: its image or category is not in the file")
        if one.get("iscrowd"):
            skipped += 1
            continue
        name = PurePosixPath(image["file_name"])
        match = _NUMBERED.fullmatch(str(name.with_suffix("")))
        if match is None:
            raise InputError(
                f"{where}: from {image['file_name']} follows no video and frame; expected a name "
                "such as street/000120.jpg or street_120.jpg"
            )
        left, top, width, height = map(float, one["bbox"])
        scale = np.tile((image["width"], image["height"]), 2)
        box = (np.array([left, top, left + width, top + height]) / scale).tolist()
        label = {"label": categories[one["category_id"]]}
        found.tracks.append(
            make_track(where, [(float(match["frame"]), box, False, label)],
                       video=PurePosixPath(match["video"]).name, number=place,
                       kind=label["label"], clock="frame", moments=True)
        )  # fmt: skip
    if not found.tracks:
        raise InputError(f"{path}: has no annotation")
    if skipped:
        found.notes.append(f"{skipped} crowds are left out")
    return found
