"""The sections `frames`, `check` and `detector`: what is seen on the videos of a data set.

`Perception` is what a model keeps of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from aia.config.checks import at_least, at_most, share


@dataclass(frozen=True, kw_only=True)
class FramesConfig:
    """The frame store: the stored part of a video, its frame rate, size and codec."""

    film_start_sec: float
    """Time that the annotations give the video's first moment, in seconds, at least 0; 900 for
    AVA's videos where they were cut to begin at minute 15."""
    start_sec: float
    """Start of the stored part, in the annotations' seconds; not before `film_start_sec`."""
    end_sec: float | None
    """End of the stored part, in the annotations' seconds; null: the end of the video."""
    fps: float
    """Stored frames per second, 0.1 to 1000; a clip's span counts them."""
    numbered: bool
    """True: every frame is stored and counts as 1 / fps seconds, for annotations by frame number.
    False: frames are chosen by their time."""
    short_side: int
    """Length of a frame's shorter side, in pixels, 16 to 8192; 256 on AVA."""
    codec: Literal["jpeg", "h264"]
    """Compression: jpeg decodes faster, h264 takes a sixth of the disk and up to twice the time."""
    quality: int
    """Quality of jpeg, 1 to 100."""

    def __post_init__(self) -> None:
        at_least(self, fps=0.1, short_side=16, quality=1, film_start_sec=0)
        at_least(self, start_sec=self.film_start_sec)
        at_most(self, quality=100, short_side=8192, fps=1000)  # 8K; more fills the memory
        if self.end_sec is not None and self.end_sec <= self.start_sec:
            raise ValueError(f"end_sec = {self.end_sec} is not after start_sec = {self.start_sec}")


@dataclass(frozen=True, kw_only=True)
class CheckConfig:
    """Requirements on videos, checked when one is decoded, and for all of them before training."""

    wrong_films: Literal["stop", "warn"]
    """Reaction to a video that does not meet a requirement: stop, or warn and continue."""
    frames: int | None
    """Number of stored frames of each video, such as AVA's 27030; null: any."""
    source_fps: float | None
    """Frames per second of the videos themselves; null: any, frames are chosen by their time."""
    missing_frames: int | None
    """Largest number of frames missing in the gaps of a video of steady rate; null: any."""
    clock_start_sec: float | None
    """Latest start of a video's own clock, in seconds; null: any. Decoders that reorder frames
    begin up to two frames late."""
    as_annotated: bool
    """True: the last annotated key frame must be the last frame of the video."""

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
    """Faster R-CNN: the model, its fine-tuning, and the boxes that are used (§4.1)."""

    model: Literal[
        "small",
        "fasterrcnn_resnet50_fpn",
        "fasterrcnn_resnet50_fpn_v2",
        "fasterrcnn_mobilenet_v3_large_fpn",
        "maskrcnn_r50_fpn",
        "maskrcnn_r101_fpn",
        "maskrcnn_x101_32x8d_fpn",
    ]
    """Architecture: small (ours), torchvision's fasterrcnn_*, or maskrcnn-benchmark's maskrcnn_*
    (maskrcnn_x101_32x8d_fpn is the paper's)."""
    weights: str
    """Initial weights: scratch, coco (torchvision's, by name), or a file."""
    finetune: bool
    """True: fine-tune on the data set; false: use the weights as they are, which needs weights."""
    classes: tuple[str, ...]
    """Names of the classes; the first is the person. With COCO's weights the others are COCO's."""
    short_side: int
    """Shorter side of the image that the network sees, in pixels, at least 16; 800 for published
    weights."""
    steps: int
    """Steps of fine-tuning, at least 1."""
    batch: int
    """Images of one step of fine-tuning, at least 1."""
    learning_rate: float
    """Learning rate of fine-tuning."""
    max_images: int
    """Largest number of key frames that fine-tuning samples from, evenly spread over the table."""
    person_threshold: float
    """Least score of a person box that is used at inference, 0..1; 0.8 in §4.1."""
    object_threshold: float
    """Least score of an object box that is used, 0..1; 0.5 in §4.1, lower for higher recall."""
    max_objects: int
    """Largest number of object boxes of a key frame, the best by score; 5 in the authors' code."""

    def __post_init__(self) -> None:
        at_least(self, short_side=16, steps=1, batch=1, max_images=1, max_objects=0)
        share(self, "person_threshold", "object_threshold")
        if not self.classes:
            raise ValueError("classes: needs at least one name, the first is the person")
        if not self.finetune and self.weights == "scratch":
            raise ValueError("finetune: false needs weights, but weights is scratch")


@dataclass(frozen=True, kw_only=True)
class Perception:
    """What a run sees of a video: all that its scores depend on, beside its network.

    It stands in the metadata of a model, so that a video can be scored by the model alone.
    """

    dataset: str
    """Data set that it was trained on."""
    fps: float
    """Frames per second; a clip's span counts them."""
    short_side: int
    """Shorter side of a frame, in pixels."""
    numbered: bool
    """True: every frame of a video was taken, and counts as 1 / fps seconds."""
    codec: Literal["jpeg", "h264"]
    """Compression that the frames went through."""
    quality: int
    """Quality of jpeg."""
    clips_per_sec: float
    """Key frames of a second that have a place of their own in the memory."""
    person_threshold: float
    """Least score of a person that is asked about."""
    object_threshold: float
    """Least score of an object that is attended to."""
    extend: tuple[float, float]
    """Growth of detected persons for RoIAlign, as shares of width and height."""
    detector: str
    """Network of the detector."""
    detector_classes: tuple[str, ...]
    """Its classes before COCO's weights give their own; the first is the person."""
    detector_short_side: int
    """Shorter side of the image that the detector sees, in pixels."""
    detector_max_objects: int
    """Most objects of a key frame that it keeps."""
    protocol: str
    """Protocol of its evaluation."""

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any]) -> "Perception":
        """Collect it from a whole config.yaml, as plain values."""
        frames, detector = settings["frames"], settings["detector"]
        by_boxes = settings["data"]["source"] is None
        wider, taller = settings["score"]["extend"]
        return cls(
            dataset=settings["dataset"],
            fps=float(frames["fps"]),
            **{key: frames[key] for key in ("short_side", "numbered", "codec", "quality")},
            clips_per_sec=float(settings["data"]["clips_per_sec"]),
            person_threshold=float(detector["person_threshold"]),
            object_threshold=float(detector["object_threshold"]),
            extend=(float(wider), float(taller)),
            detector=detector["model"],
            detector_classes=tuple(detector["classes"]),
            detector_short_side=detector["short_side"],
            detector_max_objects=detector["max_objects"],
            protocol=settings["evaluate"]["protocol" if by_boxes else "tube_protocol"],
        )
