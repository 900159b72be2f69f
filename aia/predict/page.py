"""Review page of a video: one HTML file beside it, without a server, and an index of all videos.

`page.html` is the page; here the data are packed into it. An hour with five persons has 18,000
boxes, so numbers travel as little-endian arrays in base64 instead of JSON's digits: sides of boxes
as 16 bits, scores as 8, and of the scores only those that anybody may want to see.
"""

import base64
import hashlib
import html
import json
import os
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Integer

from aia.errors import InputError
from aia.files import write_text
from aia.labels import ClassList
from aia.tables.schema import SIDES
from aia.tables.scores import ScoreTable

FLOOR = 0.05
"""Smallest score that the page keeps, unless it lies in a span."""
ATTENDED = 6
"""Slots that the page keeps of one block and person: those with the greatest weights."""

_SIDE, _SCORE = 65535, 255
_LABEL = 1 << 15  # the highest bit of a class's position: it lies in a span


class IndexRow(NamedTuple):
    """One video of the index; what is not known is None."""

    video: str
    duration_sec: float | None = None
    persons: int | None = None
    actions: tuple[str, ...] = ()
    """Names of the most frequent actions, the most frequent one first."""
    page: Path | None = None
    film: Path | None = None
    table: Path | None = None
    """CSV of persons and actions."""
    failed: str = ""
    """Why there is nothing of this video."""


def write_page(
    output: Path,
    *,
    video: Path,
    table: ScoreTable,
    classes: ClassList,
    spans: pd.DataFrame,
    attention: pd.DataFrame | None,
    about: Mapping[str, str],
    duration_sec: float,
    size_hw: tuple[int, int],
    least: float = 0.5,
    drawn: bool = False,
) -> None:
    """Write the page of one video.

    Args:
        output: The HTML file. It refers to the video by a relative address.
        video: What the page plays. It may be a converted or annotated copy of what was scored.
        table: Boxes, scores and tracks of one video.
        classes: Names and groups of the table's classes.
        spans: The persons' actions, as `spans_of` gives them: the labels that are shown at first.
        attention: Rows with the columns `ATTENTION_COLUMNS`, or None.
        about: What else the page says of itself, such as the model.
        duration_sec: Length of the video.
        size_hw: Pixels of the upright frame.
        least: Score from which an action is a label of a person without a track.
        drawn: The video is an annotated one: the page draws no second boxes and labels on it.

    Raises:
        InputError: The table has boxes of several videos.
    """
    boxes = table.boxes.reset_index(drop=True)
    ids = [str(one) for one in boxes["video"].unique()]
    if len(ids) > 1:
        raise InputError(
            f"{output}: boxes of {len(ids)} videos, {ids[0]} and others; a page shows one video"
        )
    video_id = ids[0] if ids else output.stem
    track = _tracks(boxes)
    order = np.lexsort((track, boxes["time_sec"].to_numpy()))
    boxes, track, scores = boxes.iloc[order], track[order], table.scores[order]
    time_sec, xyxy = boxes["time_sec"].to_numpy(float), _sides(boxes[list(SIDES)])
    key_times, counts = np.unique(time_sec, return_counts=True)
    mine = spans[spans["video"].astype(str) == video_id]
    labels = _labels(track, time_sec, scores, table.class_ids, mine, least)
    data: dict[str, Any] = {
        "video": {
            "id": video_id,
            "name": _printable(video.name),
            "src": _address(video, output),
            "duration": float(duration_sec),
            "size_hw": [int(side) for side in size_hw],
            "drawn": drawn,
        },
        "about": {str(key): str(value) for key, value in about.items()},
        "classes": _described(table.class_ids, classes),
        "floor": FLOOR,
        "per_sec": float(1 / np.median(np.diff(key_times))) if len(key_times) > 1 else 1.0,
        "key_times": _packed(key_times, "<f8"),
        "counts": _packed(counts, "<u2"),
        "xyxy": _packed(xyxy, "<u2"),
        "track": _packed(track, "<i4"),
        **_sparse(scores, labels),
    }
    if attention is not None:
        data["attention"] = _attention(attention, video_id, time_sec, xyxy)
    data["fingerprint"] = hashlib.sha256(_json(data).encode()).hexdigest()[:16]
    _write_filled(output, "page.html", title=f"{video_id}: who does what", data=data)


def write_index(output: Path, rows: Iterable[IndexRow]) -> None:
    """Write a page with a line for each video; its links are relative to its folder."""

    def line(row: IndexRow) -> dict[str, Any]:
        places = {"page": row.page, "film": row.film, "table": row.table}
        return {
            "video": _printable(row.video),
            "duration": row.duration_sec,
            "persons": row.persons,
            "actions": list(row.actions),
            "failed": _printable(row.failed),
            "links": {name: _address(path, output) for name, path in places.items() if path},
        }

    _write_filled(output, "index.html", title="Videos", data=[line(row) for row in rows])


def _write_filled(output: Path, template: str, *, title: str, data: Any) -> None:
    """Fill a template's three places: data, title, and which script alone may run."""
    text = resources.files("aia.predict").joinpath(template).read_text(encoding="utf-8")
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    hashes = (base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts)
    filled = {
        "{{title}}": html.escape(title),
        "{{scripts}}": " ".join(f"'sha256-{one}'" for one in hashes),
        "{{data}}": _json(data),
    }
    write_text(output, re.sub("|".join(filled), lambda found: filled[found[0]], text))


def _json(data: Any) -> str:
    """JSON that may stand in a script element: nothing in it looks like a tag or a comment."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False)
    for sign in "<>&":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _printable(text: str) -> str:
    """Text without the lone surrogates that stand for a file name's odd bytes."""
    return text.encode("utf-8", "replace").decode()


