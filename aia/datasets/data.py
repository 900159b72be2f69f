"""Write annotations of any form in the common form, results/{dataset}/data/.

    classes.pbtxt           classes; for segments the verbs, the same as verbs.pbtxt
    evaluated.pbtxt         scored classes
    videos.csv              videos of each split
    {split}.parquet         actions on each key frame, or segments
    {split}_excluded.parquet, {split}_objects.parquet       seconds left out; annotated objects
    seconds.txt             scored key frames, if these are not the annotated ones
    tubes.csv               ground truth of video mAP, if there are tubes: boxes by frame and tube
    verbs.pbtxt, nouns.pbtxt    classes of each task, if there are segments

Each split has its own files, so that a change of one split does not invalidate results of another.
All later steps read this form alone.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd

from aia.config import DataConfig, EpicSourceConfig, JhmdbSourceConfig, SourceConfig
from aia.datasets import epic55, sources
from aia.datasets.tubes import key_frames_of, scored_tubes
from aia.labels import ClassList, read_labels, write_labels
from aia.log import say
from aia.tables import (
    VideoRow,
    read_actions,
    read_excluded,
    read_objects,
    read_seconds_by_video,
    read_segments,
    write_annotations,
    write_excluded_table,
    write_frame_boxes,
    write_object_table,
    write_seconds,
    write_segment_table,
    write_video_table,
)

AnySource = SourceConfig | JhmdbSourceConfig | EpicSourceConfig
SPLITS = ("train", "val")


class Annotated(NamedTuple):
    """Annotations of any form, as read."""

    labels: Mapping[str, ClassList]
    """Classes by the name of their file."""
    rows: Mapping[str, pd.DataFrame]
    """Table of each split, as from `read_actions` or `read_segments`."""
    tubes: pd.DataFrame | None = None
    """Scored boxes by frame and tube, if the data have tubes."""


def write_data(
    config: DataConfig, *, videos: Mapping[str, Sequence[str]], output: Path | str
) -> None:
    """Read a data set as its settings say, and write it in the common form.

    Args:
        config: Form and paths of annotations, classes, objects and key frames.
        videos: Ids of the videos of each split.
        output: The folder.

    Raises:
        InputError: A file is missing or invalid.
    """
    output = Path(output)
    found = read_annotated(config)
    write_annotated(output, found)
    labels = found.labels["classes"]
    scored = labels if config.evaluated is None else read_labels(config.evaluated)
    write_labels(output / "evaluated.pbtxt", scored)
    rows = [VideoRow(video, split) for split, ids in videos.items() for video in ids]
    write_video_table(output / "videos.csv", rows)
    for split in (*SPLITS, "test"):
        path = config.test.excluded if split == "test" else getattr(config.excluded, split)
        write_excluded_table(output / f"{split}_excluded.parquet", {split: read_excluded(path)})
    for split in SPLITS:
        objects = getattr(config.objects, split)
        found_objects = {split: read_objects(objects)} if objects else {}
        write_object_table(output / f"{split}_objects.parquet", found_objects)
    seconds = read_seconds_by_video(config.seconds) if config.seconds else {}
    write_seconds(output / "seconds.txt", seconds)
    counts = ", ".join(f"{len(table)} of {split}" for split, table in found.rows.items())
    say(f"{output}: {len(rows)} videos, {len(labels)} classes, rows: {counts}")


def write_annotated(output: Path, found: Annotated) -> None:
    """Write classes and annotations, without what the settings say beside them."""
    for name, classes in found.labels.items():
        write_labels(output / f"{name}.pbtxt", classes)
    for split, table in found.rows.items():
        write = write_segment_table if "segment" in table else write_annotations
        write(output / f"{split}.parquet", table)
    if found.tubes is not None:
        write_frame_boxes(output / "tubes.csv", found.tubes)


def read_annotated(config: DataConfig) -> Annotated:
    """Read annotations of any form, with their classes.

    Raises:
        InputError: The annotations are invalid.
    """
    if config.source is not None:
        return read_source(config.source, clips_per_sec=config.clips_per_sec)
    paths = {split: str(getattr(config.annotations, split)) for split in SPLITS}
    if config.tasks is not None:
        labels = {task: read_labels(str(path)) for task, path in config.tasks.items()}
        rows = {split: read_segments(path) for split, path in paths.items()}
        for path in paths.values():
            for task, classes in labels.items():
                read_segments(path, task=task, labels=classes)  # only checks
        return Annotated(_of_tasks(labels), rows)
    classes = read_labels(str(config.labels))
    return Annotated(
        {"classes": classes},
        {split: read_actions(path, labels=classes) for split, path in paths.items()},
    )


def read_source(source: AnySource, *, clips_per_sec: float) -> Annotated:
    """Read annotations in a form of their own; tubes become this many key frames a second.

    Raises:
        InputError: The annotations are invalid.
    """
    if isinstance(source, EpicSourceConfig):
        labels, rows = epic55.read_splits(
            source.annotations,
            verbs=source.verbs,
            nouns=source.nouns,
            videos=source.videos,
            train=source.train,
            val=source.val,
        )
        return Annotated(_of_tasks(labels), rows)
    tubes = sources.read_tubes(source)
    return Annotated(
        {"classes": tubes.known.labels},
        {split: key_frames_of(tubes, split, fps=clips_per_sec) for split in SPLITS},
        scored_tubes(tubes),
    )


def _of_tasks(labels: Mapping[str, ClassList]) -> dict[str, ClassList]:
    return {"classes": labels["verb"], **{f"{task}s": found for task, found in labels.items()}}
