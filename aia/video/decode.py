"""Any film as upright RGB frames at a steady rate and one size.

Frames are chosen by their time, not by their number: at k / fps seconds stands the frame that a
player would show then. So films of variable frame rate stay in step with annotations in seconds.
Time 0 is the film's first frame.

Phones write upright films lying, with a turn to be applied; some cameras write pixels that are not
square. Both are undone here, before the short side is scaled, so that a box as fractions of the
frame means what a viewer sees. Interlaced films are not de-interlaced, HDR is not mapped.
"""

import contextlib
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideData
from av.stream import Disposition
from jaxtyping import UInt8

from aia.errors import InputError
from aia.video.transforms import resize_size_hw

TELEVISION = (2, 5, 6)
"""Colour matrices that OpenCV's conversion is right for: BT.601's two names, and "unknown", which
players take for it."""

LONGEST_GAP_SEC = 600.0
"""A longer jump between two frames is a broken clock, not a still picture."""


class FilmInfo(NamedTuple):
    """A film in four numbers."""

    duration_sec: float
    frames: int
    size_hw: tuple[int, int]  # as shown: upright, with square pixels
    fps: float  # on average


class TimedFrame(NamedTuple):
    """A frame and the time at which it is shown."""

    time_sec: float
    rgb: UInt8[np.ndarray, "height width 3"]


def probe(path: Path | str) -> FilmInfo:
    """What a film says of itself; one that does not say how long it is gets counted.

    Raises:
        InputError: there is no such film, or it is not one.
    """
    film = Film(path)
    if not film.stated_sec:
        return film.counted()
    frames = film.stated_frames or round(film.stated_sec * film.stated_fps)
    return FilmInfo(film.stated_sec, frames, film.size_hw, frames / film.stated_sec)


def decode(path: Path | str, *, fps: float, short_side: int) -> Iterator[TimedFrame]:
    """The frames at 0, 1 / fps, 2 / fps, … seconds up to the film's end.

    Raises:
        InputError: there is no such film, or it is not one.
    """
    return Film(path).frames(fps=fps, short_side=short_side)


