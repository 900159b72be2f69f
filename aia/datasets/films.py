"""All films of a data set, looked at before anything is trained on them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aia.config import CheckConfig, FramesConfig
from aia.log import say
from aia.tables import read_actions, read_seconds
from aia.video.check import faults, fingerprint_of, known_films, stop_or_say
from aia.video.fingerprints import write_fingerprints
from aia.video.store import FrameStore, readable_stores

CLIP_EDGE_SEC = 0.5
"""A key frame may lie so far beyond the last stored frame."""


def check_films(
    *,
    stores: Sequence[Path],
    annotations: Sequence[Path],
    frames: FramesConfig,
    check: CheckConfig,
    output: Path | str,
    seconds: Path | None = None,
) -> None:
    """See that every film is what it must be, and write the list of their fingerprints.

    The list, kept or published, is what `check.fingerprints` compares films against.

    Args:
        stores: The films' frames; skipped films are named and left out.
        annotations: Whose seconds the films must hold.
        frames: How the stores must have been made.
        check: What the films must be.
        output: The list.
        seconds: Key frames of films that no annotation names, such as those of the test split;
            None: those films need not hold any.

    Raises:
        InputError: What is wrong with which films, all of them in one message.
    """
    known = known_films(check)
    needed = _seconds_of(annotations)
    scored = read_seconds(seconds) if seconds else []
    lines, fingerprints = [], []
    for video, store in sorted(readable_stores(stores).items()):
        store.check_settings(frames)
        looks = store.looks
        words = faults(video, store.about, looks, check=check, known=known)
        if video in needed:
            words += _outside(store, needed[video], "is annotated")
        elif scored:
            words += _outside(store, (scored[0], scored[-1]), "is to be scored")
        if check.as_annotated:
            words += _other_count(store, needed.get(video))
        if words:
            lines.append(f"{video}: {'; '.join(words)}")
        if looks is not None and "source_fps" in store.about:
            fingerprints.append(fingerprint_of(video, store.about, looks))
    if lines:
        stop_or_say(lines, check)
    write_fingerprints(output, fingerprints)
    say(f"{output}: {len(fingerprints)} films, {_in_words(lines)}")


def _seconds_of(annotations: Sequence[Path]) -> Mapping[str, tuple[float, float]]:
    """First and last annotated second of each video."""
    spans: dict[str, tuple[float, float]] = {}
    for path in annotations:
        times = read_actions(path).groupby("video", observed=True)["time_sec"]
        for (video, first), last in zip(times.min().items(), times.max(), strict=True):
            before = spans.get(str(video), (first, last))
            spans[str(video)] = (min(first, before[0]), max(last, before[1]))
    return spans


def _outside(store: FrameStore, needed: tuple[float, float], what: str) -> list[str]:
    first_sec, last_sec = needed
    begins_sec, ends_sec = float(store.times_sec[0]), float(store.times_sec[-1]) + 1 / store.fps
    if begins_sec - CLIP_EDGE_SEC <= first_sec and last_sec <= ends_sec + CLIP_EDGE_SEC:
        return []
    return [
        f"{what} from {first_sec:g} to {last_sec:g} s, but its frames go from "
        f"{begins_sec:.2f} to {ends_sec:.2f} s; is it cut off, or does its clock begin elsewhere "
        "(frames.film_start_sec)?"
    ]


def _other_count(store: FrameStore, needed: tuple[float, float] | None) -> list[str]:
    """Whether every frame of a film is a key frame, the last one too."""
    if needed is None:
        return []
    annotated = round((needed[1] - float(store.times_sec[0])) * store.fps) + 1
    if annotated == len(store):
        return []
    return [
        f"has {len(store)} frames, but {annotated} are annotated (check.as_annotated); is it "
        "another encoding of the film, or cut?"
    ]


def _in_words(lines: Sequence[str]) -> str:
    return f"{len(lines)} of them not what they must be" if lines else "all as they must be"
