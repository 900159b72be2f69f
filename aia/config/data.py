"""The sections `playhouse`, `fetch` and `data`: a data set, its files and their origin."""

import re
from dataclasses import dataclass
from typing import Literal

from aia.config.checks import at_least


@dataclass(frozen=True, kw_only=True)
class PlayhouseConfig:
    """The embedded data set, drawn from a seed."""

    form: Literal["ava", "ucf101_24", "epic_kitchens"]
    """Data set in whose form the annotations are written; epic_kitchens draws another world, a
    kitchen."""
    seed: int
    """Seed of everything that is drawn; the same settings give the same bytes."""
    train_films: int
    """Number of training videos, at least 1. Many short videos leave none to learn by heart."""
    val_films: int
    """Number of validation videos, at least 1."""
    seconds: int
    """Length of a video in seconds, at least 4; below 30 a video holds fewer of the questions."""
    fps: int
    """Frames per second, at least 2."""
    size_hw: tuple[int, int]
    """Height and width of a frame, in pixels."""

    def __post_init__(self) -> None:
        at_least(self, train_films=1, val_films=1, seconds=4, fps=2)


@dataclass(frozen=True, kw_only=True)
class FetchConfig:
    """Addresses of published data, and how patiently they are downloaded."""

    address: str
    """Address of AVA's videos and annotations, or of a mirror."""
    ucf101_24_annotations: str
    """Address of the folder with UCF101-24's pyannot.pkl and testlist01.txt."""
    ucf101_films: str
    """UCF101's archive (6.5 GB): an address, or the path of a rar, zip or tar or of a folder of
    videos."""
    epic55_annotations: str
    """Address of the folder with EPIC-Kitchens-55's tables."""
    epic55_films: str
    """Address of EPIC-Kitchens-55's videos (train/P01/P01_01.MP4, ...)."""
    pets09_video: str
    """Address of vtest.avi, the street crossing that OpenCV has among its samples (8 MB)."""
    pets09_tracks: str
    """Address of MOTChallenge's MOT15Labels.zip (1.5 MB), or of its PETS09-S2L1's gt.txt."""
    at_once: int
    """Parallel downloads of one `aia fetch` command, at least 1; the workflow's profile limits the
    number of its download jobs."""
    attempts: int
    """Attempts in a row without a new byte before a download fails, at least 1."""
    wait_sec: float
    """Seconds before the second attempt; doubled for each further one, up to a minute."""
    stall_sec: float
    """Seconds without data after which the connection counts as lost, at least 0.1."""

    def __post_init__(self) -> None:
        at_least(self, at_once=1, attempts=1, wait_sec=0, stall_sec=0.1)
        names = ("address", "ucf101_24_annotations", "epic55_annotations", "epic55_films")
        for name in (*names, "pets09_video", "pets09_tracks"):
            if not re.match(r"https?://[^/]", getattr(self, name)):
                raise ValueError(
                    f"{name}: '{getattr(self, name)}' does not begin with https://host"
                )


@dataclass(frozen=True, kw_only=True)
class SplitPaths:
    """One file for each split, or none."""

    train: str | None
    """File of the training split; null: none."""
    val: str | None
    """File of the validation split; null: none."""


@dataclass(frozen=True, kw_only=True)
class TestConfig:
    """A split without labels, whose scores are submitted to a server."""

    films: str | None
    """List of its videos, one id a line; null: there is no such split. Needs `data.seconds`."""
    excluded: str | None
    """CSV (video,second) of key frames that are not scored; null: none."""
    labels: str | None
    """List of the classes that are submitted, AVA's 60; null: all."""
    person_boxes: str | None
    """Published boxes of its persons; null: the detector's."""
    object_boxes: str | None
    """Published boxes of its objects; null: the detector's."""
    box_images: str | None
    """Key to the image ids of its published boxes, as in `data.box_images`."""


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """UCF101-24's annotations, which `aia prepare` writes in AVA's form."""

    format: Literal["ucf101_24"]
    """Form of the annotations, which decides on the other settings."""
    annotations: str
    """pyannot.pkl (the corrected annotations) or finalAnnots.mat."""
    labels: str | None
    """List of the classes; null: the 24 of UCF101-24."""
    train: str | None
    """List of the training videos; null: all videos that are not in `val`."""
    val: str
    """List of the validation videos, such as testlist01.txt (split 1)."""


