"""What a downloaded file must be: its size, its digest, and the kind that its name says.

Where a publisher states no digest, the first download decides: its size and SHA-256 are recorded
beside the file in NAME.fetched.json, and every later download and check must find the same.
"""

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from aia.errors import InputError
from aia.files import file_digest, write_text

RECORD = ".fetched.json"
NOT_YET = (".part", ".part.json", RECORD)
"""Endings of the files that lie beside a downloaded one."""
_SIGNATURES: dict[str, tuple[int, tuple[bytes, ...]]] = {  # at which byte, one of which
    **dict.fromkeys((".mkv", ".webm"), (0, (b"\x1a\x45\xdf\xa3",))),
    **dict.fromkeys((".mp4", ".mov"), (4, (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide"))),
    ".avi": (0, (b"RIFF",)),
    ".zip": (0, (b"PK\x03\x04", b"PK\x05\x06")),
    ".rar": (0, (b"Rar!\x1a\x07",)),
    ".gz": (0, (b"\x1f\x8b",)),
}
_PAGES = (".html", ".htm", ".xml", ".svg")


class Wanted(NamedTuple):
    """A file to download, and what is known of it."""

    address: str
    path: Path
    size: int | None = None
    """Bytes, where they are published."""
    sha256: str | None = None

    def beside(self, ending: str) -> Path:
        """Path of a companion file, one of `NOT_YET`."""
        return self.path.with_name(self.path.name + ending)


class Record(NamedTuple):
    """Size and SHA-256 of a file when it was first downloaded."""

    size: int
    sha256: str


def check_content(source: str, name: str, start: bytes) -> None:
    """Raise an InputError where a file's first bytes do not fit its name's ending."""
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|\?xml|error)", start[:200], re.I):
        refuse_page(source, name)
    ending = Path(name).suffix.lower()
    at, marks = _SIGNATURES.get(ending, (0, (b"",)))
    if not start[at:].startswith(marks):
        raise InputError(
            f"{source}: {name} does not begin as a {ending} file does (but with {start[:8]!r}); "
            "it was refused, is the address right?"
        )


def refuse_page(source: str, name: str) -> None:
    """Raise an InputError where a web page is not what a file's name says."""
    if Path(name).suffix.lower() not in _PAGES:
        raise InputError(
            f"{source}: a web page came instead of {name}; it was refused. Is the address right, "
            "or is there a page to log in before?"
        )


def has_record(path: Path) -> bool:
    """Test if a file was downloaded: its size and SHA-256 lie beside it."""
    return path.with_name(path.name + RECORD).exists()


def check_record(path: Path) -> None:
    """Compare a downloaded file with what it was when it was first downloaded.

    Raises:
        InputError: It is damaged.
    """
    check_file(Wanted("", path))


def check_file(
    wanted: Wanted, *, part: Path | None = None, ask: Callable[[], int | None] = lambda: None
) -> Record:
    """Compare a complete file with all that is known of it; record what it is the first time.

    Args:
        wanted: The file, and what is published of it.
        part: Where its content lies, if it has just arrived.
        ask: Asks the server for the size; called if nothing else is known.

    Raises:
        InputError: It is not what was published, stated by the server, or downloaded before.
    """
    path = part or wanted.path
    where = f"{wanted.address if part else path}: {wanted.path.name}"
    damage = "was it cut off, changed or damaged? Remove it to fetch it again"
    advice = "it was refused" if part else damage
    record = wanted.beside(RECORD)
    before, have = _read_record(record), path.stat().st_size
    if not have:
        raise InputError(f"{where} is empty; {advice}")
    first = f"the first fetch ({record.name}; remove it to take the new one)"
    known = wanted.size or wanted.sha256 or before
    sizes = {
        "published": wanted.size,
        "that the server states": None if known else ask(),
        f"those of {first}": before.size if before else None,
    }
    for whose, size in sizes.items():
        if size is not None and have != size:
            raise InputError(f"{where} has {have:,} bytes, not the {size:,} {whose}; {advice}")
    if before is None:
        with open(path, "rb") as file:
            check_content(wanted.address, wanted.path.name, file.read(200))
    sha256 = file_digest(path)
    digests = {"published": wanted.sha256, f"of {first}": before.sha256 if before else None}
    for whose, digest in digests.items():
        if digest and sha256 != digest.lower():
            raise InputError(
                f"{where} has the SHA-256 {sha256}, not the one {whose}, {digest.lower()}; {advice}"
            )
    if before is None:
        about = {"address": wanted.address, "size": have, "sha256": sha256}
        write_text(record, json.dumps(about, indent=1) + "\n")
    return Record(have, sha256)


def _read_record(path: Path) -> Record | None:
    if not path.exists():
        return None
    try:
        about = json.loads(path.read_text(encoding="utf-8"))
        return Record(int(about["size"]), str(about["sha256"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: not a record of a fetched file ({error!r}); remove it to have another made"
        ) from None
