"""Any film as upright RGB frames at a steady rate and one size.

Frames are chosen by their time, not by their number: at k / fps seconds stands the frame that a player
would show then. So films of variable frame rate stay in step with annotations in seconds. Time 0 is
the film's first frame.

Phones write upright films lying, with a rotation to be applied; some cameras write pixels that are
not square. Both are undone here, before the short side is scaled, so that boxes as fractions of the
frame mean what a viewer sees. Interlaced films are not de-interlaced.
"""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import av
import cv2
import numpy as np
from jaxtyping import UInt8

from aia.errors import InputError
from aia.video.transforms import resize_size_hw

BT601 = (2, 5, 6)
"""Colour matrices for which OpenCV's conversion is right: unknown (players take it for this), and its
two names."""

LONGEST_GAP_SEC = 600.0
"""A longer jump between two frames is a broken clock, not a still picture."""


class FilmInfo(NamedTuple):
    """What a film says of itself; `frames` and `duration_sec` are 0 where it says nothing."""

    duration_sec: float
    frames: int
    size_hw: tuple[int, int]  # as shown: upright, square pixels
    fps: float


class TimedFrame(NamedTuple):
    """A frame and the time at which it is shown."""

    time_sec: float
    rgb: UInt8[np.ndarray, "height width 3"]


def probe(path: Path | str) -> FilmInfo:
    """What a film says of itself; one frame is decoded, to know which side is up."""
    film = Film(path)
    return FilmInfo(film.stated_sec, film.stated_frames, film.size_hw, film.source_fps)


def decode(path: Path | str, *, fps: float, short_side: int) -> Iterator[TimedFrame]:
    """The frames at 0, 1 / fps, 2 / fps, … seconds up to the film's end.

    Raises:
        InputError: there is no such film, or it is not one.
    """
    return Film(path).frames(fps=fps, short_side=short_side)


