"""Frame stores: one file for each video, with random access to windows of frames.

Frames are decoded once and stored small, at a constant rate; layout.py has the file's layout. A
window takes one read of the file, and only the requested frames are decoded. The file is opened
for each read, so thousands of stores can be in use at once, and a store is pickled as its path.
"""

import math
import tempfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import av
import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from aia.config import STAGE_VERSIONS, CheckConfig, FramesConfig
from aia.errors import InputError
from aia.files import atomic_path, file_digest, naming
from aia.log import say
from aia.video.check import refuse_video, source_facts
from aia.video.codecs import H264Codec, JpegCodec, build_codec
from aia.video.decode import LATE_SEC, VideoFile
from aia.video.layout import (
    Index,
    load_index,
    skipped_reason,
    write_skipped,
    write_store,
)
from aia.video.transforms import resize_size_hw

FARTHEST_BYTES = 1 << 18
"""Frames of a window that lie farther apart than this in the file take separate reads."""

FRAMES_AT_ONCE = 256
"""Frames of one read when all are verified."""

MAX_OFF_SEC = 0.5
"""Largest distance of a requested time from a stored frame."""

_OLDER = {"film_start_sec": 0.0, "start_sec": 0.0, "end_sec": math.inf, "numbered": False}
"""Settings of old stores that lack these attributes."""


class StoreInfo(NamedTuple):
    """Summary of a store that `make_store` wrote."""

    frames: int
    size_hw: tuple[int, int]
    duration_sec: float  # of the video, as decoded
    ends_early_sec: float  # how much shorter that is than stated in the video
    bad_packets: int  # packets that could not be decoded
    bytes: int


def make_store(
    video: Path | str,
    output: Path | str,
    *,
    config: FramesConfig,
    min_frames: int = 1,
    check: CheckConfig | None = None,
) -> StoreInfo:
    """Decode a video once and store its frames, small and at a constant rate.

    A truncated video is stored as far as it can be decoded; how early it ends is logged and stored.

    Args:
        video: A video of any format that decode.py reads.
        output: The store; it appears complete or not at all.
        config: Part, frame rate, size and compression.
        min_frames: Least number of frames, such as those of a clip.
        check: Requirements on the video; None: none.

    Raises:
        InputError: The video is missing, unreadable, too short, or fails the check.
    """
    source, output = VideoFile(video), Path(output)
    size_hw = resize_size_hw(source.size_hw, config.short_side)
    codec = build_codec(config.codec, size_hw=size_hw, quality=config.quality)
    output.parent.mkdir(parents=True, exist_ok=True)
    # bytes go to an unnamed file first: HDF5 must know their number before it stores them
    with naming(output), tempfile.TemporaryFile(dir=output.parent) as spool:
        times_sec: list[float] = []
        lengths, checks = [0], []
        for piece in codec.encode(_noting(source, config, times_sec)):
            spool.write(piece)
            lengths.append(len(piece))
            checks.append(zlib.crc32(piece))
        if len(checks) < min_frames:
            raise InputError(
                f"{video}: {len(checks)} frames at {config.fps:g} a second, but a clip needs "
                f"{min_frames}; {_too_short(source)}"
            )
        about = _attributes(source, config, size_hw)
        _tell_late_start(source, config)
        _tell_guesses(source, config)
        if about["ends_early_sec"] > 1:
            say(
                f"{video}: breaks off at {source.end_sec:.2f} s of {source.stated_sec:.2f} s; "
                "the frames up to there were kept"
            )
        index: dict[str, np.ndarray] = {
            "offsets": np.cumsum(lengths, dtype=np.int64),
            "crc32": np.array(checks, dtype=np.uint32),
            "times_sec": np.array(times_sec, dtype=np.float64),
            "codec_header": np.frombuffer(codec.header, dtype=np.uint8),
        }
        if check is not None:
            refuse_video(output.stem, about, len(checks), check=check)
        with atomic_path(output) as temporary:
            write_store(temporary, index, about, spool)
    return StoreInfo(
        frames=len(checks),
        size_hw=size_hw,
        duration_sec=about["source_duration_sec"],
        ends_early_sec=about["ends_early_sec"],
        bad_packets=source.bad_packets,
        bytes=output.stat().st_size,
    )


