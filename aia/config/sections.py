"""The sections of config.yaml as frozen types, each with what its values must fulfil.

Numbers stand in config.yaml alone: no field has a default here. A part of the program takes its
own section, never the whole.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal

from aia.config.runs import parse_run, with_seed
from aia.errors import InputError

# A stage whose output would change with the code, not the settings, counts up here: its number
# is a parameter of the stage's rule, so that its outputs are made anew.
STAGE_VERSIONS = {
    "playhouse": 1,
    "prepare": 1,
    "frames": 2,
    "detector": 1,
    "train": 1,
    "score": 1,
}

# Settings that say how a machine works, not what comes out: a change makes nothing anew.
MACHINE_SETTINGS = {
    "train": (
        "validate_every",
        "checkpoint_every",
        "keep_checkpoints",
        "workers",
        "threads",
        "device",
    ),
    "score": ("workers",),
}


@dataclass(frozen=True, kw_only=True)
class PlayhouseConfig:
    """The embedded data set, drawn from a seed."""

    seed: int
    train_films: int
    val_films: int
    seconds: int
    fps: int
    size_hw: tuple[int, int]

    def __post_init__(self) -> None:
        _at_least(self, train_films=1, val_films=1, seconds=4, fps=2)


@dataclass(frozen=True, kw_only=True)
class FetchConfig:
    """Where AVA comes from, and how much patience fetching has."""

    address: str
    at_once: int
    attempts: int
    wait_sec: float
    stall_sec: float

    def __post_init__(self) -> None:
        _at_least(self, at_once=1, attempts=1, wait_sec=0, stall_sec=0.1)
        if not re.match(r"https?://[^/]", self.address):
            raise ValueError(f"address: '{self.address}' does not begin with https://host")


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
    train: str | None
    val: str


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Where a data set in AVA's format lies."""

    source: SourceConfig | None
    fetch: Literal["ava_v2.1", "ava_v2.2"] | None
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
        _at_least(self, clips_per_sec=0.01)
        if self.test.films and not self.seconds:
            raise ValueError("test.films: needs seconds, the list of those that are scored")


