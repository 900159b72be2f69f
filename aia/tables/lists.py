"""Lists, one entry a line: films of a split without labels, seconds that are its key frames.

AVA's own are ava_test_v2.2.txt, ava_file_names_trainval_v2.1.txt and
ava_included_timestamps_v2.2.txt.
"""

import re
from pathlib import Path

from aia.errors import InputError
from aia.tables.csv_files import LONGEST_SEC, check_video_id
from aia.tables.csv_reader import check_file

_ENDING = re.compile(r"\.(mp4|mkv|webm|avi|mov|m4v|mpe?g)$", re.IGNORECASE)


def read_films(path: Path | str) -> list[str]:
    """Films in file order, by their ids: the ending of a film's file is left out.

    Raises:
        InputError: no such file, no line, an id that could not be a file's name, one given twice.
    """
    films: dict[str, int] = {}
    for number, line in _lines(path, "a list of films"):
        film = _ENDING.sub("", line)
        check_video_id(film, f"{path}, line {number}")
        if film in films:
            raise InputError(
                f"{path}, line {number}: {film} is already the film of line {films[film]}"
            )
        films[film] = number
    return list(films)


def read_seconds(path: Path | str) -> list[float]:
    """Seconds of a film, rising.

    Raises:
        InputError: no such file, no line, or one that is no number of seconds.
    """
    seconds = set()
    for number, line in _lines(path, "a list of seconds"):
        try:
            second = float(line) if re.fullmatch(r"[0-9.]+", line) else -1.0
        except ValueError:
            second = -1.0
        if not 0 <= second <= LONGEST_SEC:
            raise InputError(
                f"{path}, line {number}: {line[:40]!r} is not a second of a film, "
                "expected one number a line, such as 0902"
            )
        seconds.add(second)
    return sorted(seconds)


def _lines(path: Path | str, what: str) -> list[tuple[int, str]]:
    """Lines with their numbers; the place of a film is its line's, so none between may be empty."""
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
