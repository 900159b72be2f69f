"""Label Studio's video tasks: `videorectangle` regions, in JSON or JSON-MIN's parent form.

Numbers of its frames follow the rate that the labelling interface was given, which need not be the
video's; so keys are taken by their time.
"""

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from aia.annotate.tracks import SEVERAL, Annotated, Field, make_track
from aia.errors import InputError

TOOL = "Label Studio"


def read_label_studio(path: Path, document: Any) -> Annotated:
    """Read an export (JSON) that was parsed already.

    Raises:
        InputError: It has no video regions, or one is incomplete.
    """
    tasks = document if isinstance(document, list) else [document]
    found = Annotated(TOOL, [])
    labels: dict[str, None] = {}
    choices: dict[str, dict[str, None]] = {}
    several = 0
    for place, task in enumerate(tasks):
        annotations = [one for one in task.get("annotations", []) if not one.get("was_cancelled")]
        several += len(annotations) > 1
        if not annotations:
            continue
        results = annotations[-1].get("result", [])
        video = _video_of(task)
        said: dict[str, dict[str, str]] = {}
        for one in results:
            if one.get("type") in ("choices", "taxonomy") and one.get("id"):
                name = str(one.get("from_name", "choices"))
                chosen = [str(value) for value in one["value"].get("choices", [])]
                said.setdefault(str(one["id"]), {})[name] = SEVERAL.join(chosen)
                choices.setdefault(name, {}).update(dict.fromkeys(chosen))
        for number, one in enumerate(results):
            if one.get("type") != "videorectangle":
                continue
            where = f"{path}: task {task.get('id', place)}, region {one.get('id', number)}"
            value = one.get("value", {})
            kinds = [str(kind) for kind in value.get("labels", [])] or [""]
            labels.update(dict.fromkeys(kinds))
            attributes = {"label": SEVERAL.join(kinds), **said.get(str(one.get("id")), {})}
            keys = [
                (
                    float(_of(key, "time", where)),
                    _box(key, where),
                    not key.get("enabled", True),
                    attributes,
                )
                for key in value.get("sequence", [])
            ]
            # a key that is not enabled is the last picture that shows the person
            gaps = [(time + 1e-3, xyxy, True, words) for time, xyxy, gone, words in keys if gone]
            keys = [(time, xyxy, False, words) for time, xyxy, _, words in keys] + gaps
            found.tracks.append(
                make_track(
                    where,
                    keys,
                    video=video,
                    number=number,
                    kind=kinds[0],
                    clock="second",
                    until=float(value.get("duration") or "inf"),
                )
            )
            if value.get("duration"):
                found.covered[video] = (0.0, float(value["duration"]))
    if not found.tracks:
        raise InputError(
            f"{path}: has no videorectangle; expected Label Studio's JSON export of video tasks"
        )
    found.fields["label"] = Field("label", tuple(labels))
    for name, values in choices.items():
        found.fields[name] = Field("choice", tuple(values))
    if several:
        found.notes.append(f"{several} tasks have several annotations: the last one is taken")
    return found


def _video_of(task: Mapping[str, Any]) -> str:
    """Return the name of a task's video, from a path, an address, or an uploaded file."""
    data = task.get("data", {})
    address = str(data.get("video") or next(iter(data.values()), ""))
    local = parse_qs(urlsplit(address).query).get("d")  # /data/local-files/?d=folder/a.mp4
    return PurePosixPath(unquote(local[0] if local else urlsplit(address).path)).name


def _box(key: Mapping[str, Any], where: str) -> list[float]:
    x, y, width, height = (float(_of(key, n, where)) for n in ("x", "y", "width", "height"))
    return [x / 100, y / 100, (x + width) / 100, (y + height) / 100]


def _of(key: Mapping[str, Any], name: str, where: str) -> Any:
    if name not in key:
        hint = "; was the export made with times?" if name == "time" else ""
        raise InputError(f"{where}: a key without {name} ({json.dumps(key)[:80]}){hint}")
    return key[name]
