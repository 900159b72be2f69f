"""What lies under a results folder and is not what was written: damage of disks and of hands.

Whatever the pipeline keeps has checksums: each frame of a store, a Parquet table, the weights of a
model or detector, a checkpoint's state, the arrays of Ω. Whoever reads a file notices; this reads
them all. What is removed is made anew when something is made from it, or at once as a target of the
workflow; what was made from it and is whole does not ask for it. Of the files in a folder that one
job makes the workflow does not know: it is removed as a whole. A run goes on from the checkpoint
before a damaged one.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

from aia.errors import InputError
from aia.files import is_temporary
from aia.memory import verify_generation
from aia.tables import load_parquet
from aia.tensors import load_tensors
from aia.train import checkpoint
from aia.video.layout import skipped_reason
from aia.video.store import FrameStore

MADE_WHOLE = ".snakemake_timestamp"
"""What Snakemake leaves in a folder that one job makes: of its files it knows nothing."""


class Looked(NamedTuple):
    """A file, or a folder that is one thing, and what is wrong with it."""

    path: Path
    damage: str | None
    made_with: Path
    """What has to be made anew to have it again: itself, or the folder that is made as a whole."""


def look_through(folder: Path | str) -> Iterator[Looked]:
    """Every file of ours under `folder` with a checksum, in the order of their paths.

    Raises:
        InputError: There is no such folder.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise InputError(f"{folder}: there is no such folder; expected one with results")
    for path in sorted(folder.rglob("*")):
        look = _look_of(path, folder)
        if look is not None and os.path.lexists(path):  # or it went with the folder it was made in
            damage = None
            try:
                look(path)
            except InputError as error:
                damage = str(error)
            yield Looked(path, damage, _made_with(path, folder))


def remove(path: Path) -> None:
    """Take what is damaged away, so that the workflow sees that it is not there."""
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink()


def _look_of(path: Path, folder: Path) -> Callable[[Path], None] | None:
    """What reads a file of this kind to its end."""
    folders = path.relative_to(folder).parts[:-1]
    unfinished = path.name.startswith(".") if path.is_dir() else is_temporary(path)
    if unfinished or any(part.startswith(".") for part in folders):
        return None  # what a kill left; nobody reads it
    if path.is_dir():
        if path.name == checkpoint.BANK:
            return verify_generation
        return checkpoint.verify if checkpoint.is_generation(path) else None
    kinds: dict[str, Callable[[Path], None]] = {
        ".h5": _look_at_frames,
        ".parquet": _look_at_table,
        ".safetensors": _look_at_weights,
    }
    return kinds.get(path.suffix)


def _made_with(path: Path, folder: Path) -> Path:
    around = [folder / part for part in reversed(path.relative_to(folder).parents)]
    return next((place for place in around if (place / MADE_WHOLE).exists()), path)


def _look_at_frames(path: Path) -> None:
    if skipped_reason(path) is None:
        FrameStore(path).verify()


def _look_at_table(path: Path) -> None:
    load_parquet(path, (), "a table")


def _look_at_weights(path: Path) -> None:
    load_tensors(path)
