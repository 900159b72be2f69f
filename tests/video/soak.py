"""Random videos as people have them: is the picture of second t the one that a player shows?

    python -m tests.video.soak --videos 200 --seed 1

Each video has a container, a codec, a clock, sound and a cut drawn at random. Its frames carry
their numbers as bars, and its packets are noted as they are written: that is what is held against
the frames that aia decodes. What must be right to half a frame is, or a line says by how much.
"""

import argparse
import contextlib
import io
import random
import sys
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from aia.config import FramesConfig
from aia.errors import InputError
from aia.video.store import FrameStore, make_store

BITS = 9
CODECS = {
    "mp4": ("libx264", "libx265", "mpeg4", "libsvtav1"),
    "mov": ("libx264", "mpeg4"),
    "mkv": ("libx264", "libx265", "libvpx-vp9", "mpeg2video", "libsvtav1", "ffv1"),
    "webm": ("libvpx-vp9", "libvpx"),
    "ts": ("libx264", "mpeg2video"),
    "flv": ("libx264",),
    "avi": ("mpeg4", "mjpeg"),
    "mpg": ("mpeg2video",),
}
SOUND = {"webm": "libopus", "ts": "mp2", "avi": "mp2", "mpg": "mp2"}


class Kind(NamedTuple):
    """What a video is like."""

    ending: str
    codec: str
    rate: int
    frames: int
    size_hw: tuple[int, int]
    pix_fmt: str
    options: dict[str, str]
    sound_sec: float | None
    """Start of the sound before that of the picture; None: no sound."""
    start_sec: float
    """Of the first picture on the file's clock."""
    gaps: bool
    """Frames are missing here and there: a variable rate."""
    cut_sec: float
    """What is left out at the start, without encoding again; 0: nothing."""


def draw(rng: random.Random) -> Kind:
    """Draw a video's properties."""
    ending = rng.choice(list(CODECS))
    codec = rng.choice(CODECS[ending])
    options = {"g": str(rng.choice([1, 5, 12, 40]))}
    if codec in ("libx264", "libx265", "mpeg2video", "mpeg4"):
        options["bf"] = str(rng.choice([0, 2, 3]))
    if codec == "libx265":
        options["x265-params"] = "log-level=none"
    if codec == "libsvtav1":
        options = {"preset": "12", "svtav1-params": "lookahead=0"}
    if codec == "libx264" and rng.random() < 0.3:
        options["flags"] = "+ilme+ildct"  # interlaced
    ten_bit = codec == "libx265" and rng.random() < 0.4
    odd = codec in ("libvpx-vp9", "libvpx", "ffv1", "mjpeg") and rng.random() < 0.5
    gaps = ending != "avi" and rng.random() < 0.3
    frames = 1 if rng.random() < 0.06 else rng.randint(20, 150)
    sound = rng.choice([None, 0.0, 0.0, rng.uniform(0.02, 3.0)]) if ending != "avi" else None
    late = sound or 0.0
    copied = ending != "avi" and codec != "libsvtav1"  # PyAV has no copy of AV1
    cuts = copied and frames > 1 and rng.random() < 0.3
    return Kind(
        ending=ending,
        codec=codec,
        rate=rng.choice([24, 25, 30] if codec == "mpeg2video" else [10, 24, 25, 30]),
        frames=frames,
        size_hw=(97, 145) if odd else (96, 144),
        pix_fmt={"mjpeg": "yuvj420p"}.get(codec, "yuv420p10le" if ten_bit else "yuv420p"),
        options=options,
        sound_sec=sound,
        start_sec=late + (rng.choice([0.0, 0.0, 7.3, 4000.0]) if ending in ("mkv", "ts") else 0.0),
        gaps=gaps,
        cut_sec=0.6 * rng.random() * frames / 30 if cuts else 0.0,
    )


