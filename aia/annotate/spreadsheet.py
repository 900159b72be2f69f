"""A table of one's own, as spreadsheets save it: a header, class names, fractions or pixels.

    video;second;x1;y1;x2;y2;action;person      in any order; separated by comma, semicolon or tab
    street.mp4;12;100;50;180;300;walk;anna

Without a header the columns are in AVA's order. A box with several actions has several lines.
"""

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath

import numpy as np

from aia.annotate.tracks import SEVERAL, Annotated, Field, make_track
from aia.errors import InputError

TOOL = "table"
_COLUMNS = {
    "video": ("video", "film", "file", "filename", "video_id"),
    "second": ("second", "seconds", "time", "time_sec", "timestamp", "t"),
    "x1": ("x1", "xmin", "left", "xtl"),
    "y1": ("y1", "ymin", "top", "ytl"),
    "x2": ("x2", "xmax", "right", "xbr"),
    "y2": ("y2", "ymax", "bottom", "ybr"),
    "action": ("action", "actions", "label", "class", "name", "action_id"),
    "person": ("person", "person_id", "track", "track_id", "id"),
}


def read_spreadsheet(path: Path, sizes_wh: Mapping[str, tuple[int, int]]) -> Annotated:
    """Read a table.

    Args:
        path: The file.
        sizes_wh: Pixels of the videos, by the stems of their names.

    Raises:
        InputError: Columns are missing, or a line is wrong: which.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as UTF-8 text ({error})") from None
    first = text.partition("\n")[0]
    separator = max(",;\t", key=first.count)
    lines = [row for row in csv.reader(io.StringIO(text), delimiter=separator)]
    places, header = _places(lines[0] if lines else [], path)
    boxes: dict[tuple[str, float, tuple[float, ...], str], list[str]] = {}
    found = Annotated(TOOL, [])
    for number, row in enumerate(lines[header:], start=header + 1):
        if not any(cell.strip() for cell in row):
            continue
        where = f"{path}, line {number}"
        cells = {name: _cell(row, place, where, name) for name, place in places.items()}
        sides = tuple(
            _number(cells[side], where, side, separator) for side in ("x1", "y1", "x2", "y2")
        )
        second = _number(cells["second"], where, "second", separator)
        key = (cells["video"], second, sides, cells.get("person", ""))
        boxes.setdefault(key, []).append(cells["action"])
    if not boxes:
        raise InputError(f"{path}: has no line with a box")
    in_pixels = max(max(sides) for _, _, sides, _ in boxes) > 1.5
    if in_pixels:
        found.notes.append("boxes are in pixels of the videos")
    persons: dict[tuple[str, str], int] = {}
    actions = dict.fromkeys(one for done in boxes.values() for one in done)
    found.fields["action"] = Field("choice", tuple(actions))
    for place, ((video, second, sides, person), done) in enumerate(boxes.items()):
        scale = np.ones(4)
        if in_pixels:
            stem = PurePosixPath(video).stem
            size_wh = sizes_wh.get(video) or sizes_wh.get(stem)
            if size_wh is None:
                raise InputError(f"{path}: its video {video} is not among --videos")
            scale = np.tile(size_wh, 2)
        number = persons.setdefault((video, person), len(persons)) if person else place
        found.tracks.append(
            make_track(f"{path}: {video}, second {second:g}",
                       [(second, (np.array(sides) / scale).tolist(), False,
                         {"action": SEVERAL.join(done)})],
                       video=video, number=number, kind="", clock="second", moments=True)
        )  # fmt: skip
    return found


def _places(first: Sequence[str], path: Path) -> tuple[dict[str, int], int]:
    """Find the columns; return their places, and the number of header lines."""
    named = [cell.strip().lower() for cell in first]
    places = {
        name: next(k for k, cell in enumerate(named) if cell in words)
        for name, words in _COLUMNS.items()
        if any(cell in words for cell in named)
    }
    needed = [name for name in _COLUMNS if name != "person"]
    if not places:  # no header
        if len(first) not in (7, 8):
            raise InputError(
                f"{path}, line 1: has {len(first)} columns; expected a header, or "
                f"{','.join(_COLUMNS)}"
            )
        return {name: k for k, name in enumerate(_COLUMNS) if k < len(first)}, 0
    missing = [name for name in needed if name not in places]
    if missing:
        raise InputError(
            f"{path}, line 1: no column {missing[0]}; there are {', '.join(first)}; expected "
            f"{', '.join(_COLUMNS)} (person may be left out)"
        )
    return places, 1


def _cell(row: Sequence[str], place: int, where: str, name: str) -> str:
    if place >= len(row):
        raise InputError(f"{where}: has {len(row)} columns, and none for {name}")
    return row[place].strip()


def _number(text: str, where: str, name: str, separator: str) -> float:
    plain = text.replace(",", ".") if separator != "," else text
    try:
        value = float(plain)
    except ValueError:
        raise InputError(f"{where}: {name} is '{text}', expected a number") from None
    if not 0 <= value < 1e6:
        raise InputError(f"{where}: {name} is {text}, expected 0 or more")
    return value
