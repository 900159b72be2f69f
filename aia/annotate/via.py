"""VGG Image Annotator 3: boxes at a time and segments of time, with attributes, in JSON.

It knows no tracks: each box stands for itself. A segment without a box says something of everybody
who has a box in that time. Values of attributes are ids of options, as text.
"""

from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from aia.annotate.tracks import SEVERAL, Annotated, Field, make_track
from aia.errors import InputError

TOOL = "VIA 3"
_RECTANGLE = 2


def read_via(
    path: Path, document: Mapping[str, Any], sizes_wh: Mapping[str, tuple[int, int]]
) -> Annotated:
    """Read a project that was parsed already.

    Args:
        path: Where it was read.
        document: The project.
        sizes_wh: Pixels of the videos, by the stems of their names.

    Raises:
        InputError: It has no box, or refers to what is not in it.
    """
    files, views, options = document["file"], document["view"], document.get("attribute", {})
    found = Annotated(TOOL, [])
    for one in options.values():
        name = str(one["aname"])
        values = tuple(str(value) for value in one.get("options", {}).values())
        found.fields[name] = Field("choice" if values else "text", values)
    segments: dict[str, list[tuple[float, float, dict[str, str]]]] = {}
    boxes: list[tuple[str, str, float, list[float], dict[str, str]]] = []
    others = 0
    for number, one in document["metadata"].items():
        where = f"{path}: metadata {number}"
        video = _video_of(one, views, files, where)
        said = _said(one.get("av", {}), options, where)
        xy, z = one.get("xy", []), [float(second) for second in one.get("z", [])]
        if len(z) == 2 and not xy:
            segments.setdefault(video, []).append((z[0], z[1], said))
        elif len(z) == 1 and xy and xy[0] == _RECTANGLE and len(xy) == 5:
            boxes.append((where, video, z[0], [float(value) for value in xy[1:]], said))
        else:
            others += 1
    for place, (where, video, second, (left, top, width, height), own) in enumerate(boxes):
        size_wh = sizes_wh.get(PurePosixPath(video).stem)
        if size_wh is None:
            raise InputError(f"{where}: its video {video} is not among --videos")
        scale = np.tile(size_wh, 2)
        inside = [said for start, stop, said in segments.get(video, []) if start <= second <= stop]
        said = {k: v for one in (*inside, own) for k, v in one.items() if v}
        box = np.array([left, top, left + width, top + height]) / scale
        found.tracks.append(
            make_track(where, [(second, box.tolist(), False, said)], video=video, number=place,
                       kind="", clock="second", moments=True)
        )  # fmt: skip
    if not boxes:
        more = (
            f" ({sum(map(len, segments.values()))} segments of time have none)" if segments else ""
        )
        raise InputError(f"{path}: has no box at a time{more}; who does it must be drawn")
    if segments:
        count = sum(map(len, segments.values()))
        found.notes.append(f"{count} segments of time hold for every box within them")
    if others:
        found.notes.append(f"{others} entries are no rectangle at a time and no segment: left out")
    return found


def _video_of(
    one: Mapping[str, Any], views: Mapping[str, Any], files: Mapping[str, Any], where: str
) -> str:
    view = views.get(str(one.get("vid")))
    file = files.get(str(view["fid_list"][0])) if view and view.get("fid_list") else None
    if file is None:
        raise InputError(f"{where}: is of view {one.get('vid')}, which leads to no file")
    return str(file.get("fname") or file.get("src", ""))


def _said(given: Mapping[str, str], options: Mapping[str, Any], where: str) -> dict[str, str]:
    """Look up the values of attributes; several stand with `SEVERAL` between."""
    found = {}
    for key, value in given.items():
        if key not in options:
            raise InputError(f"{where}: has attribute {key}, which the project does not define")
        known = options[key].get("options", {})
        parts = [part for part in str(value).split(",") if part]
        lost = [part for part in parts if known and part not in known]
        if lost:
            raise InputError(
                f"{where}: {options[key]['aname']} has option {lost[0]}, expected one of "
                f"{', '.join(known)}"
            )
        found[str(options[key]["aname"])] = SEVERAL.join(
            str(known.get(part, part)) for part in parts
        )
    return found
