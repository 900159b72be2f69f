"""What a fetched file must be: its size, its digest, and that it is of the kind its name says.

Where a publisher states no digest, the first fetch decides: what came then is recorded beside the
file, and every later fetch and look must find the same.
"""

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from aia.errors import InputError
from aia.files import file_digest, write_text
from aia.log import say

RECORD = ".fetched.json"
NOT_YET = (".part", ".part.json", RECORD)
"""Endings of the files that lie beside a fetched one."""


class Wanted(NamedTuple):
    """A file to fetch, and what is known of it."""

    address: str
    path: Path
    size: int | None = None
    """Bytes, where they are published."""
    sha256: str | None = None
    md5: str | None = None

    @property
    def record(self) -> Path:
        """The file's size and digest as they were when it was first fetched."""
        return self.path.with_name(self.path.name + RECORD)

    @property
    def vouched(self) -> bool:
        """Whether a wrong length would be found anyhow."""
        return bool(self.size or self.sha256 or self.md5 or self.record.exists())


class Record(NamedTuple):
    """What was fetched first."""

    size: int
    sha256: str


_SIGNATURES: dict[str, tuple[tuple[int, bytes], ...]] = {  # any of them, each at its place
    ".mkv": ((0, b"\x1a\x45\xdf\xa3"),),
    ".webm": ((0, b"\x1a\x45\xdf\xa3"),),
    ".mp4": ((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"free"), (4, b"skip"), (4, b"wide")),
    ".mov": ((4, b"ftyp"), (4, b"moov"), (4, b"mdat"), (4, b"free"), (4, b"skip"), (4, b"wide")),
    ".avi": ((0, b"RIFF"),),
    ".zip": ((0, b"PK\x03\x04"), (0, b"PK\x05\x06")),
    ".rar": ((0, b"Rar!\x1a\x07"),),
    ".gz": ((0, b"\x1f\x8b"),),
}
_PAGES = (".html", ".htm", ".xml", ".svg")


def refuse_page(wanted: Wanted, content_type: str) -> None:
    """Raise an InputError where a page comes instead of a file."""
    if content_type.lower().startswith(("text/html", "application/xhtml")):
        _refuse_unless_page(wanted)


def check_content(wanted: Wanted, start: bytes) -> None:
    """Raise an InputError where a file's first bytes are not of the kind that its name says."""
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|\?xml|error)", start[:200], re.I):
        _refuse_unless_page(wanted)
    kinds = _SIGNATURES.get(wanted.path.suffix.lower(), ())
    enough = len(start) >= 8
    if kinds and enough and not any(start[at:].startswith(mark) for at, mark in kinds):
        raise InputError(
            f"{wanted.address}: {wanted.path.name} does not begin as a {wanted.path.suffix} file "
            f"does (but with {start[:8]!r}); it was refused, is the address right?"
        )


def check_new(wanted: Wanted, part: Path, *, size: int | None, md5: str | None) -> str:
    """The SHA-256 of a file that has just come, after all that can be checked of it.

    Args:
        wanted: What is known of the file.
        part: Where its content lies.
        size: Bytes, as the server stated them.
        md5: Of the content, as the server stated it.

    Raises:
        InputError: It is not what was published, stated, or fetched before.
    """
    have = part.stat().st_size
    if not have:
        raise InputError(f"{wanted.address}: {wanted.path.name} is empty there; it was refused")
    for right, whose in ((wanted.size, "are right"), (size, "were stated by the server")):
        if right is not None and have != right:
            raise InputError(
                f"{wanted.address}: {wanted.path.name} came with {have:,} bytes, but {right:,} "
                f"{whose}; it was refused"
            )
    with open(part, "rb") as file:
        check_content(wanted, file.read(200))
    sha256 = file_digest(part)
    _compare(wanted, "SHA-256", sha256, wanted.sha256, "the published one")
    if wanted.md5:
        _compare(wanted, "MD5", _md5(part), wanted.md5, "the published one")
    if md5:
        _compare(wanted, "MD5", _md5(part), md5, "the one that the server states")
    record = read_record(wanted)
    if record is not None:
        before = f"that of the first fetch ({wanted.record.name}; remove it to take the new one)"
        _compare(wanted, "SHA-256", sha256, record.sha256, before)
    return sha256


def check_existing(wanted: Wanted, stated_size: Callable[[], int | None]) -> None:
    """See that a file that is there already is right; note its digest where none was known.

    Raises:
        InputError: It is not what was published, or not what was fetched.
    """
    path, record = wanted.path, read_record(wanted)
    have = path.stat().st_size
    if record is None and not (wanted.size or wanted.sha256 or wanted.md5):
        size, whose = stated_size(), "has there"
    else:
        size, whose = wanted.size or (record.size if record else None), "had when it was fetched"
    if size is not None and have != size:
        raise InputError(
            f"{path}: has {have:,} bytes, not the {size:,} that {wanted.address} {whose}; is it "
            "cut off? Remove it to fetch it again"
        )
    sha256 = file_digest(path)
    right = wanted.sha256 or (record.sha256 if record else None)
    if (right and sha256 != right.lower()) or (wanted.md5 and _md5(path) != wanted.md5.lower()):
        raise InputError(
            f"{path}: its content is not what {wanted.address} has (another digest); was it "
            "changed or damaged? Remove it to fetch it again"
        )
    if record is None:
        write_record(wanted, sha256=sha256, size=have, etag=None)
    say(f"{path.name}: is there, {have / 1e6:.1f} MB, sha256 {sha256[:16]}…")


def read_record(wanted: Wanted) -> Record | None:
    """What was fetched first; None: it never was."""
    if not wanted.record.exists():
        return None
    try:
        noted = json.loads(wanted.record.read_text(encoding="utf-8"))
        record = Record(int(noted["size"]), str(noted["sha256"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{wanted.record}: not a record of a fetched file ({error!r}); remove it to note the "
            "file anew"
        ) from None
    return record


def write_record(wanted: Wanted, *, sha256: str, size: int, etag: str | None) -> None:
    """Note what a file is, unless that is noted already."""
    if wanted.record.exists():
        return
    noted = {"address": wanted.address, "size": size, "sha256": sha256, "etag": etag}
    write_text(wanted.record, json.dumps(noted, indent=1) + "\n")


def _refuse_unless_page(wanted: Wanted) -> None:
    if wanted.path.suffix.lower() not in _PAGES:
        raise InputError(
            f"{wanted.address}: a web page came instead of {wanted.path.name}; it was refused. Is "
            "the address right, or is there a page to log in before?"
        )


def _compare(wanted: Wanted, kind: str, found: str, right: str | None, whose: str) -> None:
    if right is not None and found != right.lower():
        raise InputError(
            f"{wanted.address}: {wanted.path.name} was refused: its {kind} is {found}, not "
            f"{whose}, {right.lower()}"
        )


def _md5(path: Path) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
