"""Whether a film is cut as its annotations expect; a wrong cut costs points without a word.

Looked at when a film is decoded, and again before training, from what its store says of it.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import UInt64

from aia.config import CheckConfig
from aia.errors import InputError
from aia.log import say
from aia.video.fingerprints import (
    RATES,
    Fingerprint,
    differences,
    per_second,
    read_fingerprints,
)

GAP = 1.5  # lengths of a frame; a longer step leaves one out
STEADY = 0.9  # share of steps that are as long as a frame, in a film of steady rate
NOTED_GAPS = 5


def source_facts(starts_sec: Sequence[float], *, film_start_sec: float) -> dict[str, Any]:
    """What the frames' times tell of a film: its rate, whether that is steady, what is missing.

    Args:
        starts_sec: When each frame begins, from the film's first on.
        film_start_sec: What annotations call the film's first moment.
    """
    starts = np.asarray(starts_sec, dtype=np.float64)
    steps = np.diff(starts)
    steps = np.where(steps > 0, steps, np.nan)
    if not np.isfinite(steps).any():
        return {"source_fps": 0.0, "steady": True, "missing_frames": 0, "missing_at_sec": []}
    usual_sec = float(np.nanmedian(steps))
    # files round to their clock's ticks, so the median of all steps is only nearly the length
    alike = np.abs(steps - usual_sec) < 0.25 * usual_sec
    lasts_sec = float(steps[alike].mean())
    gaps = np.flatnonzero(steps > GAP * lasts_sec)
    missing = np.round(steps[gaps] / lasts_sec).astype(int) - 1
    return {
        "source_fps": 1 / lasts_sec,
        "steady": bool(alike.mean() >= STEADY),
        "missing_frames": int(missing.sum()),
        "missing_at_sec": [float(starts[gap] + film_start_sec) for gap in gaps[:NOTED_GAPS]],
    }


def fingerprint_of(
    video: str, about: Mapping[str, Any], looks: UInt64[np.ndarray, " frames"]
) -> Fingerprint:
    """A film's line in a list of films."""
    return Fingerprint(
        video=video,
        start_sec=float(about["start_sec"]),
        fps=float(about["fps"]),
        frames=len(looks),
        source_frames=int(about["source_frames"]),
        duration_sec=float(about["source_duration_sec"]),
        sha256=str(about["source_sha256"]),
        looks=per_second(looks, float(about["fps"])),
    )


def faults(
    video: str,
    about: Mapping[str, Any],
    looks: UInt64[np.ndarray, " frames"] | None,
    *,
    check: CheckConfig,
    known: Mapping[str, Fingerprint],
) -> list[str]:
    """What is wrong with a film, in words; nothing where it is what it must be.

    Args:
        video: Its id.
        about: What its store says of it.
        looks: Of each of its frames.
        check: What it must be.
        known: Fingerprints of right films.
    """
    if looks is None or "source_fps" not in about:
        return ["its frame store is from before films were checked; make it again"]
    found = [
        _count(about, len(looks), check.frames),
        _length(about),
        _rate(about, check.source_fps),
        _missing(about, check.missing_frames),
        _clock(about, check.clock_start_sec),
    ]
    words = [fault for fault in found if fault]
    if check.fingerprints is not None:
        if video in known:
            words += differences(known[video], fingerprint_of(video, about, looks), looks)
        else:
            words.append(f"has no fingerprint in {check.fingerprints}")
    return words


def remarks(about: Mapping[str, Any]) -> list[str]:
    """What is worth knowing of a film, though not wrong."""
    said = []
    fps, source_fps = float(about["fps"]), float(about["source_fps"])
    if about.get("numbered"):
        if source_fps and abs(source_fps - fps) > 0.002 * fps:
            said.append(f"it has {source_fps:.5g} frames a second; they are counted as {fps:g}")
        return said
    if not about["steady"]:
        said.append(f"its rate varies; the {fps:g} frames a second are chosen by their time")
    elif source_fps and abs(source_fps - fps) > 0.002 * fps:
        said.append(
            f"it has {source_fps:.5g} frames a second; the {fps:g} that are kept are chosen by "
            "their time"
        )
    return said


def refuse_film(
    video: str,
    about: Mapping[str, Any],
    looks: UInt64[np.ndarray, " frames"],
    *,
    check: CheckConfig,
) -> None:
    """Raise an InputError if a film is not what it must be, or only say so where that suffices."""
    if not check.enabled:
        return
    for remark in remarks(about):
        say(f"{video}: {remark}")
    words = faults(video, about, looks, check=check, known=known_films(check))
    if words:
        stop_or_say([f"{video}: {'; '.join(words)}"], check)


