"""Any film as upright RGB frames at a steady rate and one size.

Frames are chosen by their time, not by their number: at k / fps seconds stands the frame that a
player would show then. So films of variable frame rate stay in step with annotations in seconds.
Time 0 is the film's first frame. Where annotations count frames instead, they can be taken one
after another whatever their own times (`numbered`): the k-th then stands at k / fps seconds.

How one frame becomes colours is told in picture.py.
"""

import contextlib
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.stream import Disposition
from jaxtyping import UInt8

from aia.errors import InputError
from aia.video.picture import shown_size_hw, upright_rgb
from aia.video.transforms import resize_size_hw

KINDS = (
    "mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "live_flv", "asf", "ogg", "mxf",
    "rm", "wtv", "dv", "nut", "dhav", "gif", "apng", "ivf", "obu", "av1", "h264", "hevc", "vc1",
    "m4v", "mjpeg", "yuv4mpegpipe",
)  # fmt: skip
"""FFmpeg's names of the kinds of film that are read, mp4 and webm among them.

Each is whole in itself. FFmpeg knows others that name further files or servers (playlists of HLS
and DASH, lists of films to join, SDP) and takes a text for one whatever its ending: such a film
from outside would show what lies anywhere on this machine.
"""

SEEK_SEC = 30.0
"""A part that begins later is sought, from this long before it; up to there films are decoded."""

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
    """What a film says of itself; what it does not say is counted.

    Raises:
        InputError: There is no such film, or it is not one.
    """
    film = Film(path)
    if not film.stated_sec:
        film.count_frames()
        rate = film.source_frames / film.end_sec if film.end_sec else 0.0
        return FilmInfo(film.end_sec, film.source_frames, film.size_hw, rate)
    frames = film.stated_frames or film.count_packets()
    return FilmInfo(film.stated_sec, frames, film.size_hw, frames / film.stated_sec)


def decode(path: Path | str, *, fps: float, short_side: int) -> Iterator[TimedFrame]:
    """The frames at 0, 1 / fps, 2 / fps, … seconds up to the film's end.

    Raises:
        InputError: There is no such film, or it is not one.
    """
    return Film(path).frames(fps=fps, short_side=short_side)


