"""The paper's unit of work: the t-th clip of the i-th video, and slots that hold its features."""

from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor


class ClipKey(NamedTuple):
    """Which clip: (i, t) in the paper's v_t⁽ⁱ⁾.

    On AVA there is one a second, and t is its key frame's second; data whose every frame is
    labelled has as many as frames, and t is the frame's number.
    """

    video: str
    t: int


def clip_key(video: str, time_sec: float, *, per_sec: float = 1.0) -> ClipKey:
    """The clip whose key frame is nearest to a time, of so many clips a second.

    >>> clip_key("a", 902.0), clip_key("a", 0.44, per_sec=25.0)
    (ClipKey(video='a', t=902), ClipKey(video='a', t=11))
    """
    return ClipKey(video, round(time_sec * per_sec))


class Slots(NamedTuple):
    """Features of a batch of clips, each clip with the same number of slots, some of them empty.

    Clips hold different numbers of persons, objects and memories; slots make them one tensor, so
    that a batch is one operation. Filled slots come first (in memory: first within each second);
    the features of empty slots are zero.
    """

    features: Float[Tensor, "clips slots d"]
    filled: Bool[Tensor, "clips slots"]
