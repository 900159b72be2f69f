"""Films that detections and ground truth call by different names."""

import difflib
import re
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from aia.doctor.case import Case, Symptom

_ENDINGS = r"\.(mp4|mkv|webm|avi|mov|m4v|mpg|mpeg|h5|csv|parquet|jpg|jpeg|png|npy|txt)$"
_SHOWN = 3


def other_names(case: Case) -> Symptom | None:
    """Films of the detections that the ground truth has under a similar name."""
    found = case.detections
    known = set(case.films)
    present = {found.videos[video] for video in np.unique(found.video[found.box])}
    renamed = matching_names(sorted(present - known), [v for v in case.films if v not in present])
    if not renamed:
        return None
    films = tuple(renamed.get(name, name) for name in found.videos)
    boxes = np.isin(found.video, [i for i, name in enumerate(found.videos) if name in renamed])
    shown = ", ".join(f"{old!r} is {new!r}" for old, new in list(renamed.items())[:_SHOWN])
    more = f" and {len(renamed) - _SHOWN} more" if len(renamed) > _SHOWN else ""
    return Symptom(
        finding=f"film names do not match: {len(renamed)} of {len(present)} films are in the "
        f"ground truth under another name; {shown}{more}",
        rows=found.row[found.of_boxes(boxes)],
        cause="the film's name was taken from a file (its ending or folder was kept), or a prefix, "
        "a suffix or the case of letters was changed",
        mend="write the names as the ground truth does",
        mended=replace(found, videos=films),
        certain=True,
    )


def matching_names(unknown: Sequence[str], free: Sequence[str]) -> dict[str, str]:
    """Pair names that mean the same film, the surest likeness first.

    >>> matching_names(["films/a.mp4", "V_B"], ["a", "b"])
    {'films/a.mp4': 'a', 'V_B': 'b'}
    """
    renamed: dict[str, str] = {}
    for likeness in (_stem, _lower, _letters, None, _digits):
        left = [name for name in unknown if name not in renamed]
        right = [name for name in free if name not in renamed.values()]
        renamed |= _contained(left, right) if likeness is None else _alike(left, right, likeness)
    left = [name for name in unknown if name not in renamed]
    right = [name for name in free if name not in renamed.values()]
    for name in left:
        close = difflib.get_close_matches(_lower(name), [_lower(one) for one in right], 2, 0.85)
        if len(close) == 1:
            match = next(one for one in right if _lower(one) == close[0])
            renamed[name] = match
            right.remove(match)
    return {name: renamed[name] for name in unknown if name in renamed}


def _alike(
    left: Sequence[str], right: Sequence[str], likeness: Callable[[str], str]
) -> dict[str, str]:
    """Names whose likeness is the same, and the same of no other."""
    keys = [[likeness(name) for name in names] for names in (left, right)]
    pairs = {}
    for name, key in zip(left, keys[0], strict=True):
        if key and keys[0].count(key) == 1 and keys[1].count(key) == 1:
            pairs[name] = right[keys[1].index(key)]
    return pairs


def _contained(left: Sequence[str], right: Sequence[str]) -> dict[str, str]:
    """Names of which one is the other with something before or behind it."""
    likes = [
        [other for other in right if _is_part(_letters(name), _letters(other))] for name in left
    ]
    counts: dict[str, int] = {}
    for some in likes:
        for other in some:
            counts[other] = counts.get(other, 0) + 1
    return {
        name: some[0]
        for name, some in zip(left, likes, strict=True)
        if len(some) == 1 and counts[some[0]] == 1
    }


def _is_part(one: str, other: str) -> bool:
    short, long = sorted((one, other), key=len)
    return bool(short) and (long.startswith(short) or long.endswith(short))


def _stem(name: str) -> str:
    last = re.split(r"[/\\]", name.strip().strip("\"'"))[-1]
    return re.sub(_ENDINGS, "", last, flags=re.IGNORECASE)


def _lower(name: str) -> str:
    return _stem(name).lower()


def _letters(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", _lower(name))


def _digits(name: str) -> str:
    return "".join(re.findall(r"\d+", _stem(name))).lstrip("0")
