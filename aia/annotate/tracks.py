"""Tracks: where a person is over time, and what an annotator said of it.

A track has keys, between which boxes move on straight lines and words stay as they are.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from aia.errors import InputError

SEVERAL = "\x1f"
"""Stands between the values of an attribute that has several."""
KEYS_APART_PX = 1.0
"""Boxes between keys that a tool wrote may be so far from the line between the keys."""


@dataclass(frozen=True, kw_only=True)
class Track:
    """Boxes of one person in one video."""

    video: str
    """What the file calls the video."""
    number: int
    """Tells persons of one video apart."""
    kind: str
    """Label that the tool's user chose for the box, such as person."""
    clock: Literal["frame", "second"]
    """What `at` counts: frames as they are decoded, from 0, or seconds."""
    at: Float[np.ndarray, " keys"]
    """Positions of the keys, rising."""
    xyxy: Float[np.ndarray, "keys 4"]
    """Boxes as fractions of the picture."""
    gone: Bool[np.ndarray, " keys"]
    """True: from this key to the next the person is not there."""
    said: tuple[Mapping[str, str], ...]
    """Attributes from each key on, by their names."""
    until: float = np.inf
    """Position after which nothing is known."""
    moments: bool = False
    """True: a key says nothing of the time after it."""

    def state(
        self, position: float, *, slack: float = 1e-6
    ) -> tuple[Float[np.ndarray, " 4"], Mapping[str, str]] | None:
        """Return box and attributes at a position; None: not there, or not known."""
        if self.moments:
            k = int(np.abs(self.at - position).argmin())
            return (self.xyxy[k], self.said[k]) if abs(self.at[k] - position) <= slack else None
        k = int(np.searchsorted(self.at, position + slack, side="right")) - 1
        if k < 0 or self.gone[k] or position > self.until + slack:
            return None
        return self.box(position), self.said[k]

    def box(self, position: float) -> Float[np.ndarray, " 4"]:
        """Return the box on the line between the keys around a position, there or not."""
        return np.array([np.interp(position, self.at, side) for side in self.xyxy.T])


class Field(NamedTuple):
    """An attribute that a tool offers, or the labels of its boxes."""

    kind: Literal["checkbox", "choice", "text", "label"]
    values: tuple[str, ...]
    """Values that may be chosen, where the file lists them."""


@dataclass
class Annotated:
    """All that a file says."""

    tool: str
    tracks: list[Track]
    fields: dict[str, Field] = field(default_factory=dict)
    """Attributes by their names, in the file's order."""
    covered: dict[str, tuple[float, float]] = field(default_factory=dict)
    """First and last position that an annotator saw of a video, in the tracks' clock."""
    notes: list[str] = field(default_factory=list)
    """What was assumed or left out, a line each."""


def make_track(
    where: str,
    keys: Sequence[tuple[float, Sequence[float], bool, Mapping[str, str]]],
    **about: object,
) -> Track:
    """Make a track of keys (position, xyxy, gone, attributes), in any order.

    Raises:
        InputError: Two keys share a position, or a box is none.
    """
    if not keys:
        raise InputError(f"{where}: a track without boxes")
    keys = sorted(keys, key=lambda key: key[0])
    at = np.array([key[0] for key in keys], np.float64)
    if not np.isfinite(at).all() or (np.diff(at) <= 0).any():
        twice = at[:-1][np.diff(at) <= 0]
        raise InputError(
            f"{where}: has two boxes at position {twice[0] if len(twice) else at[0]:g}"
        )
    xyxy = np.array([key[1] for key in keys], np.float64).reshape(-1, 4)
    if not np.isfinite(xyxy).all() or (xyxy[:, 2:] <= xyxy[:, :2]).any():
        bad = int((~np.isfinite(xyxy).all(1) | (xyxy[:, 2:] <= xyxy[:, :2]).any(1)).argmax())
        raise InputError(
            f"{where}: at position {at[bad]:g} the box {np.round(xyxy[bad], 4).tolist()} is empty "
            "or turned over; expected left, top, right, bottom"
        )
    return Track(
        at=at,
        xyxy=xyxy.clip(0, 1),
        gone=np.array([key[2] for key in keys], bool),
        said=tuple(dict(key[3]) for key in keys),
        **about,  # type: ignore[arg-type]
    )
