"""Decode any video to upright RGB frames at a constant rate and one size.

Frames are chosen by their time, not by their number: the frame at k / fps seconds is the one that
a player would show then. So videos of variable frame rate stay aligned with annotations in seconds.
Time 0 is the file's start, as players have it: the earliest start of its pictures and sounds (as
FFmpeg reads them, edit lists applied). Until its first picture begins, that picture is shown.
Where annotations count frames instead, frames can be numbered
regardless of their own times (`numbered`): the k-th then gets the time k / fps seconds.

picture.py converts the colours of one frame.
"""

import contextlib
import itertools
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.stream import Disposition
from jaxtyping import Float, UInt8

from aia.errors import InputError
from aia.video.picture import shown_size_hw, upright_rgb
from aia.video.transforms import resize_size_hw

KINDS = (
    "mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "live_flv", "asf", "ogg", "mxf",
    "rm", "wtv", "dv", "nut", "dhav", "gif", "apng", "ivf", "obu", "av1", "h264", "hevc", "vc1",
    "m4v", "mjpeg", "yuv4mpegpipe",
)  # fmt: skip
"""FFmpeg's names of the container formats that are read, including mp4 and webm.

Each is self-contained. FFmpeg knows others that refer to further files or servers (playlists of HLS
and DASH, lists of videos to join, SDP), and detects them by content, whatever the file's ending:
such a file from outside could show the content of any file of this machine.
"""

SEEK_SEC = 30.0
"""Parts that begin later are reached by seeking, to this long before them."""

PRIMING_SEC = 0.1
"""Sound that begins so little before 0 is a decoder's run-up, which no player plays."""

LATE_SEC = 0.1
"""A picture that begins later than this after the file's start is spoken of."""

MOST_BROKEN = 600
"""Frames among which the first key picture is looked for; those before it are not whole."""

LONGEST_GAP_SEC = 600.0
"""A longer jump between two frames means a broken clock, not a still image."""


class VideoInfo(NamedTuple):
    """Duration, number of frames, size and average rate of a video."""

    duration_sec: float
    frames: int
    size_hw: tuple[int, int]
    """As displayed: upright, with square pixels."""
    fps: float
    """Average."""


class TimedFrame(NamedTuple):
    """A frame and the time at which it is displayed."""

    time_sec: float
    rgb: UInt8[np.ndarray, "height width 3"]


def probe(path: Path | str) -> VideoInfo:
    """Read a video's properties from its header; count what the header does not state.

    Raises:
        InputError: The video is missing, or the file is not a video.
    """
    video = VideoFile(path)
    if not video.stated_sec:
        video.count_frames()
        rate = video.source_frames / video.end_sec if video.end_sec else 0.0
        return VideoInfo(video.end_sec, video.source_frames, video.size_hw, rate)
    frames = video.stated_frames or video.count_packets()
    return VideoInfo(video.stated_sec, frames, video.size_hw, frames / video.stated_sec)


def decode(path: Path | str, *, fps: float, short_side: int) -> Iterator[TimedFrame]:
    """Yield the frames at 0, 1 / fps, 2 / fps, … seconds up to the video's end.

    Raises:
        InputError: The video is missing, or the file is not a video.
    """
    return VideoFile(path).frames(fps=fps, short_side=short_side)


