"""Which frames make up a clip: v_t is a window of frames around the key frame of second t (§3.1).

A window spans `span` frames, `span // 2` of them before the key frame. A pathway of a backbone
looks at every `stride`-th of them; span 64 with strides 16 and 2 is SlowFast 4x16 (§4.1).
"""

import numpy as np
from jaxtyping import Int


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
    """Frames of the clip around frame `centre` of a film of `length` frames.

    Where the window reaches over an end of the film, the film's first or last frame stands in.

    >>> clip_indices(2, offsets=clip_offsets(span=8, stride=2), span=8, length=5)
    array([0, 0, 2, 4])
    """
    return np.clip(centre - span // 2 + offsets, 0, length - 1)