def _attributes(
    source: VideoFile, config: FramesConfig, size_hw: tuple[int, int]
) -> dict[str, Any]:
    """Return the attributes of a store, once all frames are decoded."""
    begins_sec, ends_sec = _part(config)
    return {
        **part_settings(config),
        "stage": STAGE_VERSIONS["frames"],
        "fps": float(config.fps),
        "numbered": config.numbered,
        "short_side": config.short_side,
        "size_hw": list(size_hw),
        "codec": config.codec,
        "quality": config.quality,
        "source_name": source.path.name,
        "source_sha256": file_digest(source.path),
        "source_frames": len(source.starts_sec),
        "source_duration_sec": max(min(source.end_sec, ends_sec) - begins_sec, 0.0),
        **source_facts(source.starts_sec, film_start_sec=config.film_start_sec),
        "stated_sec": source.stated_sec,
        "clock_start_sec": source.clock_start_sec,
        "late_sec": source.late_sec,
        "ends_early_sec": max(min(source.stated_sec, ends_sec) - source.end_sec, 0.0),
        "bad_packets": source.bad_packets,
    }


def skip_video(output: Path | str, *, why: str) -> None:
    """Write a store without frames, so that the pipeline ignores this video."""
    with atomic_path(output) as temporary:
        write_skipped(temporary, why)


def skipped_videos(paths: Iterable[Path | str]) -> dict[str, str]:
    """Return why each skipped video was skipped."""
    reasons = {path.stem: skipped_reason(path) for path in map(Path, paths)}
    return {video: why for video, why in reasons.items() if why is not None}


def is_store_of(path: Path | str, video: Path | str, config: FramesConfig) -> bool:
    """Return True if a store is there, made of this very video with these settings."""
    if not Path(path).exists() or skipped_reason(Path(path)) is not None:
        return False
    try:
        with FrameStore(path) as store:
            store.check_settings(config)
            made = store.about.get("stage"), store.fingerprint["sha256"]
    except InputError:
        return False
    return made == (STAGE_VERSIONS["frames"], file_digest(video))


def readable_stores(paths: Iterable[Path | str]) -> dict[str, "FrameStore"]:
    """Return the stores by video, without skipped videos, which are logged.

    Raises:
        InputError: All videos were skipped.
    """
    stores = {}
    for path in map(Path, paths):
        why = skipped_reason(path)
        if why is None:
            stores[path.stem] = FrameStore(path)
        else:
            say(f"{path.stem}: ignored, this video was skipped ({why})")
    if not stores:
        raise InputError("no video is left: all of them were skipped, see above")
    return stores


