"""The section `backbones`: each family that F may be of, and what its stages must fulfil."""

from dataclasses import dataclass
from typing import Any, Literal

from aia.config.checks import at_least, at_most, each_at_least, odd


@dataclass(frozen=True, kw_only=True)
class LateralConfig:
    """The connections from the fast to the slow pathway."""

    ratio: int
    kernel: int
    norm: bool
    """Whether BatchNorm and ReLU follow the convolution, as in PySlowFast."""
    bias: bool

    def __post_init__(self) -> None:
        at_least(self, ratio=1)
        odd(self, "kernel")
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
        odd(self, "stem_kernels")
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
        odd(self, "stem_kernel")
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


def _clips_and_colours(backbone: Any) -> None:
    """What every backbone is given: clips of at least one frame, and colours to divide by."""
    at_least(backbone, span=1)
    each_at_least(backbone, 1, "strides")
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
    each_at_least(backbone, 1, "blocks", "stem_channels", *per_stage)
    odd(backbone, kernels)
    at_least(backbone, stem_stride=1, pool_padding=0)
    at_most(backbone, pool_padding=1)
