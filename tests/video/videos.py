"""Videos for tests. Frame k is grey of level 30 + 3 k, so a frame shows its number."""

from collections.abc import Iterable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.stream import Disposition

CLOCK = Fraction(1, 1000)


def grey(number: int, size_hw: tuple[int, int]) -> np.ndarray:
    """Make frame `number` of a video."""
    return np.full((*size_hw, 3), 30 + 3 * number, dtype=np.uint8)


def number_of(rgb: np.ndarray) -> int:
    """Return the number of the frame that an image is."""
    return round((float(rgb.mean()) - 30) / 3)


def write_video(
    path: Path,
    frames: Sequence[np.ndarray],
    *,
    times_sec: Sequence[float | Fraction],
    rate: Fraction = Fraction(25),
    clock: Fraction = CLOCK,
    codec: str = "libx264",
    pix_fmt: str = "yuv420p",
    aspect: Fraction | None = None,
    turn: tuple[int, bool, bool] | None = None,
    container_options: dict[str, str] | None = None,
    codec_options: dict[str, str] | None = None,
) -> Path:
    """Write a video whose frames are displayed at `times_sec`, rounded to ticks of `clock`.

    Args:
        path: The video; its ending selects the container.
        frames: RGB frames.
        times_sec: Time of each frame.
        rate: Stated frame rate; also the duration of the last frame.
        clock: Seconds of a tick.
        codec: FFmpeg's name of the codec.
        pix_fmt: FFmpeg's name of the pixel format.
        aspect: Width of a pixel divided by its height.
        turn: Degrees counterclockwise, then True if mirrored, then True if upside down.
        container_options: FFmpeg's options of the container.
        codec_options: FFmpeg's options of the codec.
    """
    with av.open(str(path), "w", options=container_options or {}) as container:
        options = {"g": "5"} | (codec_options or {})
        stream = container.add_stream(codec, rate=rate, options=options)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        stream.codec_context.time_base = clock
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if turn:
            degrees, mirrored, upside_down = turn
            stream.set_display_rotation(degrees, hflip=mirrored, vflip=upside_down)
        for rgb, time_sec in zip(frames, times_sec, strict=True):
            frame = av.VideoFrame.from_ndarray(rgb, format="rgb24")
            frame.pts, frame.time_base = round(time_sec / clock), clock
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def write_audio(path: Path, *, sleeve: bool = False) -> Path:
    """Write an audio file with a tenth of a second of silence, optionally with a cover image."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        if sleeve:
            cover = container.add_stream("mjpeg", rate=1)
            cover.height, cover.width, cover.pix_fmt = 32, 48, "yuvj420p"
            cover.disposition = Disposition.attached_pic
            picture = av.VideoFrame.from_ndarray(grey(5, (32, 48)), format="rgb24")
            container.mux(cover.encode(picture.reformat(format="yuvj420p")))
            container.mux(cover.encode(None))
        frame = av.AudioFrame(format="fltp", layout="mono", samples=800)
        for plane in frame.planes:
            plane.update(bytes(plane.buffer_size))
        frame.sample_rate, frame.pts = 8000, 0
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def moving(numbers: Iterable[int], size_hw: tuple[int, int] = (48, 64)) -> list[np.ndarray]:
    """Make frames of a moving video with a cut every 47 frames; all frames differ."""
    height, width = size_hw
    frames = []
    for number in numbers:
        scene, moved = divmod(number, 47)
        coarse = np.random.default_rng(scene).integers(20, 236, (16, 22, 3), dtype=np.uint8)
        picture = np.kron(coarse, np.ones((8, 8, 1), np.uint8))
        frames.append(np.ascontiguousarray(picture[moved : moved + height, moved : moved + width]))
    return frames
