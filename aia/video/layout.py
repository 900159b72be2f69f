"""How a frame store lies in its HDF5 file.

    data          every frame, compressed (codecs.py), one after the other: flat bytes, contiguous
    offsets       where each frame begins; one more than there are frames
    crc32         of each frame's bytes, so that damage is found by whoever reads them
    times_sec     when each frame is shown
    codec_header  what the H.264 decoder must know beforehand
    attributes    the settings it was made with, the source's fingerprint, a checksum of the above

The bytes of `data` lie in the file as they are: HDF5 is asked once, for the index and where they
begin.
"""

import contextlib
import io
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import h5py
import numpy as np
from jaxtyping import Float, Int

from aia.errors import InputError
from aia.video.codecs import H264Codec, JpegCodec, build_codec

FORMAT, VERSION = "aia frames", 1
LONGEST_SIDE = 1 << 15
"""Pixels of a frame's side; more is no picture, but a file made to fill the memory."""

_DAMAGED = (OSError, KeyError, ValueError, TypeError, RuntimeError, MemoryError)
"""What HDF5 raises over a file that is none, or damaged."""


class Index(NamedTuple):
    """What a store's file says besides the frames themselves."""

    about: dict[str, Any]
    codec: JpegCodec | H264Codec
    offsets: Int[np.ndarray, " frames+1"]
    crc32: np.ndarray
    times_sec: Float[np.ndarray, " frames"]
    data_at: int  # where the frames' bytes begin in the file


def write_store(
    path: Path, index: dict[str, np.ndarray], about: dict[str, Any], spool: BinaryIO
) -> None:
    """Write a store: `spool` holds the bytes of all frames, `about` becomes the attributes."""
    # This version of HDF5 checks its own headers.
    with _created(path, libver=("v110", "v110")) as file:
        file.attrs.update(about)
        file.attrs.update(format=FORMAT, version=VERSION, index_crc32=_index_crc32(index, about))
        for name, values in index.items():
            file.create_dataset(name, data=values)
        data = file.create_dataset("data", shape=(spool.tell(),), dtype=np.uint8)
        spool.seek(0)
        done = 0
        while block := spool.read(1 << 24):
            data[done : done + len(block)] = np.frombuffer(block, dtype=np.uint8)
            done += len(block)


def write_skipped(path: Path, why: str) -> None:
    """Write a store without frames, in place of a film that cannot be read."""
    with _created(path) as file:
        file.attrs.update(format=FORMAT, version=VERSION, skipped=why)


@contextlib.contextmanager
def _created(path: Path, **options: Any) -> Iterator[h5py.File]:
    """A new HDF5 file; of a full disk HDF5 hears nothing, for it may crash when it closes the file.

    A store is written by one process, under another name, so that it needs no lock; not every
    cluster's file system has them.
    """
    with _Disk(path) as disk:
        try:
            with h5py.File(disk, "w", locking=False, **options) as file:
                yield file
        finally:
            if disk.error is not None:
                raise disk.error


class _Disk(io.RawIOBase):
    """A file whose first error is kept, and after which nothing more is written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = open(path, "w+b", buffering=0)  # noqa: SIM115 (closed with this one)
        self.error: OSError | None = None

    def write(self, content: Any) -> int:
        """All of it, or so HDF5 is told."""
        left = memoryview(content).cast("B")
        size = len(left)
        try:
            while len(left) and self.error is None:
                left = left[self._file.write(left) :]
        except OSError as error:
            self._keep(error)
        return size

    def truncate(self, size: int | None = None) -> int:
        """Set the file's length."""
        try:
            return self._file.truncate(size)
        except OSError as error:
            self._keep(error)
            return size or 0

    def readinto(self, buffer: Any) -> int:
        """Read what was written."""
        return self._file.readinto(buffer) or 0

    def seek(self, offset: int, whence: int = 0) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """The place."""
        return self._file.tell()

    def close(self) -> None:
        """Close the file."""
        try:
            self._file.close()
        except OSError as error:
            self._keep(error)
        super().close()

    def _keep(self, error: OSError) -> None:
        if self.error is None:
            self.error = OSError(error.errno, error.strerror, str(self._path))


def skipped_reason(path: Path) -> str | None:
    """Why a store has no frames; None: it has some, or is no store at all."""
    try:
        with h5py.File(path, "r", locking=False) as file:
            return file.attrs.get("skipped")
    except _DAMAGED:
        return None


