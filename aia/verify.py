"""Verification of kept files: every file that aia writes or downloads is compared with its digest.

| file               | digest                                                              |
|--------------------|---------------------------------------------------------------------|
| *.h5               | CRC-32 of each frame and of the index, inside                       |
| *.parquet          | CRC-32 of the file and of each page, inside                         |
| *.safetensors      | SHA-256 of tensors and metadata, inside                             |
| bank.zarr/         | SHA-256 of each array and of the attributes, inside                 |
| step-0000050/      | SHA-256 of state and memory, in its digests.json                    |
| NAME of a download | SHA-256 of the file, beside it in NAME.fetched.json                 |
| parts/*            | the files of a job about several videos, as sha256sum lists them    |
| sources/*.sha256   | the files that tables were made of, also as sha256sum lists them    |

A frame store is also compared with the video that the settings of its data set name. A source or a
video that is gone is not compared.

Each reader checks what it loads; this walks through a folder and loads everything. A removed file
is recreated when something is made from it, or as a target of the workflow. Snakemake does not know
the files inside a folder that one job makes, so such a folder is removed as a whole; nor the files
of a job about several videos, so that its list goes with a removed file. A run resumes from the
checkpoint before a damaged one.
"""

import functools
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from aia.errors import InputError
from aia.fetch import check_record, has_record
from aia.files import file_digest, is_temporary
from aia.memory import verify_generation
from aia.plan import DataSet
from aia.tables import load_parquet
from aia.tensors import load_tensors
from aia.train import checkpoint
from aia.video.layout import skipped_reason
from aia.video.store import FrameStore

MADE_WHOLE = ".snakemake_timestamp"
"""What Snakemake leaves in a folder that one job makes."""
SOURCES = "sources"
"""Folder of the lists of files that no rule makes."""
PARTS = "parts"
"""Folder of the lists of jobs about several videos."""
Checker = Callable[[Path], object]
"""Reads a file to its end; raises an InputError if it is damaged."""


class CheckedFile(NamedTuple):
    """A file, or a folder that counts as one, and what is wrong with it."""

    path: Path
    damage: str | None
    made_with: Path
    """What has to be recreated: the file itself, or the folder that one job makes."""
    listed_in: Path | None = None
    """The list of the job's files, of a job about several videos."""


def scan(folder: Path | str) -> Iterator[CheckedFile]:
    """Check every file under `folder` that has a digest, in the order of their paths.

    Raises:
        InputError: There is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; expected one with results")
    paths = sorted(folder.rglob("*"))
    lists = {file: path for path in paths if _is_list(path) for _, file in listed(path)}
    for path in paths:
        check = _checker_for(path, folder)
        if check is not None and os.path.lexists(path):  # else removed with the folder around it
            damage = None
            try:
                check(path)
            except InputError as error:
                damage = str(error)
            yield CheckedFile(path, damage, _made_with(path, folder), lists.get(path))


def remove(found: CheckedFile) -> None:
    """Remove a damaged file or folder, so that the workflow sees that it is missing."""
    for path in (found.made_with, found.listed_in):
        if path is not None and path.is_dir():
            shutil.rmtree(path)
        elif path is not None:
            path.unlink(missing_ok=True)


def listed(path: Path) -> list[tuple[str, Path]]:
    """Read the digests and files of a job about several videos.

    Raises:
        InputError: It is no such list.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        pairs = [line.split("  ", 1) for line in lines]
        return [(digest, path.parents[1] / Path(*Path(file).parts[-2:])) for digest, file in pairs]
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: is no list of digests and files ({error})") from None


def _is_list(path: Path) -> bool:
    return path.parent.name == PARTS and path.is_file() and not is_temporary(path)


def _check_list(path: Path) -> None:
    """Compare the files of a job about several videos with their list."""
    for digest, file in listed(path):
        if not file.exists():
            raise InputError(f"{path}: {file} is missing, which it lists")
        if file_digest(file) != digest:
            raise InputError(f"{path}: {file} is not the file that it lists; was it exchanged?")


def _check_sources(path: Path) -> None:
    """Compare the files that tables were made of with those of today."""
    for line in path.read_text(encoding="utf-8").splitlines():
        digest, _, file = line.partition("  ")
        if os.path.exists(file) and file_digest(file) != digest:
            raise InputError(
                f"{path}: {file} is not the file that {path.parents[1]} was made of; was it "
                "exchanged or edited? The workflow makes anew what depends on it"
            )


def _checker_for(path: Path, folder: Path) -> Checker | None:
    """Choose the checker of a file or folder; None: it has no digest, or is unfinished."""
    hidden = any(part.startswith(".") for part in path.relative_to(folder).parts[:-1])
    if path.is_dir():
        unfinished, bank = path.name.startswith("."), path.name == checkpoint.BANK
        generation = checkpoint.verify if checkpoint.is_generation(path) else None
        found: Checker | None = verify_generation if bank else generation
    else:
        unfinished = is_temporary(path)
        found = check_record if has_record(path) else _CHECKERS.get(path.suffix)
        found = _check_list if _is_list(path) else found
        found = _check_sources if path.parent.name == SOURCES else found
    return None if hidden or unfinished else found


def _check_frames(path: Path) -> None:
    if skipped_reason(path) is not None:
        return
    store = FrameStore(path)
    store.verify()
    video = _video_of(path)
    if video is not None and file_digest(video) != store.fingerprint["sha256"]:
        raise InputError(
            f"{path}: was made of another video than {video} is now; was it exchanged? The "
            "workflow makes anew what depends on it"
        )


def _video_of(store: Path) -> str | None:
    """Return the video that a data set's settings name, if it is there."""
    settings = store.resolve().parents[1] / "settings.yaml"
    if not settings.exists():
        return None
    try:
        video = _data_set(settings).videos.path(store.stem)
    except InputError:
        return None
    return video if os.path.exists(video) else None


@functools.cache
def _data_set(settings: Path) -> DataSet:
    return DataSet.read(settings)


_CHECKERS: dict[str, Checker] = {
    ".h5": _check_frames,
    ".parquet": lambda path: load_parquet(path, (), "a table"),
    ".safetensors": load_tensors,
}


def _made_with(path: Path, folder: Path) -> Path:
    around = [folder / part for part in reversed(path.relative_to(folder).parents)]
    return next((place for place in around if (place / MADE_WHOLE).exists()), path)
