"""The frame store: one HDF5 file a film, from which any window of frames can be read.

    data          every frame, compressed (codecs.py), one after the other: flat bytes, contiguous
    offsets       where each frame begins; one more than there are frames
    crc32         of each frame's bytes, so that damage is found by whoever reads them
    times_sec     when each frame is shown
    codec_header  what the H.264 decoder must know beforehand
    attributes    the settings it was made with, the source's fingerprint, a checksum of the above

The bytes lie in the file as they are, so a window is one read of the operating system; HDF5 is
asked once, for the index. A file is opened for each read and not kept: thousands of stores can be
in use at once, and a store travels to another process as its path.
"""

import json
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import av
import h5py
import numpy as np
from jaxtyping import Float, Int, UInt8

from aia.config import FramesConfig
from aia.errors import InputError
from aia.files import atomic_path, file_digest
from aia.log import say
from aia.video.codecs import H264Codec, JpegCodec
from aia.video.decode import Film
from aia.video.transforms import resize_size_hw

FORMAT, VERSION = "aia frames", 1

FARTHEST_BYTES = 1 << 18
"""Frames of a window that lie farther apart than this are fetched by separate reads."""


class StoreInfo(NamedTuple):
    """What `make_store` wrote."""

    frames: int
    size_hw: tuple[int, int]
    duration_sec: float  # of the film, as decoded
    ends_early_sec: float  # how much shorter that is than the film said
    bad_packets: int  # pieces of the film that could not be decoded
    bytes: int


def make_store(
    film: Path | str, output: Path | str, *, config: FramesConfig, min_frames: int = 1
) -> StoreInfo:
    """Decode a film once and keep its frames, small and at a steady rate, in the file `output`.

    A film that breaks off is kept as far as it decodes; how early it ends is said and stored.

    Args:
        film: any film that FFmpeg reads.
        output: the store; it appears when it is whole, or not at all.
        config: rate, size and compression.
        min_frames: what a clip needs; a film with fewer frames is refused.

    Raises:
        InputError: there is no film, it is none, or it is too short.
    """
    source, output = Film(film), Path(output)
    size_hw = resize_size_hw(source.size_hw, config.short_side)
    codec = _codec(config.codec, size_hw=size_hw, quality=config.quality)
    output.parent.mkdir(parents=True, exist_ok=True)
    # the bytes wait in a file without a name: HDF5 must know their number before it takes them
    with tempfile.TemporaryFile(dir=output.parent) as spool:
        times_sec: list[float] = []
        lengths, checks = [0], []
        for piece in codec.encode(_noting_times(source, config, times_sec)):
            spool.write(piece)
            lengths.append(len(piece))
            checks.append(zlib.crc32(piece))
        if len(checks) < min_frames:
            raise InputError(
                f"{film}: {len(checks)} frames at {config.fps:g} a second, but a clip needs "
                f"{min_frames}; {_too_short(source)}"
            )
        ends_early_sec = max(source.stated_sec - source.end_sec, 0.0)
        if ends_early_sec > 1:
            say(
                f"{film}: breaks off at {source.end_sec:.2f} s of {source.stated_sec:.2f} s; "
                "what there is was kept"
            )
        index: dict[str, np.ndarray] = {
            "offsets": np.cumsum(lengths, dtype=np.int64),
            "crc32": np.array(checks, dtype=np.uint32),
            "times_sec": np.array(times_sec, dtype=np.float64),
            "codec_header": np.frombuffer(codec.header, dtype=np.uint8),
        }
        about: dict[str, Any] = {
            "fps": float(config.fps),
            "short_side": config.short_side,
            "size_hw": list(size_hw),
            "codec": config.codec,
            "quality": config.quality,
            "source_name": source.path.name,
            "source_sha256": file_digest(film),
            "source_frames": source.source_frames,
            "source_duration_sec": source.end_sec,
            "ends_early_sec": ends_early_sec,
            "bad_packets": source.bad_packets,
        }
        with atomic_path(output) as temporary:
            _write(temporary, index, about, spool)
    return StoreInfo(
        frames=len(checks),
        size_hw=size_hw,
        duration_sec=source.end_sec,
        ends_early_sec=ends_early_sec,
        bad_packets=source.bad_packets,
        bytes=output.stat().st_size,
    )


