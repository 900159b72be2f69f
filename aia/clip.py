"""The paper's unit of work: the t-th clip of the i-th video, and slots that hold its features."""

import math
from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor


class ClipKey(NamedTuple):
    """Which clip: (i, t) in the paper's v_t⁽ⁱ⁾.

    On AVA there is one a second, and t is its key frame's second; data whose every frame is
    labelled has as many as frames, and t is the frame's number; of data labelled by segment, t is
    the segment's place in the order of its film.
    """

    video: str
    t: int


def clip_key(video: str, time_sec: float, *, per_sec: float = 1.0) -> ClipKey:
    """The clip whose key frame is nearest to a time, of so many clips a second.

    >>> clip_key("a", 902.0), clip_key("a", 0.44, per_sec=25.0)
    (ClipKey(video='a', t=902), ClipKey(video='a', t=11))
    """
    return ClipKey(video, round(time_sec * per_sec))


def segment_times(start_sec: float, stop_sec: float) -> list[float]:
    """Where the clip of a segment may lie: its middle first, then the whole seconds within it.

    Boxes are detected there. A segment that is longer than a clip is seen elsewhere in each epoch.

    >>> segment_times(0.14, 3.37), segment_times(7.1, 7.6)
    ([1.755, 1.0, 2.0, 3.0], [7.35])
    """
    middle = round((start_sec + stop_sec) / 2, 3)
    whole = range(math.ceil(start_sec), math.floor(stop_sec) + 1)
    return [middle, *(float(second) for second in whole if second != middle)]


class Slots(NamedTuple):
    """Features of a batch of clips, each clip with the same number of slots, some of them empty.

    Clips hold different numbers of persons, objects and memories; slots make them one tensor, so
    that a batch is one operation. Filled slots come first (in memory: first within each second);
    the features of empty slots are zero.
    """

    features: Float[Tensor, "clips slots d"]
    filled: Bool[Tensor, "clips slots"]
