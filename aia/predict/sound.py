"""The sound of an annotated video: copied where an mp4 can hold it, else encoded as AAC.

Its time 0 is the file's start, as for the pictures (aia/video/decode.py).
"""

import contextlib
import io
import math
from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av

from aia.log import say
from aia.video.decode import open_container

COPIED = ("aac", "mp3", "opus", "ac3", "eac3", "alac")
"""Codecs of sound that mp4 players know; others are encoded as AAC."""

AAC_RATES = (8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000)
"""Samples a second that any AAC decoder takes."""


class Packet(NamedTuple):
    """A packet for the mp4, with the time at which it is due."""

    time_sec: float
    packet: Any


@contextlib.contextmanager
def add_sound(path: Path, output: Any, *, zero_sec: float) -> Iterator[Iterator[Packet]]:
    """Add a video's best audio stream to an mp4, and yield an iterator over its packets.

    The caller muxes them, in turns with the pictures.

    Args:
        path: The video.
        output: The mp4, open for writing.
        zero_sec: Timestamp of the file's start.
    """
    with open_container(path) as source:
        stream = source.streams.best("audio")
        if stream is None:
            yield iter(())
        elif stream.codec_context is None or not stream.codec_context.sample_rate:
            say(f"{path}: its sound cannot be decoded; the annotated video has none")
            yield iter(())
        elif _can_be_copied(stream):
            target = output.add_stream_from_template(stream)
            yield _copied(source, stream, target, zero_sec=zero_sec)
        else:
            rate = stream.codec_context.sample_rate
            target = output.add_stream("aac", rate=rate if rate in AAC_RATES else 48000)
            target.layout = "mono" if stream.codec_context.channels == 1 else "stereo"
            yield _encoded(source, stream, target, zero_sec=zero_sec)


def _can_be_copied(stream: Any) -> bool:
    """Test if an mp4 takes a stream as it is."""
    if stream.codec_context.codec.canonical_name not in COPIED:
        return False
    try:
        with av.open(io.BytesIO(), "w", format="mp4") as trial:
            trial.add_stream_from_template(stream)
            trial.start_encoding()
    except (av.FFmpegError, ValueError):  # such as mp3 of 8 kHz
        return False
    return True


def _copied(source: Any, stream: Any, target: Any, *, zero_sec: float) -> Iterator[Packet]:
    """Yield the packets of a stream, on the clock whose 0 is the file's start."""
    shift = round(zero_sec / stream.time_base)
    last = -math.inf
    for packet in _packets(source, stream):
        if packet.dts is None or packet.dts <= last:  # the last one is empty
            continue
        last = packet.dts
        packet.pts = (packet.dts if packet.pts is None else packet.pts) - shift
        packet.dts -= shift
        packet.stream = target
        yield Packet(float(packet.dts * stream.time_base), packet)


def _encoded(source: Any, stream: Any, target: Any, *, zero_sec: float) -> Iterator[Packet]:
    """Yield a stream as AAC, from the file's start on; silence fills its gaps."""
    graph: Any = None
    for frame in _sound_frames(source, stream):
        if graph is None:
            graph = _resampler(frame, target)
        tick = Fraction(1, frame.sample_rate)
        if frame.time is not None:
            frame.pts = round((frame.time - zero_sec) / tick)
        frame.time_base = tick
        graph.push(frame)
        yield from _drained(graph, target)
    if graph is not None:
        graph.push(None)
        yield from _drained(graph, target)
        yield from _timed(target.encode(None))


def _resampler(frame: Any, target: Any) -> Any:
    """Make a filter that converts sound to what an encoder takes, continuous from time 0 on."""
    graph = av.filter.Graph()
    begin = graph.add_abuffer(
        sample_rate=frame.sample_rate,
        format=frame.format.name,
        layout=frame.layout.name,
        time_base=Fraction(1, frame.sample_rate),
    )
    fill = graph.add("aresample", f"{target.rate}:async=1:first_pts=0")
    to = f"sample_fmts=fltp:channel_layouts={target.layout.name}"
    graph.link_nodes(begin, fill, graph.add("aformat", to), graph.add("abuffersink")).configure()
    return graph


def _drained(graph: Any, target: Any) -> Iterator[Packet]:
    """Encode what a filter has ready."""
    while True:
        try:
            frame = graph.pull()
        except (av.BlockingIOError, av.EOFError):
            return
        yield from _timed(target.encode(frame))


def _timed(packets: list[Any]) -> Iterator[Packet]:
    for packet in packets:
        yield Packet(float(packet.dts * packet.time_base), packet)


def _sound_frames(source: Any, stream: Any) -> Iterator[Any]:
    """Yield the frames of sound that can be decoded."""
    for packet in _packets(source, stream):
        try:
            yield from packet.decode()
        except av.EOFError:
            return
        except av.FFmpegError:
            continue


def _packets(source: Any, stream: Any) -> Iterator[Any]:
    """Yield a stream's packets up to the end, or up to where the file is damaged."""
    with contextlib.suppress(av.FFmpegError, IndexError):
        yield from source.demux(stream)
