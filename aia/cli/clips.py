"""Clips that a command reads: key frames of readable videos, with their objects."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from aia.errors import InputError


def videos_of(listed: Path | None, annotations: Sequence[Path] | None) -> list[str]:
    """Read the videos of a list, or those that the annotations name."""
    from aia.tables import read_actions, read_films, read_video_table

    if listed is not None and listed.suffix == ".csv":  # videos.csv of a data set
        return [row.video for row in read_video_table(listed) if row.split == "test"]
    if listed is not None:
        return read_films(listed)
    return sorted({video for path in annotations or () for video in read_actions(path)["video"]})


def key_frames(options: argparse.Namespace, labels: Any) -> list[Any]:
    """Read the key frames that are scored: annotated ones, or a list of seconds of each video."""
    from aia.datasets.ava import annotated_clips, listed_clips
    from aia.tables import read_seconds_by_video, seconds_for

    more = {"labels": labels, "excluded": options.excluded, "per_sec": options.clips_per_sec}
    if options.seconds is None and options.films is None:
        return annotated_clips(options.annotations, **more)
    if options.seconds is None:
        raise InputError("--films: needs --seconds, the seconds of these videos that are scored")
    if not options.persons:
        raise InputError("--seconds: needs --persons, as no persons are annotated there")
    if options.attention:
        raise InputError("--attention: is kept of annotated key frames, leave --seconds out")
    videos = videos_of(options.films, [options.annotations])
    seconds = read_seconds_by_video(options.seconds)
    return listed_clips({video: seconds_for(video, seconds) for video in videos}, **more)


def readable_clips(
    clips: Sequence[Any], stores: dict[str, Any], options: argparse.Namespace, *, span: int
) -> list[Any]:
    """Keep the clips of readable videos; the other videos must have been skipped on purpose.

    Raises:
        InputError: A video has no frame store, is shorter than the `span` frames of a clip, or
            ends before one of its seconds.
    """
    named = options.annotations or options.films
    skipped = {path.stem for path in options.frames} - stores.keys()
    kept = [clip for clip in clips if clip.key.video not in skipped]
    for clip in kept:
        store = stores.get(clip.key.video)
        if store is None:
            raise InputError(
                f"{named}: has video '{clip.key.video}', but no frame store of it was given"
            )
        if len(store) < span:
            raise InputError(
                f"{store.path}: has {len(store)} frames, but a clip of this backbone spans {span}; "
                "is the video cut, or frames.fps too low for it?"
            )
        end_sec = store.times_sec[-1] + 1 / store.fps
        if not 0 <= clip.time_sec <= end_sec:
            raise InputError(
                f"{named}: {clip.key.video} has second {clip.time_sec:g}, but the "
                f"video ends at {end_sec:.2f} s; is it cut, or does its clock start elsewhere?"
            )
    return kept


def segments(options: argparse.Namespace, labels: Any, *, most_objects: int) -> list[Any]:
    """Read the clips of the segments, with the hands and objects that were detected there."""
    from aia.datasets.segments import segment_clips, with_detected

    return with_detected(
        segment_clips(options.annotations, task=options.task, labels=labels),
        hands=options.hands,
        objects=options.object_boxes,
        hand_threshold=options.hand_threshold,
        object_threshold=options.object_threshold,
        most_objects=most_objects,
    )


def remembered_objects(options: argparse.Namespace, memory: Any, device: Any, **shared: Any) -> Any:
    """Read the memory of a run that remembers objects; None without any.

    Args:
        options: Options of the command.
        memory: Section `memory` of the run.
        device: Device of the memory.
        shared: Processes that share it (see `object_bank`).
    """
    if not options.object_features:
        return None
    import torch

    from aia.memory import object_bank

    return object_bank(
        options.object_features,
        per_clip=memory.persons_per_clip,
        reach=memory.reach,
        dtype=getattr(torch, memory.dtype),
        device=device,
        **shared,
    )


def with_objects_of(clips: list[Any], options: argparse.Namespace, *, most: int) -> list[Any]:
    """Give the clips their objects, annotated or detected, at most `most` in each."""
    from aia.datasets.ava import with_objects

    return with_objects(
        clips,
        annotated=options.objects,
        detected=options.object_boxes,
        threshold=options.object_threshold,
        most=most,
        per_sec=options.clips_per_sec,
    )
