"""Pictures of cameras, streams, and files that are played as cameras.

A stream may open network protocols of its kind alone, and formats that hold the video themselves:
neither a redirection nor a playlist leads to a file of this machine.
"""

import platform
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import av
import numpy as np
from jaxtyping import UInt8

from aia.errors import InputError
from aia.predict.sources import shown
from aia.video.decode import KINDS, MOST_BROKEN, VideoFile
from aia.video.picture import shown_size_hw, upright_rgb
from aia.video.transforms import resize

RETRIES = 5
"""Connections that are tried one after the other once a stream broke off."""
TIMEOUT_SEC = 10.0
"""Longest wait for a connection, and for data on it."""
BURST_SEC = 5.0
"""Pictures that a server sends at once when a stream begins, at most; later ones come in time."""

CLOCKLESS = ("mpjpeg", "mjpeg", "h264", "hevc", "m4v", "mpegvideo", "vc1", "obu", "yuv4mpegpipe")
"""Formats whose times are made up from a rate: their pictures have the time of their arrival."""
ENDLESS = ("rtsp", "mpjpeg")
"""Formats of cameras: where such a stream ends, it broke off."""
PROTOCOLS = {
    "http": "http,https,tcp,tls,httpproxy",
    "rtsp": "rtsp,rtp,srtp,udp,tcp,tls",
}
"""What each kind of stream may open; never a file, whatever it redirects to."""

RGB = UInt8[np.ndarray, "height width 3"]


class Picture:
    """A picture of a feed; it is converted when it is asked for, by any thread.

    Args:
        stated_sec: Time by the feed's own clock; None: it has none.
        size_hw: Height and width as displayed.
        convert: Makes RGB of a size.
    """

    def __init__(
        self,
        stated_sec: float | None,
        size_hw: tuple[int, int],
        convert: Callable[[tuple[int, int]], RGB],
    ) -> None:
        self.stated_sec, self.size_hw, self._convert = stated_sec, size_hw, convert
        self._lock = threading.Lock()

    def rgb(self, size_hw: tuple[int, int]) -> RGB:
        """Return the picture at a size."""
        with self._lock:  # FFmpeg's scaler is kept at the frame
            return self._convert(size_hw)


@dataclass(frozen=True, kw_only=True)
class Feed:
    """Where pictures come from."""

    name: str
    """For messages, without a password."""
    pictures: Callable[[], Iterator[Picture]]
    """Connects, and yields pictures until the stream ends."""
    retries: int = 0
    pause_sec: float = 1.0
    """Pause before the first retry; it doubles up to ten times of this."""
    timeout_sec: float = TIMEOUT_SEC
    burst_sec: float = BURST_SEC


class LostError(Exception):
    """The feed broke off, and may come back."""


def camera(number: int | str) -> Feed:
    """Open a camera of this machine by its number.

    Raises:
        InputError: There is none of this number.
    """
    system, name = platform.system(), f"camera {number}"
    target, kind = f"/dev/video{number}", "v4l2"
    if system == "Darwin":
        target, kind = str(number), "avfoundation"
    elif system == "Windows":
        kind = "dshow"
        devices = [device.name for device in av.enumerate_input_devices(kind)]
        if not int(number) < len(devices):
            raise InputError(f"{name}: there is none; found {', '.join(devices) or 'no device'}")
        target = f"video={devices[int(number)]}"
    elif not Path(target).exists():
        found = ", ".join(sorted(map(str, Path("/dev").glob("video*")))) or "no camera"
        raise InputError(f"{name}: there is no {target}; found {found}; is it plugged in?")
    rate = {"framerate": "30"} if kind == "avfoundation" else {}
    opened = partial(av.open, target, format=kind, options=rate)
    return Feed(name=name, pictures=partial(_decoded, name, opened, TIMEOUT_SEC))


def stream(
    address: str,
    *,
    retries: int = RETRIES,
    pause_sec: float = 1.0,
    timeout_sec: float = TIMEOUT_SEC,
) -> Feed:
    """Open an rtsp:// or http:// stream.

    Args:
        address: May hold a user's name and password.
        retries: Connections that are tried once it broke off.
        pause_sec: Pause before the first of them.
        timeout_sec: Longest wait for a connection, and for data.
    """
    kind = "rtsp" if address.lower().startswith("rtsp") else "http"
    options = {
        "protocol_whitelist": PROTOCOLS[kind],
        "format_whitelist": "rtsp" if kind == "rtsp" else ",".join((*KINDS, "mpjpeg")),
        "analyzeduration": "2000000",
    }
    if kind == "rtsp":
        options["rtsp_flags"] = "prefer_tcp"  # UDP loses packets
    opened = partial(av.open, address, timeout=timeout_sec, options=options)
    return Feed(
        name=shown(address),
        pictures=partial(_decoded, shown(address), opened, timeout_sec),
        retries=retries,
        pause_sec=pause_sec,
        timeout_sec=timeout_sec,
    )


