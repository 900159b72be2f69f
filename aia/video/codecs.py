"""Codecs of stored frames: JPEG, frame by frame, or H.264 in short groups.

    jpeg   each frame alone; the fastest random access
    h264   groups of 16 frames, each decodable by itself; about a sixth of the bytes

Both store colour at half the resolution (4:2:0), as videos do.
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
"""Frames in an H.264 group. Reading one frame decodes half a group on average."""

H264_OPTIONS = {
    "crf": "15",  # about the fidelity of JPEG at quality 85
    "preset": "veryfast",  # a quarter of the default time, for the same quality and size
    "tune": "fastdecode",
    "bf": "0",  # no B-frames: one packet in, one frame out
    "sc_threshold": "0",  # groups begin at multiples of GROUP, not at scene cuts
    "g": str(GROUP),
    "keyint_min": str(GROUP),
}


class JpegCodec:
    """Compression of each frame by itself, as JPEG."""

    delay = 0
    """Frames that are read ahead of the one that is yielded."""

    def __init__(self, *, size_hw: tuple[int, int], quality: int) -> None:
        self.size_hw, self.quality, self.header = size_hw, quality, b""

    def encode(self, frames: Iterable[UInt8[np.ndarray, "height width 3"]]) -> Iterator[bytes]:
        """Yield the bytes of each frame."""
        previous, piece = None, b""
        for rgb in frames:
            if rgb is not previous:  # a repeated frame is compressed once
                piece = simplejpeg.encode_jpeg(rgb, quality=self.quality, colorsubsampling="420")
            previous = rgb
            yield piece

    def needed(self, wanted: Int[np.ndarray, " frames"]) -> Int[np.ndarray, " pieces"]:
        """Return the frames whose bytes decoding needs: the `wanted` ones."""
        return wanted

    def decode(
        self,
        pieces: Mapping[int, memoryview],
        wanted: Sequence[int],
        outs: Sequence[UInt8[np.ndarray, "height width 3"]],
    ) -> None:
        """Decode the `wanted` frames into `outs`."""
        for index, rgb in zip(wanted, outs, strict=True):
            # check the size first: a larger image would be written beyond `rgb`
            if simplejpeg.decode_jpeg_header(pieces[index])[:2] != self.size_hw:
                raise ValueError(f"frame {index} has another size than the store says")
            simplejpeg.decode_jpeg(pieces[index], buffer=rgb)


class H264Codec:
    """Compression in independent groups of `GROUP` frames, as H.264."""

    delay = 11  # the preset's look-ahead

    def __init__(self, *, size_hw: tuple[int, int], header: bytes = b"") -> None:
        self.size_hw, self.header = size_hw, header
        self._decoder: Any = None

    def encode(self, frames: Iterable[UInt8[np.ndarray, "height width 3"]]) -> Iterator[bytes]:
        """Yield the bytes of each frame. `header`, for decoding, is set before the first."""
        height, width = self.size_hw
        encoder = av.CodecContext.create("libx264", "w")
        encoder.height, encoder.width = height + height % 2, width + width % 2
        encoder.pix_fmt, encoder.framerate = (
            "yuv420p",
            Fraction(25),
        )  # any: no times are stored
        encoder.time_base, encoder.thread_count = Fraction(1, 25), 1
        encoder.options = H264_OPTIONS
        encoder.flags |= Flags.global_header
        for number, rgb in enumerate(frames):
            # sides must be even: repeat the last row and column; decode() crops them
            even = cv2.copyMakeBorder(rgb, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
            planes = cv2.cvtColor(even, cv2.COLOR_RGB2YUV_I420)
            frame = av.VideoFrame.from_ndarray(planes, format="yuv420p")
            frame.pts = number
            packets = encoder.encode(frame)
            self.header = encoder.extradata or b""
            yield from map(bytes, packets)
        yield from map(bytes, encoder.encode(None))

    def needed(self, wanted: Int[np.ndarray, " frames"]) -> Int[np.ndarray, " pieces"]:
        """Return the frames whose bytes decoding needs: each group up to its last wanted one."""
        last = {index // GROUP: index for index in wanted.tolist()}
        return np.concatenate([np.arange(group * GROUP, end + 1) for group, end in last.items()])

    def decode(
        self,
        pieces: Mapping[int, memoryview],
        wanted: Sequence[int],
        outs: Sequence[UInt8[np.ndarray, "height width 3"]],
    ) -> None:
        """Decode the `wanted` frames into `outs`; `pieces` are those `needed`, ascending."""
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
    """Build the codec of that name; `quality` applies to JPEG, `header` to H.264."""
    if name == "jpeg":
        return JpegCodec(size_hw=size_hw, quality=quality)
    return H264Codec(size_hw=size_hw, header=header)
