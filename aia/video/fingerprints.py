"""What films look like, second by second: whether two copies show the same at the same time.

A frame's look is 64 bits: in which of 8 x 8 places it is brighter to the right. Another encoding or
size turns few of them, another picture many. One look a second tells a film; a copy that is shifted
is found by trying its own frames around each second.
"""

import csv
import io
import itertools
import re
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8, UInt64

from aia.errors import InputError
from aia.files import write_text

COLUMNS = (
    "video", "start_sec", "fps", "frames", "source_frames", "duration_sec", "sha256", "looks",
)  # fmt: skip
BRIGHTER = 2  # levels; less is noise
NEAR_SEC, FAR_SEC = 2.0, 60.0
"""How far a shift is looked for, and how far where the pictures do not fit at all."""
RATES = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0)
"""Frames a second that films have."""
OTHER_BITS = 8.0
"""On average; two copies differ by less, two films by more."""
LONGEST_WINDOW_SEC = 60


class Fingerprint(NamedTuple):
    """One film: which part of it, and what each of its seconds looks like."""

    video: str
    start_sec: float
    fps: float
    frames: int
    source_frames: int
    duration_sec: float
    sha256: str
    looks: UInt64[np.ndarray, " seconds"]


def look(rgb: UInt8[np.ndarray, "height width 3"]) -> int:
    """What a frame looks like, as 64 bits."""
    grey = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    bits = small[:, 1:] - small[:, :-1] >= BRIGHTER
    return int.from_bytes(np.packbits(bits).tobytes(), "big")


def per_second(looks: UInt64[np.ndarray, " frames"], fps: float) -> UInt64[np.ndarray, " seconds"]:
    """The looks at whole seconds of the part."""
    return looks[_whole_seconds(len(looks), fps)]


def differences(
    known: Fingerprint, own: Fingerprint, looks: UInt64[np.ndarray, " frames"]
) -> list[str]:
    """What is different in a film, in words; nothing where it is the known one.

    Args:
        known: The right film.
        own: This film.
        looks: Of each of its frames.
    """
    if known.sha256 == own.sha256 and _same_part(known, own):
        return []
    if not _same_part(known, own):
        return [
            f"is kept from {own.start_sec:g} s at {own.fps:g} frames a second, but its fingerprint "
            f"is of {known.start_sec:g} s and {known.fps:g}: another part, another rate"
        ]
    found = []
    if own.frames != known.frames:
        found.append(f"has {own.frames:,} frames, its fingerprint {known.frames:,}")
    if own.source_frames != known.source_frames:
        found.append(
            f"was made of {own.source_frames:,} frames ({_rate(own):.3g} a second), its "
            f"fingerprint of {known.source_frames:,} ({_rate(known):.3g} a second)"
        )
    shown = _difference_shown(known, looks)
    return found + ([shown] if shown else [])