@dataclass(frozen=True, kw_only=True)
class FramesConfig:
    """The frame store: which part of a film, how many frames a second, how large, how packed."""

    film_start_sec: float
    start_sec: float
    end_sec: float | None
    fps: float
    short_side: int
    codec: Literal["jpeg", "h264"]
    quality: int

    def __post_init__(self) -> None:
        _at_least(self, fps=0.1, short_side=16, quality=1, film_start_sec=0)
        _at_least(self, start_sec=self.film_start_sec)
        _at_most(self, quality=100)
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
    fingerprints: str | None

    def __post_init__(self) -> None:
        for name in ("frames", "source_fps", "missing_frames", "clock_start_sec"):
            if getattr(self, name) is not None and getattr(self, name) < 0:
                raise ValueError(f"{name} = {getattr(self, name)} is less than 0")

    @property
    def asks(self) -> bool:
        """Whether there is anything that a film could be wrong in."""
        return any(
            value is not None
            for value in (
                self.frames,
                self.source_fps,
                self.missing_frames,
                self.clock_start_sec,
                self.fingerprints,
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
        _at_least(self, short_side=16, steps=1, batch=1, max_images=1, max_objects=0)
        _share(self, "person_threshold", "object_threshold")
        if not self.classes:
            raise ValueError("classes: needs at least one name, the first is the person")
        if not self.finetune and self.weights == "scratch":
            raise ValueError("finetune: false needs weights, but weights is scratch")


@dataclass(frozen=True, kw_only=True)
class LateralConfig:
    """The connections from the fast to the slow pathway."""

    ratio: int
    kernel: int
    norm: bool
    """Whether BatchNorm and ReLU follow the convolution, as in PySlowFast."""
    bias: bool

    def __post_init__(self) -> None:
        _at_least(self, ratio=1)
        _odd(self, "kernel")
        if self.norm and self.bias:
            raise ValueError("bias: true has no effect before norm: true; one of them is false")


@dataclass(frozen=True, kw_only=True)
class SlowFastConfig:
    """SlowFast at any width and depth; pairs are (slow, fast)."""

    family: Literal["slowfast"]
    span: int
    strides: tuple[int, int]
    stem_stride: int
    stem_pool: bool
    stem_kernels: tuple[int, int]
    stem_channels: tuple[int, int]
    blocks: tuple[int, ...]
    inner_channels: tuple[tuple[int, int], ...]
    outer_channels: tuple[tuple[int, int], ...]
    temporal_kernels: tuple[tuple[int, int], ...]
    spatial_strides: tuple[int, ...]
    dilations: tuple[int, ...]
    lateral: LateralConfig
    pool_padding: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        _clips_and_colours(self)
        _residual_stages(self, kernels="temporal_kernels")
        _odd(self, "stem_kernels")
        slow, fast = self.strides
        if slow % fast or self.span % slow:
            raise ValueError(
                f"strides: {slow} must be a multiple of {fast} and divide the span {self.span}"
            )


@dataclass(frozen=True, kw_only=True)
class I3DConfig:
    """Inception I3D."""

    family: Literal["i3d"]
    span: int
    strides: tuple[int]
    end_point: Literal["Mixed_4f", "Mixed_5c"]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        _clips_and_colours(self)


@dataclass(frozen=True, kw_only=True)
class ResNet3DConfig:
    """C2D and I3D of the Non-local paper: a ResNet of one pathway."""

    family: Literal["resnet3d"]
    span: int
    strides: tuple[int]
    stem_stride: int
    stem_pool: bool
    stem_kernel: int
    stem_channels: int
    blocks: tuple[int, ...]
    inner_channels: tuple[int, ...]
    outer_channels: tuple[int, ...]
    temporal_patterns: tuple[tuple[int, ...], ...]
    temporal_pool: bool
    spatial_strides: tuple[int, ...]
    dilations: tuple[int, ...]
    pool_padding: int
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        _clips_and_colours(self)
        _residual_stages(self, kernels="temporal_patterns")
        _odd(self, "stem_kernel")
        if not all(self.temporal_patterns):
            raise ValueError(
                "temporal_patterns: a stage has no kernel at all; [1] looks at no time"
            )
        if self.temporal_pool and self.span <= self.strides[0]:
            raise ValueError(
                f"temporal_pool: true needs at least 2 frames, but span {self.span} with "
                f"strides {list(self.strides)} gives 1; set it to false for single images"
            )


@dataclass(frozen=True, kw_only=True)
class TorchvisionConfig:
    """A video model of torchvision, without its classifier."""

    family: Literal["torchvision"]
    model: Literal["mvit_v2_s", "swin3d_t", "r3d_18"]
    weights: str
    """Where a run's backbone begins, unless train.init brings another one."""
    span: int
    strides: tuple[int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]

    def __post_init__(self) -> None:
        _clips_and_colours(self)
        known = self.weights in ("scratch", "KINETICS400_V1")
        if not known and not self.weights.endswith((".pth", ".safetensors")):
            raise ValueError(
                f"weights = {self.weights!r}, expected scratch, KINETICS400_V1 (torchvision's, by "
                "name), or a .pth or .safetensors file"
            )


BackboneConfig = SlowFastConfig | I3DConfig | ResNet3DConfig | TorchvisionConfig


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """RoI features, IA and the classifier."""

    roi_resolution: int
    roi_mean_before: bool
    feature_norm: bool
    width: int
    hidden: int
    dropout: float
    empty_slots: Literal["mask", "attend"]
    max_persons: int
    max_objects: int
    positions: Literal["smooth", "zero"]
    zero_output: bool

    def __post_init__(self) -> None:
        _at_least(self, roi_resolution=1, width=1, hidden=1, max_persons=1, max_objects=0)
        _share(self, "dropout")


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """How far the memory features M_t reach (§3.1, §3.3)."""

    reach: int
    """L: clips remembered on each side of the target, one per second in AVA (§4.1)."""
    persons_per_clip: int
    penalty: bool
    """Whether remembered features are weighted by Eq. 2."""
    dtype: Literal["float32", "float16"]

    def __post_init__(self) -> None:
        _at_least(self, reach=0, persons_per_clip=1)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What is minimised."""

    kind: Literal["bce", "focal"]
    focal_gamma: float
    group_weights: dict[str, float]
    missing_pose: Literal["skip", "first"]

    def __post_init__(self) -> None:
        _at_least(self, focal_gamma=0)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The training recipe (§4.1)."""

    init: str
    frozen_norm: bool
    optimizer: Literal["sgd", "adamw"]
    batch: int
    steps: int
    learning_rate: float
    backbone_factor: float
    interaction_factor: float
    keep_maps: bool
    bias_factor: float
    momentum: float
    weight_decay: float
    warmup_steps: int
    warmup_start: float
    schedule: Literal["cosine", "steps"]
    drop_at: tuple[int, ...]
    clip_norm: float | None
    balance: bool
    jitter: bool
    flip: bool
    colour_jitter: bool
    slow_jitter: bool
    max_persons: int
    objects: Literal["groundtruth", "detected"]
    precision: Literal["auto", "float32", "bfloat16"]
    compile: bool
    fused: bool | None
    validate_every: int | None
    checkpoint_every: int
    keep_checkpoints: int
    workers: int
    threads: int
    device: str

    def __post_init__(self) -> None:
        _at_least(
            self,
            batch=1,
            steps=1,
            learning_rate=0,
            backbone_factor=0,
            interaction_factor=0,
            warmup_steps=0,
            max_persons=1,
            checkpoint_every=1,
            keep_checkpoints=1,
            workers=0,
            threads=1,
        )
        _share(self, "warmup_start", "momentum")
        changes = self.flip or self.colour_jitter or self.slow_jitter or self.backbone_factor > 0
        if self.keep_maps and changes:
            raise ValueError(
                "keep_maps: true needs backbone_factor: 0 and flip, colour_jitter and slow_jitter: "
                "false, or a clip's maps change"
            )
        if self.validate_every is not None:
            _at_least(self, validate_every=1)
        if self.schedule == "steps" and any(step >= self.steps for step in self.drop_at):
            raise ValueError(
                f"drop_at: {list(self.drop_at)} goes beyond the last step {self.steps}"
            )


@dataclass(frozen=True, kw_only=True)
class ScoreConfig:
    """Two-pass scoring."""

    batch: int
    objects: Literal["groundtruth", "detected"]
    extend: tuple[float, float]
    precision: Literal["auto", "float32", "bfloat16"]
    workers: int

    def __post_init__(self) -> None:
        _at_least(self, batch=1, workers=0)


@dataclass(frozen=True, kw_only=True)
class FuseConfig:
    """Means of scores: of a run's views (multi-scale testing), and of the runs of ensembles."""

    mean: Literal["arithmetic", "geometric"]
    short_sides: tuple[int, ...]
    flip: bool
    ensembles: dict[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        _each_at_least(self, 16, "short_sides")
        _once_each("short_sides", self.short_sides)
        for name, runs in self.ensembles.items():
            if not re.fullmatch(r"[a-z0-9_]+", name):
                raise ValueError(f"ensembles: '{name}' is not a name of a-z, 0-9 and _")
            _once_each(f"ensembles.{name}", runs)
            for run in runs:
                parse_run(run)


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """The rules of the score."""

    protocol: Literal["paper", "activitynet", "slowfast", "mmaction", "acar"]
    tube_protocol: Literal["voc", "yowo", "act"]
    frames: Literal["all", "annotated"]
    iou: float

    def __post_init__(self) -> None:
        _share(self, "iou")


@dataclass(frozen=True, kw_only=True)
class TableConfig:
    """Rows of a table: run names without seed, and the seeds of each."""

    seeds: tuple[int, ...]
    runs: tuple[str, ...] | dict[str, str | None]
    """Names, or names by the paper's name of the row; a row that is null is left out."""

    def __post_init__(self) -> None:
        if not self.seeds or not self.rows:
            raise ValueError("needs at least one of seeds and runs")
        for run in self.rows:
            parse_run(with_seed(run, 0))

    @property
    def rows(self) -> dict[str, str]:
        """What the paper calls each row, by its run's name; empty where it has no such row."""
        if isinstance(self.runs, tuple):
            return dict.fromkeys(self.runs, "")
        return {run: row for row, run in self.runs.items() if run}


@dataclass(frozen=True, kw_only=True)
class AblationsConfig:
    """What the rows of Table 1 have in common."""

    backbone: str
    variant: str | None
    seeds: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.seeds:
            raise ValueError("seeds: needs at least one")

    def run(self, row: str) -> str:
        """The run of a row, without its seed.

        >>> AblationsConfig(backbone="c2d", variant="paper", seeds=(0,)).run("serial-PO-none")
        'c2d-serial-PO-none-paper'
        """
        return "-".join(filter(None, (self.backbone, row, self.variant)))


@dataclass(frozen=True, kw_only=True)
class Figure5Config:
    """Which training steps are measured by their reach L."""

    clips: int
    reaches: tuple[int, ...]
    joint: tuple[int, ...]

    def __post_init__(self) -> None:
        _at_least(self, clips=1)
        _each_at_least(self, 0, "reaches", "joint")


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All of config.yaml."""

    dataset: str
    playhouse: PlayhouseConfig
    fetch: FetchConfig
    data: DataConfig
    frames: FramesConfig
    check: CheckConfig
    detector: DetectorConfig
    backbones: dict[str, BackboneConfig]
    network: NetworkConfig
    memory: MemoryConfig
    loss: LossConfig
    train: TrainConfig
    score: ScoreConfig
    fuse: FuseConfig
    evaluate: EvaluateConfig
    variants: dict[str, dict[str, Any]]
    paper_data: str | None
    results: TableConfig
    figure5: Figure5Config
    ablations: AblationsConfig
    table1a: dict[str, str | None]
    table1b: dict[str, str | None]
    table1c: dict[str, str | None]
    table1d: dict[str, str | None]
    table1e: dict[str, str | None]
    table1f: dict[str, str | None]

    def __post_init__(self) -> None:
        check_name(self.dataset, "dataset")
        rows = [with_seed(row, 0) for row in (*self.results.rows, *self._ablated())]
        for run in chain(rows, *self.fuse.ensembles.values()):
            name = parse_run(run)
            if name.backbone not in self.backbones:
                raise ValueError(
                    f"{run}: backbone '{name.backbone}' is not one of backbones "
                    f"({', '.join(self.backbones)})"
                )

    def table(self, name: str) -> TableConfig:
        """`results`, or a part of Table 1 such as `table1a`."""
        if name == "results":
            return self.results
        rows = {row: self.ablations.run(run) for row, run in getattr(self, name).items() if run}
        if not rows:
            raise InputError(f"{name}: all of its rows are null in the settings of {self.dataset}")
        return TableConfig(seeds=self.ablations.seeds, runs=dict(rows))

    def _ablated(self) -> Iterator[str]:
        for letter in "abcdef":
            for run in getattr(self, f"table1{letter}").values():
                if run:
                    yield self.ablations.run(run)


def check_name(name: str, where: str) -> None:
    """Names become folders: letters, digits, _ and - only."""
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_-]*", name):
        raise ValueError(f"{where}: '{name}' is not a name of letters, digits, _ and -")


def _at_least(section: Any, **least: int | float) -> None:
    for name, bound in least.items():
        if getattr(section, name) < bound:
            raise ValueError(f"{name} = {getattr(section, name)} is less than {bound}")


def _at_most(section: Any, **most: int | float) -> None:
    for name, bound in most.items():
        if getattr(section, name) > bound:
            raise ValueError(f"{name} = {getattr(section, name)} is more than {bound}")


def _share(section: Any, *names: str) -> None:
    for name in names:
        if not 0 <= getattr(section, name) <= 1:
            raise ValueError(f"{name} = {getattr(section, name)} is outside 0..1")


def _clips_and_colours(backbone: Any) -> None:
    """What every backbone is given: clips of at least one frame, and colours to divide by."""
    _at_least(backbone, span=1)
    _each_at_least(backbone, 1, "strides")
    if any(stride > backbone.span for stride in backbone.strides):
        raise ValueError(
            f"strides: {max(backbone.strides)} is more than the span {backbone.span}, "
            "so that a clip may have no frame"
        )
    if any(part <= 0 for part in backbone.std):
        raise ValueError(f"std: {list(backbone.std)} holds a number that is not above 0")


def _residual_stages(backbone: Any, *, kernels: str) -> None:
    """What the stages of a ResNet must fulfil; `kernels` is the name of their temporal kernels."""
    stages = len(backbone.blocks)
    if not stages:
        raise ValueError("blocks: needs at least one stage")
    per_stage = ("inner_channels", "outer_channels", kernels, "spatial_strides", "dilations")
    for name in per_stage:
        entries = len(getattr(backbone, name))
        if entries != stages:
            raise ValueError(f"{name}: has {entries} entries for the {stages} stages of blocks")
    _each_at_least(backbone, 1, "blocks", "stem_channels", *per_stage)
    _odd(backbone, kernels)
    _at_least(backbone, stem_stride=1, pool_padding=0)
    _at_most(backbone, pool_padding=1)


def _once_each(name: str, values: tuple[Any, ...]) -> None:
    if not values:
        raise ValueError(f"{name}: needs at least one")
    if len(set(values)) < len(values):
        raise ValueError(f"{name}: {list(values)} names one of them twice")


def _odd(section: Any, *names: str) -> None:
    """Kernels over time: an even one would change the number of frames."""
    for name in names:
        for kernel in _flat(getattr(section, name)):
            if kernel < 1 or kernel % 2 == 0:
                raise ValueError(f"{name}: {kernel} is not an odd number of frames (1, 3, 5, ...)")


def _each_at_least(section: Any, bound: int, *names: str) -> None:
    for name in names:
        for number in _flat(getattr(section, name)):
            if number < bound:
                raise ValueError(f"{name}: {number} is less than {bound}")


def _flat(value: Any) -> Iterator[int]:
    """The numbers of a setting that may be a list of lists.

    >>> list(_flat(((1, 3), (5,)))), list(_flat(7))
    ([1, 3, 5], [7])
    """
    if isinstance(value, tuple):
        for item in value:
            yield from _flat(item)
    else:
        yield value