class VideoFile:
    """A video that is decoded from start to end, and statistics collected meanwhile.

    Attributes:
        size_hw: As displayed, upright and with square pixels.
        stated_sec, stated_frames, stated_fps: End, number of frames and frames a second, as stated
            in the file; 0 where they are not.
        clock_start_sec: Timestamp of the first frame in the file.
        zero_sec: Timestamp of the file's start, which is time 0.
        late_sec: Time at which the first frame that can be decoded begins.
        undecodable_sec: How much of that is video that cannot be decoded.
        keyless: True if it has no key picture to begin with, so that its decoder guesses.
        source_frames: Number of frames decoded so far.
        starts_sec: Start of each frame that `frames` has used so far.
        bad_packets: Number of packets that could not be decoded.
        unordered: Number of frames so far that state no later time than the frame before.
        unordered_sec: The most by which one of them is earlier.
        end_sec: End of the last frame.

    Raises:
        InputError: The video is missing, or the file is not a video.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path)
        self.starts_sec: list[float] = []
        self.clock_start_sec = 0.0
        self.zero_sec: float | None = None
        self._broken, self.keyless = 0, False
        if not self._read_start():
            self._broken, self.zero_sec = self._count_broken(), None
            self._read_start()

    def frames(
        self,
        *,
        fps: float,
        short_side: int,
        start_sec: float = 0.0,
        end_sec: float = math.inf,
        numbered: bool = False,
    ) -> Iterator[TimedFrame]:
        """Yield the frames at start_sec + k / fps, before `end_sec` and the video's end.

        A repeated frame is yielded again as the same array. If `numbered`, every frame is yielded
        once, as if each were displayed 1 / fps seconds after the one before it.
        """
        size_hw = resize_size_hw(self.size_hw, short_side)
        self.starts_sec = []
        with self._open() as (container, stream):
            # half a tick of the video's clock: files round frame times to whole ticks
            slack_sec = min(float(stream.time_base) / 2, 5e-4) + 1e-9
            last_sec = end_sec - slack_sec
            k, shown, rgb = 0, None, None

            def due(before_sec: float) -> Iterator[TimedFrame]:
                nonlocal k, rgb
                while shown is not None and start_sec + k / fps + slack_sec < before_sec:
                    rgb = upright_rgb(shown, size_hw) if rgb is None else rgb
                    yield TimedFrame(start_sec + k / fps, rgb)
                    k += 1

            part_sec = 0.0 if numbered else start_sec  # counting must begin at the first frame
            source = self._source_frames(container, stream, part_sec=part_sec, numbered=numbered)
            for number, (begins_sec, frame) in enumerate(source):
                shown_sec = number / fps if numbered else begins_sec
                yield from due(min(shown_sec, last_sec + slack_sec))
                if shown_sec >= last_sec:
                    return
                if shown_sec <= start_sec + slack_sec:  # the frames before it are not used
                    self.starts_sec.clear()
                self.starts_sec.append(begins_sec)
                shown, rgb = frame, None
            ends_sec = self.source_frames / fps if numbered else self.end_sec
            yield from due(min(ends_sec, last_sec + slack_sec))

    def count_frames(self) -> None:
        """Decode everything, to determine `source_frames` and `end_sec`."""
        with self._open() as (container, stream):
            for _ in self._source_frames(container, stream):
                pass

    def count_packets(self) -> int:
        """Count the video's packets, usually one a frame, without decoding them."""
        with self._open() as (container, stream), contextlib.suppress(av.FFmpegError):
            return sum(packet.size > 0 for packet in container.demux(stream))
        return 0

    def picture_times_sec(self) -> Float[np.ndarray, " pictures"]:
        """Read when each picture begins, rising, without decoding them."""
        zero_sec = self.zero_sec or 0.0
        with self._open() as (container, stream), contextlib.suppress(av.FFmpegError):
            times = [
                float(packet.pts * stream.time_base) - zero_sec
                for packet in container.demux(stream)
                if packet.size and packet.pts is not None and not packet.is_discard
            ]
            return np.sort(np.array(times, np.float64))
        return np.zeros(0)

    @contextlib.contextmanager
    def _open(self) -> Iterator[tuple[Any, Any]]:
        """Open the container and select its video stream."""
        with open_container(self.path) as container:
            moving = [stream for stream in container.streams.video if _is_moving(stream)]
            if not moving:
                found = ", ".join(sorted({s.type for s in container.streams})) or "nothing"
                raise InputError(
                    f"{self.path}: expected a video, but the file has {found} and no video stream; "
                    "is it an audio file?"
                )
            best = container.streams.best("video")
            stream = best if best in moving else moving[0]
            if stream.codec_context is None:
                raise InputError(
                    f"{self.path}: its video codec is unknown to FFmpeg; is the file damaged, or "
                    "was its download cut off?"
                )
            yield container, stream

    def _read_start(self) -> bool:
        """Read the header and the first frame; return True if that is a key picture."""
        with self._open() as (container, stream):
            rate = stream.guessed_rate or stream.average_rate
            self.stated_fps = float(rate) if rate else 0.0
            self.stated_frames = int(stream.frames)
            for _, frame in self._source_frames(container, stream):
                self.size_hw = shown_size_hw(frame, stream.sample_aspect_ratio)
                self.stated_sec = _stated_sec(
                    container, stream, frame, zero_sec=self.zero_sec or 0.0
                )
                self.undecodable_sec = self._undecodable_sec(container, stream)
                return bool(frame.key_frame)
        raise InputError(
            f"{self.path}: none of its frames can be decoded; is it damaged, or cut off?"
        )

    def _count_broken(self) -> int:
        """Count the frames before the first key picture; 0 if there is none, or it is hidden."""
        with self._open() as (container, stream):
            packet = next(container.demux(stream), None)
            if packet is not None and packet.is_keyframe and packet.is_discard:
                return 0  # an edit list hides the key picture before the cut
        with self._open() as (container, stream):
            frames = itertools.islice(self._decodable(container, stream), MOST_BROKEN)
            first = next((number for number, frame in enumerate(frames) if frame.key_frame), None)
        self.keyless = first is None
        return first or 0 if self._before_key_sec() else 0

    def _before_key_sec(self) -> float | None:
        """Return how long the packets before the first key picture last; None if there is none."""
        begins = None
        with self._open() as (container, stream), contextlib.suppress(av.FFmpegError):
            for packet in container.demux(stream):
                if packet.dts is not None:
                    begins = packet.dts if begins is None else begins
                    if packet.is_keyframe:
                        return float((packet.dts - begins) * stream.time_base)
        return None

    def _source_frames(
        self, container: Any, stream: Any, *, part_sec: float = 0.0, numbered: bool = False
    ) -> Iterator[tuple[float, Any]]:
        """Yield every decodable frame with its start, and update the statistics.

        Frames long before `part_sec` may be skipped. Those before the first key picture, which some
        decoders yield, are broken; they only count where frames are `numbered`.
        """
        self.source_frames, self.bad_packets, self.end_sec = 0, 0, 0.0
        self.unordered, self.unordered_sec = 0, 0.0
        stream.codec_context.thread_count = 1  # the workflow decodes videos in parallel
        last_sec = None
        sought_sec = self._seek(container, stream, part_sec) if part_sec > SEEK_SEC else None
        if sought_sec is not None:
            self.end_sec = sought_sec
        lasts_sec = 1 / self.stated_fps if self.stated_fps else 0.0
        broken = 0 if numbered or sought_sec is not None else self._broken
        for frame in itertools.islice(self._decodable(container, stream), broken, None):
            time_sec = _time_sec(frame, container.format.name)
            if time_sec is None:  # without a timestamp: assume that it follows the frame before it
                time_sec = self.end_sec + (self.zero_sec or 0.0)
            if self.zero_sec is None:
                self.clock_start_sec = time_sec
                if container.format.name == "avi":  # it counts packets, not times
                    self.zero_sec = time_sec - (self._before_key_sec() or 0.0)
                else:
                    self.zero_sec = _zero_sec(container, first_sec=time_sec)
            start_sec = time_sec - self.zero_sec
            if start_sec > self.end_sec + LONGEST_GAP_SEC:
                raise InputError(
                    f"{self.path}: frame {self.source_frames} is at {start_sec:.1f} s, after one "
                    f"that ends at {self.end_sec:.1f} s; the video's clock is broken, encode it "
                    "again"
                )
            if frame.duration:
                lasts_sec = float(frame.duration * frame.time_base)
            elif last_sec is not None and start_sec > last_sec:
                lasts_sec = start_sec - last_sec
            if last_sec is not None and start_sec <= last_sec:
                self.unordered += 1
                self.unordered_sec = max(self.unordered_sec, last_sec - start_sec)
            self.source_frames += 1
            self.end_sec = max(self.end_sec, start_sec + lasts_sec)
            last_sec = start_sec
            yield start_sec, frame

    def _seek(self, container: Any, stream: Any, part_sec: float) -> float | None:
        """Seek to a time before a part and return it; None if seeking is not reliable."""
        zero_sec = self.zero_sec or 0.0
        wanted_sec = zero_sec + part_sec
        with contextlib.suppress(av.FFmpegError):
            ticks = round((wanted_sec - SEEK_SEC / 3) / stream.time_base)
            container.seek(ticks, stream=stream)
            first = next(self._decodable(container, stream), None)
            found_sec = None if first is None else _time_sec(first, container.format.name)
            in_order = container.format.name != "avi"  # seeking resets the clock of an AVI
            if in_order and found_sec is not None and found_sec <= wanted_sec:
                container.seek(ticks, stream=stream)
                return found_sec - zero_sec
        container.seek(stream.start_time or 0, stream=stream)
        return None

    @property
    def late_sec(self) -> float:
        """Time at which the first frame that can be decoded begins."""
        return self.clock_start_sec - (self.zero_sec or 0.0)

    def _undecodable_sec(self, container: Any, stream: Any) -> float:
        """Return how much video there is before the first frame that can be decoded."""
        if container.format.name == "avi":
            return self.late_sec
        if stream.start_time is None or self.late_sec == 0:
            return 0.0
        missing_sec = self.clock_start_sec - float(stream.start_time * stream.time_base)
        if missing_sec <= LATE_SEC or not self._before_key_sec():  # one frame: its start is a guess
            return 0.0
        return missing_sec

    def _decodable(self, container: Any, stream: Any) -> Iterator[Any]:
        """Yield the frames that can be decoded; count damaged packets and skip them."""
        packets = container.demux(stream)
        broken = False
        while not broken:
            try:
                packet = next(packets)  # the last one is empty and flushes the decoder
            except StopIteration:
                return
            except (av.FFmpegError, IndexError):  # IndexError: a stream that appears late
                packet, broken = None, True  # the file is truncated: flush the decoder
                self.bad_packets += 1
            try:
                yield from stream.decode(packet)
            except av.EOFError:
                return
            except av.FFmpegError:
                self.bad_packets += 1