def write_fingerprints(path: Path | str, fingerprints: Iterable[Fingerprint]) -> None:
    """Write a list of films, one a line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    for one in fingerprints:
        numbers = (repr(one.start_sec), repr(one.fps), one.frames, one.source_frames)
        looks = "".join(f"{int(seen):016x}" for seen in one.looks)
        writer.writerow([one.video, *numbers, repr(one.duration_sec), one.sha256, looks])
    write_text(path, text.getvalue())


def read_fingerprints(path: Path | str) -> dict[str, Fingerprint]:
    """Read what `write_fingerprints` wrote, by video.

    Raises:
        InputError: It cannot be read, or a line is not one of such a list.
    """
    csv.field_size_limit(1 << 24)
    try:
        with open(path, newline="", encoding="utf-8") as file:
            rows = list(csv.reader(file))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: cannot be read as a list of films ({error})") from None
    if not rows or tuple(rows[0]) != COLUMNS:
        raise InputError(
            f"{path}, line 1: expected the columns {','.join(COLUMNS)}; was the list written by "
            "`aia check-films`?"
        )
    found = {}
    for line, row in enumerate(rows[1:], start=2):
        try:
            one = _parse(row)
        except (ValueError, IndexError):
            raise InputError(f"{path}, line {line}: is not a film's fingerprint") from None
        if one.video in found:
            raise InputError(f"{path}, line {line}: {one.video} has a fingerprint already")
        found[one.video] = one
    return found


def _parse(row: list[str]) -> Fingerprint:
    video, start_sec, fps, frames, source_frames, duration_sec, sha256, looks = row
    if not re.fullmatch(r"(?:[0-9a-f]{16})*", looks) or not re.fullmatch("[0-9a-f]{64}", sha256):
        raise ValueError
    seen = [int(looks[at : at + 16], 16) for at in range(0, len(looks), 16)]
    rate = float(fps)
    if not rate > 0:
        raise ValueError
    return Fingerprint(
        video, float(start_sec), rate, int(frames), int(source_frames), float(duration_sec),
        sha256, np.array(seen, dtype=np.uint64),
    )  # fmt: skip


def _same_part(known: Fingerprint, own: Fingerprint) -> bool:
    return (known.start_sec, known.fps) == (own.start_sec, own.fps)


def _rate(one: Fingerprint) -> float:
    return one.source_frames / one.duration_sec if one.duration_sec else 0.0


def _whole_seconds(frames: int, fps: float) -> Int[np.ndarray, " seconds"]:
    seconds = np.arange(int(np.ceil(frames / fps)) + 1)
    places = np.round(seconds * fps).astype(int)
    return places[places < frames]


def _difference_shown(known: Fingerprint, looks: UInt64[np.ndarray, " frames"]) -> str | None:
    """In words: other pictures, or the same ones at another time."""
    seconds = min(len(known.looks), len(_whole_seconds(len(looks), known.fps)))
    if not seconds:
        return None
    bits = _bits(known, looks, seconds, round(NEAR_SEC * known.fps))
    if _shift(bits) is None:
        bits = _bits(known, looks, seconds, round(FAR_SEC * known.fps))
    whole = _shift(bits)
    changing = _changing(bits, known)
    if whole is None or changing:
        other = "shows other pictures than its fingerprint says"
        return _speed(known, looks, seconds) or changing or other
    return f"is shifted by {_sec(whole, known.fps)} against its fingerprint" if whole else None


def _speed(known: Fingerprint, looks: UInt64[np.ndarray, " frames"], seconds: int) -> str | None:
    """In words, where the film shows the same at another speed."""
    means = {}
    for played, made in itertools.permutations(RATES, 2):
        places = np.round(np.arange(seconds) * known.fps * made / played).astype(int)
        inside = places < len(looks)
        if inside.sum() >= seconds / 2 and abs(made / played - 1) * inside.sum() > 1 / known.fps:
            other = known.looks[:seconds][inside] ^ looks[places[inside]]
            means[played, made] = float(np.bitwise_count(other).mean())
    if not means:
        return None
    # of those that fit about equally well, whole numbers: 30 rather than 29.97
    least = min(means.values())
    close = [pair for pair, mean in means.items() if mean <= 1.1 * least + 0.5]
    played, made = min(close, key=lambda pair: (sum(n % 1 for n in pair) > 0, means[pair]))
    if means[played, made] > OTHER_BITS / 2:
        return None
    return (
        f"runs at {played / made:.4g} times the speed of its fingerprint, as if "
        f"{made:.5g} frames a second had been taken for {played:.5g}"
    )


def _bits(
    known: Fingerprint, looks: UInt64[np.ndarray, " frames"], seconds: int, reach: int
) -> Float[np.ndarray, "shifts seconds"]:
    """Bits that differ where the film is taken -reach..reach frames later; NaN outside of it."""
    places = _whole_seconds(len(looks), known.fps)[:seconds]
    bits = np.full((2 * reach + 1, seconds), np.nan, dtype=np.float32)
    for row, shift in enumerate(range(-reach, reach + 1)):
        inside = (places + shift >= 0) & (places + shift < len(looks))
        other = known.looks[:seconds][inside] ^ looks[places[inside] + shift]
        bits[row, inside] = np.bitwise_count(other)
    return bits


def _shift(bits: Float[np.ndarray, "shifts seconds"]) -> int | None:
    """Frames by which the film is late; 0 unless another fits clearly better; None: none fits."""
    reach, seconds = len(bits) // 2, bits.shape[1]
    count = np.isfinite(bits).sum(axis=1)
    means = np.where(count >= seconds / 2, np.nansum(bits, 1) / np.maximum(count, 1), np.inf)
    best = int(means.argmin())
    if means[best] > OTHER_BITS:
        return None
    clearly = means[reach] > 1.1 * means[best] + 0.05 + 1.0 / seconds
    return best - reach if clearly else 0


def _changing(bits: Float[np.ndarray, "shifts seconds"], known: Fingerprint) -> str | None:
    """In words, where the shift is not the same from the first to the last second."""
    seconds = bits.shape[1]
    window = max(min(LONGEST_WINDOW_SEC, seconds // 8), 4)
    shifts = []
    for start in range(0, seconds - window + 1, window):
        shift = _shift(bits[:, start : start + window])
        if shift is not None:
            shifts.append((start, shift))
    if len(shifts) < 3 or shifts[0][1] == shifts[-1][1]:
        return None
    pairs = itertools.pairwise(shifts)
    steps = [start for (_, before), (start, after) in pairs if before != after]
    first, last = (_sec(shifts[at][1], known.fps) for at in (0, -1))
    begins_sec = known.start_sec + steps[0]
    if len(steps) <= 2:
        return (
            f"is shifted by {last} against its fingerprint from about {begins_sec:.0f} s on "
            f"(before: {first}): frames are missing or doubled there"
        )
    return f"drifts from {first} to {last} against its fingerprint: its clock is not steady"


def _sec(shift: int | None, fps: float) -> str:
    return f"{(shift or 0) / fps:+.3f} s" if shift else "0 s"
