"""Videos that detections and ground truth call by different names, or of another split."""

import re
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace

import numpy as np

from aia.doctor.detections import DetectionSet
from aia.doctor.finding import Finding
from aia.doctor.truth import GroundTruth

_SHOWN = 3


def other_names(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Video names differ: an ending, a folder, a prefix, the case of letters.

    Recognised by names that agree but for separated parts around them, case and punctuation.
    The user should write the names as the ground truth does.
    """
    present = scores.present()
    names = matching_names(present - set(truth.videos), set(truth.videos) - present)
    if not names:
        return None
    shown = ", ".join(f"{old!r} is {new!r}" for old, new in list(names.items())[:_SHOWN])
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    changed = np.array([name in names for name in scores.videos])
    return Finding(
        finding=f"video names do not match: {len(names)} of {len(present)} videos are in the "
        f"ground truth under another name; {shown}{more}",
        where=scores.rows_of(changed[scores.video]),
        cause="the video's name was taken from a file (its ending or folder was kept), or a "
        "prefix, a suffix or the case of letters was changed",
        fix="write the names as the ground truth does",
        fixed=replace(scores, videos=tuple(names.get(name, name) for name in scores.videos)),
    )


def wrong_split(scores: DetectionSet, truth: GroundTruth) -> Finding | None:
    """Detections are of other videos than the ground truth: train in place of val, or a part.

    Recognised by videos: of both files, less than half are in the other one.
    The user should score the videos of this ground truth, or take the ground truth of these.
    """
    present, annotated = scores.present(), set(truth.videos)
    common = present & annotated
    if 2 * len(common) >= min(len(present), len(annotated)):
        return None
    others = [
        f"{len(some - common)} of {len(some)} videos of the {name} ({', '.join(shown)}, ...)"
        for some, name in ((present, "detections"), (annotated, "ground truth"))
        if (shown := sorted(some - common)[:_SHOWN])
    ]
    other = np.array([name not in annotated for name in scores.videos])[scores.video]
    on_common = truth.of_videos(common).mean_ap(scores.keep(~other[scores.box]))
    return Finding(
        finding=f"wrong split: {' and '.join(others)} are not in the other file",
        where=scores.rows_of(other),
        cause="the network was run on another split (train in place of val), or the annotations "
        "are those of another split or version",
        fix="score the videos of this ground truth, or evaluate against the annotations of these "
        "videos (estimate: as good as on the videos that are in both)",
        map_after=on_common if common else None,
    )


def matching_names(unknown: Collection[str], free: Collection[str]) -> dict[str, str]:
    """Pair names that mean the same video, where only one pairing is possible.

    >>> matching_names(["clips/a.mp4", "V_B"], ["a", "b"])
    {'V_B': 'b', 'clips/a.mp4': 'a'}
    """
    pairs = set()
    for some, others, swapped in ((unknown, free, False), (free, unknown, True)):
        whole = {next(_parts(name), ""): name for name in others}
        for name in some:
            other = next((whole[part] for part in _parts(name) if part in whole), None)
            if other is not None:
                pairs.add((other, name) if swapped else (name, other))
    count = Counter(name for pair in pairs for name in pair)
    return {old: new for old, new in sorted(pairs) if count[old] == count[new] == 1}


def _parts(name: str) -> Iterator[str]:
    """Yield the letters and digits of a name, then those of its separated parts, longest first."""
    words = re.findall(r"[a-z0-9]+", name.lower())
    for length in range(len(words), 0, -1):
        for start in range(len(words) - length + 1):
            yield "".join(words[start : start + length])