class Film:
    """A film that is read from start to end, and what is found on the way.

    Attributes:
        size_hw: As shown, upright and with square pixels.
        stated_sec, stated_frames, stated_fps: As the file states them; 0 where it does not.
        clock_start_sec: What the film's own clock says at its first frame.
        source_frames: Frames decoded so far.
        starts_sec: When each frame begins that `frames` has shown so far.
        bad_packets: Pieces that could not be decoded.
        end_sec: When the last frame ends.

    Raises:
        InputError: There is no such film, or it is not one.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.starts_sec: list[float] = []
        self.clock_start_sec = 0.0
        with self._open() as (container, stream):
            rate = stream.guessed_rate or stream.average_rate
            self.stated_fps = float(rate) if rate else 0.0
            self.stated_frames = int(stream.frames)
            for _, frame in self._source_frames(container, stream):
                self.size_hw = shown_size_hw(frame, stream.sample_aspect_ratio)
                self.stated_sec = _stated_sec(container, stream, frame)
                break
            else:
                raise InputError(
                    f"{self.path}: no frame of it can be decoded; is it damaged, or cut off?"
                )

    def frames(
        self,
        *,
        fps: float,
        short_side: int,
        start_sec: float = 0.0,
        end_sec: float = math.inf,
        numbered: bool = False,
    ) -> Iterator[TimedFrame]:
        """The frames at start_sec + k / fps, before `end_sec` and the film's end.

        One that is shown twice comes twice, as the same array. If `numbered`, every frame comes
        once: each is taken to be shown 1 / fps seconds after the one before it.
        """
        size_hw = resize_size_hw(self.size_hw, short_side)
        self.starts_sec = []
        with self._open() as (container, stream):
            # half a tick of the film's clock: files round a frame's time to whole ticks
            slack_sec = min(float(stream.time_base) / 2, 5e-4) + 1e-9
            last_sec = end_sec - slack_sec
            k, shown, rgb = 0, None, None

            def due(before_sec: float) -> Iterator[TimedFrame]:
                nonlocal k, rgb
                while shown is not None and start_sec + k / fps + slack_sec < before_sec:
                    rgb = upright_rgb(shown, size_hw) if rgb is None else rgb
                    yield TimedFrame(start_sec + k / fps, rgb)
                    k += 1

            part_sec = 0.0 if numbered else start_sec  # who counts must begin at the first
            source = self._source_frames(container, stream, part_sec=part_sec)
            for number, (begins_sec, frame) in enumerate(source):
                shown_sec = number / fps if numbered else begins_sec
                yield from due(min(shown_sec, last_sec + slack_sec))
                if shown_sec >= last_sec:
                    return
                if shown_sec <= start_sec + slack_sec:  # so the frames before it are not shown
                    self.starts_sec.clear()
                self.starts_sec.append(begins_sec)
                shown, rgb = frame, None
            ends_sec = self.source_frames / fps if numbered else self.end_sec
            yield from due(min(ends_sec, last_sec + slack_sec))

    def count_frames(self) -> None:
        """Decode everything, to know `source_frames` and `end_sec`."""
        with self._open() as (container, stream):
            for _ in self._source_frames(container, stream):
                pass

    def count_packets(self) -> int:
        """Pieces of the film, each a frame as a rule; they are not decoded."""
        with self._open() as (container, stream), contextlib.suppress(av.FFmpegError):
            return sum(packet.size > 0 for packet in container.demux(stream))
        return 0

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        """The film's container and its picture, or a clear word on why there is none."""
        with open_container(self.path) as container:
            moving = [stream for stream in container.streams.video if _is_moving(stream)]
            if not moving:
                found = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
                raise InputError(
                    f"{self.path}: a film is expected, but the file holds {found} and no moving "
                    "picture; is it a sound file?"
                )
            best = container.streams.best("video")
            stream = best if best in moving else moving[0]
            if stream.codec_context is None:
                raise InputError(
                    f"{self.path}: its picture is in a form that FFmpeg does not know; is the "
                    "file damaged, or was its download cut off?"
                )
            yield container, stream

    def _source_frames(
        self, container: Any, stream: Any, *, part_sec: float = 0.0
    ) -> Iterator[tuple[float, Any]]:
        """Every frame that decodes, with its start; counts as it goes.

        Those long before `part_sec` may be left out.
        """
        self.source_frames, self.bad_packets, self.end_sec = 0, 0, 0.0
        stream.codec_context.thread_count = 1  # films are decoded side by side, by the workflow
        zero_sec, last_sec = None, None
        sought_sec = self._seek(container, stream, part_sec) if part_sec > SEEK_SEC else None
        if sought_sec is not None:
            zero_sec, self.end_sec = self.clock_start_sec, sought_sec
        lasts_sec = 1 / self.stated_fps if self.stated_fps else 0.0
        for frame in self._decodable(container, stream):
            time_sec = _time_sec(frame, container.format.name)
            if time_sec is None:  # such frames follow each other as those before them did
                time_sec = self.end_sec + (zero_sec or 0.0)
            if zero_sec is None:
                zero_sec = self.clock_start_sec = time_sec
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

    def _seek(self, container: Any, stream: Any, part_sec: float) -> float | None:
        """Go to a place before a part and return it; None: no place can be relied on."""
        wanted_sec = self.clock_start_sec + part_sec
        with contextlib.suppress(av.FFmpegError):
            ticks = round((wanted_sec - SEEK_SEC / 3) / stream.time_base)
            container.seek(ticks, stream=stream)
            first = next(self._decodable(container, stream), None)
            found_sec = None if first is None else _time_sec(first, container.format.name)
            in_order = container.format.name != "avi"  # whose clock starts anew where it is sought
            if in_order and found_sec is not None and found_sec <= wanted_sec:
                container.seek(ticks, stream=stream)
                return found_sec - self.clock_start_sec
        container.seek(stream.start_time or 0, stream=stream)
        return None

    def _decodable(self, container: Any, stream: Any) -> Iterator[Any]:
        """What decodes of the film: damaged pieces are counted and left out."""
        packets = container.demux(stream)
        broken = False
        while not broken:
            try:
                packet = next(packets)  # the last one is empty: it asks for what is still inside
            except StopIteration:
                return
            except (av.FFmpegError, IndexError):  # PyAV's word for a stream that turns up late
                packet, broken = None, True  # the file breaks off: ask for what is still inside
                self.bad_packets += 1
            try:
                yield from stream.decode(packet)
            except av.EOFError:
                return
            except av.FFmpegError:
                self.bad_packets += 1


def open_container(path: Path) -> Any:
    """A film's file, opened by FFmpeg as one of `KINDS` and as nothing else.

    Raises:
        InputError: There is no such film, or it is not one.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such film; is the path right?")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; was its download cut off?")
    try:
        return av.open(
            f"file:{path}",  # or a colon in its name ends the name of a protocol
            metadata_errors="replace",
            options={"format_whitelist": ",".join(KINDS), "protocol_whitelist": "file"},
        )
    except av.ArgumentError:  # FFmpeg's word for a kind that it knows, but that is not of these
        raise InputError(
            f"{path}: not a film of a kind that is read (mp4, mkv, webm, avi, mpeg and "
            "others that are whole in themselves); is it a playlist, which names other files, "
            "a sound file, a photograph or a text, or is it damaged?"
        ) from None
    except (av.FFmpegError, ValueError) as error:
        raise InputError(
            f"{path}: not a film that FFmpeg can open ({_reason(error)}); is it another "
            "kind of file, or was its download cut off?"
        ) from None


def _stated_sec(container: Any, stream: Any, first: av.VideoFrame) -> float:
    """Length of the picture as the file states it; 0 if it does not."""
    if stream.duration:
        stated_sec = float(stream.duration * stream.time_base)
    else:
        stated_sec = (container.duration or 0) / av.time_base
    if "matroska" in container.format.name:  # it states the end, not the length
        stated_sec -= first.time or 0.0
    return max(stated_sec, 0.0)


def _time_sec(frame: av.VideoFrame, container_name: str) -> float | None:
    """When a frame is shown, if the file says so."""
    if container_name == "avi":
        # its clock counts pieces of the file, which come in another order than frames; the piece
        # that made the decoder give out a frame is right
        return None if frame.dts is None else float(frame.dts * frame.time_base)
    return frame.time


def _is_moving(stream: Any) -> bool:
    """Whether a stream of pictures is a film, and not the picture on a sound file's sleeve."""
    return not stream.disposition & Disposition.attached_pic


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
