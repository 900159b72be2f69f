"""The sections of a run: `network`, `memory`, `loss`, `train`, and `score` for its scores."""

from dataclasses import dataclass
from typing import Literal

from aia.config.checks import at_least, share


@dataclass(frozen=True, kw_only=True)
class NetworkConfig:
    """RoI features, IA and the classifier."""

    query: Literal["person", "segment"]
    """What is classified: person, a box; or segment, the clip as a whole (§6.1)."""
    roi_resolution: int
    """Bins of RoIAlign in each direction, at least 1; 7 in the authors' code."""
    roi_mean_before: bool
    """True: mean over time before RoIAlign, as in the authors' code; false: after it."""
    feature_norm: bool
    """True: LayerNorm on P, O and M before IA. Ours: without it the memory classes of Playhouse
    stay unlearned."""
    width: int
    """Inner width d of IA; the released files have 1024, the paper's parameter count says 512."""
    hidden: int
    """Width of the classifier's two hidden layers; 1024 in the authors' code."""
    dropout: float
    """Share of values dropped in IA and the classifier while training, 0..1; 0.2 in the authors'
    code."""
    empty_slots: Literal["mask", "attend"]
    """Empty slots get no attention (mask), or take part in the softmax as zeros, as in the authors'
    code (attend)."""
    max_persons: int
    """Slots of the P-Block, at least 1; 25 in the authors' code."""
    max_objects: int
    """Slots of the O-Block; 5 in the authors' code."""
    positions: Literal["smooth", "zero"]
    """Initial temporal positions of the M-Block: smooth over time (ours), or zero (the
    authors')."""
    zero_output: bool
    """True: blocks start as the identity, as in the authors' code; ours learn faster without."""

    def __post_init__(self) -> None:
        at_least(self, roi_resolution=1, width=1, hidden=1, max_persons=1, max_objects=0)
        share(self, "dropout")


@dataclass(frozen=True, kw_only=True)
class MemoryConfig:
    """The memory features M_t and the pool Ω they are read from (§3.1, §3.3)."""

    reach: int
    """L: clips remembered on each side of the target, one per second in AVA; 30 in §4.1."""
    persons_per_clip: int
    """Persons (or objects) remembered of each clip, at least 1. §3.1 says "a certain number";
    5 in the authors' code."""
    penalty: bool
    """True: remembered features are weighted by the loss trust of Eq. 2."""
    dtype: Literal["float32", "float16"]
    """Data type of the pool Ω; float16 takes half the memory."""

    def __post_init__(self) -> None:
        at_least(self, reach=0, persons_per_clip=1)


