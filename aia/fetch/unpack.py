"""Files out of an archive or a folder, under names of ours.

    zip, tar (also compressed)    Python reads them
    rar                           rarfile reads them, with unrar, unar, 7z or bsdtar where packed
    a folder                      as it is, with all folders in it

The caller chooses the name of each file; a name inside an archive is only looked at, never written
to. So nothing lands outside the folder, whatever an archive calls its files. Links are left out.
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
from aia.fetch.content import check_content
from aia.files import atomic_path
from aia.log import Pace, say

LARGEST_BYTES = 4 << 30
"""Size of one file at most; more is no video, but an archive made to fill the disk."""
RAR_TOOLS = "unrar, unar, 7z, 7zz or bsdtar"


class _Member(NamedTuple):
    """A file in an archive; it can be opened until the next one is asked for."""

    name: str
    bytes: int
    open: Callable[[], Any]
    """Returns a file of bytes, to be closed."""

    @property
    def last_name(self) -> str:
        """Name without folders, whichever system's they are."""
        return re.split(r"[\\/]", self.name)[-1]


def take_files(
    source: Path | str, called: Callable[[str], str | None], folder: Path | str
) -> dict[str, str]:
    """Copy files out of an archive or a folder; existing files are not overwritten.

    Args:
        source: The archive, or the folder.
        called: Maps a file's last name in the archive to its name in `folder`; None: not wanted.
        folder: Destination.

    Returns:
        The name in the archive of each wanted file, by its name in `folder`.

    Raises:
        InputError: The archive is none, damaged, or of a form that no tool here can read; two of
            its files would get one name; or a file's content does not fit its name.
    """
    import rarfile  # here, for all commands load this package

    source, folder = Path(source), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    taken: dict[str, str] = {}
    pace = Pace(total=1)
    try:
        for member in _members(source):
            name = called(member.last_name)
            if name is None:
                continue
            if not re.fullmatch(r"[A-Za-z0-9_-][A-Za-z0-9_.-]*", name):
                raise InputError(f"{source}: {member.name} is not a file's name")
            if name in taken:
                raise InputError(f"{source}: has {name} twice, {taken[name]} and {member.name}")
            taken[name] = member.name
        for done, member in enumerate(_members(source)):  # once it is known that all can be taken
            name = called(member.last_name)
            if name is not None and not (folder / name).exists():
                _copy(source, member, folder / name)
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


def _copy(source: Path, member: _Member, output: Path) -> None:
    if member.bytes > LARGEST_BYTES:
        raise InputError(
            f"{source}: {member.name} has {member.bytes:,} bytes, too many for a file of a data set"
        )
    with atomic_path(output) as temporary:
        with member.open() as packed, open(temporary, "wb") as file:
            start = packed.read(200)
            check_content(f"{source}, {member.name}", output.name, start)
            file.write(start)
            shutil.copyfileobj(packed, file)
        have = temporary.stat().st_size
        if have != member.bytes:
            raise InputError(
                f"{source}: {member.name} has {have:,} bytes, {member.bytes:,} were stated; is the "
                "archive damaged?"
            )


def _members(source: Path) -> Iterator[_Member]:
    """Yield the files of an archive or a folder, one after another."""
    import rarfile

    def member(name: str, size: int, opener: Callable[..., Any], *arguments: Any) -> _Member:
        return _Member(name, size, functools.partial(opener, *arguments))

    if source.is_dir():
        for path in sorted(source.rglob("*")):
            if path.is_file():
                name = str(path.relative_to(source))
                yield member(name, path.stat().st_size, path.open, "rb")
    elif not source.is_file():
        raise InputError(f"{source}: there is no such archive or folder; is the path right?")
    elif rarfile.is_rarfile(source):
        with rarfile.RarFile(source) as rar:
            if rar.is_solid():
                say(f"{source.name}: is packed as one piece, so that each file takes longer")
            for info in rar.infolist():
                if info.is_file():
                    yield member(info.filename, info.file_size, rar.open, info)
    elif zipfile.is_zipfile(source):
        with zipfile.ZipFile(source) as opened:
            for entry in opened.infolist():
                if not entry.is_dir():
                    yield member(entry.filename, entry.file_size, opened.open, entry)
    else:
        try:
            archive = tarfile.open(source)  # noqa: SIM115 (the block follows)
        except tarfile.TarError:
            raise InputError(
                f"{source}: neither a rar, nor a zip, nor a tar, nor a folder; is it damaged?"
            ) from None
        with archive:
            for header in archive:
                if header.isreg():
                    yield member(header.name, header.size, archive.extractfile, header)
