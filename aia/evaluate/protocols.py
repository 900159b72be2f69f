"""Named protocols by which papers computed "frame mAP@0.5" on AVA: one file, five numbers.

All match a detection only to the ground-truth box that it overlaps most, let the first detection
take it, and integrate the same precision envelope. They differ in what is counted and in the order
of detections:

    paper        the AIA paper's (its authors' code): the challenge's evaluator of 2018-19
    activitynet  the evaluator of the ActivityNet challenge since 2020
    slowfast     PySlowFast, and with it YOWO: scores do not decide who takes a ground-truth box
    mmaction     mmaction2
    acar         ACAR-Net: the paper's with the challenge's later cap

Not reproduced: mmaction2 computes in float32, keeps inverted boxes as false positives and leaves
classes without any detection out of its mean.
"""

from dataclasses import dataclass
from typing import Literal

from aia.errors import InputError


@dataclass(frozen=True, kw_only=True)
class Protocol:
    """Rules of what is counted, and in which order detections take ground-truth boxes."""

    order: Literal["argsort", "heap", "stable", "file"]
    """Order within a key frame: by score (the first three) or as in the file.

    Equal scores: `argsort`: the order of NumPy's fastest sort, reversed; `heap`: that of the heap
    in which the challenge's evaluator keeps its best detections; `stable`: as in the file.
    """
    frames: Literal["all", "listed", "labelled"]
    """Key frames that count: all with detections; those with a row in the ground truth, if only
    of video and second; those with a ground-truth box of an evaluated class."""
    capacity: int = 0
    """Number of detections (box and class) of a key frame that count, best first; 0: all."""
    score_floor: float = -1.0
    """Score that detections must exceed to count."""
    excluded: bool = True
    """True leaves out key frames on the list of excluded ones."""
    tie_sort: Literal["quicksort", "stable"] = "quicksort"
    """Sort of scores over all key frames, before the order is reversed.

    All published evaluators use NumPy's default, whose order of equal scores depends on the CPU's
    vector instructions; `stable` gives the same number on every machine.
    """


PROTOCOLS: dict[str, Protocol] = {
    "paper": Protocol(order="argsort", frames="all"),
    "activitynet": Protocol(order="heap", frames="listed", capacity=50),
    "slowfast": Protocol(order="file", frames="all"),
    "mmaction": Protocol(order="stable", frames="labelled", score_floor=0.002),
    "acar": Protocol(order="heap", frames="all", capacity=50),
}

USED_BY = {
    "paper": "AIA, AlphAction",
    "activitynet": "the ActivityNet challenge since 2020",
    "slowfast": "PySlowFast, YOWO",
    "mmaction": "mmaction2",
    "acar": "ACAR-Net",
}
"""Work whose numbers a protocol's compare with."""


def protocol_named(name: str) -> Protocol:
    """Look a protocol up.

    >>> protocol_named("acar").capacity
    50
    """
    if name not in PROTOCOLS:
        raise InputError(f"{name!r} is not a protocol; there are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]