def load_index(path: Path) -> Index:
    """What a store's file says, checked.

    Raises:
        InputError: It is no store, of another version, damaged or cut off.
    """
    if not path.is_file():
        raise InputError(
            f"{path}: there is no such frame store; was `aia frames` run for this film?"
        )
    try:
        with h5py.File(path, "r", locking=False) as file:
            if file.attrs.get("format") != FORMAT:
                raise InputError(f"{path}: an HDF5 file, but not a frame store; is the path right?")
            if file.attrs["version"] != VERSION:
                raise InputError(
                    f"{path}: a frame store of version {file.attrs['version']}, this program reads "
                    f"{VERSION}; make the store again"
                )
            if "skipped" in file.attrs:
                raise InputError(f"{path}: its film was skipped: {file.attrs['skipped']}")
            found = {name: _dataset(path, file, name) for name in file}
            index = {name: values[()] for name, values in found.items() if name != "data"}
            about = {name: np.asarray(value).tolist() for name, value in file.attrs.items()}
            data_at, data_bytes = found["data"].id.get_offset(), found["data"].size
    except _DAMAGED as error:
        raise InputError(
            f"{path}: not a frame store, or a damaged one ({error}); make the store again"
        ) from None
    for name in ("format", "version"):
        del about[name]
    if about.pop("index_crc32", None) != _index_crc32(index, about) or data_at is None:
        raise InputError(f"{path}: its index is damaged; make the store again")
    _check_form(path, index, about)
    if data_at + data_bytes > path.stat().st_size or data_bytes != index["offsets"][-1]:
        raise InputError(f"{path}: the file is cut off; make the store again")
    codec = build_codec(
        about["codec"],
        size_hw=tuple(about["size_hw"]),
        quality=about["quality"],
        header=index["codec_header"].tobytes(),
    )
    return Index(about, codec, index["offsets"], index["crc32"], index["times_sec"], data_at)


_ABOUT: dict[str, type | tuple[type, ...]] = {
    "fps": float, "short_side": int, "size_hw": list, "codec": str, "quality": int,
    "source_name": str, "source_sha256": str, "source_frames": int, "source_duration_sec": float,
}  # fmt: skip
"""What every store says of itself, of whatever age it is."""


def _dataset(path: Path, file: h5py.File, name: str) -> h5py.Dataset:
    """Numbers that lie in the file, one after the other, as `write_store` writes them.

    HDF5 also knows numbers that lie in other files: links, external storage, virtual datasets. A
    store from outside would show what lies anywhere on this machine; so they are refused unopened.
    """
    plain = isinstance(file.get(name, getlink=True), h5py.HardLink)
    if plain:
        found = file[name]
        plain = isinstance(found, h5py.Dataset) and _lies_inside(found.id, path.stat().st_size)
    if not plain:
        raise InputError(
            f"{path}: its {name} is expected to lie in the file itself, as plain numbers; was the "
            "store written by another program? Make the store again"
        )
    return found


def _lies_inside(dataset: h5py.h5d.DatasetID, file_bytes: int) -> bool:
    made = dataset.get_create_plist()
    if (
        made.get_layout() not in (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)
        or made.get_external_count()
    ):
        return False
    # what was never written takes no place in a file, and any amount of memory
    return dataset.get_space().get_simple_extent_npoints() * dataset.dtype.itemsize <= file_bytes


def _check_form(path: Path, index: dict[str, np.ndarray], about: dict[str, Any]) -> None:
    """Stop at an index that is whole, but not one that `write_store` wrote."""
    numbers = {"offsets": "i", "crc32": "u", "times_sec": "f", "codec_header": "u"}
    wrong = [
        name
        for name, kind in numbers.items()
        if name not in index or index[name].ndim != 1 or index[name].dtype.kind != kind
    ]
    wrong += [name for name, kind in _ABOUT.items() if not isinstance(about.get(name), kind)]
    if not wrong:
        offsets, times_sec = index["offsets"], index["times_sec"]
        ordered = {
            "offsets": len(offsets) and offsets[0] == 0 and (np.diff(offsets) >= 0).all(),
            "crc32": len(index["crc32"]) == len(offsets) - 1,
            "times_sec": len(times_sec) == len(offsets) - 1
            and np.isfinite(times_sec).all()
            and (np.diff(times_sec) > 0).all(),
            "codec": about["codec"] in ("jpeg", "h264"),
            "size_hw": len(about["size_hw"]) == 2
            and all(
                isinstance(side, int) and 0 < side <= LONGEST_SIDE for side in about["size_hw"]
            ),
        }
        wrong = [name for name, right in ordered.items() if not right]
    if wrong:
        raise InputError(
            f"{path}: its {wrong[0]} is missing, or not what a store has; was it written by "
            "another program? Make the store again"
        )


def _index_crc32(index: dict[str, np.ndarray], about: dict[str, Any]) -> int:
    check = zlib.crc32(json.dumps(about, sort_keys=True).encode())
    for name in sorted(index):
        check = zlib.crc32(index[name].tobytes(), check)
    return check
