"""Sections about a run: its network and memory, what is minimised and how, and its scores."""

from dataclasses import dataclass
from typing import Literal

from aia.config.checks import at_least, share


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """RoI features, IA and the classifier."""

    query: Literal["person", "segment"]
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
        at_least(self, roi_resolution=1, width=1, hidden=1, max_persons=1, max_objects=0)
        share(self, "dropout")


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
        at_least(self, reach=0, persons_per_clip=1)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """What is minimised."""

    kind: Literal["bce", "focal", "softmax"]
    focal_gamma: float
    group_weights: dict[str, float]
    missing_pose: Literal["skip", "first"]

    def __post_init__(self) -> None:
        at_least(self, focal_gamma=0)


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
    log_every: int
    validate_every: int | None
    checkpoint_every: int
    keep_checkpoints: int
    workers: int
    threads: int
    processes: int
    nodes: int
    device: str

    def __post_init__(self) -> None:
        at_least(
            self,
            batch=1,
            steps=1,
            learning_rate=0,
            backbone_factor=0,
            interaction_factor=0,
            warmup_steps=0,
            max_persons=1,
            log_every=1,
            checkpoint_every=1,
            keep_checkpoints=1,
            workers=0,
            threads=1,
            processes=1,
            nodes=1,
        )
        share(self, "warmup_start", "momentum")
        changes = self.flip or self.colour_jitter or self.slow_jitter or self.backbone_factor > 0
        if self.keep_maps and changes:
            raise ValueError(
                "keep_maps: true needs backbone_factor: 0 and flip, colour_jitter and slow_jitter: "
                "false, or a clip's maps change"
            )
        if self.validate_every is not None:
            at_least(self, validate_every=1)
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
        at_least(self, batch=1, workers=0)
