"""Files that appear complete or not at all (temporary name, fsync, rename), and their digests."""

import contextlib
import errno
import glob
import hashlib
import os
import platform
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path


class VanishedError(FileNotFoundError):
    """A file vanished while it was being written, with the folder that it lay in."""

    def __init__(self, path: Path) -> None:
        super().__init__(errno.ENOENT, "its folder is gone since it was begun", str(path))


@contextlib.contextmanager
def atomic_path(path: Path | str) -> Iterator[Path]:
    """Yield a temporary path beside `path` that replaces it when the block ends without an error.

    The file is flushed to disk before the rename, so that a reader (or a restart after a power
    cut) sees the old file or the new one, never half of it. Leftovers of killed writers of the
    same file are removed.

    Raises:
        OSError: The disk refuses; VanishedError if the folder is removed meanwhile.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    host = re.sub(r"\W", "", platform.node())
    _remove_leftovers(path, host)
    prefix = f".{path.name}.{host}-{os.getpid()}-"
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix, suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())  # mkstemp makes files that only their owner may read
        sync(temporary)
        temporary.replace(path)
        sync(path.parent)
    except OSError as error:
        if isinstance(error, FileNotFoundError) and not temporary.exists():
            raise VanishedError(path) from error
        if error.errno is not None and error.filename in (None, str(temporary)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name `path` in an error of the disk that names no file, as that of an unnamed one."""
    try:
        yield
    except OSError as error:
        if error.errno is not None and error.filename is None:
            error.filename = str(path)
        raise


def is_temporary(path: Path) -> bool:
    """Test if a name is one that `atomic_path` gives: an unfinished or abandoned file."""
    return re.fullmatch(r"\..+\.\w*-\d+-[a-z0-9_]{8}(\.[^.]*)?", path.name) is not None


def _remove_leftovers(path: Path, host: str) -> None:
    """Remove temporary files of `path` whose writers, on this host, have ended."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.{host}-*"):
        writer = left.name.removeprefix(f".{path.name}.{host}-").partition("-")[0]
        if not writer.isdecimal() or Path("/proc", writer).exists() or not Path("/proc").is_dir():
            continue
        left.unlink(missing_ok=True)


def sync(path: Path) -> None:
    """Flush a file that was just written, or a folder, to disk.

    Raises:
        VanishedError: Neither it nor its folder exists any more.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError as error:
        if path.parent.exists():
            raise
        raise VanishedError(path) from error
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8, completely or not at all."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def file_digest(path: Path | str) -> str:
    """Compute the SHA-256 of a file, as 64 hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