def _address(path: Path, page: Path) -> str:
    """Relative address of a file on a page, percent-encoded."""
    relative = Path(os.path.relpath(path, page.parent))
    return "/".join(quote(os.fsencode(part), safe="") for part in relative.parts)


def _packed(values: np.ndarray, kind: str) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def _described(class_ids: tuple[int, ...], classes: ClassList) -> list[dict[str, Any]]:
    at = [classes.index[class_id] for class_id in class_ids]
    return [
        {
            "id": classes.ids[k],
            "name": classes.names[k] or f"class {classes.ids[k]}",
            "group": classes.groups[k],
        }
        for k in at
    ]


def _tracks(boxes: pd.DataFrame) -> Integer[np.ndarray, " boxes"]:
    """Track of each box, -1 where it has none."""
    if "track" not in boxes:
        return np.full(len(boxes), -1)
    return boxes["track"].astype("Int64").fillna(-1).to_numpy(np.int64)


def _sides(xyxy: pd.DataFrame) -> Integer[np.ndarray, "boxes 4"]:
    """Sides as whole numbers of 1/65535 frame; no box loses its area."""
    exact = xyxy.to_numpy(np.float32).astype(float)  # tables have 32 bits, attention perhaps 64
    sides = np.rint(exact.clip(0, 1) * _SIDE).astype(np.int64)
    sides[:, :2] = sides[:, :2].clip(max=_SIDE - 1)
    sides[:, 2:] = np.maximum(sides[:, 2:], sides[:, :2] + 1)
    return sides


def _labels(
    track: Integer[np.ndarray, " boxes"],
    time_sec: Float[np.ndarray, " boxes"],
    scores: Float[np.ndarray, "boxes classes"],
    class_ids: tuple[int, ...],
    spans: pd.DataFrame,
    least: float,
) -> Bool[np.ndarray, "boxes classes"]:
    """Actions of each box: those whose span its key frame lies in; without a track, by score."""
    labels = (scores >= least) & (track < 0)[:, None]
    position = {class_id: k for k, class_id in enumerate(class_ids)}
    rows_of = pd.Series(np.arange(len(track))).groupby(track).indices
    known = spans.dropna(subset=["track"])
    columns = (known[name].to_numpy(float) for name in ("track", "action", "start_sec", "stop_sec"))
    for of, action, start, stop in zip(*columns, strict=True):
        rows = rows_of.get(int(of), np.zeros(0, int))
        first, last = np.searchsorted(time_sec[rows], [start, stop])
        labels[rows[first:last], position[int(action)]] = True
    return labels


def _sparse(
    scores: Float[np.ndarray, "boxes classes"], labels: Bool[np.ndarray, "boxes classes"]
) -> dict[str, str]:
    """Pack what is a label or not negligible, box by box."""
    kept = labels | (scores >= FLOOR)
    box, position = np.nonzero(kept)
    score = np.rint(scores[box, position].clip(0, 1) * _SCORE)
    return {
        "entries": _packed(kept.sum(axis=1), "<u2"),
        "class": _packed(position + np.where(labels[box, position], _LABEL, 0), "<u2"),
        "score": _packed(score, "<u1"),
    }


def _attention(
    rows: pd.DataFrame,
    video_id: str,
    time_sec: Float[np.ndarray, " boxes"],
    xyxy: Integer[np.ndarray, "boxes 4"],
) -> dict[str, Any]:
    """Pack the greatest weights of each person and block.

    A slot is a place: one of the boxes, by its row, or one of the places that are listed after
    them. Rows of persons that have no box here are left out: nobody can choose them.
    """
    heavy = rows["weight"] * _SCORE >= 0.5
    rows = rows[heavy & (rows["video"] == video_id)].reset_index(drop=True)
    order = rows.sort_values("weight", ascending=False, kind="stable").index
    best = rows.loc[order].groupby(["time_sec", "target", "block"], observed=True).head(ATTENDED)
    known = {place: row for row, place in enumerate(_places(time_sec, xyxy))}
    target = _places(
        best["time_sec"].to_numpy(float), _sides(best[[f"target_{side}" for side in SIDES]])
    )
    best = best.assign(box=[known.get(place, -1) for place in target])
    best = best[best["box"] >= 0].sort_values(
        ["box", "block", "weight"], ascending=[True, True, False]
    )
    slots = _places(best["slot_sec"].to_numpy(float), _sides(best[list(SIDES)]))
    more = list(dict.fromkeys(place for place in slots if place not in known))
    known |= {place: row for row, place in enumerate(more, len(time_sec))}
    blocks = sorted(best["block"].astype(str).unique())
    entries = np.bincount(best["box"].to_numpy(int), minlength=len(time_sec))
    return {
        "blocks": blocks,
        "entries": _packed(entries, "<u2"),
        "block": _packed(best["block"].astype(str).map(blocks.index).to_numpy(int), "<u1"),
        "place": _packed(np.array([known[place] for place in slots], int), "<u4"),
        "weight": _packed(np.rint(best["weight"].clip(0, 1).to_numpy(float) * _SCORE), "<u1"),
        "place_time": _packed(np.array([ms / 1000 for ms, *_ in more]), "<f4"),
        "place_xyxy": _packed(np.array([sides for _, *sides in more]).reshape(-1, 4), "<u2"),
    }


def _places(
    time_sec: Float[np.ndarray, " rows"], xyxy: Integer[np.ndarray, "rows 4"]
) -> list[tuple[int, ...]]:
    """Millisecond and sides of each row, by which a slot and a box are known to be the same."""
    ms = np.rint(time_sec * 1000).astype(np.int64)
    return list(map(tuple, np.column_stack([ms, xyxy]).tolist()))