class FrameStore:
    """A film's frames; nothing is read before it is asked for.

    Raises:
        InputError: (on the first use) there is no such store, it is damaged, or another version's.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._loaded: _Index | None = None

    @property
    def video(self) -> str:
        """The film's name in annotations: the file's, without its ending."""
        return self.path.stem

    @property
    def fps(self) -> float:
        """Frames a second."""
        return self._index.about["fps"]

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of every frame."""
        return self._index.codec.size_hw

    @property
    def times_sec(self) -> Float[np.ndarray, " frames"]:
        """When each frame is shown."""
        return self._index.times_sec

    @property
    def fingerprint(self) -> dict[str, str | int | float]:
        """Which film this is: its content's SHA-256, how many frames it has, how long it lasts."""
        about = self._index.about
        return {name: about[f"source_{name}"] for name in ("sha256", "frames", "duration_sec")}

    @property
    def about(self) -> dict[str, Any]:
        """Everything the file says of itself and of its source."""
        return dict(self._index.about)

    def __len__(self) -> int:
        return len(self._index.times_sec)

    def read(
        self, indices: Sequence[int] | Int[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """The frames at `indices`, in their order; a frame may be asked for more than once."""
        index = self._index
        asked = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(asked) and (asked.min() < 0 or asked.max() >= len(self)):
            raise IndexError(
                f"{self.path}: frames {asked.min()} to {asked.max()} were asked for, "
                f"but there are {len(self)}, numbered from 0"
            )
        out = np.empty((len(asked), *index.codec.size_hw, 3), dtype=np.uint8)
        wanted, firsts, places = np.unique(asked, return_index=True, return_inverse=True)
        if len(wanted):
            pieces = self._pieces(index, index.codec.needed(wanted))
            try:
                index.codec.decode(pieces, wanted.tolist(), [out[first] for first in firsts])
            except (ValueError, av.FFmpegError) as error:
                raise InputError(f"{self.path}: damaged ({error}); make the store again") from None
        for place in np.flatnonzero(firsts[places] != np.arange(len(asked))):
            out[place] = out[firsts[places[place]]]  # asked for more than once
        return out

    def nearest(self, time_sec: float) -> int:
        """The frame whose time is nearest; the earlier of two."""
        times_sec = self._index.times_sec
        after = int(np.clip(np.searchsorted(times_sec, time_sec), 1, max(len(times_sec) - 1, 1)))
        before = after - 1
        if after == len(times_sec):
            return before
        return after if times_sec[after] - time_sec < time_sec - times_sec[before] else before

    def check_settings(self, config: FramesConfig) -> None:
        """Raise an InputError if the store was made with other settings than these."""
        about = self._index.about
        names = ("fps", "short_side", "codec", "quality")
        for name in names if config.codec == "jpeg" else names[:-1]:
            if about[name] != getattr(config, name):
                raise InputError(
                    f"{self.path}: made with frames.{name} = {about[name]}, but the settings say "
                    f"{getattr(config, name)}; make the store again, or change the setting back"
                )

    def close(self) -> None:
        """Forget the index; the next use reads it again."""
        self._loaded = None

    def __enter__(self) -> "FrameStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_loaded": None}

    @property
    def _index(self) -> "_Index":
        if self._loaded is None:
            self._loaded = _load(self.path)
        return self._loaded

    def _pieces(self, index: "_Index", needed: Int[np.ndarray, " pieces"]) -> dict[int, memoryview]:
        """The bytes of the `needed` frames (rising), checked."""
        starts, ends = index.offsets[needed], index.offsets[needed + 1]
        breaks = np.flatnonzero(starts[1:] - ends[:-1] > FARTHEST_BYTES) + 1
        pieces = {}
        try:
            file = open(self.path, "rb")  # noqa: SIM115 (the block follows)
        except OSError as error:
            raise InputError(f"{self.path}: cannot be read any more ({error.strerror})") from None
        with file:
            for run in np.split(np.arange(len(needed)), breaks):
                start, end = int(starts[run[0]]), int(ends[run[-1]])
                file.seek(index.data_at + start)
                window = memoryview(file.read(end - start))
                for place in run.tolist():
                    piece = window[int(starts[place]) - start : int(ends[place]) - start]
                    number = int(needed[place])
                    if zlib.crc32(piece) != index.crc32[number]:
                        raise InputError(
                            f"{self.path}: frame {number} is damaged (its checksum is wrong), or "
                            "the file changed while it was in use; make the store again"
                        )
                    pieces[number] = piece
        return pieces


class _Index(NamedTuple):
    """What a store's file says besides the frames themselves."""

    about: dict[str, Any]
    codec: JpegCodec | H264Codec
    offsets: Int[np.ndarray, " frames+1"]
    crc32: np.ndarray
    times_sec: Float[np.ndarray, " frames"]
    data_at: int  # where the frames' bytes begin in the file


def _codec(
    name: str, *, size_hw: tuple[int, int], quality: int, header: bytes = b""
) -> JpegCodec | H264Codec:
    if name == "jpeg":
        return JpegCodec(size_hw=size_hw, quality=quality)
    return H264Codec(size_hw=size_hw, header=header)


def _noting_times(
    source: Film, config: FramesConfig, times_sec: list[float]
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    for time_sec, rgb in source.frames(fps=config.fps, short_side=config.short_side):
        times_sec.append(time_sec)
        yield rgb


def _write(
    path: Path, index: dict[str, np.ndarray], about: dict[str, Any], spool: BinaryIO
) -> None:
    with h5py.File(path, "w", libver=("v110", "v110")) as file:  # it checks its own headers
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


def _load(path: Path) -> _Index:
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
            index = {name: file[name][()] for name in file if name != "data"}
            about = {name: np.asarray(value).tolist() for name, value in file.attrs.items()}
            data_at, data_bytes = file["data"].id.get_offset(), file["data"].size
    except (OSError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise InputError(
            f"{path}: not a frame store, or a damaged one ({error}); make the store again"
        ) from None
    for name in ("format", "version"):
        del about[name]
    if about.pop("index_crc32", None) != _index_crc32(index, about) or data_at is None:
        raise InputError(f"{path}: its index is damaged; make the store again")
    if data_at + data_bytes > path.stat().st_size or data_bytes != index["offsets"][-1]:
        raise InputError(f"{path}: the file is cut off; make the store again")
    codec = _codec(
        about["codec"],
        size_hw=tuple(about["size_hw"]),
        quality=about["quality"],
        header=index["codec_header"].tobytes(),
    )
    return _Index(about, codec, index["offsets"], index["crc32"], index["times_sec"], data_at)


def _index_crc32(index: dict[str, np.ndarray], about: dict[str, Any]) -> int:
    check = zlib.crc32(json.dumps(about, sort_keys=True).encode())
    for name in sorted(index):
        check = zlib.crc32(index[name].tobytes(), check)
    return check


def _too_short(source: Film) -> str:
    """Why a film may have too few frames."""
    lasts = f"it lasts {source.end_sec:.2f} s"
    if source.stated_sec > source.end_sec + 1:
        return f"{lasts} but says {source.stated_sec:.2f} s, so it is damaged or cut off"
    return lasts
