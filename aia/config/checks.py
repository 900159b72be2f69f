"""Checks of values: each message says which setting it is, its value and the bound."""

import difflib
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

LONGEST_NAME = 180
"""Characters of a video's id: a file name may have 255, with its ending and, while it is written,
the host's name and more."""

VIDEO_ID = rf"[A-Za-z0-9_-][A-Za-z0-9_.-]{{0,{LONGEST_NAME - 1}}}"
"""Pattern of a video's id; it becomes a file name, and with a leading dot that would be hidden."""

VIDEO_ENDINGS = (
    "mp4", "m4v", "mov", "qt", "mkv", "webm", "avi", "divx", "flv", "f4v", "3gp", "3g2", "wmv",
    "asf", "ogv", "ogg", "ts", "mts", "m2ts", "m2t", "mpg", "mpeg", "mpe", "m2v", "mpv", "vob",
    "mxf", "rm", "rmvb", "wtv", "dv", "nut", "dav", "gif", "ivf", "obu", "h264", "264", "hevc",
    "265", "h265", "mjpeg", "mjpg", "y4m",
)  # fmt: skip
"""Endings of videos; whatever else lies beside one (subtitles, pictures, descriptions) is none."""


_SPELT = str.maketrans(
    {"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss", "ø": "o"}
    | {"Ø": "O", "æ": "ae", "Æ": "Ae", "ł": "l", "Ł": "L"}
)
"""Letters that are no letter with an accent."""


def is_video_name(name: str) -> bool:
    """Tell if a file's name ends as that of a video.

    >>> is_video_name("c.MP4"), is_video_name("c.srt"), is_video_name("mp4")
    (True, False, False)
    """
    stem, _, ending = name.rpartition(".")
    return bool(stem) and ending.lower() in VIDEO_ENDINGS


def video_id(name: str) -> str:
    """Make a video's id from its file's name, which may be any; a name that is an id stays.

    >>> video_id("_mAfwH6i90E.mkv")
    '_mAfwH6i90E'
    >>> video_id("WhatsApp Video 2024-05-01 at 12.00.00 (1).mp4"), video_id("Küche.mp4")
    ('WhatsApp_Video_2024-05-01_at_12.00.00_1', 'Kueche')
    """
    stem = name.rpartition(".")[0] if is_video_name(name) else name
    if re.fullmatch(VIDEO_ID, stem):
        return stem
    plain = unicodedata.normalize("NFC", stem).translate(_SPELT)
    plain = unicodedata.normalize("NFKD", plain).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^A-Za-z0-9_.-]+", "_", plain).strip("_.")
    return plain[:LONGEST_NAME].strip("_.") or "video"


def at_least(section: Any, **least: int | float) -> None:
    """Check that each named number is at least its bound."""
    for name, bound in least.items():
        if getattr(section, name) < bound:
            raise ValueError(f"{name} = {getattr(section, name)} is less than {bound}")


def at_most(section: Any, **most: int | float) -> None:
    """Check that each named number is at most its bound."""
    for name, bound in most.items():
        if getattr(section, name) > bound:
            raise ValueError(f"{name} = {getattr(section, name)} is more than {bound}")


def share(section: Any, *names: str) -> None:
    """Check that each named number is within 0..1."""
    for name in names:
        if not 0 <= getattr(section, name) <= 1:
            raise ValueError(f"{name} = {getattr(section, name)} is outside 0..1")


def odd(section: Any, *names: str) -> None:
    """Check temporal kernels: an even one would change the number of frames."""
    for name in names:
        for kernel in _flat(getattr(section, name)):
            if kernel < 1 or kernel % 2 == 0:
                raise ValueError(f"{name}: {kernel} is not an odd number of frames (1, 3, 5, ...)")


def each_at_least(section: Any, bound: int, *names: str) -> None:
    """Check that each number of each named list, however nested, is at least `bound`."""
    for name in names:
        for number in _flat(getattr(section, name)):
            if number < bound:
                raise ValueError(f"{name}: {number} is less than {bound}")


def once_each(name: str, values: tuple[Any, ...]) -> None:
    """Check that there are values, and none twice."""
    if not values:
        raise ValueError(f"{name}: needs at least one")
    if len(set(values)) < len(values):
        raise ValueError(f"{name}: {list(values)} names one of them twice")


def _flat(value: Any) -> Iterator[int]:
    """Yield the numbers of a setting that may be a list of lists.

    >>> list(_flat(((1, 3), (5,)))), list(_flat(7))
    ([1, 3, 5], [7])
    """
    if isinstance(value, tuple):
        for item in value:
            yield from _flat(item)
    else:
        yield value


def check_name(name: str, where: str) -> None:
    """Check the name of a data set, which becomes a folder: letters, digits, _ and - only."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
        raise ValueError(f"{where}: '{name}' is not a name of letters, digits, _ and -")


def suggestion(word: str, known: Any, prefix: str = "") -> str:
    """Return the known name nearest to a misspelt one, as the end of a message; or nothing."""
    near = difflib.get_close_matches(word, [str(name) for name in known], n=1)
    return f", did you mean {prefix}{near[0]}?" if near else ""
