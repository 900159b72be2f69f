"""Files out of an archive or a folder: those that are asked for, under names of ours.

    zip, tar (also compressed)    Python reads them
    rar                           rarfile reads them, with unrar, unar, 7z or bsdtar where packed
    a folder                      as it is, with all folders in it

A name inside an archive is only looked at, never written to: where a file goes is said by whoever
asks for it. So nothing can land outside the folder, whatever an archive calls its files.
"""

import functools
import lzma
import re
import shutil
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from aia.errors import InputError
from aia.fetch.content import Wanted, check_content
from aia.files import atomic_path
from aia.log import Pace, say

LARGEST_BYTES = 4 << 30
"""Of one file; more is no film of a data set, but an archive made to fill the disk."""

RAR = b"Rar!\x1a\x07"
RAR_TOOLS = "unrar, unar, 7z, 7zz or bsdtar"


class Member(NamedTuple):
    """A file in an archive; it can be opened until the next one is asked for."""

    name: str
    bytes: int
    open: Callable[[], Any]
    """Gives a file of bytes, to be closed."""


def take_files(
    source: Path | str, called: Callable[[str], str | None], folder: Path | str
) -> dict[str, str]:
    """Copy files out of an archive or a folder; those that are there already are left as they are.

    Args:
        source: The archive, or the folder.
        called: What a file is called in `folder`, by its last name in the archive; None: it is not
            asked for.
        folder: Where they go.

    Returns:
        The name in the archive of each file that was asked for, by its name in `folder`.

    Raises:
        InputError: The archive is none, damaged, or of a form that no tool here can read; two of
            its files would get one name; or a file is not of the kind its name says.
    """
    import rarfile  # here, for all commands load this package

    source, folder = Path(source), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    taken: dict[str, str] = {}
    pace = Pace(total=1)
    try:
        for member in _members(source):
            name = called(_last(member))
            if name is None:
                continue
            if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
                raise InputError(f"{source}: {member.name} is not a file's name")
            if name in taken:
                raise InputError(f"{source}: has {name} twice, {taken[name]} and {member.name}")
            taken[name] = member.name
        for done, member in enumerate(_members(source)):  # once it is known that all can be taken
            name = called(_last(member))
            if name is not None and not (folder / name).exists():
                _take(source, member, folder / name)
            if pace.due():
                say(f"{source.name}: {done} files looked at")
    except rarfile.RarCannotExec:
        raise InputError(
            f"{source}: to unpack a .rar one of {RAR_TOOLS} is needed, and none was found; install "
            "one (a package such as unrar, unar, p7zip or libarchive-tools), or unpack the archive "
            "yourself and name its folder instead"
        ) from None
    except (
        zipfile.BadZipFile, tarfile.TarError, rarfile.Error, OSError, EOFError, RuntimeError,
        ValueError, OverflowError, struct.error, lzma.LZMAError, zlib.error,
    ) as error:  # fmt: skip
        raise InputError(
            f"{source}: cannot be unpacked ({type(error).__name__}: {error}); is it damaged, or "
            "was its download cut off? Remove it to fetch it again"
        ) from None
    return taken


def _last(member: Member) -> str:
    """A file's name without its folders, of whatever system they are."""
    return member.name.replace("\\", "/").rsplit("/", 1)[-1]


def _take(source: Path, member: Member, output: Path) -> None:
    if member.bytes > LARGEST_BYTES:
        raise InputError(f"{source}: {member.name} has {member.bytes:,} bytes, too many for a film")
    with atomic_path(output) as temporary:
        with member.open() as packed, open(temporary, "wb") as file:
            start = packed.read(200)
            check_content(Wanted(f"{source}, {member.name}", output), start)
            file.write(start)
            shutil.copyfileobj(packed, file)
        have = temporary.stat().st_size
        if not have or have != member.bytes:
            raise InputError(
                f"{source}: {member.name} has {have:,} bytes, {member.bytes:,} were stated; is the "
                "archive damaged?"
            )


def _members(source: Path) -> Iterator[Member]:
    """The files of an archive or a folder, one after another; links are left out."""
    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                name = str(path.relative_to(source))
                yield Member(name, path.stat().st_size, functools.partial(path.open, "rb"))
    elif not source.is_file():
        raise InputError(f"{source}: there is no such archive or folder; is the path right?")
    elif _begins(source, RAR):
        yield from _of_rar(source)
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as opened:
            for info in opened.infolist():
                if not info.is_dir():
                    yield Member(
                        info.filename, info.file_size, functools.partial(opened.open, info)
                    )
    else:
        try:
            archive = tarfile.open(source)  # noqa: SIM115 (the block follows)
        except tarfile.TarError:
            raise InputError(
                f"{source}: neither a rar, nor a zip, nor a tar, nor a folder; is it damaged?"
            ) from None
        with archive:
            for entry in archive:
                if entry.isreg():
                    yield Member(
                        entry.name, entry.size, functools.partial(archive.extractfile, entry)
                    )


def _of_rar(source: Path) -> Iterator[Member]:
    import rarfile

    with rarfile.RarFile(source) as opened:
        if opened.is_solid():
            say(f"{source.name}: is packed as one piece, so that each file takes longer")
        for info in opened.infolist():
            if info.is_file():
                yield Member(info.filename, info.file_size, functools.partial(opened.open, info))


def _begins(path: Path, mark: bytes) -> bool:
    with open(path, "rb") as file:
        return file.read(len(mark)) == mark
