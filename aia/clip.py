"""The paper's unit of work: the t-th clip of the i-th video, and slots that hold its features."""

from typing import NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor


class ClipKey(NamedTuple):
    """Which clip: (i, t) in the paper's v_t⁽ⁱ⁾. One clip a second, t is its key frame's second."""

    video: str
    t: int


class Slots(NamedTuple):
    """Features of a batch of clips, each clip with the same number of slots, some of them empty.

    Clips hold different numbers of persons, objects and memories; slots make them one tensor, so
    that a batch is one operation. Filled slots come first (in memory: first within each second);
    the features of empty slots are zero.
    """

    features: Float[Tensor, "clips slots d"]
    filled: Bool[Tensor, "clips slots"]