def playing(path: Path | str, fps: float, *, times: int = 1) -> Feed:
    """Play a file in real time, as a camera of so many frames a second.

    Args:
        path: A video.
        fps: Pictures a second.
        times: How often it is played.
    """
    file = VideoFile(path)

    def pictures() -> Iterator[Picture]:
        begin_sec = 0.0
        for _ in range(times):
            end_sec = begin_sec
            for time_sec, rgb in file.frames(fps=fps, short_side=min(file.size_hw)):
                yield Picture(begin_sec + time_sec, rgb.shape[:2], partial(resize, rgb))
                end_sec = begin_sec + time_sec + 1 / fps
            begin_sec = end_sec

    return Feed(name=str(path), pictures=pictures, burst_sec=0.0)


def _decoded(name: str, opened: Callable[[], Any], timeout_sec: float) -> Iterator[Picture]:
    """Yield the pictures of a camera or stream until it ends.

    Raises:
        LostError: It cannot be opened now, hangs, or breaks off.
        InputError: It refuses, or is none of the formats that are read.
    """
    begun_sec = time.monotonic()
    try:
        container = opened()
    except (av.FFmpegError, OSError, ValueError) as error:
        if time.monotonic() - begun_sec >= timeout_sec:  # rtsp says that the data are invalid
            raise LostError(f"nothing came for {timeout_sec:g} s") from None
        raise _refusal(name, error) or _broken(error, timeout_sec) from None
    with container:
        found = container.streams.best("video")
        if found is None or found.codec_context is None:
            raise InputError(f"{name}: there is no video in it; is it the sound alone?")
        found.codec_context.thread_count = 1  # several would hold pictures back
        clocked = container.format.name not in CLOCKLESS
        packets, broken = container.demux(found), MOST_BROKEN
        while (packet := _packet(packets, timeout_sec)) is not None:
            for frame in _frames(found, packet):
                broken = 0 if frame.key_frame else broken - 1
                if broken > 0:  # it was joined between two key pictures
                    continue
                size_hw = shown_size_hw(frame, found.sample_aspect_ratio)
                stated_sec = frame.time if clocked else None
                yield Picture(stated_sec, size_hw, partial(upright_rgb, frame))
        if container.format.name in ENDLESS:
            raise LostError("the server closed it")


def _packet(packets: Iterator[Any], timeout_sec: float) -> Any:
    try:
        return next(packets, None)
    except (av.FFmpegError, OSError) as error:
        raise _broken(error, timeout_sec) from None


def _frames(found: Any, packet: Any) -> list[Any]:
    """Decode a packet; a damaged one gives no frames."""
    try:
        return list(found.decode(packet))
    except av.FFmpegError:
        return []


def _broken(error: Exception, timeout_sec: float) -> LostError:
    if isinstance(error, av.ExitError):
        return LostError(f"nothing came for {timeout_sec:g} s")
    return LostError(_reason(error))


def _refusal(name: str, error: Exception) -> InputError | None:
    """Return what is told of a feed that will not open another time either."""
    if isinstance(error, av.HTTPClientError):
        denied = isinstance(error, av.HTTPUnauthorizedError | av.HTTPForbiddenError)
        hint = "is the password right?" if denied else "is the path right?"
        return InputError(f"{name}: the server refuses it ({_reason(error)}); {hint}")
    if isinstance(error, av.InvalidDataError | av.ArgumentError | av.ProtocolNotFoundError):
        return InputError(
            f"{name}: not a stream that is read ({_reason(error)}); expected MPEG-TS, MJPEG, "
            "Matroska, FLV, … itself, not a playlist (.m3u8, .mpd), a web page, or an address that "
            "leads elsewhere than to http or rtsp"
        )
    return None


def _reason(error: Exception) -> str:
    """Return what FFmpeg says, without the address and the password in it."""
    return str(getattr(error, "strerror", None) or type(error).__name__)
