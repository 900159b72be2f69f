"""Lists, one entry a line: videos of a split without labels, seconds that are its key frames.

AVA's own are ava_test_v2.2.txt, ava_file_names_trainval_v2.1.txt and
ava_included_timestamps_v2.2.txt.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from aia.config import is_video_name
from aia.errors import InputError
from aia.files import write_text
from aia.tables.annotations import read_key_times
from aia.tables.csv import check_file
from aia.tables.schema import LONGEST_SEC, check_video_id


def read_videos(path: Path | str) -> list[str]:
    """Read the ids of videos in file order; the ending of a video's file is left out.

    Raises:
        InputError: No such file, no line, an id that could not be a file's name, one given twice.
    """
    videos: dict[str, int] = {}
    for number, line in _lines(path, "a list of videos"):
        video = line.rpartition(".")[0] if is_video_name(line) else line
        check_video_id(video, f"{path}, line {number}")
        if video in videos:
            raise InputError(
                f"{path}, line {number}: {video} is already the video of line {videos[video]}"
            )
        videos[video] = number
    return list(videos)


read_films = read_videos  # the name before; its callers go over to the new one


def read_seconds(path: Path | str) -> list[float]:
    """Read seconds of a video, rising.

    Raises:
        InputError: No such file, no line, or one that is no number of seconds.
    """
    seconds = set()
    for number, line in _lines(path, "a list of seconds"):
        try:
            second = float(line) if re.fullmatch(r"[0-9.]+", line) else -1.0
        except ValueError:
            second = -1.0
        if not 0 <= second <= LONGEST_SEC:
            raise InputError(
                f"{path}, line {number}: {line[:40]!r} is not a second of a video, "
                "expected one number a line, such as 0902"
            )
        seconds.add(second)
    return sorted(seconds)


def read_seconds_by_video(path: Path | str) -> dict[str, list[float]]:
    """Read seconds of each video, rising: lines of `video,second`, or of seconds for all videos.

    Returns:
        The seconds of each video that is named; those for all videos under "".

    Raises:
        InputError: As of `read_seconds`.
    """
    if "," in _lines(path, "a list of seconds")[0][1]:
        return read_key_times(path)
    return {"": read_seconds(path)}


def seconds_for(video: str, seconds: Mapping[str, list[float]]) -> list[float]:
    """Return the seconds of one video; [] if the list has none for it."""
    return seconds.get(video, seconds.get("", []))


def write_seconds(path: Path | str, seconds: Mapping[str, list[float]]) -> None:
    """Write what `read_seconds_by_video` reads; an empty file where there are none."""
    lines = [
        f"{video},{second!r}\n" if video else f"{second!r}\n"
        for video, listed in seconds.items()
        for second in listed
    ]
    write_text(path, "".join(lines))


def _lines(path: Path | str, what: str) -> list[tuple[int, str]]:
    """Lines with their numbers, which are the videos' places: none between may be empty."""
    check_file(path, what)
    try:
        text = Path(path).read_text(encoding="utf-8-sig").rstrip()
    except (OSError, UnicodeDecodeError) as problem:
        raise InputError(f"{path}: cannot be read as text ({problem}); {what} expected") from None
    lines = [(number, line.strip()) for number, line in enumerate(text.splitlines(), start=1)]
    if not lines:
        raise InputError(f"{path}: is empty; {what} expected, one a line")
    for number, line in lines:
        if not line:
            raise InputError(f"{path}, line {number}: is empty; {what} has one entry a line")
    return lines