@dataclass(frozen=True, kw_only=True)
class LossConfig:
    """The training loss."""

    kind: Literal["bce", "focal", "softmax"]
    """bce: binary cross-entropy of each class; focal: the released one; softmax: exactly one class
    is true (§6). The paper names none for AVA."""
    focal_gamma: float
    """Exponent of the focal loss, at least 0."""
    group_weights: dict[str, float]
    """Weight of each group of classes in the focal loss; 1 for groups that are not named. The
    authors weigh PERSON_MOVEMENT by 1.2."""
    missing_pose: Literal["skip", "first"]
    """Treatment of a person without a pose label in the focal loss: skip its pose, or train it as
    the first pose, as in the authors' code (first)."""

    def __post_init__(self) -> None:
        at_least(self, focal_gamma=0)


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """The training recipe (§4.1)."""

    init: str
    """Initial weights of the backbone: scratch, pretrain (the run's variant of that name), the name
    of a published backbone, or a file, in which {backbone} stands for the backbone's name."""
    frozen_norm: bool
    """True: BatchNorm statistics are frozen (§4.1) and folded into the convolution."""
    optimizer: Literal["sgd", "adamw"]
    """Optimizer; sgd with momentum in §4.1."""
    batch: int
    """Clips of one step, over all processes and nodes; at least 1."""
    steps: int
    """Number of training steps; 27,500 in §4.1, 110,000 in the released configurations."""
    learning_rate: float
    """Learning rate of the classifier, and of everything without a factor."""
    backbone_factor: float
    """Learning rate of the backbone, as a multiple of `learning_rate`; 0: it stays as it is."""
    interaction_factor: float
    """Learning rate of IA, as a multiple of `learning_rate`; 10 in the released configurations."""
    keep_maps: bool
    """True: compute each clip's feature maps once, before the first step, and keep them (a few MB a
    clip); needs backbone_factor 0 and no flip, colour_jitter or slow_jitter."""
    bias_factor: float
    """Learning rate of biases, as a multiple of that of the weights beside them; 2 in the authors'
    code."""
    momentum: float
    """Momentum of sgd, 0..1."""
    weight_decay: float
    """Weight decay of all but biases; 1e-7 in the authors' code."""
    warmup_steps: int
    """Steps in which the learning rate rises linearly to its full value."""
    warmup_start: float
    """Learning rate at the start of the warm-up, as a share of the full one; 0.25 in the authors'
    code."""
    schedule: Literal["cosine", "steps"]
    """Course of the learning rate: cosine to zero, or divided by 10 at each of `drop_at` (§4.1)."""
    drop_at: tuple[int, ...]
    """Steps at which the schedule `steps` divides the learning rate by 10."""
    clip_norm: float | None
    """Largest norm of the gradient; null: no limit, as in the authors' code."""
    balance: bool
    """True: sample clips by the inverse frequency of their rarest class, with replacement."""
    jitter: bool
    """True: ground-truth boxes are randomly jittered (§4.1), within the authors' ranges."""
    flip: bool
    """True: mirror half of the clips with all their boxes."""
    colour_jitter: bool
    """True: shift hue, saturation and value of each clip at random, within the authors' ranges."""
    slow_jitter: bool
    """True: the slow pathway starts at a random frame of its first stride."""
    max_persons: int
    """Largest number of persons of one clip that are trained on, sampled at random; 10 in the
    authors' code."""
    objects: Literal["groundtruth", "detected"]
    """Object boxes that the O-Block gets in training."""
    precision: Literal["auto", "float32", "bfloat16"]
    """Arithmetic: bfloat16 (autocast) or float32; auto: bfloat16 on a GPU, float32 on a CPU."""
    compile: bool
    """True: compile the backbone with torch.compile; pays off in long runs on a GPU."""
    fused: bool | None
    """True: update all weights in one kernel; null: on a GPU only."""
    log_every: int
    """Steps between lines of metrics.jsonl, at least 1."""
    validate_every: int | None
    """Steps between points of the validation mAP curve, on annotated persons; null: no curve."""
    checkpoint_every: int
    """Steps between checkpoints, at least 1; so much is computed again after an interruption."""
    keep_checkpoints: int
    """Number of checkpoints that are kept, at least 1."""
    workers: int
    """Processes that load clips, for each training process; 0: the training process itself."""
    threads: int
    """CPU threads for arithmetic, over all processes of a node; never more than the machine has."""
    processes: int
    """Processes that train one run together on a node, one for each GPU; `batch` is shared out."""
    nodes: int
    """Nodes that train one run together, with `processes` each (docs/clusters.md)."""
    device: str
    """Device: auto (a GPU if there is one), cpu or cuda."""

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
    """Two-pass scoring: the memory is filled first, then every clip is scored with it."""

    batch: int
    """Clips of one forward pass, at least 1."""
    objects: Literal["groundtruth", "detected"]
    """Object boxes that the O-Block gets where annotated persons are scored."""
    extend: tuple[float, float]
    """Growth of detected persons' boxes for RoIAlign, as shares of width and height; 0.1 and 0.05
    in the authors' code."""
    precision: Literal["auto", "float32", "bfloat16"]
    """Arithmetic, as in `train.precision`; float32 gives the exact scores that are published."""
    workers: int
    """Processes that load clips; 0: the scoring process itself."""

    def __post_init__(self) -> None:
        at_least(self, batch=1, workers=0)