def known_films(check: CheckConfig) -> dict[str, Fingerprint]:
    """The fingerprints that the settings name."""
    return read_fingerprints(Path(check.fingerprints)) if check.fingerprints else {}


def stop_or_say(lines: Sequence[str], check: CheckConfig) -> None:
    """Raise one InputError of all lines, or say them where the settings let wrong films pass."""
    if check.wrong_films == "warn":
        for line in lines:
            say(f"wrong film: {line}")
        return
    advice = (
        "A wrong cut costs points without a word. Cut the film anew; if it is right as it is, "
        "change the section `check` of the settings (wrong_films: warn lets all of them pass)"
    )
    if len(lines) == 1:
        raise InputError(f"{lines[0]}. {advice}")
    listed = "\n".join(f"  {line}" for line in lines)
    raise InputError(f"{len(lines)} films are not what they must be:\n{listed}\n{advice}")


def _count(about: Mapping[str, Any], frames: int, right: int | None) -> str | None:
    if right is None or frames == right:
        return None
    said, fps = f"has {frames:,} frames, {right:,} are expected", float(about["fps"])
    rate = _rate_of(frames / right * fps, fps, frames=right)
    if rate:
        return f"{said}: {_taken_for(rate, fps)}"
    few = right - frames
    if few < 0:
        return f"{said}: {-few:,} too many; does it begin elsewhere, or is it another cut?"
    missing = "one frame is missing" if few == 1 else f"{few:,} frames are missing"
    ends_early_sec = float(about["ends_early_sec"])
    if ends_early_sec > few / 2 / fps:
        return f"{said}: {missing}, it breaks off {ends_early_sec:.2f} s early"
    return f"{said}: {missing}"


def _length(about: Mapping[str, Any]) -> str | None:
    """A film that was cut before: its length must be the part's, not that at another rate."""
    part_sec = float(about["end_sec"]) - float(about["start_sec"])
    was_cut = about["film_start_sec"] == about["start_sec"] > 0
    stated_sec, fps = float(about["stated_sec"]), float(about["fps"])
    if not was_cut or not np.isfinite(part_sec) or stated_sec <= part_sec:
        return None
    rate = _rate_of(part_sec / stated_sec * fps, fps, frames=round(part_sec * fps))
    if not rate:
        return None
    return f"lasts {stated_sec:.1f} s instead of {part_sec:g} s: {_taken_for(fps, rate)}"


def _rate_of(found: float, fps: float, *, frames: int) -> float | None:
    """The rate that films have and that was found, if it is not simply `fps` with some lost."""
    rate = min(RATES, key=lambda known: abs(known - found))
    if abs(found - rate) > max(0.0005 * rate, 1.5 * fps / frames):
        return None
    return rate if abs(rate - fps) / fps * frames > 10 else None


def _taken_for(rate: float, other: float) -> str:
    return (
        f"as if {rate:.5g} frames a second had been taken for {other:.5g}; were its frames "
        "counted, not timed?"
    )


def _rate(about: Mapping[str, Any], right: float | None) -> str | None:
    source_fps = float(about["source_fps"])
    if right is None or abs(source_fps - right) <= 0.002 * right:
        return None
    return f"has {source_fps:.5g} frames a second, {right:.5g} are expected (check.source_fps)"


def _missing(about: Mapping[str, Any], allowed: int | None) -> str | None:
    missing = int(about["missing_frames"])
    if allowed is None or missing <= allowed or not about["steady"]:
        return None
    places = ", ".join(f"{sec:.2f}" for sec in about["missing_at_sec"])
    what = "one frame is missing" if missing == 1 else f"{missing:,} frames are missing"
    return (
        f"{what}: its clock jumps after {places} s, where a frame lasts "
        f"{1 / float(about['source_fps']):.3f} s (check.missing_frames)"
    )


def _clock(about: Mapping[str, Any], allowed: float | None) -> str | None:
    clock_sec = float(about["clock_start_sec"])
    if allowed is None or abs(clock_sec) <= allowed:
        return None
    return (
        f"its own clock begins at {clock_sec:.2f} s instead of 0, so annotations may be off by as "
        "much; was it cut out of a longer film without setting its clock back? "
        "(check.clock_start_sec)"
    )