@dataclass(frozen=True, kw_only=True)
class JhmdbSourceConfig:
    """J-HMDB's annotations with their splits, which `aia prepare` writes in AVA's form."""

    format: Literal["jhmdb"]
    """Form of the annotations, which decides on the other settings."""
    annotations: str
    """JHMDB-GT.pkl, as ACT and MOC publish it."""
    split: int
    """Number of the split, from 1; there are three, of which MOC's file has the first alone."""

    def __post_init__(self) -> None:
        at_least(self, split=1)


@dataclass(frozen=True, kw_only=True)
class EpicSourceConfig:
    """EPIC-Kitchens' tables, which `aia prepare` writes as segments of two splits."""

    format: Literal["epic55"]
    """Form of the annotations, which decides on the other settings."""
    annotations: str
    """Table of the labelled segments, EPIC_train_action_labels.csv."""
    verbs: str
    """Table of the verb classes, EPIC_verb_classes.csv."""
    nouns: str
    """Table of the noun classes, EPIC_noun_classes.csv."""
    videos: str
    """Table of the videos with their lengths, EPIC_video_info.csv."""
    train: str
    """Participants of the training split, such as P01-P25 (§6, the split of Baradel et al.)."""
    val: str
    """Participants of the validation split, such as P26-P31."""


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Files of a data set; its annotations are in AVA's form, in segments, or as `source` says."""

    source: SourceConfig | JhmdbSourceConfig | EpicSourceConfig | None
    """Annotations in a form of their own, with their classes; null: those of `annotations` and
    `labels`."""
    tasks: dict[str, str | None] | None
    """Class list of each task, verb and noun, of data labelled by segment; a variant of the task's
    name trains it. The lists are null where a source has them. null: data labelled by boxes."""
    fetch: Literal["ava_v2.1", "ava_v2.2", "ucf101_24", "epic55", "pets09"] | None
    """Publisher from whom missing annotations and videos are downloaded; null: they must exist."""
    films: str
    """Path of a video; {video} stands for its id, * at its end for the ending of a video."""
    labels: str | None
    """Class list (pbtxt); null where a source has the classes."""
    evaluated: str | None
    """List of the classes that are scored, such as AVA's 60 of 80; null: all."""
    annotations: SplitPaths
    """Actions of each split: video,second,x1,y1,x2,y2,action,person, or segments. Both are needed,
    unless there is a source."""
    excluded: SplitPaths
    """Key frames (video,second) that are neither trained on nor scored; null: none."""
    objects: SplitPaths
    """Ground-truth boxes of objects: video,second,x1,y1,x2,y2,label; null: objects are detected."""
    tracks: str | None
    """Person boxes on every frame (frame,id,x1,y1,x2,y2) of the only video, on which the detector
    is trained; null: none."""
    seconds: str | None
    """Seconds at which detected persons are scored, one a line (AVA's included timestamps), or
    lines of video,second where videos have their own; null: the annotated ones."""
    clips_per_sec: float
    """Key frames per second that have a slot of their own in the memory, at least 0.01: 1 on AVA,
    the frame rate where every frame is labelled."""
    person_boxes: SplitPaths
    """Published boxes of persons (AlphAction's JSON, PySlowFast's or LFB's CSV, Parquet); null: the
    detector's."""
    object_boxes: SplitPaths
    """Published boxes of objects, in the same formats; null: the detector's."""
    box_images: SplitPaths
    """Key to AlphAction's image ids: its annotations as JSON, or its list of videos."""
    frame_sizes: str | None
    """CSV (video,width,height), for published boxes in pixels with a list of videos."""
    test: TestConfig
    """The split without labels."""
    bad_films: Literal["stop", "skip"]
    """Reaction to an unreadable video: stop, or skip to ignore it and name it."""

    def __post_init__(self) -> None:
        if "{video}" not in self.films:
            raise ValueError(f"films: '{self.films}' lacks {{video}}, where a video's id goes")
        if self.source is None:
            if not (self.annotations.train and self.annotations.val):
                raise ValueError("annotations: both train and val need a file")
            if not (self.labels or self.tasks):
                raise ValueError("labels: is null, and there is no source that has the classes")
            for task, labels in (self.tasks or {}).items():
                if labels is None:
                    raise ValueError(f"tasks.{task}: is null, and there is no source that has it")
        at_least(self, clips_per_sec=0.01)
        if self.tasks is not None and set(self.tasks) != {"verb", "noun"}:
            raise ValueError(
                f"tasks: {', '.join(self.tasks)}; data labelled by segment have verb and noun"
            )
        if self.test.films and not self.seconds:
            raise ValueError("test.films: needs seconds, the list of those that are scored")
