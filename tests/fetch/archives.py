"""Archives of all kinds, and settings that name a server of our own."""

import binascii
import io
import struct
import tarfile
import zipfile
from collections.abc import Mapping

from aia.config import FetchConfig


def fetching(address: str, **others: object) -> FetchConfig:
    """Settings with one address for all publishers and little patience."""
    names = ("address", "ucf101_24_annotations", "ucf101_films", "epic55_annotations")
    fields = dict.fromkeys((*names, "epic55_films", "pets09_video", "pets09_tracks"), address)
    fields |= {"at_once": 2, "attempts": 2, "wait_sec": 0.01, "stall_sec": 1.0}
    return FetchConfig(**{**fields, **others})


def zipped(members: Mapping[str, bytes | str], folder: str = "") -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in members.items():
            archive.writestr(folder + name, content)
    return packed.getvalue()


def tarred(members: Mapping[str, bytes]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        for name, content in members.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def rar(members: Mapping[str, bytes], *, method: int = 0x30, flags: int = 0) -> bytes:
    """A RAR 3 archive; method 0x30 keeps files as they are, others say that they are packed."""

    def block(kind: int, flags: int, fields: bytes, content: bytes = b"") -> bytes:
        head = struct.pack("<BHH", kind, flags, 7 + len(fields)) + fields
        return struct.pack("<H", binascii.crc32(head) & 0xFFFF) + head + content

    blocks = [b"Rar!\x1a\x07\x00", block(0x73, flags, bytes(6))]
    for name, content in members.items():
        size, crc, path = len(content), binascii.crc32(content), name.encode()
        fields = struct.pack(
            "<LLBLLBBHL", size, size, 3, crc, 0x21 << 16, 29, method, len(path), 0o100644
        )
        blocks.append(block(0x74, 0x8000, fields + path, content))
    return b"".join([*blocks, block(0x7B, 0x4000, b"")])


ARCHIVES = {"UCF101.rar": rar, "videos.zip": zipped, "videos.tar.gz": tarred}