def barred(number: int, size_hw: tuple[int, int]) -> np.ndarray:
    """Draw a frame that shows its number in bars, the lowest bit on the left."""
    height, width = size_hw
    bits = [235 if number >> bit & 1 else 20 for bit in range(BITS)]
    row = np.repeat(np.uint8(bits), -(-width // BITS))[:width]
    return np.broadcast_to(row[None, :, None], (height, width, 3)).copy()


def number_of(rgb: np.ndarray) -> int:
    """Read a frame's number from its bars."""
    width = rgb.shape[1] / BITS
    middles = ((np.arange(BITS) + 0.5) * width).astype(int)
    return sum(1 << bit for bit, x in enumerate(middles) if rgb[4:-4, x].mean() > 127)


def write(kind: Kind, path: Path) -> None:
    """Encode a video, with silence for a sound."""
    times = [Fraction(k, kind.rate) for k in range(kind.frames)]
    of_container = Fraction(1, 1000 if kind.ending in ("mkv", "webm", "flv") else 90000)
    of_codec = {"mpeg2video": Fraction(1, kind.rate), "mpeg4": Fraction(1, 100 * kind.rate)}
    clock = of_codec.get(kind.codec, of_container)
    with av.open(str(path), "w") as out:
        picture = out.add_stream(kind.codec, rate=kind.rate, options=kind.options)
        picture.height, picture.width = kind.size_hw
        picture.pix_fmt = kind.pix_fmt
        if kind.ending != "avi":
            picture.codec_context.time_base = clock
        sound = None
        if kind.sound_sec is not None:
            sound = out.add_stream(SOUND.get(kind.ending, "aac"), rate=48000, layout="mono")
            _write_sound(out, sound, kind)
        for k, time_sec in enumerate(times):
            if kind.gaps and k % 7 in (3, 4, 5):
                continue
            frame = av.VideoFrame.from_ndarray(barred(k, kind.size_hw), format="rgb24")
            if kind.ending == "avi":
                frame.pts, frame.time_base = k, Fraction(1, kind.rate)
            else:
                at_sec = time_sec + Fraction(kind.start_sec)
                frame.pts, frame.time_base = round(at_sec / clock), clock
            out.mux(picture.encode(frame))
        out.mux(picture.encode(None))
        if sound is not None:
            out.mux(sound.encode(None))


def _write_sound(out: Any, sound: Any, kind: Kind) -> None:
    first = round((kind.start_sec - float(kind.sound_sec or 0)) * 48000)
    length = round((float(kind.sound_sec or 0) + kind.frames / kind.rate + 0.2) * 48000)
    for at in range(0, length, 960):
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 960), np.float32), "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = 48000, first + at, Fraction(1, 48000)
        converted = av.AudioResampler(sound.format.name, "mono", 48000).resample(frame)
        for piece in converted:
            piece.pts, piece.time_base = first + at, Fraction(1, 48000)
            out.mux(sound.encode(piece))


def cut(source: Path, target: Path, cut_sec: float) -> None:
    """Leave out what is before a time, packet by packet, as `ffmpeg -ss -c copy` does."""
    with av.open(str(source)) as before, av.open(str(target), "w") as after:
        streams = {s.index: after.add_stream_from_template(s) for s in before.streams}
        first = min(float((s.start_time or 0) * s.time_base) for s in before.streams)
        for packet in before.demux():
            if packet.dts is None or float(packet.pts * packet.time_base) < first + cut_sec:
                continue
            packet.stream = streams[packet.stream.index]
            after.mux(packet)


class Shown(NamedTuple):
    """What a player shows."""

    zero_sec: float
    frames: list[tuple[float, int]]
    """Start and number of each picture that can be decoded."""
    lost_sec: float
    """Video before the first of them."""


