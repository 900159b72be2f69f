"""AVA as its publishers offer it: which files there are, and how to get them.

The Common Visual Data Foundation keeps the films, unchanged since version 2.1, and the annotations:

    annotations/ava_v2.2.zip                            all tables of a version
    annotations/ava_file_names_{trainval,test}_v2.1.txt     the films with their endings
    {trainval,test}/NAME                                a film

It publishes no digests, so each file's first fetch decides (fetch/content.py).
"""

import re
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from aia.config import VIDEO_ID, FetchConfig
from aia.errors import InputError
from aia.fetch import fetch_all, wanted_file
from aia.files import atomic_path, write_text
from aia.log import say

Version = Literal["2.1", "2.2"]
FILM_PARTS = ("trainval", "test")
LARGEST_TABLE_BYTES = 1 << 30
KEY_SECONDS = range(902, 1799)
"""Of every film, by AVA's rule."""
OUR_LABELS = Path(__file__).parent / "ava_v2.2.pbtxt"
_EVALUATED_OF = {"2.1": 2018, "2.2": 2019}  # the challenge whose 60 classes are scored


def film_list(part: str) -> str:
    """Name of the list of a part's films."""
    return f"ava_file_names_{part}_v2.1.txt"


def official_name(name: str, version: Version) -> str:
    """What the archive calls a table."""
    year = _EVALUATED_OF[version]
    return name.replace("_evaluated.pbtxt", f"_for_activitynet_{year}.pbtxt")


def tables(version: Version) -> dict[str, str]:
    """The tables of a version that are needed, by what they are."""
    return {
        "train": f"ava_train_v{version}.csv",
        "val": f"ava_val_v{version}.csv",
        "train_excluded": f"ava_train_excluded_timestamps_v{version}.csv",
        "val_excluded": f"ava_val_excluded_timestamps_v{version}.csv",
        "labels": f"ava_action_list_v{version}.pbtxt",
        "evaluated": f"ava_action_list_v{version}_evaluated.pbtxt",
        "seconds": f"ava_included_timestamps_v{version}.txt",
        "test_excluded": f"ava_test_excluded_timestamps_v{version}.csv",
    }


def fetch_annotations(version: Version, folder: Path | str, *, config: FetchConfig) -> None:
    """Fetch a version's tables, and the lists of films, into a folder.

    Raises:
        InputError: Something cannot be fetched, or the archive lacks a table.
    """
    folder = Path(folder)
    names = [f"ava_v{version}.zip", *map(film_list, FILM_PARTS)]
    addresses = [f"{config.address.rstrip('/')}/annotations/{name}" for name in names]
    fetch_all([wanted_file(address, folder) for address in addresses], config=config)
    for part in FILM_PARTS:
        films_of(folder / film_list(part))
    _unpack(folder / names[0], folder, version)


def fetch_films(
    videos: Sequence[str], lists: Iterable[Path], folder: Path | str, *, config: FetchConfig
) -> None:
    """Fetch films by their ids, several at once; of all lists' films if no id is given.

    Args:
        videos: Ids, which are the films' names without ending.
        lists: ava_file_names_trainval_v2.1.txt, ava_file_names_test_v2.1.txt or both.
        folder: Where the films go.
        config: Where they come from.

    Raises:
        InputError: An id is in no list, or films cannot be fetched: which, and why.
    """
    found = {video: (_part(path), name) for path in lists for video, name in films_of(path).items()}
    unknown = [video for video in videos if video not in found]
    if unknown:
        raise InputError(f"{', '.join(unknown)}: not a film in the lists of films")
    base = config.address.rstrip("/")
    chosen = [found[video] for video in videos or found]
    wanted = [wanted_file(f"{base}/{part}/{name}", folder) for part, name in chosen]
    fetch_all(wanted, config=config)


def films_of(path: Path | str) -> dict[str, str]:
    """Names of the films in a list, by their ids.

    Raises:
        InputError: It cannot be read, is empty, or a line is not a film's name.
    """
    try:
        lines = Path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            f"{path}: cannot be read ({error}); expected a film's name a line"
        ) from None
    films: dict[str, str] = {}
    for number, line in enumerate(lines, start=1):
        name = line.strip()
        match = re.fullmatch(rf"({VIDEO_ID})\.([a-z0-9]{{1,9}})", name)
        if name and not match:
            raise InputError(f"{path}, line {number}: '{name[:60]}' is not a film's name")
        if match and films.setdefault(match[1], name) != name:
            raise InputError(f"{path}, line {number}: {films[match[1]]} and {name} share their id")
    if not films:
        raise InputError(f"{path}: names no film; expected one a line, such as 053oq2xB3oU.mkv")
    return films


def _part(path: Path | str) -> str:
    """Which part of the films a list names: the folder that they lie in."""
    for part in FILM_PARTS:
        if Path(path).name == film_list(part):
            return part
    names = " or ".join(map(film_list, FILM_PARTS))
    raise InputError(f"{path}: is not called {names}, so it is not known where its films lie")


def _unpack(archive: Path, folder: Path, version: Version) -> None:
    """Take the tables, and nothing else, out of an archive, wherever in it they lie."""
    try:
        with zipfile.ZipFile(archive) as opened:
            inside = {Path(info.filename).name: info for info in opened.infolist()}
            for what, name in tables(version).items():
                official = official_name(name, version)
                found = inside.get(official) or inside.get(f"{official}.txt")
                if found:
                    _extract(opened, found, folder / name)
                elif what in _SUBSTITUTES:
                    say(f"{archive.name}: lacks {official}; {_SUBSTITUTES[what]}")
                    write_text(folder / name, _substitute(what))
                else:
                    there = ", ".join(sorted(inside)[:20])
                    raise InputError(
                        f"{archive}: lacks {official} (it has {there}); is it the archive of AVA "
                        f"{version}?"
                    )
            if test := inside.get(f"ava_test_v{version}.txt"):  # the test films' ids
                _extract(opened, test, folder / test.filename.rsplit("/", 1)[-1])
    except (zipfile.BadZipFile, OSError, EOFError) as error:
        raise InputError(f"{archive}: is damaged ({error}); remove it to fetch it again") from None


def _extract(opened: zipfile.ZipFile, info: zipfile.ZipInfo, output: Path) -> None:
    if info.file_size > LARGEST_TABLE_BYTES:
        raise InputError(f"{opened.filename}: {info.filename} is too large for a table of AVA")
    with atomic_path(output) as temporary:
        temporary.write_bytes(opened.read(info))


_SUBSTITUTES = {
    "labels": "ours of the same 80 classes is taken",
    "seconds": "902 to 1798, which are AVA's in every version, are taken",
    "test_excluded": "no second of the test films is left out",
}


def _substitute(what: str) -> str:
    """A table that is known without the archive."""
    if what == "labels":
        return OUR_LABELS.read_text(encoding="utf-8")
    return "".join(f"{t:04d}\n" for t in KEY_SECONDS) if what == "seconds" else ""
