"""How frames become bytes and back: JPEG, one by one, or H.264 in short groups.

    jpeg   each frame alone; the fastest to read at random
    h264   groups of 16 frames, each group readable by itself; about a sixth of the bytes

Both keep colour at half the resolution, as films do.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

import av
import cv2
import numpy as np
import simplejpeg
from av.codec.context import Flags
from jaxtyping import Int, UInt8

GROUP = 16
"""Frames of an H.264 group. Reading one frame decodes half a group on average."""

H264_OPTIONS = {
    "crf": "15",  # about as faithful as JPEG of quality 85
    "preset": "veryfast",  # a quarter of the usual time, for pictures as good of the same size
    "tune": "fastdecode",
    "bf": "0",  # no frame needs a later one: one piece in, one frame out
    "sc_threshold": "0",  # groups begin where we say, not at cuts
    "g": str(GROUP),
    "keyint_min": str(GROUP),
}


class JpegCodec:
    """Frames that are compressed one by one."""

    def __init__(self, *, size_hw: tuple[int, int], quality: int) -> None:
        self.size_hw, self.quality, self.header = size_hw, quality, b""

    def encode(self, frames: Iterable[UInt8[np.ndarray, "height width 3"]]) -> Iterator[bytes]:
        """The bytes of each frame."""
        previous, piece = None, b""
        for rgb in frames:
            if rgb is not previous:  # a frame that is shown twice is compressed once
                piece = simplejpeg.encode_jpeg(rgb, quality=self.quality, colorsubsampling="420")
            previous = rgb
            yield piece

    def needed(self, wanted: Int[np.ndarray, " frames"]) -> Int[np.ndarray, " pieces"]:
        """The frames whose bytes must be read for the `wanted` ones: just those."""
        return wanted

    def decode(
        self,
        pieces: Mapping[int, memoryview],
        wanted: Sequence[int],
        outs: Sequence[UInt8[np.ndarray, "height width 3"]],
    ) -> None:
        """Decode the `wanted` frames into `outs`."""
        for index, rgb in zip(wanted, outs, strict=True):
            # the size is asked first: a larger picture would be written beyond `rgb`
            if simplejpeg.decode_jpeg_header(pieces[index])[:2] != self.size_hw:
                raise ValueError(f"frame {index} has another size than the store says")
            simplejpeg.decode_jpeg(pieces[index], buffer=rgb)


class H264Codec:
    """Frames that are compressed in groups of `GROUP`; no group needs another one."""

    def __init__(self, *, size_hw: tuple[int, int], header: bytes = b"") -> None:
        self.size_hw, self.header = size_hw, header
        self._decoder: Any = None

    def encode(self, frames: Iterable[UInt8[np.ndarray, "height width 3"]]) -> Iterator[bytes]:
        """The bytes of each frame; `header`, which decoding needs, is known after the last one."""
        height, width = self.size_hw
        encoder = av.CodecContext.create("libx264", "w")
        encoder.height, encoder.width = height + height % 2, width + width % 2
        encoder.pix_fmt, encoder.framerate = "yuv420p", Fraction(25)  # any rate: time is not kept
        encoder.time_base, encoder.thread_count = Fraction(1, 25), 1
        encoder.options = H264_OPTIONS
        encoder.flags |= Flags.global_header
        for number, rgb in enumerate(frames):
            # sides must be even: the last row and column are repeated, and cut off again
            even = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
            planes = cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            yield from map(bytes, encoder.encode(frame))
        yield from map(bytes, encoder.encode(None))
        self.header = encoder.extradata or b""

    def needed(self, wanted: Int[np.ndarray, " frames"]) -> Int[np.ndarray, " pieces"]:
        """The frames whose bytes must be read: each group touched, up to its last wanted frame."""
        last = {index // GROUP: index for index in wanted.tolist()}
        return np.concatenate([np.arange(group * GROUP, end + 1) for group, end in last.items()])

    def decode(
        self,
        pieces: Mapping[int, memoryview],
        wanted: Sequence[int],
        outs: Sequence[UInt8[np.ndarray, "height width 3"]],
    ) -> None:
        """Decode the `wanted` frames into `outs`; `pieces` are those `needed`, in rising order."""
        height, width = self.size_hw
        if self._decoder is None:
            self._decoder = av.CodecContext.create("h264", "r")
            self._decoder.extradata, self._decoder.thread_count = self.header, 1
        out_of = dict(zip(wanted, outs, strict=True))
        for index, piece in pieces.items():
            if index % GROUP == 0:
                self._decoder.flush_buffers()
            (frame,) = self._decoder.decode(av.Packet(piece))
            if index in out_of:
                rgb = cv2.cvtColor(frame.to_ndarray(), cv2.COLOR_YUV2RGB_I420)
                out_of[index][:] = rgb[:height, :width]


def build_codec(
    name: str, *, size_hw: tuple[int, int], quality: int, header: bytes = b""
) -> JpegCodec | H264Codec:
    """The codec that the settings name; `quality` is JPEG's, `header` H.264's."""
    if name == "jpeg":
        return JpegCodec(size_hw=size_hw, quality=quality)
    return H264Codec(size_hw=size_hw, header=header)
