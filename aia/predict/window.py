"""The last frames of a video, held in memory as a frame store keeps them on disk.

Frames go through the codec that the network's training frames went through, so that a network sees
the same pixels; and stay compressed until a clip is cut from them. What no clip needs is dropped.
"""

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Int, Shaped, UInt8

from aia.video.codecs import GROUP, H264Codec, JpegCodec
from aia.video.decode import TimedFrame
from aia.video.store import decoded, nearest_index


class FrameWindow:
    """Frames of a video from the first that is needed to the last that was read.

    Indices count from the video's first frame, as in a frame store.

    Args:
        video: Id of the video.
        frames: Its frames at a constant rate, all of the codec's size.
        codec: Codec that they go through.
    """

    def __init__(
        self, video: str, frames: Iterable[TimedFrame], *, codec: JpegCodec | H264Codec
    ) -> None:
        self.video, self._codec = video, codec
        self._first = 0
        self._pieces: deque[bytes] = deque()
        self._times_sec: deque[float] = deque()
        self._encoded = codec.encode(self._noting(frames))
        self.ended = False
        """True once the last frame was read."""

    def __len__(self) -> int:
        return self._first + len(self._pieces)

    @property
    def size_hw(self) -> tuple[int, int]:
        """Height and width of every frame."""
        return self._codec.size_hw

    @property
    def delay(self) -> int:
        """Number of frames that are read ahead of the last one."""
        return self._codec.delay

    def read_more(self) -> bool:
        """Read one more frame; return False if there is none."""
        piece = next(self._encoded, None)
        if piece is None:
            self.ended = True
            return False
        self._pieces.append(piece)
        return True

    def read_until(self, index: int) -> bool:
        """Read on until a frame is there; return False if the video ends before it."""
        while len(self) <= index:
            if not self.read_more():
                return False
        return True

    def drop_before(self, index: int) -> None:
        """Forget the frames before an index, as far as decoding does not need them."""
        keep = index // GROUP * GROUP if isinstance(self._codec, H264Codec) else index
        while self._first < keep and self._pieces:
            self._pieces.popleft()
            self._times_sec.popleft()
            self._first += 1

    def nearest(self, time_sec: float) -> int:
        """Return the index of the frame nearest to a time; the earlier of two."""
        times_sec = np.fromiter(self._times_sec, np.float64)[: len(self._pieces)]
        return self._first + nearest_index(times_sec, time_sec)

    @property
    def last_sec(self) -> float:
        """Time of the last frame that was read."""
        return self._times_sec[len(self._pieces) - 1]

    def read(
        self, indices: Sequence[int] | Int[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Decode the frames at `indices`, in this order; indices may repeat."""
        return decoded(
            self._codec,
            np.asarray(indices, np.int64),
            lambda needed: {
                index: memoryview(self._pieces[index - self._first]) for index in needed.tolist()
            },
        )

    def at(
        self, times_sec: Sequence[float] | Shaped[np.ndarray, " frames"]
    ) -> UInt8[np.ndarray, "frames height width 3"]:
        """Decode the frames nearest to some times, such as key frames."""
        return self.read(np.array([self.nearest(float(t)) for t in times_sec], np.int64))

    def _noting(
        self, frames: Iterable[TimedFrame]
    ) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
        for time_sec, rgb in frames:
            self._times_sec.append(time_sec)
            yield rgb