class Film:
    """A film that is read once, from start to end, and counts what it finds on the way.

    Attributes:
        size_hw: as shown, upright and with square pixels.
        stated_sec, stated_frames, source_fps: what the file says; 0 where it says nothing.
        source_frames: frames decoded so far.
        bad_packets: pieces that could not be decoded.
        end_sec: where the last frame ends.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.source_frames, self.bad_packets, self.end_sec = 0, 0, 0.0
        with self._open() as (container, stream):
            rate = stream.average_rate or stream.guessed_rate
            self.source_fps = float(rate) if rate else 0.0
            self.stated_sec = _stated_sec(container, stream)
            self.stated_frames = stream.frames or round(self.stated_sec * self.source_fps)
            for _, frame in self._source_frames(container, stream):
                self.size_hw = shown_size_hw(frame, stream.sample_aspect_ratio)
                break
            else:
                raise InputError(
                    f"{self.path}: no frame can be decoded; the film is empty, damaged, or "
                    "in a codec that this FFmpeg lacks"
                )
        self.source_frames, self.bad_packets, self.end_sec = 0, 0, 0.0

    def frames(self, *, fps: float, short_side: int) -> Iterator[TimedFrame]:
        """The frames at k / fps; where a source frame is shown twice, the same array comes twice."""
        size_hw = resize_size_hw(self.size_hw, short_side)
        with self._open() as (container, stream):
            k, shown, rgb = 0, None, None
            # half a tick of the film's clock: containers round a frame's time to whole ticks
            slack = min(float(stream.time_base) / 2, 5e-4) + 1e-9
            for start_sec, frame in self._source_frames(container, stream):
                while shown is not None and k / fps + slack < start_sec:
                    rgb = upright_rgb(shown, size_hw) if rgb is None else rgb
                    yield TimedFrame(k / fps, rgb)
                    k += 1
                shown, rgb = frame, None
            while shown is not None and k / fps + slack < self.end_sec:
                rgb = upright_rgb(shown, size_hw) if rgb is None else rgb
                yield TimedFrame(k / fps, rgb)
                k += 1

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[av.container.InputContainer, av.VideoStream]]:
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
                kinds = sorted({stream.type for stream in container.streams}) or ["nothing"]
                raise InputError(
                    f"{self.path}: no picture in this file, only {', '.join(kinds)}; is it a sound file?"
                )
            stream = container.streams.best("video")
            yield container, stream if stream in pictures else pictures[0]

    def _source_frames(
        self, container: "av.container.InputContainer", stream: "av.VideoStream"
    ) -> Iterator[tuple[float, av.VideoFrame]]:
        """Every frame that decodes, with its start; counts them and what does not decode."""
        stream.codec_context.thread_count = 1  # films are decoded side by side, by the workflow
        step_sec = 1 / self.source_fps if self.source_fps else 0.0
        first_sec: float | None = None
        for frame in self._decodable(container, stream):
            # frames without a time (raw streams, some old AVI) follow each other at the film's rate
            start_sec = frame.time if frame.time is not None else (first_sec or 0.0) + self.end_sec
            first_sec = start_sec if first_sec is None else first_sec
            start_sec = start_sec - first_sec
            if start_sec > self.end_sec + LONGEST_GAP_SEC:
                raise InputError(
                    f"{self.path}: frame {self.source_frames} is at {start_sec:.1f} s, after a frame "
                    f"that ends at {self.end_sec:.1f} s; the film's clock is broken, encode it again"
                )
            lasts_sec = float(frame.duration * frame.time_base) if frame.duration else step_sec
            self.source_frames += 1
            self.end_sec = max(self.end_sec, start_sec + lasts_sec)
            yield start_sec, frame

    def _decodable(
        self, container: "av.container.InputContainer", stream: "av.VideoStream"
    ) -> Iterator[av.VideoFrame]:
        packets = container.demux(stream)
        while True:
            try:
                packet = next(packets)
            except StopIteration:
                return
            except av.FFmpegError:  # the container itself breaks off here
                self.bad_packets += 1
                packet = None
            try:
                yield from stream.decode(packet)
            except av.EOFError:
                return
            except av.FFmpegError:
                self.bad_packets += 1
            if packet is None:
                return


def shown_size_hw(frame: av.VideoFrame, aspect: "object | None") -> tuple[int, int]:
    """Height and width of a frame as a player shows it: upright, with square pixels.

    `aspect` is a pixel's width by its height; the width changes, as in players. Aspects beyond 1:4 and
    4:1 are taken for mistakes and left out.
    """
    ratio = float(aspect) if aspect else 1.0  # type: ignore[arg-type]
    width = round(frame.width * ratio) if 0.25 <= ratio <= 4 else frame.width
    return (width, frame.height) if quarter_turns(frame) % 2 else (frame.height, width)


def quarter_turns(frame: av.VideoFrame) -> int:
    """Quarter turns, against the clock, that bring a frame upright."""
    return round(frame.rotation / 90) % 4


def upright_rgb(
    frame: av.VideoFrame, size_hw: tuple[int, int]
) -> UInt8[np.ndarray, "height width 3"]:
    """A frame's colours, scaled to `size_hw` and turned upright."""
    turns = quarter_turns(frame)
    height, width = size_hw[::-1] if turns % 2 else size_hw
    rgb = full_rgb(frame)
    # where the picture shrinks to less than half, bilinear scaling would skip whole pixels
    shrinks = frame.height > 2 * height or frame.width > 2 * width
    if rgb.shape[:2] != (height, width):
        how = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        rgb = cv2.resize(rgb, (width, height), interpolation=how)
    return np.ascontiguousarray(np.rot90(rgb, turns))


def full_rgb(frame: av.VideoFrame) -> UInt8[np.ndarray, "height width 3"]:
    """A frame's colours at its own size.

    OpenCV's conversion takes half the time of FFmpeg's scaler, but knows the usual kind of film only:
    8 bits, colour at half the resolution, even sides, the colour matrix and range of television.
    """
    even = frame.width % 2 == 0 and frame.height % 2 == 0
    usual = frame.format.name == "yuv420p" and frame.colorspace in BT601 and frame.color_range != 2
    if even and usual:
        return cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
    return frame.to_ndarray(format="rgb24")


def _stated_sec(container: "av.container.InputContainer", stream: "av.VideoStream") -> float:
    """Length of the picture as the file states it; 0 if it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")  # Matroska
    minutes, _, seconds = rest.partition(":")
    with contextlib.suppress(ValueError):
        return int(hours) * 3600 + int(minutes) * 60 + float(seconds)
    return container.duration / av.time_base if container.duration else 0.0


def _is_cover(stream: "av.VideoStream") -> bool:
    """Whether a stream is the picture on a sound file's sleeve."""
    return bool(stream.disposition & av.stream.Disposition.attached_pic)


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