class Film:
    """A film that is read from start to end, and what is found on the way.

    Attributes:
        size_hw: as shown, upright and with square pixels.
        stated_sec, stated_frames, stated_fps: as the file states them; 0 where it does not.
        source_frames: frames decoded so far.
        bad_packets: pieces that could not be decoded.
        end_sec: when the last frame ends.

    Raises:
        InputError: there is no such film, or it is not one.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        with self._open() as (container, stream):
            rate = stream.guessed_rate or stream.average_rate
            self.stated_fps = float(rate) if rate else 0.0
            self.stated_frames = int(stream.frames)
            self.stated_sec = _stated_sec(container, stream)
            for _, frame in self._source_frames(container, stream):
                self.size_hw = shown_size_hw(frame, stream.sample_aspect_ratio)
                break
            else:
                raise InputError(
                    f"{self.path}: no frame of it can be decoded; is it damaged, or cut off?"
                )

    def frames(self, *, fps: float, short_side: int) -> Iterator[TimedFrame]:
        """The frames at k / fps; one that is shown twice comes twice, as the same array."""
        size_hw = resize_size_hw(self.size_hw, short_side)
        with self._open() as (container, stream):
            # half a tick of the film's clock: files round a frame's time to whole ticks
            slack_sec = min(float(stream.time_base) / 2, 5e-4) + 1e-9
            k, shown, rgb = 0, None, None
            for start_sec, frame in self._source_frames(container, stream):
                while shown is not None and k / fps + slack_sec < start_sec:
                    rgb = upright_rgb(shown, size_hw) if rgb is None else rgb
                    yield TimedFrame(k / fps, rgb)
                    k += 1
                shown, rgb = frame, None
            while shown is not None and k / fps + slack_sec < self.end_sec:
                rgb = upright_rgb(shown, size_hw) if rgb is None else rgb
                yield TimedFrame(k / fps, rgb)
                k += 1

    def counted(self) -> FilmInfo:
        """The film's numbers as they are, not as stated: every frame is decoded."""
        with self._open() as (container, stream):
            for _ in self._source_frames(container, stream):
                pass
        rate = self.source_frames / self.end_sec if self.end_sec else 0.0
        return FilmInfo(self.end_sec, self.source_frames, self.size_hw, rate)

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        """The film's container and its picture, or a clear word on why there is none."""
        if not self.path.is_file():
            raise InputError(f"{self.path}: there is no such film; is the path right?")
        if self.path.stat().st_size == 0:
            raise InputError(f"{self.path}: the file is empty; was its download cut off?")
        try:
            container = av.open(str(self.path), metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            raise InputError(
                f"{self.path}: not a film that FFmpeg can open ({_reason(error)}); is it another "
                "kind of file, or was its download cut off?"
            ) from None
        with container:
            pictures = [s for s in container.streams.video if not _is_cover(s)]
            if not pictures:
                found = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
                raise InputError(
                    f"{self.path}: a film is expected, but the file holds {found} and no moving "
                    "picture; is it a sound file?"
                )
            best = container.streams.best("video")
            yield container, best if best in pictures else pictures[0]

    def _source_frames(self, container: Any, stream: Any) -> Iterator[tuple[float, Any]]:
        """Every frame that decodes, with its start; counts as it goes."""
        self.source_frames, self.bad_packets, self.end_sec = 0, 0, 0.0
        stream.codec_context.thread_count = 1  # films are decoded side by side, by the workflow
        zero_sec, last_sec = None, None
        lasts_sec = 1 / self.stated_fps if self.stated_fps else 0.0
        for frame in self._decodable(container, stream):
            # frames without a time follow each other as those before them did
            time_sec = self.end_sec + (zero_sec or 0.0) if frame.time is None else frame.time
            zero_sec = time_sec if zero_sec is None else zero_sec
            start_sec = time_sec - zero_sec
            if start_sec > self.end_sec + LONGEST_GAP_SEC:
                raise InputError(
                    f"{self.path}: frame {self.source_frames} is at {start_sec:.1f} s, after one "
                    f"that ends at {self.end_sec:.1f} s; the film's clock is broken, encode it anew"
                )
            if frame.duration:
                lasts_sec = float(frame.duration * frame.time_base)
            elif last_sec is not None and start_sec > last_sec:
                lasts_sec = start_sec - last_sec
            self.source_frames += 1
            self.end_sec = max(self.end_sec, start_sec + lasts_sec)
            last_sec = start_sec
            yield start_sec, frame

    def _decodable(self, container: Any, stream: Any) -> Iterator[Any]:
        """What decodes of the film: damaged pieces are counted and left out."""
        packets = container.demux(stream)
        broken = False
        while not broken:
            try:
                packet = next(packets)  # the last one is empty: it asks for what is still inside
            except StopIteration:
                return
            except av.FFmpegError:
                packet, broken = None, True  # the file breaks off: ask for what is still inside
                self.bad_packets += 1
            try:
                yield from stream.decode(packet)
            except av.EOFError:
                return
            except av.FFmpegError:
                self.bad_packets += 1


def shown_size_hw(frame: av.VideoFrame, aspect: Fraction | None) -> tuple[int, int]:
    """Height and width of a frame as a player shows it: upright, with square pixels.

    `aspect` is a pixel's width by its height; players change the picture's width. Aspects beyond
    1:4 and 4:1 are taken for mistakes and left out.
    """
    stretch = aspect if aspect and Fraction(1, 4) <= aspect <= 4 else Fraction(1)
    size_hw = frame.height, max(round(frame.width * stretch), 1)
    return size_hw[::-1] if _turn(frame).transposed else size_hw


def upright_rgb(
    frame: av.VideoFrame, size_hw: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """A frame's colours, scaled to `size_hw` and turned upright."""
    turn = _turn(frame)
    height, width = size_hw[::-1] if turn.transposed else size_hw
    rgb = full_rgb(frame)
    if rgb.shape[:2] != (height, width):
        # where it shrinks to less than half, bilinear scaling would leave pixels out
        shrinks = frame.height > 2 * height or frame.width > 2 * width
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        rgb = cv2.resize(rgb, (width, height), interpolation=how)
    if turn.transposed:
        rgb = rgb.transpose(1, 0, 2)
    return np.ascontiguousarray(
        rgb[:: -1 if turn.upside_down else 1, :: -1 if turn.mirrored else 1]
    )


def full_rgb(frame: av.VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
    """A frame's colours at its own size.

    OpenCV converts in half the time of FFmpeg's scaler, but only the usual kind of film: 8 bits,
    colour at half the resolution, even sides, the colour matrix and range of television.
    """
    even = frame.width % 2 == 0 and frame.height % 2 == 0
    usual = frame.format.name == "yuv420p" and frame.color_range != 2
    if even and usual and frame.colorspace in TELEVISION:
        return cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
    return frame.to_ndarray(format="rgb24")


class _Turn(NamedTuple):
    """How a picture is brought upright: transposed first, then flipped."""

    transposed: bool
    upside_down: bool
    mirrored: bool


def _turn(frame: av.VideoFrame) -> _Turn:
    """The turn that a film asks for; slanted ones are taken for the nearest quarter.

    The matrix [[a, b], [c, d]] sends the point (x, y) to (a x + c y, b x + d y).
    """
    side = frame.side_data.get(SideData.DISPLAYMATRIX)
    if side is None:
        return _Turn(False, False, False)
    a, b, _, c, d = np.frombuffer(bytes(side), dtype=np.int32)[:5].tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _Turn(False, upside_down=d < 0, mirrored=a < 0)
    return _Turn(True, upside_down=b < 0, mirrored=c < 0)


def _stated_sec(container: Any, stream: Any) -> float:
    """Length of the picture as the file states it; 0 if it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    with contextlib.suppress(ValueError):  # Matroska: 00:01:15.200000000
        hours, minutes, seconds = stream.metadata.get("DURATION", "").split(":")
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return container.duration / av.time_base if container.duration else 0.0


def _is_cover(stream: Any) -> bool:
    """Whether a stream is the picture on a sound file's sleeve."""
    return bool(stream.disposition & Disposition.attached_pic)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
