"""UCF101-24 as its publishers offer it: the corrected annotations, and the films.

    {fetch.ucf101_24_annotations}/pyannot.pkl, testlist01.txt    Singh et al.'s repository
    {fetch.ucf101_films}                                         UCF101.rar, 6.5 GB, all 101 classes

The films are one archive, of which those that are annotated are kept. Neither publishes digests, so
the first fetch decides (fetch/content.py).
"""

from collections.abc import Sequence
from pathlib import Path

from aia.config import FetchConfig
from aia.errors import InputError
from aia.fetch import NOT_YET, fetch, fetch_all, take_files, wanted_file
from aia.files import write_text
from aia.log import say

TABLES = ("pyannot.pkl", "testlist01.txt")
FILM_ENDINGS = (".avi", ".mp4", ".mkv", ".webm", ".mov", ".m4v")
NAMED = 5
"""Missing films that are named."""


def fetch_annotations(folder: Path | str, *, config: FetchConfig) -> None:
    """Fetch the annotations and the list of split 1 into a folder.

    Raises:
        InputError: Something cannot be fetched.
    """
    base = config.ucf101_24_annotations.rstrip("/")
    fetch_all([wanted_file(f"{base}/{name}", folder) for name in TABLES], config=config)


def fetch_films(videos: Sequence[str], folder: Path | str, *, config: FetchConfig) -> list[Path]:
    """See that all films are in a folder; fetch and unpack the archive if one is not.

    Films that are there are used as they are. The archive is kept beside the folder: it may be
    removed once all films are there.

    Args:
        videos: Their ids, which are their names without ending.
        folder: Where they lie, or go.
        config: Where the archive comes from: an address, or a path of an archive or a folder.

    Returns:
        The films, in the order of `videos`.

    Raises:
        InputError: The archive cannot be fetched or unpacked, or films are not in it: which.
    """
    folder = Path(folder)
    there = films_in(folder)
    missing = {video for video in videos if video not in there}
    if missing:
        say(f"{folder}: has {len(videos) - len(missing)} of {len(videos)} films")
        source = _archive(folder, config)

        def called(name: str) -> str | None:
            video, ending = Path(name).stem, Path(name).suffix.lower()
            return f"{video}{ending}" if video in missing and ending in FILM_ENDINGS else None

        take_files(source, called, folder)
        there = films_in(folder)
        lost = sorted(video for video in missing if video not in there)
        if lost:
            more = f" and {len(lost) - NAMED} more" if len(lost) > NAMED else ""
            raise InputError(
                f"{source}: lacks {', '.join(lost[:NAMED])}{more}, of {len(videos)} films; is it "
                "the archive of UCF101?"
            )
    return [there[video] for video in videos]


def write_film_list(path: Path | str, films: Sequence[Path]) -> None:
    """Write which films there are: video,film,bytes."""
    lines = [f"{film.stem},{film.name},{film.stat().st_size}\n" for film in films]
    write_text(path, "video,film,bytes\n" + "".join(lines))


def films_in(folder: Path) -> dict[str, Path]:
    """The films in a folder, by their ids.

    Raises:
        InputError: A film is there twice, with two endings.
    """
    found: dict[str, Path] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() not in FILM_ENDINGS or path.name.endswith(NOT_YET):
            continue
        if found.setdefault(path.stem, path) != path:
            raise InputError(f"{folder}: has {found[path.stem].name} and {path.name}; keep one")
    return found


def _archive(folder: Path, config: FetchConfig) -> Path:
    """The archive of films, fetched where it is an address."""
    if "://" not in config.ucf101_films:
        return Path(config.ucf101_films)
    wanted = wanted_file(config.ucf101_films, folder.parent)
    fetch(wanted, config=config)
    return wanted.path
