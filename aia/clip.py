"""The paper's unit of work: the t-th clip of the i-th video, alone and in batches.

Which frames make up a clip stands here too: v_t is a window of frames around the key frame of
second t (§3.1). It spans `span` frames, `span // 2` of them before the key frame. A pathway of a
backbone looks at every `stride`-th of them; span 64 with strides 16 and 2 is SlowFast 4x16 (§4.1).
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor


class ClipKey(NamedTuple):
    """Key of a clip: (i, t) in the paper's v_t⁽ⁱ⁾.

    On AVA there is one a second, and t is its key frame's second; data whose every frame is
    labelled has as many as frames, and t is the frame's number; of data labelled by segment, t is
    the segment's place in the order of its video.
    """

    video: str
    t: int


def clip_key(video: str, time_sec: float, *, per_sec: float = 1.0) -> ClipKey:
    """Find the clip whose key frame is nearest to a time, of `per_sec` clips a second.

    >>> clip_key("a", 902.0), clip_key("a", 0.44, per_sec=25.0)
    (ClipKey(video='a', t=902), ClipKey(video='a', t=11))
    """
    return ClipKey(video, round(time_sec * per_sec))


def segment_times(start_sec: float, stop_sec: float) -> list[float]:
    """List where the clip of a segment may lie: its middle first, then its whole seconds.

    Boxes are detected there. A segment that is longer than a clip is seen elsewhere in each epoch.

    >>> segment_times(0.14, 3.37), segment_times(7.1, 7.6)
    ([1.755, 1.0, 2.0, 3.0], [7.35])
    """
    middle = round((start_sec + stop_sec) / 2, 3)
    whole = range(math.ceil(start_sec), math.floor(stop_sec) + 1)
    return [middle, *(float(second) for second in whole if second != middle)]


def clip_offsets(span: int, stride: int, start: int | None = None) -> Int[np.ndarray, " frames"]:
    """Places within the window that a pathway looks at, counted from the window's start.

    Each is in the middle of its stretch of `stride` frames (the earlier of two middles), or at
    `start` within it.

    >>> clip_offsets(span=64, stride=16)
    array([ 7, 23, 39, 55])
    """
    return np.arange((stride - 1) // 2 if start is None else start, span, stride)


def clip_indices(
    centre: int, *, offsets: Int[np.ndarray, " frames"], span: int, length: int
) -> Int[np.ndarray, " frames"]:
    """Frames of the clip around frame `centre` of a video of `length` frames.

    Where the window reaches over an end of the video, its first or last frame is repeated.

    >>> clip_indices(2, offsets=clip_offsets(span=8, stride=2), span=8, length=5)
    array([0, 0, 2, 4])
    """
    return np.clip(centre - span // 2 + offsets, 0, length - 1)


Query = Literal["persons", "clip"]
"""What is asked about: each of a clip's persons, or the clip as a whole (of a segment, §6.1)."""


def _no_boxes() -> Float[np.ndarray, "boxes 4"]:
    return np.zeros((0, 4), np.float32)


@dataclass(frozen=True, kw_only=True)
class ClipSample:
    """One clip to train on or to score."""

    key: ClipKey
    time_sec: float
    persons_xyxy: Float[np.ndarray, "persons 4"]
    """Boxes as fractions of the frame."""
    persons_score: Float[np.ndarray, " persons"]
    """Score by the detector; 1 for annotated boxes."""
    labels: UInt8[np.ndarray, "queries classes"]
    """1 where the person, or the clip, does the action; all 0 for detected boxes."""
    objects_xyxy: Float[np.ndarray, "objects 4"] = field(default_factory=_no_boxes)
    """Best first."""
    hands_xyxy: Float[np.ndarray, "hands 4"] = field(default_factory=_no_boxes)
    """Best first; of clips that are asked about as a whole."""
    query: Query = "persons"
    segment: int | None = None
    """Number of the segment that the clip stands for, where the data are labelled by segment."""
    places: tuple["ClipSample", ...] = ()
    """Clips at all times where this one may lie in training, within its segment; empty: here."""

    @property
    def queries(self) -> int:
        """Number of queries: a clip without any is neither trained on nor scored."""
        return len(self.persons_xyxy) if self.query == "persons" else 1


class Slots(NamedTuple):
    """Features of a batch of clips, each clip with the same number of slots, some of them empty.

    Clips hold different numbers of persons, objects and memories; slots make them one tensor, so
    that a batch is one operation. Filled slots come first (in memory: first within each second);
    the features of empty slots are zero.
    """

    features: Float[Tensor, "clips slots d"]
    filled: Bool[Tensor, "clips slots"]


class Batch(NamedTuple):
    """Clips as the network takes them."""

    keys: list[ClipKey]
    frames: UInt8[Tensor, "clips t h w 3"]
    """RGB; the frames of all pathways one after the other; smaller clips padded below and right."""
    sizes_hw: Float[Tensor, "clips 2"]
    """Height and width without the padding, in pixels."""
    persons_xyxy: Float[Tensor, "clips persons 4"]
    """Boxes as fractions of the clip's frame."""
    persons_filled: Bool[Tensor, "clips persons"]
    labels: UInt8[Tensor, "clips queries classes"]
    objects_xyxy: Float[Tensor, "clips objects 4"]
    objects_filled: Bool[Tensor, "clips objects"]
    hands_xyxy: Float[Tensor, "clips hands 4"] | None = None
    """Hands, of clips that are asked about as a whole."""
    hands_filled: Bool[Tensor, "clips hands"] | None = None
    times_sec: Sequence[float] = ()
    """Middle of each clip, on its video's clock."""
    query: Query = "persons"

    @property
    def queries_filled(self) -> Bool[Tensor, "clips queries"]:
        """Filled slots of the queries: the persons, or the clip itself in one slot."""
        if self.query == "persons":
            return self.persons_filled
        return self.persons_filled.new_ones(len(self.keys), 1)

    def to(self, device: torch.device) -> "Batch":
        """Copy the batch to a device, without waiting for it."""
        return self._map(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "Batch":
        """Copy the batch to pinned memory; the loader calls this."""
        return self._map(lambda tensor: tensor.pin_memory())

    def _map(self, change: Callable[[Tensor], Tensor]) -> "Batch":
        changed: list[Any] = [change(part) if isinstance(part, Tensor) else part for part in self]
        return Batch(*changed)
