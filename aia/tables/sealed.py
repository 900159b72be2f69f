"""Parquet files with a checksum over all their bytes.

Parquet's own checksums are of its pages: a bit that flips in what says where the pages are, how
many rows they have and what the columns are called is found by chance or not at all. So a CRC-32
over the file, taken with zeros in its own place, stands in the file's metadata.
"""

import zlib
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from aia.errors import InputError
from aia.files import atomic_path

_KEY = b"aia.crc32"
_LENGTH = 8  # hexadecimal digits
_BLANK = b"0" * _LENGTH
_BEFORE = b"\x18" + bytes([len(_KEY)]) + _KEY + b"\x18" + bytes([_LENGTH])
"""What precedes the digits in the footer: key and value, as Thrift's compact protocol has them."""
_MAGIC = b"PAR1"
_BLOCK_BYTES = 1 << 22


def write_parquet(path: Path | str, table: pa.Table) -> None:
    """Write a sealed file, whole or not at all."""
    with atomic_path(path) as temporary:
        with pq.ParquetWriter(
            temporary, table.schema, compression="zstd", write_page_checksum=True
        ) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata({_KEY: _BLANK})
        place = _place_of_seal(temporary)
        assert place is not None
        seal = _checksum(temporary, place)
        with open(temporary, "r+b") as file:
            file.seek(place)
            file.write(seal)


def check_seal(path: Path | str) -> None:
    """Compare a file with its seal, if it has one: files of other programs have none.

    Raises:
        InputError: It is not what was written.
    """
    place = _place_of_seal(Path(path))
    if place is None:
        return
    with open(path, "rb") as file:
        file.seek(place)
        known = file.read(_LENGTH)
    if known != _checksum(Path(path), place):
        raise InputError(
            f"{path}: is not what was written (its CRC-32 differs); is the disk "
            "damaged? Remove the file (aia verify --remove); it is recreated when it is needed"
        )


def _place_of_seal(path: Path) -> int | None:
    """Find the digits: bytes from the start of the file; None if it has none."""
    size = path.stat().st_size
    with open(path, "rb") as file:
        file.seek(max(size - 8, 0))
        end = file.read()
        length = int.from_bytes(end[:4], "little")
        if end[4:] != _MAGIC or length + 8 > size:
            return None  # no Parquet, or cut: its reader says so
        file.seek(size - 8 - length)
        place = file.read(length).rfind(_BEFORE)
    return None if place < 0 else size - 8 - length + place + len(_BEFORE)


def _checksum(path: Path, place: int) -> bytes:
    """Compute the checksum of the whole file, with zeros for the digits at `place`."""
    crc = 0
    with open(path, "rb") as file:
        left = place
        while block := file.read(min(_BLOCK_BYTES, left)):
            crc = zlib.crc32(block, crc)
            left -= len(block)
        crc = zlib.crc32(_BLANK, crc)
        file.seek(_LENGTH, 1)
        while block := file.read(_BLOCK_BYTES):
            crc = zlib.crc32(block, crc)
    return f"{crc:08x}".encode()
