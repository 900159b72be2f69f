"""Verification of kept files: every file that aia writes or downloads is compared with its digest.

| file               | digest                                                              |
|--------------------|---------------------------------------------------------------------|
| *.h5               | CRC-32 of each frame and of the index, inside                       |
| *.parquet          | CRC-32 of the file and of each page, inside                         |
| *.safetensors      | SHA-256 of tensors and metadata, inside                             |
| bank.zarr/         | SHA-256 of each array and of the attributes, inside                 |
| step-0000050/      | SHA-256 of state and memory, in its digests.json                    |
| NAME of a download | SHA-256 of the file, beside it in NAME.fetched.json                 |

Each reader checks what it loads; this walks through a folder and loads everything. A removed file
is recreated when something is made from it, or as a target of the workflow. Snakemake does not know
the files inside a folder that one job makes, so such a folder is removed as a whole. A run resumes
from the checkpoint before a damaged one.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from aia.errors import InputError
from aia.fetch import check_record, has_record
from aia.files import is_temporary
from aia.memory import verify_generation
from aia.tables import load_parquet
from aia.tensors import load_tensors
from aia.train import checkpoint
from aia.video.layout import skipped_reason
from aia.video.store import FrameStore

MADE_WHOLE = ".snakemake_timestamp"
"""What Snakemake leaves in a folder that one job makes."""
Checker = Callable[[Path], object]
"""Reads a file to its end; raises an InputError if it is damaged."""


class CheckedFile(NamedTuple):
    """A file, or a folder that counts as one, and what is wrong with it."""

    path: Path
    damage: str | None
    made_with: Path
    """What has to be recreated: the file itself, or the folder that one job makes."""


def scan(folder: Path | str) -> Iterator[CheckedFile]:
    """Check every file under `folder` that has a digest, in the order of their paths.

    Raises:
        InputError: There is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; expected one with results")
    for path in sorted(folder.rglob("*")):
        check = _checker_for(path, folder)
        if check is not None and os.path.lexists(path):  # else removed with the folder around it
            damage = None
            try:
                check(path)
            except InputError as error:
                damage = str(error)
            yield CheckedFile(path, damage, _made_with(path, folder))


def remove(path: Path) -> None:
    """Remove a damaged file or folder, so that the workflow sees that it is missing."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


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
    return None if hidden or unfinished else found


def _check_frames(path: Path) -> None:
    if skipped_reason(path) is None:
        FrameStore(path).verify()


_CHECKERS: dict[str, Checker] = {
    ".h5": _check_frames,
    ".parquet": lambda path: load_parquet(path, (), "a table"),
    ".safetensors": load_tensors,
}


def _made_with(path: Path, folder: Path) -> Path:
    around = [folder / part for part in reversed(path.relative_to(folder).parents)]
    return next((place for place in around if (place / MADE_WHOLE).exists()), path)