def as_played(path: Path) -> Shown:
    """Find what a player shows: its clock begins at the container's start, as FFmpeg has it."""
    with av.open(str(path)) as container:
        video = container.streams.video[0]
        avi = container.format.name == "avi"
        zero_sec = (container.start_time or 0) / av.time_base
        begins_sec = float((video.start_time or 0) * video.time_base)
        first_sec = _first_packet_sec(path)
        if zero_sec < first_sec - 0.1:  # FFmpeg guesses it of a file with a single frame
            zero_sec = begins_sec = first_sec
        if -0.1 < zero_sec < 0:  # the run-up of a sound's decoder
            zero_sec = min(begins_sec, 0.0)
        frames, video_packets = [], 0
        for packet in container.demux(video):
            video_packets += packet.size > 0
            with contextlib.suppress(av.FFmpegError):
                for frame in packet.decode():
                    if not (frames or frame.key_frame):
                        continue  # a guess of what is missing
                    at = frame.time
                    if avi and frame.dts is None:  # from the decoder's end
                        at = frames[-1][0] + 1 / float(video.average_rate)
                    elif avi:
                        at = float(frame.dts * frame.time_base)
                    frames.append((at, number_of(frame.to_ndarray(format="rgb24"))))
    first_sec = frames[0][0]
    if len(frames) == video_packets == 1:  # FFmpeg guesses the start of a stream of one frame
        begins_sec = first_sec
    if avi:
        return Shown(first_sec, frames, 0.0)
    return Shown(min(zero_sec, first_sec), frames, max(first_sec - begins_sec, 0.0))


def _first_packet_sec(path: Path) -> float:
    with av.open(str(path)) as container:
        return min(float(p.pts * p.time_base) for p in container.demux() if p.pts is not None)


def shown_near(played: Shown, time_sec: float, half_sec: float) -> list[int]:
    """List the pictures that are shown up to half a frame from a time."""
    starts = np.array([start for start, _ in played.frames]) - played.zero_sec
    first, last = np.searchsorted(starts, [time_sec - half_sec, time_sec + half_sec + 1e-6])
    return [number for _, number in played.frames[max(first - 1, 0) : max(last, 1)]]


def check(kind: Kind, folder: Path) -> str:
    """Decode a video of this kind with aia; return what is wrong, or "" for right."""
    path = folder / f"video.{kind.ending}"
    write(kind, path)
    if kind.cut_sec:
        whole, path = path, folder / f"cut.{kind.ending}"
        cut(whole, path, kind.cut_sec)
    config = FramesConfig(
        film_start_sec=0.0, start_sec=0.0, end_sec=None, fps=float(kind.rate), numbered=False,
        short_side=96, codec="jpeg", quality=95,
    )  # fmt: skip
    said = io.StringIO()
    try:
        played = as_played(path)
    except IndexError:
        played = None  # no picture can be decoded
    try:
        with contextlib.redirect_stderr(said):
            make_store(path, folder / "video.h5", config=config)
    except InputError as error:
        return "" if played is None else f"refused: {error}"
    if played is None:
        told = "no key picture at its beginning" in said.getvalue()
        return "" if told else "was stored, but no picture can be decoded"
    late_sec = played.frames[0][0] - played.zero_sec
    if (late_sec > 0.1) != ("after the file's start" in said.getvalue()):
        return f"begins {late_sec:.2f} s late, said: {said.getvalue()!r}"
    if (played.lost_sec > 0.1) != ("cannot be decoded" in said.getvalue()):
        return f"{played.lost_sec:.2f} s are lost, said: {said.getvalue()!r}"
    if "breaks off" in said.getvalue() and not kind.cut_sec:
        return f"said: {said.getvalue()!r}"
    with FrameStore(folder / "video.h5") as store:
        half_sec = 0.5 / kind.rate
        for place, time_sec in enumerate(store.times_sec):
            found = number_of(store.read(np.array([place]))[0])
            shown = shown_near(played, time_sec, half_sec)
            if found not in shown and "may be off by a few frames" not in said.getvalue():
                return f"at {time_sec:.2f} s frame {found}, a player shows {shown}"
    return ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Try many videos; return 1 if any is wrong."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--videos", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    wrong = unwritten = 0
    for number in range(options.videos):
        kind = draw(random.Random(f"{options.seed}-{number}"))
        with tempfile.TemporaryDirectory() as folder:
            try:
                said = check(kind, Path(folder))
            except av.FFmpegError:  # FFmpeg does not write such a video
                unwritten += 1
                continue
        if said:
            wrong += 1
            print(f"{number}: {kind}\n    {said}", flush=True)
    tried = options.videos - unwritten
    print(f"{tried - wrong} of {tried} right, or told; {unwritten} could not be written")
    return int(wrong > 0)


if __name__ == "__main__":
    sys.exit(main())