def open_container(path: Path) -> Any:
    """Open a video as one of `KINDS` and nothing else.

    Raises:
        InputError: The video is missing, or the file is not a video.
    """
    if not path.is_file():
        raise InputError(f"{path}: there is no such video; is the path right?")
    if path.stat().st_size == 0:
        raise InputError(f"{path}: the file is empty; was its download cut off?")
    try:
        return av.open(
            f"file:{path}",  # else a colon in its name would end a protocol's name
            metadata_errors="replace",
            options={"format_whitelist": ",".join(KINDS), "protocol_whitelist": "file"},
        )
    except av.ArgumentError:  # a format that FFmpeg knows, but that is not allowed
        raise InputError(
            f"{path}: not a video of a supported format (mp4, mkv, webm, avi, mpeg and other "
            "self-contained ones); is it a playlist, which names other files, an audio file, a "
            "photograph or a text, or is it damaged?"
        ) from None
    except (av.FFmpegError, ValueError) as error:
        raise InputError(
            f"{path}: not a video that FFmpeg can open ({_reason(error)}); is it another "
            "kind of file, or was its download cut off?"
        ) from None


def _zero_sec(container: Any, *, first_sec: float) -> float:
    """Return when the file starts: the earliest start of its pictures and sounds.

    Args:
        container: The open file.
        first_sec: Timestamp of the first frame that can be decoded.
    """
    starts = [first_sec]
    for stream in container.streams:
        plays = stream.type == "audio" or (stream.type == "video" and _is_moving(stream))
        if plays and stream.start_time is not None and stream.time_base:
            start_sec = float(stream.start_time * stream.time_base)
            priming = stream.type == "audio" and -PRIMING_SEC < start_sec < 0
            starts.append(0.0 if priming else start_sec)
    return min(starts)


