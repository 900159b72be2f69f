"""Sections about data: the films of a data set, their frames, and the boxes on them."""

import re
from dataclasses import dataclass
from typing import Literal

from aia.config.checks import at_least, at_most, share


@dataclass(frozen=True, kw_only=True)
class PlayhouseConfig:
    """The embedded data set, drawn from a seed."""

    form: Literal["ava", "ucf101_24", "epic_kitchens"]
    """Whose files it is written as."""
    seed: int
    train_films: int
    val_films: int
    seconds: int
    fps: int
    size_hw: tuple[int, int]

    def __post_init__(self) -> None:
        at_least(self, train_films=1, val_films=1, seconds=4, fps=2)


@dataclass(frozen=True, kw_only=True)
class FetchConfig:
    """Where published data come from, and how much patience fetching has."""

    address: str
    ucf101_24_annotations: str
    ucf101_films: str
    epic55_annotations: str
    epic55_films: str
    at_once: int
    attempts: int
    wait_sec: float
    stall_sec: float

    def __post_init__(self) -> None:
        at_least(self, at_once=1, attempts=1, wait_sec=0, stall_sec=0.1)
        for name in ("address", "ucf101_24_annotations", "epic55_annotations", "epic55_films"):
            if not re.match(r"https?://[^/]", getattr(self, name)):
                raise ValueError(
                    f"{name}: '{getattr(self, name)}' does not begin with https://host"
                )


@dataclass(frozen=True, kw_only=True)
class SplitPaths:
    """One file for each split, or none."""

    train: str | None
    val: str | None


@dataclass(frozen=True, kw_only=True)
class TestConfig:
    """A split without labels, whose scores are submitted."""

    films: str | None
    excluded: str | None
    labels: str | None
    person_boxes: str | None
    object_boxes: str | None
    box_images: str | None


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """Annotations in a form of their own, which `aia prepare` writes in AVA's."""

    format: Literal["ucf101_24"]
    annotations: str
    labels: str | None
    """The classes, where they are others than the form's own."""
    train: str | None
    val: str


@dataclass(frozen=True, kw_only=True)
class JhmdbSourceConfig:
    """J-HMDB's annotations, splits and all, which `aia prepare` writes in AVA's form."""

    format: Literal["jhmdb"]
    annotations: str
    split: int
    """Which of its splits, from 1."""

    def __post_init__(self) -> None:
        at_least(self, split=1)


@dataclass(frozen=True, kw_only=True)
class EpicSourceConfig:
    """EPIC-Kitchens' tables, which `aia prepare` writes as segments of two splits."""

    format: Literal["epic55"]
    annotations: str
    verbs: str
    nouns: str
    videos: str
    train: str
    """Participants, such as P01-P25."""
    val: str


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where a data set in AVA's format lies."""

    source: SourceConfig | JhmdbSourceConfig | EpicSourceConfig | None
    tasks: dict[str, str] | None
    """Of data labelled by segment: the class list of each task; a variant of its name trains it."""
    fetch: Literal["ava_v2.1", "ava_v2.2", "ucf101_24", "epic55"] | None
    films: str
    labels: str
    evaluated: str | None
    annotations: SplitPaths
    excluded: SplitPaths
    objects: SplitPaths
    tracks: str | None
    seconds: str | None
    clips_per_sec: float
    person_boxes: SplitPaths
    object_boxes: SplitPaths
    box_images: SplitPaths
    frame_sizes: str | None
    test: TestConfig
    bad_films: Literal["stop", "skip"]

    def __post_init__(self) -> None:
        if "{video}" not in self.films:
            raise ValueError(f"films: '{self.films}' lacks {{video}}, where a film's id goes")
        if not (self.annotations.train and self.annotations.val):
            raise ValueError("annotations: both train and val need a file")
        at_least(self, clips_per_sec=0.01)
        if self.tasks is not None and set(self.tasks) != {"verb", "noun"}:
            raise ValueError(
                f"tasks: {', '.join(self.tasks)}; data labelled by segment have verb and noun"
            )
        if self.test.films and not self.seconds:
            raise ValueError("test.films: needs seconds, the list of those that are scored")


@dataclass(frozen=True, kw_only=True)
class FramesConfig:
    """The frame store: which part of a film, how many frames a second, how large, how packed."""

    film_start_sec: float
    start_sec: float
    end_sec: float | None
    fps: float
    numbered: bool
    short_side: int
    codec: Literal["jpeg", "h264"]
    quality: int

    def __post_init__(self) -> None:
        at_least(self, fps=0.1, short_side=16, quality=1, film_start_sec=0)
        at_least(self, start_sec=self.film_start_sec)
        at_most(self, quality=100, short_side=8192, fps=1000)  # 8K; more fills the memory
        if self.end_sec is not None and self.end_sec <= self.start_sec:
            raise ValueError(f"end_sec = {self.end_sec} is not after start_sec = {self.start_sec}")


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """What films must be: looked at when one is decoded, and at all of them before training."""

    wrong_films: Literal["stop", "warn"]
    frames: int | None
    source_fps: float | None
    missing_frames: int | None
    clock_start_sec: float | None
    as_annotated: bool

    def __post_init__(self) -> None:
        for name in ("frames", "source_fps", "missing_frames", "clock_start_sec"):
            if getattr(self, name) is not None and getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)} is less than 0")

    @property
    def enabled(self) -> bool:
        """True if any check is configured."""
        return self.as_annotated or any(
            value is not None
            for value in (
                self.frames,
                self.source_fps,
                self.missing_frames,
                self.clock_start_sec,
            )
        )


@dataclass(frozen=True, kw_only=True)
class DetectorConfig:
    """Faster R-CNN: which one, its fine-tuning, and which of its boxes are used (§4.1)."""

    model: Literal[
        "small",
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_v2",
        "fasterrcnn_mobilenet_v3_large_fpn",
        "maskrcnn_r50_fpn",
        "maskrcnn_r101_fpn",
        "maskrcnn_x101_32x8d_fpn",
    ]
    weights: str
    finetune: bool
    classes: tuple[str, ...]
    short_side: int
    steps: int
    batch: int
    learning_rate: float
    max_images: int
    person_threshold: float
    object_threshold: float
    max_objects: int

    def __post_init__(self) -> None:
        at_least(self, short_side=16, steps=1, batch=1, max_images=1, max_objects=0)
        share(self, "person_threshold", "object_threshold")
        if not self.classes:
            raise ValueError("classes: needs at least one name, the first is the person")
        if not self.finetune and self.weights == "scratch":
            raise ValueError("finetune: false needs weights, but weights is scratch")
