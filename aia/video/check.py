"""Checks that a video is cut as its annotations expect; a wrong cut costs points silently.

They run when a video is decoded, and again before training, on what its frame store says of it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from aia.config import CheckConfig
from aia.errors import InputError
from aia.log import say

RATES = (24000 / 1001, 24.0, 25.0, 30000 / 1001, 30.0, 50.0, 60000 / 1001, 60.0)
"""Frames per second that videos have."""
GAP = 1.5  # lengths of a frame; a longer step leaves one out
STEADY = 0.9  # share of steps that are as long as a frame, in a video of steady rate
NOTED_GAPS = 5


def source_facts(starts_sec: Sequence[float], *, film_start_sec: float) -> dict[str, Any]:
    """Derive a video's rate, its steadiness and its gaps from the times of its frames.

    Args:
        starts_sec: When each frame begins, from the video's first on.
        film_start_sec: Time of the video's first frame in the annotations.
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


def faults(video: str, about: Mapping[str, Any], frames: int, *, check: CheckConfig) -> list[str]:
    """Find what is wrong with a video, in words.

    Args:
        video: Its id.
        about: What its store says of it.
        frames: Number of stored frames.
        check: Requirements.
    """
    if "source_fps" not in about:
        return ["its frame store is from before videos were checked; make it again"]
    found = [
        _count(about, frames, check.frames),
        _length(about),
        _rate(about, check.source_fps),
        _missing(about, check.missing_frames),
        _clock(about, check.clock_start_sec),
    ]
    return [fault for fault in found if fault]


def remarks(about: Mapping[str, Any]) -> list[str]:
    """Find what is worth knowing of a video, though not wrong."""
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


def refuse_video(video: str, about: Mapping[str, Any], frames: int, *, check: CheckConfig) -> None:
    """Raise an InputError if a video does not meet the requirements, or only log it (`warn`)."""
    if not check.enabled:
        return
    for remark in remarks(about):
        say(f"{video}: {remark}")
    words = faults(video, about, frames, check=check)
    if words:
        stop_or_say([f"{video}: {'; '.join(words)}"], check)


def stop_or_say(lines: Sequence[str], check: CheckConfig) -> None:
    """Raise one InputError of all lines, or log them where the settings let wrong videos pass."""
    if check.wrong_films == "warn":
        for line in lines:
            say(f"wrong video: {line}")
        return
    advice = (
        "A wrong cut costs points without a word. Cut the video anew; if it is right as it is, "
        "change the section `check` of the settings (wrong_films: warn lets all of them pass)"
    )
    if len(lines) == 1:
        raise InputError(f"{lines[0]}. {advice}")
    listed = "\n".join(f"  {line}" for line in lines)
    raise InputError(f"{len(lines)} videos are not what they must be:\n{listed}\n{advice}")


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
    """Check a video that was cut before: it must last as long as the part."""
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
    """Find a usual rate near `found`, unless that is simply `fps` with some frames lost."""
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
        "much; was it cut out of a longer video without setting its clock back? "
        "(check.clock_start_sec)"
    )