def _stated_sec(container: Any, stream: Any, first: av.VideoFrame, *, zero_sec: float) -> float:
    """Return when the stream ends as stated in the file; 0 if it is not."""
    matroska = "matroska" in container.format.name  # it states the end, not the length
    if stream.duration and not matroska:
        begins_sec = first.time or 0.0
        if stream.start_time is not None:
            begins_sec = min(begins_sec, float(stream.start_time * stream.time_base))
        before_sec = begins_sec - zero_sec if container.format.name != "avi" else 0.0
        return max(float(stream.duration * stream.time_base) + before_sec, 0.0)
    stated_sec = (container.duration or 0) / av.time_base
    if matroska:
        stated_sec -= zero_sec
    return max(stated_sec, 0.0)


def _time_sec(frame: av.VideoFrame, container_name: str) -> float | None:
    """Return when a frame is displayed, if the file states it."""
    if container_name == "avi":
        # an AVI numbers packets, whose order differs from that of frames; the timestamp of the
        # packet that completed the frame is right
        return None if frame.dts is None else float(frame.dts * frame.time_base)
    return frame.time


def _is_moving(stream: Any) -> bool:
    """Return True for a video stream that is not the cover image of an audio file."""
    return not stream.disposition & Disposition.attached_pic


def _reason(error: Exception) -> str:
    return str(getattr(error, "strerror", None) or error)
