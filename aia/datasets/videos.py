"""Checks of all videos of a data set before training."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from aia.config import CheckConfig, FramesConfig
from aia.files import write_text
from aia.log import say
from aia.tables import read_actions, read_seconds_by_video, seconds_for
from aia.video.check import faults, stop_or_say
from aia.video.store import FrameStore, readable_stores

CLIP_EDGE_SEC = 0.5
"""Largest distance of a key frame from the first or last stored frame."""
COLUMNS = "video,start_sec,fps,frames,source_frames,duration_sec,sha256"


def check_videos(
    *,
    stores: Sequence[Path],
    annotations: Sequence[Path],
    frames: FramesConfig,
    check: CheckConfig,
    output: Path | str,
    seconds: Path | None = None,
) -> None:
    """Check every video of a data set, and write a list of them.

    Args:
        stores: Frame stores; skipped videos are logged and ignored.
        annotations: Tables whose seconds must be within the videos.
        frames: Required settings of the stores.
        check: Requirements on the videos.
        output: CSV of the videos: which part, how many frames, the source's SHA-256.
        seconds: Key frames of videos without annotations, such as those of the test split; None:
            they need not have any.

    Raises:
        InputError: Videos fail the check; one message lists all of them.
    """
    needed = _seconds_of(annotations)
    listed = read_seconds_by_video(seconds) if seconds else {}
    problems, rows = [], [COLUMNS]
    for video, store in sorted(readable_stores(stores).items()):
        store.check_settings(frames)
        words = faults(video, store.about, len(store), check=check)
        if video in needed:
            words += _outside(store, needed[video], "is annotated")
        elif scored := seconds_for(video, listed):
            words += _outside(store, (scored[0], scored[-1]), "is to be scored")
        if check.as_annotated:
            words += _other_count(store, needed.get(video))
        if words:
            problems.append(f"{video}: {'; '.join(words)}")
        names = ("start_sec", "fps", "source_frames", "source_duration_sec", "source_sha256")
        start, fps, *source = (str(store.about.get(name, "")) for name in names)
        rows.append(",".join([video, start, fps, str(len(store)), *source]))
    if problems:
        stop_or_say(problems, check)
    write_text(output, "\n".join(rows) + "\n")
    result = f"{len(problems)} of them failed the check" if problems else "all passed the check"
    say(f"{output}: {len(rows) - 1} videos, {result}")


def _seconds_of(annotations: Sequence[Path]) -> Mapping[str, tuple[float, float]]:
    """Return the first and last annotated second of each video."""
    spans: dict[str, tuple[float, float]] = {}
    for path in annotations:
        times = read_actions(path).groupby("video", observed=True)["time_sec"]
        for (video, first), last in zip(times.min().items(), times.max(), strict=True):
            before = spans.get(str(video), (first, last))
            spans[str(video)] = (min(first, before[0]), max(last, before[1]))
    return spans


def _outside(store: FrameStore, needed: tuple[float, float], what: str) -> list[str]:
    """Check that the needed seconds are within a video."""
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
    """Check that every frame of a video is a key frame, the last one too."""
    if needed is None:
        return []
    annotated = round((needed[1] - float(store.times_sec[0])) * store.fps) + 1
    if annotated == len(store):
        return []
    return [
        f"has {len(store)} frames, but {annotated} are annotated (check.as_annotated); is it "
        "another encoding of the video, or cut?"
    ]
