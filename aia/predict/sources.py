"""What `aia predict` is given: video files in folders, by patterns and lists; cameras; streams.

A video's id names its files. It is made from the file's name, which may be any: phones and
messengers write blanks, brackets and umlauts.
"""

import glob
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NamedTuple

from aia.config import LONGEST_NAME, is_video_name, video_id
from aia.errors import InputError

STREAMS = ("rtsp://", "rtsps://", "http://", "https://")


class Source(NamedTuple):
    """A video to predict."""

    kind: Literal["file", "camera", "stream"]
    address: str
    """Path of a file, number of a camera, or address of a stream."""
    id: str
    """Name of its files: letters, digits, _, - and . alone."""


def expand(given: Sequence[str]) -> list[Source]:
    """List the videos that are meant, each once and with an id of its own.

    Args:
        given: Files, folders (their videos), patterns (* and **), lists of files (.txt, one a line,
            relative to the list), numbers of cameras, addresses of streams.

    Raises:
        InputError: There is no such file, or no video in a folder or of a pattern.
    """
    live: list[Source] = []
    files: list[Path] = []
    for one in given:
        if re.fullmatch(r"\d{1,3}", one) and not Path(one).exists():
            live.append(Source("camera", one, f"camera{one}"))
        elif one.lower().startswith(STREAMS):
            live.append(Source("stream", one, video_id(_host(one))))
        elif one.lower().endswith(".txt"):
            files += _listed(Path(one))
        else:
            files += _files(one)
    if live and len(live) + len(files) > 1:
        raise InputError(f"{shown(live[0].address)}: a camera or stream is watched alone")
    once = list(dict.fromkeys(path.resolve() for path in files))
    return live or [
        Source("file", str(path), name) for path, name in zip(once, unique_ids(once), strict=True)
    ]


def unique_ids(paths: Sequence[Path]) -> list[str]:
    """Make an id for each file; of files with one name, the later ones get a number.

    >>> unique_ids([Path("a/film.mp4"), Path("b/film.mp4"), Path("film-2.mp4")])
    ['film', 'film-3', 'film-2']
    """
    wanted = [video_id(path.name) for path in paths]
    taken = set(wanted)
    found, seen = [], set()
    for name in wanted:
        if name in seen:
            short = name[: LONGEST_NAME - 5]
            name = next(one for n in range(2, 10**4) if (one := f"{short}-{n}") not in taken)
            taken.add(name)
        seen.add(name)
        found.append(name)
    return found


def shown(address: str) -> str:
    """Return the address of a stream without its password, for messages."""
    return re.sub(r"(?<=://)[^/@]*@", "***@", address)


def _host(address: str) -> str:
    """Return host and path of a stream, of which its id is made."""
    return re.sub(r"^\w+://([^/@]*@)?", "", address).split("?")[0].replace("/", "_")


def _files(given: str) -> list[Path]:
    path = Path(given).expanduser()
    if path.is_dir():
        found = sorted(one for one in path.iterdir() if _is_video(one))
        if not found:
            raise InputError(
                f"{given}: there is no video in this folder ({path.absolute()}); folders in it are "
                f"not searched, '{given.rstrip('/')}/**' does so"
            )
        return found
    if path.exists():
        return [path]
    if glob.has_magic(given):
        matches = map(Path, glob.glob(str(path), recursive=True))
        found = sorted(one for one in matches if _is_video(one))
        if found:
            return found
        where = "" if path.is_absolute() else f" in {Path.cwd()}"
        raise InputError(f"{given}: no video is of this pattern{where}")
    raise InputError(f"{given}: there is no such video or folder ({path.absolute()})")


def _is_video(path: Path) -> bool:
    return is_video_name(path.name) and not path.name.startswith(".") and path.is_file()


def _listed(path: Path) -> list[Path]:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such list ({path.absolute()})") from None
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: is no list of videos ({error})") from None
    files = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        file = path.parent / line.strip()
        if not file.is_file():
            raise InputError(f"{path}, line {number}: there is no video {file.absolute()}")
        files.append(file)
    if not files:
        raise InputError(f"{path}: lists no video; expected a path a line")
    return files
