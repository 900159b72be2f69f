"""A task of CVAT for video 1.1 out of tracks: few keyframes, actions as attributes that change.

A keyframe is written where the box leaves the straight line by more than the tolerance, where an
attribute changes, and where the person comes or leaves. So an annotator who changes an action
changes it once, and not in every frame.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import escape, quoteattr

import numpy as np
from jaxtyping import Float

from aia.annotate.importing import Clip
from aia.annotate.tracks import Track
from aia.files import write_text

LABEL = "person"


class _Key(NamedTuple):
    frame: int
    xyxy: Float[np.ndarray, " 4"]
    gone: bool
    said: Mapping[str, str]


def write_cvat(
    path: Path, clip: Clip, tracks: Sequence[Track], actions: Sequence[str], *, tolerance_px: float
) -> int:
    """Write a video's tracks, and labels.json beside it; return the number of keyframes.

    Args:
        path: The XML file.
        clip: The video.
        tracks: Its persons, each with the attributes of `actions` as "true" or "false".
        actions: Names of the attributes, all checkboxes.
        tolerance_px: Largest distance of a side from the line between two keyframes, in pixels.
    """
    width, height = clip.size_wh
    frames = len(clip.times_sec)
    lines = [
        '<?xml version="1.0" encoding="utf-8"?>', "<annotations>", "  <version>1.1</version>",
        "  <meta>", "    <task>", f"      <size>{frames}</size>",
        f"      <start_frame>0</start_frame><stop_frame>{frames - 1}</stop_frame>",
        f"      <original_size><width>{width}</width><height>{height}</height></original_size>",
        f"      <source>{escape(clip.path.name)}</source>",
        "      <labels><label>", f"        <name>{LABEL}</name>", "        <attributes>",
        *(f"          {_attribute(name)}" for name in actions),
        "        </attributes>", "      </label></labels>", "    </task>", "  </meta>",
    ]  # fmt: skip
    count = 0
    for number, track in enumerate(tracks):
        lines.append(f'  <track id="{number}" label="{LABEL}" source="file">')
        for key in sparse_keys(track, clip, tolerance_px=tolerance_px):
            count += 1
            sides = (key.xyxy * np.tile(clip.size_wh, 2)).round(2)
            named = zip(("xtl", "ytl", "xbr", "ybr"), sides, strict=True)
            corners = " ".join(f'{name}="{side:.2f}"' for name, side in named)
            lines.append(
                f'    <box frame="{key.frame}" keyframe="1" outside="{int(key.gone)}" '
                f'occluded="0" {corners} z_order="0">'
            )
            lines += [
                f"      <attribute name={quoteattr(name)}>{key.said.get(name, 'false')}</attribute>"
                for name in actions
            ]
            lines.append("    </box>")
        lines.append("  </track>")
    lines.append("</annotations>\n")
    write_text(path, "\n".join(lines))
    write_text(path.parent / "labels.json", specification(actions))
    return count


def specification(actions: Sequence[str]) -> str:
    """Write the labels of a task, as CVAT takes them (Raw)."""
    attributes = [
        {"name": name, "input_type": "checkbox", "mutable": True, "values": ["false"],
         "default_value": "false"}
        for name in actions
    ]  # fmt: skip
    label = {"name": LABEL, "type": "rectangle", "attributes": attributes}
    return json.dumps([label], indent=2, ensure_ascii=False) + "\n"


def _attribute(name: str) -> str:
    return (
        f"<attribute><name>{escape(name)}</name><mutable>True</mutable>"
        "<input_type>checkbox</input_type><default_value>false</default_value>"
        "<values>false</values></attribute>"
    )


def sparse_keys(track: Track, clip: Clip, *, tolerance_px: float) -> list[_Key]:
    """Choose keyframes of a track.

    Between changes of what is said and of who is there, boxes are kept by Douglas and Peucker's
    rule (1973): the farthest from the line, as long as it is farther than the tolerance.
    """
    scale = np.tile(clip.size_wh, 2)
    frames = np.array([_frame(track, clip, at) for at in track.at])
    last = len(clip.times_sec) - 1
    keys: dict[int, _Key] = {}
    for k in range(len(frames)):
        if k and frames[k] == frames[k - 1]:
            continue
        keys[int(frames[k])] = _Key(
            int(frames[k]), track.xyxy[k], bool(track.gone[k]), track.said[k]
        )
    rows = [keys[frame] for frame in sorted(keys)]
    kept = set()
    start = 0
    for stop in range(1, len(rows) + 1):
        if stop == len(rows) or _changed(rows[stop - 1], rows[stop]):
            end = min(stop, len(rows) - 1)
            kept |= {start, end, *_far(rows[start : end + 1], scale, tolerance_px, start)}
            start = end
    chosen = [rows[place] for place in sorted(kept)]
    until = track.until if track.clock == "frame" else np.inf
    if np.isfinite(until) and not chosen[-1].gone and int(until) + 1 <= last:
        chosen.append(chosen[-1]._replace(frame=int(until) + 1, gone=True))
    return chosen


def _frame(track: Track, clip: Clip, at: float) -> int:
    if track.clock == "frame":
        return round(at)
    return max(int(np.searchsorted(clip.times_sec, at + 1e-3, side="right")) - 1, 0)


def _changed(one: _Key, other: _Key) -> bool:
    return one.gone != other.gone or one.said != other.said


def _far(rows: Sequence[_Key], scale: np.ndarray, tolerance_px: float, first: int) -> list[int]:
    """Return the places of the boxes that are off the lines between those before and after."""
    found, parts = [], [(0, len(rows) - 1)]
    frames = np.array([row.frame for row in rows], float)
    boxes = np.stack([row.xyxy * scale for row in rows])
    while parts:
        low, high = parts.pop()
        if high - low < 2:
            continue
        share = (frames[low : high + 1] - frames[low]) / (frames[high] - frames[low])
        line = boxes[low] + share[:, None] * (boxes[high] - boxes[low])
        apart = np.abs(boxes[low : high + 1] - line).max(axis=1)
        middle = int(apart.argmax())
        if apart[middle] > tolerance_px:
            found.append(first + low + middle)
            parts += [(low, low + middle), (low + middle, high)]
    return found
