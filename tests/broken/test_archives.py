"""Archives that are damaged, would write elsewhere, or hold something else than videos."""

import io
import os
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from tests.broken.case import Case, cut, replaced, written
from tests.broken.conftest import Refuses

TAKE = (
    "fetch ucf101-24 --annotations good/pyannot.pkl --val good/scored.txt --train good/scored.txt "
    "--folder out --settings s.yaml"
)
FILM = "v_Diving_g02_c03.avi"
AVI = b"RIFF\x64\0\0\0AVI LIST" + bytes(range(200))


def archive(name: str, make: Callable[[], bytes]) -> Callable[[], None]:
    """Settings that say that films come from this archive."""

    def made() -> None:
        raw = yaml.safe_load(Path("good/settings.yaml").read_text())
        raw["fetch"]["ucf101_films"] = name
        Path("s.yaml").write_text(yaml.safe_dump(raw))
        written(name, make())()

    return made


def zipped(*members: str, content: bytes = AVI, way: int = zipfile.ZIP_STORED) -> bytes:
    raw = io.BytesIO()
    with zipfile.ZipFile(raw, "w", way) as opened:
        for member in members:
            opened.writestr(member, content)
    return raw.getvalue()


def tarred(*members: str, kind: bytes = tarfile.REGTYPE, mode: str = "w:") -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode=mode) as opened:  # type: ignore[call-overload]
        for member in members:
            entry = tarfile.TarInfo(member)
            entry.type, entry.linkname = kind, "/etc/passwd"
            entry.size = len(AVI) if kind == tarfile.REGTYPE else 0
            opened.addfile(entry, io.BytesIO(AVI))
    return raw.getvalue()


def overstated() -> bytes:
    """A zip that says of its film that it has another length."""
    raw = bytearray(zipped(FILM))
    place = raw.rindex(b"PK\x01\x02") + 24
    raw[place : place + 4] = (1 << 31).to_bytes(4, "little")
    return bytes(raw)


def damaged_zip(way: int) -> bytes:
    """A zip of noise, in which some bytes are others."""
    raw = bytearray(zipped(FILM, content=AVI[:8] + os.urandom(5000), way=way))
    raw[2000:2100] = bytes(100)
    return bytes(raw)


RAR = b"Rar!\x1a\x07\x01\x00" + b"\xff" * 99
CASES = [
    Case("archive that is not there", lambda: (archive("a.zip", bytes)(), Path("a.zip").unlink()),
         TAKE, r"a\.zip: there is no such archive or folder"),
    Case("archive of no bytes", archive("a.zip", bytes), TAKE,
         r"a\.zip: (neither a rar, nor a zip|cannot be unpacked)"),
    Case("archive that is a page", archive("a.zip", lambda: b"<html>404</html>"), TAKE,
         r"a\.zip: neither a rar, nor a zip, nor a tar"),
    Case("zip that is cut off", archive("a.zip", lambda: cut(zipped(FILM))), TAKE,
         r"a\.zip: neither a rar, nor a zip"),
    Case("zip that would write elsewhere", archive("a.zip", lambda: zipped(
         "../../escaped.avi", "/tmp/escaped.avi", "..\\..\\escaped.avi")), TAKE,
         r"a\.zip: lacks v_Diving_g02_c03, of 1 videos; is it the archive"),
    Case("zip with a page instead of a film",
         archive("a.zip", lambda: zipped(FILM, content=b"<!DOCTYPE html><html>404</html>")), TAKE,
         r"a\.zip, v_Diving_g02_c03\.avi: "),
    Case("zip with a text instead of a film",
         archive("a.zip", lambda: zipped(FILM, content=b"To be found elsewhere.")), TAKE,
         r"a\.zip, v_Diving_g02_c03\.avi: .*does not begin as a \.avi file"),
    Case("zip with an empty film", archive("a.zip", lambda: zipped(FILM, content=b"")), TAKE,
         r"a\.zip, v_Diving_g02_c03\.avi: v_Diving_g02_c03\.avi does not begin as a \.avi"),
    Case("zip with a film twice", archive("a.zip", lambda: zipped("a/" + FILM, "b/" + FILM)), TAKE,
         r"a\.zip: has v_Diving_g02_c03\.avi twice, a/.* and b/"),
    Case("zip that overstates a length", archive("a.zip", overstated), TAKE,
         r"a\.zip: (cannot be unpacked|v_Diving.* has 216 bytes)"),
    Case("zip with other bytes", archive("a.zip", lambda: damaged_zip(zipfile.ZIP_STORED)), TAKE,
         r"a\.zip: cannot be unpacked \(BadZipFile: Bad CRC-32"),
    Case("deflated zip with other bytes", archive("a.zip", lambda: damaged_zip(zipfile.ZIP_LZMA)),
         TAKE, r"a\.zip: cannot be unpacked \("),
    Case("zip packed in an unknown way",
         archive("a.zip", lambda: zipped(FILM).replace(b"\x14\0\0\0\0\0", b"\x14\0\0\0\x63\0")),
         TAKE, r"a\.zip: cannot be unpacked \("),
    Case("zip with a password", archive("a.zip", lambda: zipped(FILM).replace(
         b"\x14\0\0\0\0\0", b"\x14\0\1\0\0\0")), TAKE, r"a\.zip: cannot be unpacked \(.*password"),
    Case("tar that would write elsewhere", archive("a.tar", lambda: tarred(
         "../../escaped.avi", "/tmp/escaped.avi")), TAKE, r"a\.tar: lacks v_Diving_g02_c03"),
    Case("tar with a link to another file",
         archive("a.tar", lambda: tarred(FILM, kind=tarfile.SYMTYPE)), TAKE,
         r"a\.tar: lacks v_Diving_g02_c03"),
    Case("tar with a device", archive("a.tar", lambda: tarred(FILM, kind=tarfile.CHRTYPE)), TAKE,
         r"a\.tar: lacks v_Diving_g02_c03"),
    Case("tar that is cut off", archive("a.tar", lambda: tarred(FILM)[:600]), TAKE,
         r"a\.tar: cannot be unpacked \(.*was its download cut off"),
    Case("packed tar that is cut off",
         archive("a.tar.xz", lambda: cut(tarred(FILM, mode="w:xz"))), TAKE,
         r"a\.tar\.xz: (cannot be unpacked|neither a rar)"),
    Case("packed tar with other bytes", archive("a.tar.gz", lambda: replaced(
         tarred(FILM, mode="w:gz")[40:50], b"\0" * 10)(tarred(FILM, mode="w:gz"))), TAKE,
         r"a\.tar\.gz: (cannot be unpacked|neither a rar)"),
    Case("rar that is cut off", archive("a.rar", lambda: RAR[:9]), TAKE,
         r"a\.rar: (cannot be unpacked|lacks v_Diving)"),
    Case("rar of other bytes", archive("a.rar", lambda: RAR), TAKE,
         r"a\.rar: (cannot be unpacked|lacks v_Diving)"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_it_is_refused_by_name_and_nothing_is_written(case: Case, refuses: Refuses) -> None:
    refuses(case)
    assert not Path("/tmp/escaped.avi").exists()