@runtime_checkable
class Frames(Protocol):
    """Frames of a video with random access: stored ones, or the last ones of a stream."""

    @property
    def video(self) -> str:
        """Id of the video."""

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of every frame."""

    def __len__(self) -> int: ...

    def nearest(self, time_sec: float) -> int:
        """Return the index of the frame nearest to a time; the earlier of two."""

    def read(
        self, indices: Sequence[int] | Int[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Read the frames at `indices`, in this order; indices may repeat."""

    def at(
        self, times_sec: Sequence[float] | Shaped[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Read the frames nearest to some times, such as key frames."""


class FrameStore(Frames):
    """Stored frames of a video, read on access.

    Raises:
        InputError: On first use: the store is missing, damaged, or of another version.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self._loaded: Index | None = None

    @property
    def video(self) -> str:
        """Video id in annotations: the file's name without its ending."""
        return self.path.stem

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self._index.about["fps"]

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of every frame."""
        return self._index.codec.size_hw

    @property
    def times_sec(self) -> Float[np.ndarray, " frames"]:
        """Time of each frame."""
        return self._index.times_sec

    @property
    def fingerprint(self) -> dict[str, str | int | float]:
        """Identity of the source: SHA-256 of its content, number of frames, duration."""
        about = self._index.about
        return {name: about[f"source_{name}"] for name in ("sha256", "frames", "duration_sec")}

    @property
    def about(self) -> dict[str, Any]:
        """All attributes of the store and of its source."""
        return dict(self._index.about)

    def __len__(self) -> int:
        return len(self._index.times_sec)

    def read(
        self, indices: Sequence[int] | Int[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Read the frames at `indices`, in this order; indices may repeat."""
        index = self._index
        asked = np.asarray(indices, dtype=np.int64).reshape(-1)
        if len(asked) and (asked.min() < 0 or asked.max() >= len(self)):
            raise IndexError(
                f"{self.path}: frames {asked.min()} to {asked.max()} were requested, "
                f"but there are {len(self)}, numbered from 0"
            )
        try:
            return decoded(index.codec, asked, lambda needed: self._pieces(index, needed))
        except (ValueError, av.FFmpegError) as error:
            raise InputError(f"{self.path}: damaged ({error}); make the store again") from None

    def at(
        self, times_sec: Sequence[float] | Shaped[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Read the frames nearest to some times, such as key frames.

        Raises:
            InputError: A time lies outside the video.
        """
        times_sec = np.asarray(times_sec, dtype=np.float64)
        indices = [self.nearest(float(time_sec)) for time_sec in times_sec]
        off_sec = np.abs(self.times_sec[indices] - times_sec)
        if (off_sec > MAX_OFF_SEC).any():
            raise InputError(
                f"{self.video}: no frame at {times_sec[off_sec.argmax()]:g} s, the video ends at "
                f"{self.times_sec[-1]:g} s; do video and annotations belong together?"
            )
        return self.read(indices)

    def verify(self) -> None:
        """Compare the bytes of every frame with their checksum, without decoding.

        Raises:
            InputError: A frame is damaged or cannot be read.
        """
        for first in range(0, len(self), FRAMES_AT_ONCE):
            self._pieces(self._index, np.arange(first, min(first + FRAMES_AT_ONCE, len(self))))

    def nearest(self, time_sec: float) -> int:
        """Return the index of the frame nearest to a time; the earlier of two."""
        return nearest_index(self._index.times_sec, time_sec)

    def check_settings(self, config: FramesConfig) -> None:
        """Raise an InputError if the store was made with other settings."""
        about = self._index.about
        now = part_settings(config) | {
            name: getattr(config, name)
            for name in ("fps", "numbered", "short_side", "codec", "quality")
        }
        if config.codec != "jpeg":
            del now["quality"]
        for name, value in now.items():
            made = about.get(name, _OLDER.get(name))
            if made != value:
                raise InputError(
                    f"{self.path}: made with frames.{name} = {made}, but the settings say "
                    f"{value}; make the store again, or change the setting back"
                )

    def close(self) -> None:
        """Discard the index; the next use reads it again."""
        self._loaded = None

    def __enter__(self) -> "FrameStore":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "_loaded": None}

    @property
    def _index(self) -> Index:
        if self._loaded is None:
            self._loaded = load_index(self.path)
        return self._loaded

    def _pieces(self, index: Index, needed: Int[np.ndarray, " pieces"]) -> dict[int, memoryview]:
        """Read the bytes of the `needed` frames (ascending) and compare their checksums."""
        starts, ends = index.offsets[needed], index.offsets[needed + 1]
        breaks = np.flatnonzero(starts[1:] - ends[:-1] > FARTHEST_BYTES) + 1
        pieces = {}
        try:
            file = open(self.path, "rb")  # noqa: SIM115 (the block follows)
        except OSError as error:
            raise InputError(f"{self.path}: can no longer be read ({error.strerror})") from None
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


def decoded(
    codec: JpegCodec | H264Codec,
    asked: Int[np.ndarray, " frames"],
    pieces_of: Callable[[Int[np.ndarray, " pieces"]], Mapping[int, memoryview]],
) -> UInt8[np.ndarray, "frames height width 3"]:
    """Decode frames in the order asked, each once.

    Args:
        codec: Codec of the pieces.
        asked: Indices of the frames, which may repeat.
        pieces_of: Returns the bytes of the frames of ascending indices.
    """
    out = np.empty((len(asked), *codec.size_hw, 3), dtype=np.uint8)
    wanted, firsts, places = np.unique(asked, return_index=True, return_inverse=True)
    if len(wanted):
        pieces = pieces_of(codec.needed(wanted))
        codec.decode(pieces, wanted.tolist(), [out[first] for first in firsts])
    for place in np.flatnonzero(firsts[places] != np.arange(len(asked))):
        out[place] = out[firsts[places[place]]]  # asked more than once
    return out


def nearest_index(times_sec: Float[np.ndarray, " frames"], time_sec: float) -> int:
    """Return the index of the frame nearest to a time; the earlier of two."""
    after = int(np.clip(np.searchsorted(times_sec, time_sec), 1, max(len(times_sec) - 1, 1)))
    before = after - 1
    if after == len(times_sec):
        return before
    return after if times_sec[after] - time_sec < time_sec - times_sec[before] else before


def part_settings(config: FramesConfig) -> dict[str, float]:
    """Return the part of the video that is stored; an open end is infinite."""
    return {
        "film_start_sec": float(config.film_start_sec),
        "start_sec": float(config.start_sec),
        "end_sec": math.inf if config.end_sec is None else float(config.end_sec),
    }


def _part(config: FramesConfig) -> tuple[float, float]:
    """Return start and end of that part, relative to the video's first frame."""
    part = part_settings(config)
    return part["start_sec"] - part["film_start_sec"], part["end_sec"] - part["film_start_sec"]


def _noting(
    source: VideoFile, config: FramesConfig, times_sec: list[float]
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """Yield the frames to store, and append the time of each to `times_sec`."""
    begins_sec, ends_sec = _part(config)
    for time_sec, rgb in source.frames(
        fps=config.fps,
        short_side=config.short_side,
        start_sec=begins_sec,
        end_sec=ends_sec,
        numbered=config.numbered,
    ):
        times_sec.append(config.film_start_sec + time_sec)
        yield rgb


def _tell_late_start(source: VideoFile, config: FramesConfig) -> None:
    """Log how much later than the file the picture begins."""
    if config.numbered and source.undecodable_sec:
        say(
            f"{source.path}: the first {source.undecodable_sec:.2f} s of its video cannot be "
            "decoded; frames are numbered from the first that a decoder gives"
        )
    if source.late_sec <= LATE_SEC or config.numbered:
        return
    why = ""
    if source.undecodable_sec:
        why = f" (the first {source.undecodable_sec:.2f} s of its video cannot be decoded)"
    say(
        f"{source.path}: its picture begins {source.late_sec:.2f} s after the file's start{why}; "
        "seconds count from the file's start, as players do; until then its first picture stands"
    )


def _tell_guesses(source: VideoFile, config: FramesConfig) -> None:
    """Log what is assumed of a video that lacks key pictures, or times in order."""
    if source.keyless:
        say(
            f"{source.path}: no key picture at its beginning, so it shows what a decoder guesses; "
            "was it cut between two key pictures?"
        )
    if source.unordered and not config.numbered:
        say(
            f"{source.path}: {source.unordered} of its frames are not later than the frame before, "
            f"but up to {source.unordered_sec:.2f} s earlier; each is shown once it is decoded, so "
            "pictures near them may be off by a few frames (a copy into another container, or "
            "encoding again, gives it a whole clock)"
        )


def _too_short(source: VideoFile) -> str:
    """Explain why a video may have too few frames."""
    lasts = f"it lasts {source.end_sec:.2f} s"
    if source.stated_sec > source.end_sec + 1:
        return f"{lasts} but states {source.stated_sec:.2f} s, so it is damaged or cut off"
    return lasts
